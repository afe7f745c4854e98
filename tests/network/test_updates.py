"""Updates in the lab: boards that run from files on their flash, and what goes wrong on the way."""

from itertools import pairwise
from pathlib import Path

import pytest

from hedgerow.flashing.build import number
from hedgerow_core import slot_state
from hedgerow_lab.courier import Courier, key
from hedgerow_lab.updating import Signer, numbers_of, release
from hedgerow_lab.world import Lab, find_aioble

OLD = number()
NEW = OLD + 1
MINUTE = 60_000
READY_MS = 15_000


@pytest.fixture(scope="module")
def newer() -> dict[str, bytes]:
    return release(NEW)


class Mesh:
    """Boards in a row, each with a courier at its cable, and who signs for them."""

    def __init__(self, folder: Path, names: str, seed: int = 1, **settings: object) -> None:
        self.lab = Lab(seed, workdir=folder, aioble=find_aioble())
        self.signer = Signer()
        for name in names:
            self.add(name, **settings)
        for one, other in pairwise(names):
            self.lab.hear(one, other)
        self.lab.run_until(5_000)
        self.couriers = {name: Courier(self.lab, name, seed) for name in names}
        self.lab.run_until(READY_MS)

    def add(self, name: str, **settings: object) -> None:
        known = {
            "name": name,
            "mesh_key": key("mesh", "meadow"),
            "pairing_key": key("pairing", name),
            "shelf_count": 300,
            "update_key": self.signer.key,
        }
        self.lab.add_board(name, settings={**known, **settings}, in_files=True)

    def states(self) -> dict[str, list[int]]:
        return numbers_of(self.lab, self.couriers)

    def run_minutes(self, minutes: int) -> dict[str, list[int]]:
        """What the boards say after at most so long, or as soon as all run a newer firmware for good."""
        states = self.states()
        for _ in range(minutes):
            if all(run_for_good(state, NEW) for state in states.values()) and states:
                break
            self.lab.run_until(self.lab.now_ms + MINUTE)
            states = self.states()
        return states

    def close(self) -> None:
        self.lab.close()


def run_for_good(state: list[int], wanted: int) -> bool:
    return state[slot_state.NUMBER] == wanted and not state[slot_state.TRIAL]


@pytest.fixture
def mesh(tmp_path, request):
    made = Mesh(tmp_path, getattr(request, "param", "a"))
    yield made
    made.close()


@pytest.mark.parametrize("mesh", ["abc"], indirect=True)
def test_an_update_crosses_two_hops_and_all_boards_run_it(mesh, newer):
    assert all(run_for_good(state, OLD) for state in mesh.states().values())
    mesh.couriers["a"].bring(mesh.signer.update(newer, NEW))
    states = mesh.run_minutes(15)
    assert {name: state[:3] for name, state in states.items()} == {name: [NEW, 1, 0] for name in "abc"}
    assert all(state[slot_state.FAILURE] == slot_state.NO_FAILURE for state in states.values())
