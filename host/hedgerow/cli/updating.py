"""hedgerow board update: a newer firmware for one board, or for all of a mesh."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from hedgerow import errors
from hedgerow.boards.managing import Managing, over
from hedgerow.boards.meshes import Mesh
from hedgerow.cli.asking import keeper_for, linked
from hedgerow.cli.board import app as group
from hedgerow.cli.linking import KeyFile, MaybeBoardUrl
from hedgerow.cli.terminal import AsJson, now_ms, open_node, print_json, shown
from hedgerow.flashing import build
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node
from hedgerow.updates import bringing
from hedgerow.updates.bringing import Release
from hedgerow.updates.delivery import Delivery, Stage, State, read
from hedgerow.updates.making import files_of
from hedgerow_core import package, service

_LOOK_S = 2.0
_AGAIN_S = 2.0
_LONGEST_S = 25 * 60  # pieces, the writing, and a trial of 15 minutes
# How a board looks from here while it restarts.
_AWAY = (
    *(errors.LinkLost, errors.BoardSilent, errors.PortMissing, errors.PortLost, errors.PortBusy),
    *(errors.BoardNotInReach, errors.NoLoader),
)
_SLOTS = ("/a", "/b", "nowhere that an update could change")


def update(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The board, as `hedgerow board list` has it.")
    ] = None,
    board: MaybeBoardUrl = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="All boards of the mesh; the board hands it on.")
    ] = False,
    mesh: Annotated[str | None, typer.Option(help="Whose signer signs, where that is not clear.")] = None,
    downgrade: Annotated[
        bool, typer.Option("--downgrade", help="Also where the same or a newer firmware runs.")
    ] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Let the board trust the mesh's signer from now on.")
    ] = False,
    new_signer: Annotated[
        bool, typer.Option("--new-signer", help="Make another signer for the mesh; see `docs/operations.md`.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Only show what runs and what comes.")] = False,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Bring the firmware of this hedgerow to a board, or to its mesh, and wait until it runs well."""
    where = board or name
    if where is None:
        raise typer.BadParameter("name the board", param_hint="NAME")
    node = open_node(context)
    keeper = keeper_for(node, where, key_file)
    if status:
        found, called = asyncio.run(linked(node, keeper, lambda: _look(keeper)))
        node.close()
        _tell(called, found, as_json)
        return
    updating = _Updating(node, keeper, mesh, downgrade, everybody, as_json)
    try:
        asyncio.run(updating.run(trust, new_signer))
    finally:
        node.close()


async def _look(keeper: Keeper) -> tuple[State, str]:
    _, name = await keeper.status()
    try:
        answer = await keeper.ask(bytes((service.UPDATE,)), service.UPDATE_IS)
    except errors.BoardSilent:
        raise errors.NoLoader(name=name) from None  # a firmware from before there were updates
    return read(answer), name


def _tell(name: str, state: State, as_json: bool) -> None:
    if as_json:
        print_json(
            name=name,
            firmware=state.number,
            slot=state.slot,
            trial=state.trial,
            arriving=state.arriving or None,
            pieces_here=state.here,
            pieces=state.pieces,
            failed=state.failed if state.failure else None,
            reason=state.reason,
        )
        return
    print(f"{shown(name)} runs firmware {state.number}, from {_SLOTS[state.slot]}.")
    if state.trial:
        print("It has still to show that it runs well.")
    if state.arriving:
        print(f"Firmware {state.arriving} is on its way: {state.here} of {state.pieces} pieces are there.")
    if state.failure:
        print(f"Firmware {state.failed} was not installed: {state.reason}.")


class _Updating:
    """One run of the command."""

    def __init__(
        self, node: Node, keeper: Keeper, mesh: str | None, downgrade: bool, everybody: bool, as_json: bool
    ) -> None:
        self._node = node
        self._keeper = keeper
        self._wanted_mesh = mesh
        self._downgrade = downgrade
        self._everybody = everybody
        self._as_json = as_json

    async def run(self, trust: bool, new_signer: bool) -> None:
        number = build.number()
        files = files_of(build.firmware())

        async def begin() -> tuple[State, str, Mesh]:
            state, name = await _look(self._keeper)
            mesh = self._mesh()
            key = self._node.signers.renew(mesh) if new_signer else self._node.signers.key(mesh)
            if key is None or mesh.admin is None:
                raise errors.NotTheSigner(mesh=mesh.name)
            if not bringing.trusts(state, key):
                if not trust and not new_signer:
                    raise errors.TrustsOther(name=name, mesh=mesh.name)
                await Managing(over(self._keeper)).set_config({"update_key": key})
                state, name = await _look(self._keeper)
            return state, name, mesh

        state, name, mesh = await linked(self._node, self._keeper, begin)
        release = Release(self._node, mesh, files, number, os.urandom, self._downgrade)
        needed = bringing.check(name, state, number, self._downgrade)
        if not needed and not self._everybody:
            self._say(name, state, f"{shown(name)} runs firmware {number} already.")
            return
        target = package.EVERYBODY if self._everybody else state.board
        leaf, ids = release.give(target, state.next_leaf, now_ms())
        delivery = Delivery(name, number, leaf, state)
        try:
            state = await self._deliver(delivery, needed)
        except errors.UpdateRefused:
            release.forget(ids)
            raise
        if not self._everybody:
            release.forget(ids)
        more = " Its mesh gets it from board to board." if self._everybody else ""
        self._say(name, state, f"{shown(name)} runs firmware {number}.{more}")

    def _mesh(self) -> Mesh:
        """The mesh that is named, the board's own, or the only one here. UnknownMesh, MeshUnclear."""
        if self._wanted_mesh is not None:
            return self._node.meshes.named(self._wanted_mesh)
        key = self._keeper.key
        its = next((board.mesh for board in self._node.boards.all() if board.pairing_key == key), None)
        found = self._node.meshes.all()
        own = [mesh for mesh in found if mesh.id == its]
        if not own and len(found) != 1:
            raise errors.MeshUnclear
        return (own or found)[0]

    async def _deliver(self, delivery: Delivery, needed: bool) -> State:
        """Until it runs for good; with nothing to do there, until the board has all of it to hand on."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _LONGEST_S
        with self._bar(delivery.stage) as show:
            while True:
                with contextlib.suppress(*_AWAY):

                    async def watch() -> State:
                        while True:
                            state, _ = await _look(self._keeper)
                            if not needed:
                                await self._keeper.settle()
                                return state
                            if delivery.take(state, now_ms()) is Stage.DONE:
                                return state
                            show(delivery.stage, delivery.here / delivery.pieces)
                            if loop.time() > until:
                                raise errors.UpdateSlow(minutes=_LONGEST_S // 60)
                            await self._keeper.watch(lambda: False, _LOOK_S)

                    return await linked(self._node, self._keeper, watch)
                if loop.time() > until:
                    raise errors.UpdateSlow(minutes=_LONGEST_S // 60)
                await asyncio.sleep(_AGAIN_S)  # it restarts

    @contextlib.contextmanager
    def _bar(self, stage: Stage) -> Iterator[Callable[[Stage, float], None]]:
        told = [stage]
        columns = (TextColumn("{task.description}"), BarColumn(20), TaskProgressColumn())
        quiet = self._as_json or not sys.stdout.isatty()
        with Progress(*columns, transient=True, disable=quiet) as progress:
            task = progress.add_task(stage.value, total=1.0)

            def show(now: Stage, part: float) -> None:
                progress.update(task, description=now.value, completed=part)
                if now is not told[0]:
                    told[0] = now
                    if self._as_json:
                        print_json(stage=now.name.lower())
                    elif quiet:
                        print(f"  {now.value}", flush=True)

            yield show

    def _say(self, name: str, state: State, sentence: str) -> None:
        if self._as_json:
            print_json(
                name=name, firmware=state.number, slot=state.slot, trial=state.trial, all=self._everybody
            )
        else:
            print(sentence)


def register() -> None:
    """Add the command to `hedgerow board`."""
    group.command(epilog="Example: hedgerow board update mill")(update)
