"""`hedgerow board update` as the host does it, over a cable and over Bluetooth, in virtual time."""

from itertools import pairwise

import pytest
from ble_support import MESH, Someone, finding_of, pairing_of, run

from hedgerow import errors, links
from hedgerow.boards.managing import Managing, over
from hedgerow.boards.meshes import Mesh, invitation
from hedgerow.flashing.build import firmware, number
from hedgerow.updates.bringing import Bringing, look
from hedgerow.updates.delivery import Stage
from hedgerow.updates.making import files_of
from hedgerow_core import slot_state
from hedgerow_lab.cable_port import CablePort
from hedgerow_lab.updating import APP, compiled_app, release
from hedgerow_lab.world import Lab, find_aioble

OLD = number()
NEW = OLD + 1
FLASH_BLOCKS = 256


@pytest.fixture(scope="module")
def newer():
    return release(NEW)


class Street:
    """Boards in a row that trust Ann, who made their mesh; her computer hears the first."""

    def __init__(self, folder, names, trusts=True):
        self.lab = Lab(1, workdir=folder / "lab", aioble=find_aioble())
        self.ann = Someone(self.lab, "Ann", folder, [names[0]])
        made = Mesh(0, "meadow", MESH, b"admin".ljust(32), None, 0)
        mesh = self.ann.node.meshes.join(invitation(made, admin=True), self.ann.now())
        key = self.ann.node.signers.key(mesh)
        for name in names:
            settings = {
                "name": name,
                "mesh_key": MESH,
                "pairing_key": pairing_of(name),
                "finding": finding_of(name),
                "shelf_count": 1_000,
                **({"update_key": key} if trusts else {}),
            }
            board = self.lab.add_board(name, settings=settings, in_files=True)
            board.machine.flash_blocks = FLASH_BLOCKS
            board.flash_path.write_bytes(b"\xff" * (4_096 * FLASH_BLOCKS))
        for one, other in pairwise(names):
            self.lab.hear(one, other)
        self.lab.run_until(3_000)
        self.ann.know(names[0])
        self.shown = []

    def bring(self, keeper, files, number=NEW, everybody=False, downgrade=False, **more):
        bringing = Bringing(self.ann.node, keeper, self.ann.now, files, number, downgrade, everybody)
        show = lambda stage, part: self.shown.append((stage, part))  # noqa: E731
        return run(self.lab.clock, bringing.run(show, **more))

    def keeper(self):
        return self.ann.keeper("ble:mill")

    def close(self):
        self.lab.close()
        self.ann.node.close()


@pytest.fixture
def street(tmp_path, request):
    made = Street(tmp_path, **getattr(request, "param", {"names": ["mill"]}))
    yield made
    made.close()


def test_an_update_over_bluetooth_is_seen_through_to_its_end(street, newer):
    name, state, needed = street.bring(street.keeper(), newer)
    assert (name, state.number, state.trial, state.slot, needed) == (
        "mill",
        NEW,
        False,
        slot_state.SLOT_B,
        True,
    )
    assert street.ann.node.boards.named("mill").firmware == NEW
    stages = [stage for stage, _ in street.shown]
    assert stages[0] is Stage.GIVING and stages[-1] is Stage.TRYING
    assert all(0 <= part <= 1 for _, part in street.shown)
    assert street.ann.node.shelf.count() == 0
    # Once more there is nothing to do; an older one is refused, unless it is asked for.
    assert street.bring(street.keeper(), newer)[2] is False
    with pytest.raises(errors.FirmwareNewer, match="--downgrade"):
        street.bring(street.keeper(), files_of(firmware()), OLD)
    assert street.bring(street.keeper(), files_of(firmware()), OLD, downgrade=True)[1].number == OLD


def test_an_update_over_the_cable_goes_on_after_the_cable_was_pulled(street, newer, monkeypatch):
    async def open_port(url, *more, **others):
        yield CablePort(street.lab, "mill")

    monkeypatch.setattr(links, "ways", open_port)
    cut = []

    def pull():
        cut.append(True)
        street.lab.boards["mill"].power_off()
        street.lab.boards["mill"].power_on()

    street.lab.at(street.lab.now_ms + 12_000, pull)
    keeper = street.ann.keeper("serial:mill", [pairing_of("mill")])
    _, state, _ = street.bring(keeper, newer)
    assert cut and (state.number, state.trial) == (NEW, False)


@pytest.mark.parametrize("street", [{"names": ["mill", "school", "pond"]}], indirect=True)
def test_an_update_for_all_reaches_boards_two_hops_away(street, newer):
    name, state, _ = street.bring(street.keeper(), newer, everybody=True)
    assert (name, state.number) == ("mill", NEW)
    street.lab.run_until(street.lab.now_ms + 8 * 60_000)
    for other in ("school", "pond"):
        assert any(f"firmware {NEW} runs well" in line for line in _journal(street.lab, other))


def _journal(lab, name):
    return (lab.boards[name].nvs_path / "hedgerow.journal.b").read_text(errors="replace").splitlines()


@pytest.mark.parametrize("street", [{"names": ["mill"], "trusts": False}], indirect=True)
def test_a_board_that_trusts_nobody_is_told_whom_to_trust_by_its_owner_only_when_asked(street, newer):
    with pytest.raises(errors.TrustsOther, match="--trust"):
        street.bring(street.keeper(), newer)
    mesh = street.ann.node.meshes.all()[0]
    for _ in range(3):
        street.ann.node.signers.sign(mesh, b"an older update")
    assert street.bring(street.keeper(), newer, trust=True)[1].number == NEW

    async def settings():
        keeper = street.keeper()
        await keeper.open()
        try:
            return await Managing(over(keeper)).config()
        finally:
            await keeper.close()

    # Older ones that somebody kept do not come back, whatever the board forgets.
    assert run(street.lab.clock, settings())["update_leaf"] == 3


def test_a_board_that_goes_back_says_why_and_the_command_does_not_wait_for_ever(street, newer):
    bad = {**newer, APP: compiled_app("raise RuntimeError('bad firmware')")}
    with pytest.raises(errors.UpdateRefused, match="did not run well"):
        street.bring(street.keeper(), bad)

    async def state():
        keeper = street.keeper()
        await keeper.open()
        try:
            return (await look(keeper))[0]
        finally:
            await keeper.close()

    found = run(street.lab.clock, state())
    assert (found.number, found.trial, found.slot) == (OLD, False, slot_state.SLOT_A)
    assert found.reason == "it did not run well there, and the board went back to what it had"
    assert street.ann.node.shelf.count() == 0
    assert street.bring(street.keeper(), newer)[1].number == NEW
