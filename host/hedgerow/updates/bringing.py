"""Brings a release to a board, or through it to its mesh, and sees it through."""

import asyncio
import os
from collections.abc import Callable, Mapping

from hedgerow import errors
from hedgerow.boards.managing import Managing, over
from hedgerow.boards.meshes import Mesh
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node
from hedgerow.updates.delivery import Delivery, Stage, State, read
from hedgerow.updates.release import Release
from hedgerow_core import package, service, slot_state
from hedgerow_core.mac import sha256

LONGEST_S = 25 * 60  # pieces, the writing, and a trial of 15 minutes
_LOOK_S = 2.0
_AGAIN_S = 2.0
# What no waiting would mend; everything else may be a board that restarts.
_FOR_GOOD = (
    *(errors.UpdateRefused, errors.UpdateSlow, errors.WrongPairingKey, errors.NoPairingKey, errors.BadUrl),
    *(errors.HomeLocked, errors.NoHome, errors.OtherVersion),
)

Show = Callable[[Stage, float], None]


async def look(keeper: Keeper) -> tuple[State, str]:
    """What a board that is linked says of its firmware, and its name. NoLoader."""
    _, name = await keeper.status()
    try:
        answer = await keeper.ask(bytes((service.UPDATE,)), service.UPDATE_IS)
    except errors.BoardSilent:
        raise errors.NoLoader(name=name) from None  # a firmware from before there were updates
    return read(answer), name


class Bringing:
    """One release for the board of ``keeper``, and with ``everybody`` for its mesh: ``files`` (path ->
    content) and their ``number``. ``now`` gives unix ms."""

    def __init__(
        self,
        node: Node,
        keeper: Keeper,
        now: Callable[[], int],
        files: Mapping[str, bytes],
        number: int,
        downgrade: bool = False,
        everybody: bool = False,
    ) -> None:
        self._node = node
        self._keeper = keeper
        self._now = now
        self._files = files
        self._number = number
        self._downgrade = downgrade
        self._everybody = everybody

    async def run(
        self, show: Show, mesh: str | None = None, trust: bool = False, new_signer: bool = False
    ) -> tuple[str, State, bool]:
        """(name of the board, how it is in the end, whether there was anything to do there).

        ``mesh`` signs, else the board's own. NoLoader, FirmwareNewer, TrustsOther, UpdateRefused, UpdateSlow,
        MeshUnclear, and what signing and links raise.
        """

        async def begin() -> tuple[State, str, Mesh]:
            its = self._mesh(mesh)
            return *(await self._trusted(its, trust, new_signer)), its

        state, name, signing = await self._keeper.linked(begin)
        needed = self._needed(name, state)
        if not needed and not self._everybody:
            return name, state, False
        release = Release(self._node, signing, self._files, self._number, os.urandom, self._downgrade)
        target = package.EVERYBODY if self._everybody else state.board
        leaf, ids = release.give(target, state.next_leaf, self._now())
        delivery = Delivery(name, self._number, leaf, state)
        try:
            state = await self._deliver(delivery, needed, show)
        except errors.UpdateRefused:
            release.forget(ids)
            raise
        if not self._everybody:
            release.forget(ids)
        known = next((one for one in self._node.boards.all() if one.pairing_key == self._keeper.key), None)
        if known is not None:
            self._node.boards.change(known.id, firmware=state.number)
        return name, state, needed

    def _mesh(self, wanted: str | None) -> Mesh:
        """The mesh that is named, the board's own, or the only one here. UnknownMesh, MeshUnclear."""
        if wanted is not None:
            return self._node.meshes.named(wanted)
        key = self._keeper.key
        its = next((board.mesh for board in self._node.boards.all() if board.pairing_key == key), None)
        found = self._node.meshes.all()
        own = [mesh for mesh in found if mesh.id == its]
        if not own and len(found) != 1:
            raise errors.MeshUnclear
        return (own or found)[0]

    async def _trusted(self, mesh: Mesh, trust: bool, new_signer: bool) -> tuple[State, str]:
        """How the board is, once it trusts the signer of ``mesh``."""
        key = self._node.signers.renew(mesh) if new_signer else self._node.signers.key(mesh)
        if key is None or mesh.admin is None:
            raise errors.NotTheSigner(mesh=mesh.name)
        state, name = await look(self._keeper)
        if state.key != sha256(key)[: slot_state.ID_BYTES]:
            if not trust and not new_signer:
                raise errors.TrustsOther(name=name, mesh=mesh.name)
            # Nothing that was signed before comes from somebody's recording.
            first = self._node.signers.next_leaf(mesh) or 0
            await Managing(over(self._keeper)).set_config({"update_key": key, "update_leaf": first})
            state, name = await look(self._keeper)
        return state, name

    def _needed(self, name: str, state: State) -> bool:
        if state.slot == slot_state.NO_SLOT:
            raise errors.NoLoader(name=name)
        if self._downgrade or state.number < self._number:
            return True
        if state.number > self._number:
            raise errors.FirmwareNewer(name=name, theirs=state.number, ours=self._number)
        return False

    async def _deliver(self, delivery: Delivery, needed: bool, show: Show) -> State:
        """Until it runs for good; with nothing to do there, until the board has all of it to hand on."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LONGEST_S

        async def watch() -> State:
            while loop.time() < until:
                state, _ = await look(self._keeper)
                if not needed:
                    await self._keeper.settle()
                    return state
                if delivery.take(state, self._now()) is Stage.DONE:
                    return state
                show(delivery.stage, delivery.here / delivery.pieces)
                await self._keeper.watch(lambda: False, _LOOK_S)
            raise errors.UpdateSlow(minutes=LONGEST_S // 60)

        while True:
            try:
                return await self._keeper.linked(watch)
            except _FOR_GOOD:
                raise
            except errors.UserError:
                if loop.time() >= until:
                    raise
            await asyncio.sleep(_AGAIN_S)
