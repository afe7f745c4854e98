"""A whole update on a busy board with a full shelf in the smallest heap: it comes, is installed, and runs."""

import random

import pytest
from test_memory_manage import CLOCK, FULL, Owner

from hedgerow.flashing.build import number
from hedgerow_board.flash import FlashStore
from hedgerow_core import envelope, limits, service, slot_state
from hedgerow_core.shelf import Shelf
from hedgerow_lab import memory
from hedgerow_lab.memory import SUBJECT, Trial
from hedgerow_lab.updating import Signer, release

# An update changes files: the code of such a board lies in the heap, some 40,000 bytes, not in ROM.
HEAP_BYTES = 102_400 + 40_200
LETTERS = 600
NEIGHBOURS = 12
OLD = number()
NEW = OLD + 1
STEP_MS = 20_000
STEPS = 180  # an hour: on a full shelf a neighbour that is new has a small share


def shelf_of(folder, dice):
    """The files of a full shelf, whose letters were written in the last days."""
    folder.mkdir()
    shelf = Shelf(FlashStore(str(folder)), CLOCK, 0, LETTERS, 10**6)
    for age in range(LETTERS):
        body = dice.randbytes(envelope.padded_body_size(165))
        letter = envelope.make(envelope.NORMAL, 15, dice.randbytes(limits.LOCK_BYTES), body)
        shelf.put(letter.carried(3, 20 + 2 * age), 0)
    shelf.flush(0)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def newer():
    return release(NEW)


@pytest.mark.parametrize(("way", "seed"), [("cable", 1), ("neighbour", 2)])
def test_a_busy_board_with_600_letters_and_three_links_in_100_kilobytes_takes_an_update(
    tmp_path, newer, way, seed
):
    signer = Signer("")
    settings = {**FULL, "update_key": signer.key}
    shelf = shelf_of(tmp_path / "shelf", random.Random(seed))
    trial = Trial(HEAP_BYTES, LETTERS, NEIGHBOURS, seed, tmp_path / "lab", settings, shelf, in_files=True)
    try:
        owner = Owner(trial)
        owner.until_busy(trial.hosts)
        update = signer.update(newer, NEW)
        giver = trial.hosts[0 if way == "cable" else 1]
        giver.bring(update)
        host, written, state = trial.hosts[0], set(), []
        for step in range(STEPS):
            # Letters come from everywhere; a board that restarts need not answer at once.
            written.add(trial.hosts[step % 3].write())
            if step % 3 == 0:
                host.ask(bytes((service.UPDATE,)))
            trial.lab.run_until(trial.lab.now_ms + STEP_MS)
            if service.UPDATE_IS in host.answers:
                state = slot_state.decode_state(host.answers[service.UPDATE_IS])[0]
                if state[slot_state.NUMBER] == NEW and not state[slot_state.TRIAL]:
                    break
        assert state[slot_state.NUMBER] == NEW and not state[slot_state.TRIAL], state
        owner.until_busy(trial.hosts)
        assert owner.letter()
        # One start for the heap that installing needs, at most, out of it again, and the trial.
        board = trial.lab.boards[SUBJECT]
        assert len(board.causes) <= 3 and not trial._deaths
        assert not any("MemoryError" in line for line in trial.lab.log(SUBJECT))
        acked = {identity for host in trial.hosts for identity in host.acked}
        assert len(acked & written) > len(written) * 9 // 10, "letters did not flow"
    finally:
        trial.lab.close()


def test_the_heap_of_that_board_is_as_small_as_the_smallest_with_its_code_in_rom(tmp_path):
    free = {}
    for in_files in (False, True):
        heap = HEAP_BYTES if in_files else 102_400
        folder = tmp_path / str(in_files)
        trial = Trial(heap, LETTERS, memory._LIVE, 1, folder, dict(FULL), {}, in_files=in_files)
        try:
            trial.lab.run_until(20_000)
            trial.hosts[0].ask()
            trial.lab.run_until(25_000)
            free[in_files] = trial.hosts[0].statuses[-1][5]
        finally:
            trial.lab.close()
    assert abs(free[True] - free[False]) < 2_048, free
