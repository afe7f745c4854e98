"""Boards that lose their power all day long: what they acknowledged stays, and ends when it should."""

import random
from functools import partial
from itertools import pairwise

from hedgerow_core.envelope import TTL_MINUTES
from hedgerow_lab.courier import Courier, key
from hedgerow_lab.world import Lab, find_aioble

BOARDS = ("mill", "school", "bridge", "station")
HOURS = 12
ROUND_MS = 15 * 60_000
STAY_MS = 40_000
# What docs/protocol.md allows ("Mesh clock"): a loss of power makes a letter older by 10 minutes at most, or
# younger by the time without power and 11 minutes. Parts of minutes are cut off on each board.
AHEAD_MINUTES = 10
BEHIND_MINUTES = 11
PARTS_MINUTES = 5


def plan_cuts(lab: Lab, dice: random.Random) -> list[tuple[int, int]]:
    """Each board loses its power every one and a half hours or so, for up to 20 minutes: (from, until)."""
    cuts = []
    for board in BOARDS:
        at = 0.0
        while at < HOURS * 3_600_000:
            at += dice.expovariate(1 / 5_400_000)
            back = at + dice.randrange(1_000, 1_200_000)
            lab.at(round(at), partial(lab.power_off, board))
            lab.at(round(back), partial(lab.power_on, board))
            cuts.append((round(at), round(back)))
            at = back
    return cuts


def allowed(cuts: list[tuple[int, int]], start_ms: int, end_ms: int) -> tuple[float, float]:
    """(minutes that a letter of this time may count too many, too few)."""
    felt = [(off, on) for off, on in cuts if off < end_ms and on > start_ms]
    without = sum(on - off for off, on in felt) / 60_000
    return (
        AHEAD_MINUTES * len(felt) + PARTS_MINUTES,
        BEHIND_MINUTES * len(felt) + without + PARTS_MINUTES,
    )


def visit(lab: Lab, board: str, seed: int, ttls: tuple[int, ...] = ()) -> tuple[Courier, list[bytes]]:
    """A courier comes to a board for a while, with a letter of each lifetime class."""
    courier = Courier(lab, board, seed)
    ids = [courier.write(ttl) for ttl in ttls]
    lab.run_until(lab.now_ms + STAY_MS)
    courier.leave()
    return courier, ids


def test_letters_end_neither_early_nor_late_although_all_boards_lose_power_all_day(tmp_path, capsys):
    dice = random.Random(3)
    born: dict[bytes, tuple[int, int]] = {}
    acked: dict[bytes, int] = {}
    seen = late = early = 0
    with Lab(3, workdir=tmp_path, aioble=find_aioble()) as lab:
        for name in BOARDS:
            settings = {"name": name, "mesh_key": key("mesh", ""), "pairing_key": key("pairing", name)}
            lab.add_board(name, settings=settings)
        for a, b in pairwise(BOARDS):
            lab.hear(a, b)
        cuts = plan_cuts(lab, dice)
        for number in range(HOURS * 4):
            lab.run_until(number * ROUND_MS + 10_000)
            now = lab.now_ms
            writer, ids = visit(lab, "mill", number, (0, 1, 2, 3, 4))
            born.update({one: (now, TTL_MINUTES[ttl]) for ttl, one in enumerate(ids)})
            acked.update(dict.fromkeys(writer.acked, lab.now_ms))
            for board in BOARDS:
                reader, _ = visit(lab, board, 1_000 + number)
                for taken_ms, letter in reader.taken:
                    written_ms, ttl = born[letter.id]
                    age = (taken_ms - written_ms) / 60_000
                    ahead, behind = allowed(cuts, written_ms, taken_ms)
                    seen += 1
                    late += age > ttl + behind
                    assert -behind <= letter.age - age <= ahead
                if board == "mill" and reader.statuses + reader.taken:
                    here = {letter.id for _, letter in reader.taken}
                    for one in acked:
                        written_ms, ttl = born[one]
                        ahead, _ = allowed(cuts, written_ms, lab.now_ms)
                        early += one not in here and (lab.now_ms - written_ms) / 60_000 < ttl - ahead
        errors = {name: lab.log(name) for name in BOARDS}
    with capsys.disabled():
        print(f"\n  {len(cuts)} losses of power, {len(acked)} letters acknowledged, {seen} looked at")
    assert not any(errors.values()), errors
    assert len(acked) > 100 and seen > 500
    assert (late, early) == (0, 0)
