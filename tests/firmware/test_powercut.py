"""Nothing that a board acknowledged is lost when its power goes, and the tool that says so can say no."""

import json
import random
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from hedgerow_lab.cli import app
from hedgerow_lab.powercut import chain, cycle, image, letters
from hedgerow_lab.powercut.chain import Tally
from hedgerow_lab.powercut.image import BLOCK_BYTES, ERASE, PROGRAM, Operation
from hedgerow_lab.powercut.ledger import KEPT, Ledger
from hedgerow_lab.powercut.life import Bench, Make, Reply, Report
from hedgerow_lab.powercut.plan import Plan, Verb


def powercut(*arguments):
    """Exit status and the JSON line of the command."""
    done = CliRunner().invoke(app, ["powercut", *arguments, "--json"])
    return done.exit_code, json.loads(done.stdout.splitlines()[0])


def test_no_acknowledged_letter_is_lost_in_200_cuts():
    status, told = powercut("--cuts", "200", "--seed", "1")
    assert told["failed"] == [] and status == 0
    assert told["cuts"] == 200
    wrong = ("lost_acknowledged", "unmountable", "never_put", "came_back", "failed_writes")
    assert [told[name] for name in wrong] == [0] * len(wrong)
    # The cuts were where it hurts.
    assert told["acknowledged"] > 1_000 and told["compactions"] > 20 and told["moves"] > 20
    assert {"put", "flush", "compaction"} <= set(told["cuts_in"])
    assert told["cuts_in"].get("format", 0) + told["cuts_in"].get("boot", 0) > 0
    assert sum(told["cuts_in"].values()) == 200
    assert told["boot_reads_p95"] > 0 and told["boot_ms_p95"] > 0


def test_the_power_may_go_at_any_operation_of_a_compaction():
    with Bench(Make()) as bench:
        recorded = cycle.record(bench, 1)
        compaction = [
            number for number, logged in enumerate(recorded.operations, 1) if logged.phase == "compaction"
        ]
        # The last stretch: by then old letters have to move.
        last = compaction[-1]
        first = next((b for a, b in reversed(list(pairwise(compaction))) if b > a + 1), compaction[0])
        tally = cycle.run(bench, recorded, max(first, last - 60), last, lambda: None)
    assert recorded.report.moves > 5 and last - first > 5
    assert tally.failed == []
    assert tally.cuts_in == {"compaction": tally.cuts} and tally.cuts > 0
    assert len(tally.boot_us) == tally.cuts


def test_the_power_may_go_at_any_operation_of_the_first_start():
    with Bench(Make()) as bench:
        recorded = cycle.record(bench, 2)
        starting = [logged for logged in recorded.operations if logged.phase in ("format", "boot")]
        tally = cycle.run(bench, recorded, 1, len(starting) + 3, lambda: None)
    assert tally.failed == [] and tally.cuts == len(starting) + 3 > 5


def test_a_run_can_be_had_again():
    timings = ("boot_ms_p95", "wall_s")
    runs = [powercut("--cuts", "15", "--seed", "7")[1] for _ in range(2)]
    for told in runs:
        for name in timings:
            del told[name]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("fault", "finding"), [("flush", "lost_acknowledged"), ("drop", "came_back"), ("bytes", "never_put")]
)
def test_a_broken_store_is_found(fault, finding):
    status, told = powercut("--cuts", "20", "--break", fault)
    assert status == 1 and told[finding] > 0
    assert told["failed"] and all(line.startswith("Seed 1, before cut ") for line in told["failed"])


def test_a_flash_that_cannot_be_mounted_is_counted():
    with Bench(Make()) as bench:
        board = chain.filled(bench, 1)
        board.image[: 2 * BLOCK_BYTES] = bytes(2 * BLOCK_BYTES)
        tally = Tally()
        board.live(Plan(board.minute), tally, "Here")
        assert tally.unmountable == 1
        assert tally.failed[0].startswith("Here: the board does not start: OSError")


def test_an_unknown_fault_is_one_sentence():
    done = CliRunner().invoke(app, ["powercut", "--break", "everything"])
    assert done.exit_code == 2


@pytest.mark.parametrize("seed", range(20))
def test_half_an_operation_stays_in_its_place(seed):
    dice = random.Random(seed)
    before = bytearray(dice.randbytes(3 * BLOCK_BYTES))
    before[5000:5100] = b"\xff" * 100
    after = bytearray(before)
    data = dice.randbytes(100)
    image.tear(after, Operation(PROGRAM, 5000, data), dice)
    assert after[:5000] == before[:5000] and after[5100:] == before[5100:]
    assert all(new & wanted == wanted for new, wanted in zip(after[5000:5100], data, strict=True))
    after = bytearray(before)
    image.tear(after, Operation(ERASE, BLOCK_BYTES), dice)
    assert after[:BLOCK_BYTES] == before[:BLOCK_BYTES]
    assert after[2 * BLOCK_BYTES :] == before[2 * BLOCK_BYTES :]


def test_programming_clears_bits_only():
    flash = image.blank(1)
    image.apply(flash, Operation(PROGRAM, 0, b"\x0f"))
    image.apply(flash, Operation(PROGRAM, 0, b"\xf8"))
    assert flash[0] == 0x08
    image.apply(flash, Operation(ERASE, 0))
    assert flash == image.blank(1)


def found(*those):
    """A report of a boot that found these letters."""
    told = {letter.id: letter.envelope.encode().hex() for letter in those}
    return Report("idle", 0, 0, 0, {}, told, [], [], 0, None, "")


def ledger_with(*those):
    ledger = Ledger(100)
    for number, letter in enumerate(those, 1):
        ledger.reply(Verb("put", 0, letter), Reply(KEPT, [], number))
    return ledger


def test_the_ledger_asks_for_what_was_flushed_and_nothing_else():
    dice = random.Random(1)
    one, two, three = (letters.letter(dice, 0) for _ in range(3))
    ledger = ledger_with(one, two)
    assert ledger.copy().judge(found(), [], 0).sentences() == []
    ledger.reply(Verb("flush", 0), Reply(None, [], 2))
    assert len(ledger.copy().judge(found(one), [], 0).lost) == 1
    assert ledger.copy().judge(found(one, two), [], 0).sentences() == []
    assert len(ledger.copy().judge(found(one, two, three), [], 0).strangers) == 1
    # A put that was in progress may be there.
    assert ledger.copy().judge(found(one, two, three), [Verb("put", 0, three)], 0).sentences() == []
    # An acknowledged letter may only go where it is over.
    assert ledger.copy().judge(found(one), [], two.expiry).sentences() == []


def test_the_ledger_knows_when_a_drop_is_sure():
    dice = random.Random(2)
    one, two = (letters.letter(dice, 0) for _ in range(2))
    ledger = ledger_with(one, two)
    ledger.reply(Verb("flush", 0), Reply(None, [], 2))
    drop = Verb("drop", 0, one)
    assert ledger.copy().judge(found(two), [drop], 0).sentences() == []
    ledger.reply(drop, Reply(None, [one.id], 1))
    assert ledger.copy().judge(found(one, two), [], 0).sentences() == []
    ledger.reply(Verb("flush", 0), Reply(None, [], 1))
    assert len(ledger.copy().judge(found(one, two), [], 0).came_back) == 1
    assert ledger.reply(Verb("drop", 0, one), Reply(None, [two.id], 0)).lost


def test_changed_bytes_count_as_lost():
    one = letters.letter(random.Random(3), 0)
    other = one.envelope.carried(one.envelope.hops + 1, one.envelope.age)
    assert one.is_told_by(one.envelope.encode().hex(), 0)
    assert not one.is_told_by(other.encode().hex(), 0)
    assert not one.is_told_by(one.envelope.encode()[:-1].hex(), 0)
    older = one.envelope.carried(one.envelope.hops, one.envelope.age + 2).encode().hex()
    assert one.is_told_by(older, 2) and not one.is_told_by(older, 1)
