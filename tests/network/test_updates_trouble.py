"""Updates where the flash is full, the storage refuses, or the board is in safe mode."""

import random
from pathlib import Path

import pytest
from test_updates import FLASH_BLOCKS, NEW, OLD, Mesh, run_for_good

from hedgerow_core import envelope, slot_state
from hedgerow_lab.updating import release


@pytest.fixture(scope="module")
def newer() -> dict[str, bytes]:
    return release(NEW)


def running(mesh: Mesh, folder: Path, files: dict[str, bytes], name: str = "a") -> None:
    """Let a board run ``files`` at first."""
    for path, data in files.items():
        place = folder / path.replace("/", "-")
        place.write_bytes(data)
        mesh.lab.boards[name].machine.files[f"/a/{path}"] = place


def starts(mesh: Mesh) -> int:
    return len(mesh.lab.boards["a"].causes)


def journal(mesh: Mesh) -> str:
    return (mesh.lab.boards["a"].nvs_path / "hedgerow.journal.b").read_text(errors="replace")


@pytest.mark.parametrize("what", ['store.set_i32("trial", 2 - slot)', 'store.set_blob("update", record)'])
def test_a_storage_that_refuses_the_trial_leaves_the_board_as_it_is_and_it_tries_again(tmp_path, newer, what):
    refuses = f"if __import__('time').ticks_ms() < 300_000:\n        raise OSError(5)\n    {what}"
    if "trial" in what:
        refuses = refuses.replace("\n", "\n    ")
    mesh = Mesh(tmp_path, "a")
    running(mesh, tmp_path, release(OLD, changed=("trial.py", what, refuses)))
    mesh.begin()
    mesh.couriers["a"].bring(mesh.signer.update(newer, NEW))
    mesh.minutes(3)
    state = mesh.state()
    assert run_for_good(state, OLD) and state[slot_state.SLOT] == slot_state.SLOT_A and starts(mesh) == 1
    assert (state[slot_state.FAILURE], state[slot_state.FAILED]) == (slot_state.NOT_WRITTEN, NEW)
    assert state[slot_state.NEXT_LEAF] == 0 and "the update cannot begin: OSError(5,)" in journal(mesh)
    # A start in between finds nothing half done.
    mesh.lab.power_off("a")
    mesh.lab.power_on("a")
    mesh.lab.run_until(mesh.lab.now_ms + 10_000)
    assert run_for_good(mesh.state(), OLD)
    assert run_for_good(mesh.run_minutes(12)["a"], NEW)
    mesh.close()


def test_on_a_full_flash_the_oldest_letters_go_and_no_link_ends(tmp_path):
    mesh = Mesh(tmp_path, "a")
    board = mesh.lab.boards["a"]
    free = tmp_path / "ballast"
    free.write_bytes(bytes(4_096 * (FLASH_BLOCKS - 70)))
    board.machine.files["/ballast"] = free
    mesh.begin()
    host = mesh.couriers["a"]
    links = []
    connect = host._connect
    host._connect = lambda: (links.append(mesh.lab.now_ms), connect())
    dice = random.Random(1)
    letters = []
    for number in range(400):
        body = dice.randbytes(envelope.padded_body_size(900))
        letters.append(envelope.make(envelope.NORMAL, 13, dice.randbytes(12), body))
        host.bring(letters[-1:])
        mesh.lab.run_until(mesh.lab.now_ms + 400)
        if number % 100 == 99:
            host.ask()
            mesh.minutes(0.2)
    mesh.minutes(12)
    assert links == [] and host.connected and starts(mesh) == 1
    held = host.statuses[-1][0]
    assert 20 < held < 300, "the flash was not full"
    # What came last is there, and survives.
    assert letters[-1].id in host.acked
    mesh.lab.power_off("a")
    mesh.lab.power_on("a")
    mesh.minutes(0.5)
    host.ask()
    mesh.minutes(0.2)
    assert host.statuses[-1][0] >= held and starts(mesh) == 2
    mesh.close()


def test_a_board_in_safe_mode_is_mended_by_an_update_over_the_cable(tmp_path, newer):
    place = "        self.carrier = Carrier"
    fails = "        if not journal.safe:\n            raise ValueError('no start')\n" + place
    mesh = Mesh(tmp_path, "a")
    running(mesh, tmp_path, release(OLD, changed=("app.py", place, fails)))
    mesh.begin()
    mesh.minutes(0.5)
    host = mesh.couriers["a"]
    host.ask()
    mesh.minutes(0.1)
    assert host.statuses[-1][10] == 1, "it is not in safe mode"
    update = mesh.signer.update(newer, NEW)
    host.bring(update)
    mesh.minutes(0.4)
    assert not host.acked, "nothing is promised in safe mode"
    assert run_for_good(mesh.run_minutes(9)["a"], NEW)
    host.ask()
    mesh.minutes(0.1)
    assert host.statuses[-1][10] == 0 and "spare" not in mesh.folders()
    mesh.close()
