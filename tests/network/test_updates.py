"""Updates in the lab: boards that run from files on their flash, and what goes wrong on the way."""

import random
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from littlefs import LittleFS

from hedgerow.flashing.build import firmware, number
from hedgerow.updates.making import files_of
from hedgerow_core import envelope, limits, manage, package, service, slot_state
from hedgerow_core.clock import EPOCH_MINUTES
from hedgerow_lab.behaviours import PUT, Script
from hedgerow_lab.courier import Courier, key
from hedgerow_lab.hostile import Hostile
from hedgerow_lab.person import EPOCH_MS
from hedgerow_lab.updating import (
    APP,
    Signer,
    compiled_app,
    head_of,
    numbers_of,
    piece_of,
    release,
)
from hedgerow_lab.world import Lab, find_aioble

OLD = number()
NEW = OLD + 1
MINUTE = 60_000
FLASH_BLOCKS = 256
READY_MS = 15_000
TRIAL_MINUTES = 15
CRASHES = """
import asyncio
async def main():
    await asyncio.sleep({seconds})
    raise RuntimeError("bad firmware")
"""
HANGS = """
import asyncio
async def main():
    await asyncio.sleep({seconds})
    while True:
        pass
"""
SILENT = """
import asyncio
import machine
async def main():
    machine.WDT(timeout=1 << 29)
    await asyncio.sleep(1 << 20)
"""


@pytest.fixture(scope="module")
def newer() -> dict[str, bytes]:
    return release(NEW)


class Mesh:
    """Boards in a row, each with a courier at its cable, and who signs for them."""

    def __init__(self, folder: Path, names: str, seed: int = 1, apart: bool = False) -> None:
        self.lab = Lab(seed, workdir=folder, aioble=find_aioble())
        self.signer = Signer()
        for name in names:
            self.add(name)
        for one, other in pairwise("" if apart else names):
            self.lab.hear(one, other)
        self.couriers: dict[str, Courier] = {}
        self._seed = seed

    def begin(self) -> None:
        self.lab.run_until(5_000)
        self.couriers = {name: Courier(self.lab, name, self._seed) for name in self.lab.boards}
        self.lab.run_until(READY_MS)

    def minutes(self, minutes: float) -> None:
        self.lab.run_until(self.lab.now_ms + round(minutes * MINUTE))

    def state(self, name: str = "a") -> list[int]:
        return numbers_of(self.lab, {name: self.couriers[name]})[name]

    def add(self, name: str, **settings: object) -> None:
        known = {
            "name": name,
            "mesh_key": key("mesh", "meadow"),
            "pairing_key": key("pairing", name),
            "shelf_count": 1_000,
            "update_key": self.signer.key,
        }
        board = self.lab.add_board(name, settings={**known, **settings}, in_files=True)
        board.machine.flash_blocks = FLASH_BLOCKS
        board.flash_path.write_bytes(b"\xff" * (4_096 * FLASH_BLOCKS))

    def states(self) -> dict[str, list[int]]:
        return numbers_of(self.lab, self.couriers)

    def run_minutes(self, minutes: int) -> dict[str, list[int]]:
        """What the boards say after at most so long, or as soon as all run a newer firmware for good."""
        states = self.states()
        for _ in range(minutes):
            if all(run_for_good(state, NEW) for state in states.values()) and states:
                break
            self.minutes(1)
            states = self.states()
        return states

    def folders(self, name: str = "a") -> list[str]:
        """What lies at the top of a board's flash."""
        flash = LittleFS(block_size=4_096, block_count=FLASH_BLOCKS, mount=False)
        flash.context.buffer = bytearray(self.lab.boards[name].flash_path.read_bytes())
        flash.mount()
        return flash.listdir("/")

    def close(self) -> None:
        self.lab.close()


def run_for_good(state: list[int], wanted: int) -> bool:
    return state[slot_state.NUMBER] == wanted and not state[slot_state.TRIAL]


@pytest.fixture
def mesh(tmp_path, request):
    made = Mesh(tmp_path, getattr(request, "param", "a"))
    made.begin()
    yield made
    made.close()


def stays_old(mesh: Mesh, failure: int) -> None:
    state = mesh.state()
    assert run_for_good(state, OLD) and state[slot_state.SLOT] == slot_state.SLOT_A
    assert (state[slot_state.FAILURE], state[slot_state.FAILED]) == (failure, NEW)


# All goes well


@pytest.mark.parametrize("mesh", ["abc"], indirect=True)
def test_an_update_crosses_two_hops_and_all_boards_run_it(mesh, newer):
    assert all(run_for_good(state, OLD) for state in mesh.states().values())
    mesh.couriers["a"].bring(mesh.signer.update(newer, NEW))
    states = mesh.run_minutes(15)
    assert {name: state[:3] for name, state in states.items()} == {name: [NEW, 1, 0] for name in "abc"}
    assert all(state[slot_state.FAILURE] == slot_state.NO_FAILURE for state in states.values())


@pytest.mark.parametrize("for_good", [True, False], ids=["for good", "for a while"])
def test_a_relay_dies_in_the_middle_and_all_others_end_on_the_new_version_while_letters_flow(
    tmp_path, newer, for_good
):
    mesh = Mesh(tmp_path, "abcd", apart=True)
    for one, other in ("ab", "ac", "bd", "cd"):
        mesh.lab.hear(one, other)
    mesh.begin()
    given, arrived = mesh.couriers["a"], mesh.couriers["d"]
    update = mesh.signer.update(newer, NEW)
    given.bring(update)
    # It has some of the pieces then, and gives them on.
    mesh.lab.at(mesh.lab.now_ms + 8_000, lambda: mesh.lab.power_off("b"))
    if not for_good:
        mesh.lab.at(mesh.lab.now_ms + 5 * MINUTE, lambda: mesh.lab.power_on("b"))
    written = []
    for _ in range(60):
        written.append(given.write())
        mesh.lab.run_until(mesh.lab.now_ms + 10_000)
    mesh.minutes(2)
    living = [name for name in "abcd" if mesh.lab.boards[name].powered]
    states = mesh.run_minutes(15)
    assert {name for name, state in states.items() if run_for_good(state, NEW)} == set(living)
    pieces = {piece.id for piece in update}
    assert sorted(letter.id for _, letter in arrived.taken if letter.id not in pieces) == sorted(written)
    mesh.close()


@pytest.mark.parametrize("mesh", ["abc"], indirect=True)
def test_an_update_for_one_board_stays_there_and_both_versions_go_on_talking(mesh, newer):
    mesh.couriers["a"].answers.clear()
    mesh.state()
    _, target, _ = slot_state.decode_state(mesh.couriers["a"].answers[service.UPDATE_IS])
    mesh.couriers["a"].bring(mesh.signer.update(newer, NEW, target))
    mesh.minutes(6)
    states = mesh.states()
    assert [states[name][slot_state.NUMBER] for name in "abc"] == [NEW, OLD, OLD]
    assert [states[name][slot_state.PIECES] for name in "bc"] == [0, 0]
    letters = {mesh.couriers["a"].write(), mesh.couriers["c"].write()}
    mesh.minutes(2)
    for name in "ac":
        assert letters & {letter.id for _, letter in mesh.couriers[name].taken}


def test_a_downgrade_that_was_asked_for_stays_although_the_newer_one_is_still_on_the_shelf(mesh, newer):
    mesh.couriers["a"].bring(mesh.signer.update(newer, NEW))
    assert run_for_good(mesh.run_minutes(8)["a"], NEW)
    older = files_of(firmware())
    mesh.couriers["a"].bring(mesh.signer.update(older, OLD))
    mesh.minutes(3)
    state = mesh.state()
    assert state[slot_state.NUMBER] == NEW and state[slot_state.FAILURE] == slot_state.NOT_NEWER
    mesh.couriers["a"].bring(mesh.signer.update(older, OLD, downgrade=True))
    mesh.minutes(10)
    assert mesh.state()[:3] == [OLD, slot_state.SLOT_A, 0]


# What is not taken


def test_an_older_update_that_somebody_kept_does_not_come_back_to_a_board_that_was_flashed_again(
    tmp_path, newer
):
    mesh = Mesh(tmp_path, "")
    kept = mesh.signer.update(newer, NEW, downgrade=True)
    mesh.add("a", update_leaf=1)
    mesh.begin()
    mesh.couriers["a"].bring(kept)
    mesh.minutes(4)
    state = mesh.state()
    assert run_for_good(state, OLD) and state[slot_state.NEXT_LEAF] == 1
    mesh.couriers["a"].bring(mesh.signer.update(newer, NEW))
    assert run_for_good(mesh.run_minutes(8)["a"], NEW)


def test_an_update_signed_by_somebody_else_is_not_written(mesh, newer):
    mesh.couriers["a"].bring(Signer(who="mallory").update(newer, NEW))
    mesh.minutes(2)
    stays_old(mesh, slot_state.NOT_SIGNED)


def test_an_update_by_the_mesh_is_found_behind_letters_whose_locks_begin_as_its_mark_does(mesh, newer):
    mark = mesh.signer.mark
    letters = []
    for count in range(20):
        lock = mark[:2] + bytes((count,)) * (limits.LOCK_BYTES - 2)
        letters.append(envelope.make(envelope.NORMAL, 13, lock, bytes(envelope.padded_body_size(100))))
    mesh.couriers["a"].bring(letters)
    mesh.minutes(1)
    mesh.couriers["a"].bring(mesh.signer.update(newer, NEW))
    # Nobody asks it.
    mesh.minutes(7)
    assert run_for_good(mesh.state(), NEW)


def test_an_update_of_another_mesh_is_not_even_looked_at(mesh, newer):
    mesh.couriers["a"].bring(Signer("valley", who="ada").update(newer, NEW))
    mesh.minutes(2)
    assert mesh.state()[slot_state.PIECES :] == [0, slot_state.NO_FAILURE, 0]


def opening_changed(mesh: Mesh, files: dict[str, bytes], change) -> list:
    """An update whose head is a member's, for what ``change`` made of the pieces of its opening. Those of the
    files are named by what is signed."""
    *pieces, last = mesh.signer.update(files, NEW)
    head = package.decode_head(last.body, mesh.signer.mark)
    opening, content = pieces[: head.count()], pieces[head.count() :]
    changed = [piece_of(body) for body in change([piece.body for piece in opening])]
    ids = b"".join(piece.id for piece in changed)
    total = len(changed) + len(content)
    forged = package.Head(head.number, head.leaf, head.flags, head.target, total, ids)
    return [*changed, *content, head_of(mesh.signer.mark, forged)]


@pytest.mark.parametrize(
    "change",
    [
        lambda bodies: [bodies[0][:-1], *bodies[1:]],
        lambda bodies: [bytes(len(bodies[0])), *bodies[1:]],
        lambda bodies: bodies[:2],
        lambda bodies: bodies[:-1],
        lambda bodies: [*bodies[:6], bodies[6][:300], *bodies[7:]],
        lambda bodies: [*bodies[:5], bytes(len(bodies[5])), *bodies[6:]],
    ],
    ids=[
        "cut signature",
        "no signature",
        "signature only",
        "cut manifest",
        "cut piece",
        "changed piece",
    ],
)
def test_an_update_whose_pieces_a_member_cut_or_changed_is_not_run_and_the_true_one_is(mesh, newer, change):
    mesh.couriers["a"].bring(opening_changed(mesh, newer, change))
    mesh.minutes(3)
    stays_old(mesh, slot_state.NOT_SIGNED)
    assert "b" not in mesh.folders()
    mesh.couriers["a"].bring(mesh.signer.update(newer, NEW))
    assert run_for_good(mesh.run_minutes(8)["a"], NEW)


def test_forged_heads_of_a_member_delay_the_true_update_and_do_no_more(mesh, newer):
    forged = []
    for count in range(40):
        ids = bytes((count,)) * 8 * package.MARK_BYTES
        forged.append(head_of(mesh.signer.mark, package.Head(NEW + count, 900 + count, 0, bytes(8), 20, ids)))
    mesh.couriers["a"].bring(forged)
    mesh.minutes(1)
    mesh.couriers["a"].bring(mesh.signer.update(newer, NEW))
    assert run_for_good(mesh.run_minutes(12)["a"], NEW)


class Forger(Script):
    """A member that puts an update of its own on every link."""

    def __init__(self, update: list) -> None:
        Script.__init__(self, random.Random(1), Counter())
        self._update = update

    def opened(self, now: int) -> list[bytes]:
        messages = []
        for one in self._update:
            data = one.encode()
            for part, at in enumerate(range(0, len(data), limits.SERVICE_BYTES)):
                last = 0x80 if at + limits.SERVICE_BYTES >= len(data) else 0
                messages.append(bytes((PUT, part | last)) + data[at : at + limits.SERVICE_BYTES])
        return messages


def test_a_member_of_the_mesh_that_forges_an_update_gets_nothing_run_and_holds_up_no_true_one(mesh, newer):
    forged = Signer(who="mallory").update({APP: compiled_app("raise RuntimeError('theirs')")}, NEW)
    eve = Hostile(mesh.lab, "eve", key("mesh", "meadow"), 1, lambda: Forger(forged))
    mesh.lab.hear("eve", "a")
    mesh.minutes(3)
    assert eve.talks
    stays_old(mesh, slot_state.NOT_SIGNED)
    mesh.couriers["a"].bring(mesh.signer.update(newer, NEW))
    assert run_for_good(mesh.run_minutes(8)["a"], NEW)


def test_an_update_with_another_number_than_its_head_says_is_not_written(mesh, newer):
    *pieces, last = mesh.signer.update(newer, NEW)
    head = package.decode_head(last.body, mesh.signer.mark)
    forged = package.Head(NEW + 7, head.leaf, head.flags, head.target, head.total, head.ids)
    mesh.couriers["a"].bring([*pieces, head_of(mesh.signer.mark, forged)])
    mesh.minutes(3)
    state = mesh.state()
    assert run_for_good(state, OLD) and state[slot_state.FAILURE] == slot_state.NOT_SIGNED


def test_a_board_without_room_says_so_and_keeps_what_runs(tmp_path, newer):
    mesh = Mesh(tmp_path, "a")
    ballast = tmp_path / "ballast"
    ballast.write_bytes(bytes(700_000))
    mesh.lab.boards["a"].machine.files["/ballast"] = ballast
    mesh.begin()
    mesh.couriers["a"].bring(mesh.signer.update(newer, NEW))
    mesh.minutes(3)
    stays_old(mesh, slot_state.NO_ROOM)
    mesh.close()


# What does not run well


@pytest.mark.parametrize(
    ("source", "minutes"),
    [
        ("raise RuntimeError('bad firmware')", 3),
        ("this is no", 3),
        (CRASHES.format(seconds=60), 4),
        ("while True:\n    pass", 6),
        (HANGS.format(seconds=30), 6),
        (SILENT, TRIAL_MINUTES + 4),
    ],
    ids=[
        "crashes at import",
        "is damaged",
        "crashes after a minute",
        "hangs",
        "hangs later",
        "never says that it is well",
    ],
)
def test_a_bad_update_rolls_back_by_itself_and_is_not_tried_again(mesh, newer, source, minutes):
    board = mesh.lab.boards["a"]
    board.patience_s = 2.0
    app = b"M\x06\x00\x1f" if source == "this is no" else compiled_app(source)
    mesh.couriers["a"].bring(mesh.signer.update({**newer, APP: app}, NEW))
    mesh.minutes(minutes)
    stays_old(mesh, slot_state.DID_NOT_RUN)
    board.patience_s = None
    letter = mesh.couriers["a"].write()
    mesh.minutes(2)
    stays_old(mesh, slot_state.DID_NOT_RUN)
    assert letter in mesh.couriers["a"].acked
    # A good one that is signed anew is taken.
    mesh.couriers["a"].bring(mesh.signer.update(newer, NEW))
    assert run_for_good(mesh.run_minutes(8)["a"], NEW)


def test_a_board_whose_firmware_is_damaged_starts_the_other_folder(tmp_path, newer):
    mesh = Mesh(tmp_path, "a")
    files = mesh.lab.boards["a"].machine.files
    for path, data in newer.items():
        place = tmp_path / path.replace("/", "-")
        place.write_bytes(data)
        files[f"/b/{path}"] = place
    damaged = tmp_path / "damaged"
    damaged.write_bytes(bytes(500))
    files[f"/a/{APP}"] = damaged
    mesh.begin()
    mesh.minutes(4)
    assert mesh.state()[:3] == [NEW, slot_state.SLOT_B, 0]
    mesh.close()


def test_a_firmware_that_ends_badly_only_after_it_ran_well_gives_way_to_the_one_from_before(mesh, newer):
    mesh.couriers["a"].bring(mesh.signer.update(release(NEW, dies_s=200), NEW))
    states = []
    for _ in range(20):
        mesh.minutes(1)
        states.append(mesh.state())
    assert any(run_for_good(state, NEW) for state in states)
    stays_old(mesh, slot_state.DID_NOT_RUN)
    status = mesh.couriers["a"].statuses
    mesh.couriers["a"].ask()
    mesh.minutes(1)
    assert not status[-1][10], "it is in safe mode"
    mesh.couriers["a"].bring(mesh.signer.update(newer, NEW))
    assert run_for_good(mesh.run_minutes(8)["a"], NEW)


# Power


def test_the_power_may_go_at_any_time_of_an_update(tmp_path, newer):
    names = "abcdefgh"
    mesh = Mesh(tmp_path, names, apart=True)
    mesh.begin()
    update = mesh.signer.update(newer, NEW)
    begun = mesh.lab.now_ms
    for courier in mesh.couriers.values():
        courier.bring(update)
    for at, name in enumerate(names):
        # From the arrival of the pieces over the writing of the folder to the trial.
        cut = begun + 4_000 + at * 13_000 + at * 137
        mesh.lab.at(cut, lambda name=name: mesh.lab.power_off(name))
        mesh.lab.at(cut + 2_000, lambda name=name: mesh.lab.power_on(name))
    mesh.minutes(3)
    states = mesh.run_minutes(14)
    assert {name: state[:3] for name, state in states.items()} == {name: [NEW, 1, 0] for name in names}
    mesh.close()


def test_the_power_may_go_at_any_time_of_the_writing(tmp_path, newer):
    names = "abcdefgh"
    mesh = Mesh(tmp_path, names, apart=True)
    mesh.begin()
    update = mesh.signer.update(newer, NEW)
    for courier in mesh.couriers.values():
        courier.bring(update[:-1])
    mesh.lab.run_until(mesh.lab.now_ms + 40_000)
    # All pieces are there: with the head each board begins when it is asked.
    for courier in mesh.couriers.values():
        courier.bring(update[-1:])
    mesh.lab.run_until(mesh.lab.now_ms + 3_000)
    begun = mesh.lab.now_ms
    for at, name in enumerate(names):
        cut = begun + 300 + at * 2_100 + at * 37
        mesh.lab.at(cut, lambda name=name: mesh.lab.power_off(name))
        mesh.lab.at(cut + 2_000, lambda name=name: mesh.lab.power_on(name))
        mesh.couriers[name].ask(bytes((service.UPDATE,)))
    mesh.minutes(2)
    states = mesh.run_minutes(14)
    assert {name: state[:3] for name, state in states.items()} == {name: [NEW, 1, 0] for name in names}
    mesh.close()


def stored(mesh: Mesh, name: str, step_ms: int = 100) -> Iterator[Path]:
    """The file of the board's storage for ``name``, over and over while it goes on."""
    for _ in range(9_000):
        mesh.lab.run_until(mesh.lab.now_ms + step_ms)
        yield mesh.lab.boards["a"].nvs_path / name


def test_an_update_that_ran_well_stays_where_the_power_goes_while_that_is_written_down(mesh, newer):
    mesh.couriers["a"].bring(mesh.signer.update(newer, NEW))
    record = mesh.lab.boards["a"].nvs_path / "hedgerow.update.b"
    before = b""
    for slot in stored(mesh, "hedgerow.slot.i"):
        if slot.exists() and slot.read_bytes() == (slot_state.SLOT_B).to_bytes(4, "little"):
            break
        before = record.read_bytes() if record.exists() else b""
    assert before != record.read_bytes()
    mesh.lab.power_off("a")
    record.write_bytes(before)
    mesh.lab.power_on("a")
    mesh.minutes(8)
    state = mesh.state()
    assert run_for_good(state, NEW) and state[slot_state.FAILURE] == slot_state.NO_FAILURE


@pytest.mark.parametrize("minutes", [0, 1], ids=["at once", "at a minute of its clock"])
def test_another_key_of_the_mesh_within_the_trial_is_no_failure_of_the_update(mesh, newer, minutes):
    host = mesh.couriers["a"]
    host.bring(mesh.signer.update(newer, NEW))
    for trial in stored(mesh, "hedgerow.trial.i"):
        if trial.exists() and trial.read_bytes() == (slot_state.SLOT_B + 1).to_bytes(4, "little"):
            break
    if not minutes:
        mesh.minutes(0.5)
        mesh.state()  # after a start the host has to shake hands again
        assert mesh.state()[slot_state.TRIAL]
    minute = EPOCH_MS // MINUTE - EPOCH_MINUTES + mesh.lab.now_ms // MINUTE + 1
    when = minute if minutes else 0
    host.ask(bytes((service.MANAGE, manage.REKEY)) + when.to_bytes(4, "big") + b"N" * 32)
    mesh.lab.run_until(mesh.lab.now_ms + 400)
    assert host.answers[service.MANAGE_IS] == bytes((service.MANAGE_IS, manage.DONE))
    mesh.minutes(8)
    state = mesh.state()
    assert run_for_good(state, NEW) and state[slot_state.FAILURE] == slot_state.NO_FAILURE


def test_a_trial_that_the_power_ended_three_times_is_given_up(mesh, newer):
    mesh.couriers["a"].bring(mesh.signer.update(newer, NEW))
    for _ in range(4):
        for _ in range(120):
            if mesh.state()[slot_state.TRIAL]:
                break
            mesh.lab.run_until(mesh.lab.now_ms + 3_000)
        mesh.lab.power_off("a")
        mesh.lab.power_on("a")
        mesh.lab.run_until(mesh.lab.now_ms + 8_000)
    mesh.minutes(3)
    stays_old(mesh, slot_state.DID_NOT_RUN)
