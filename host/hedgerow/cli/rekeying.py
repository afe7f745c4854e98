"""Another key for a whole mesh: mesh rekey, mesh keys."""

from typing import Annotated

import typer

from hedgerow import errors
from hedgerow.care import rekeying, words
from hedgerow.care.rekeying import Rekeying
from hedgerow.cli import meshes
from hedgerow.cli.conversations import duration_of
from hedgerow.cli.terminal import AsJson, clock, confirm, now_ms, open_node, print_json


def rekey(
    context: typer.Context,
    name: meshes.MeshName,
    how_soon: Annotated[
        str, typer.Option("--in", help="When the new key holds, the same minute everywhere: 1h, 2d.")
    ] = "1h",
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="BOARD", help="A board that is not to get it; repeat for several."),
    ] = None,
    yes: meshes.Yes = False,
    as_json: AsJson = False,
) -> None:
    """Give all boards of a mesh another key, over the mesh. Who has only the old one is out then."""
    minutes = duration_of(how_soon)
    if minutes < rekeying.LEAST_MINUTES:
        raise errors.RekeyTooSoon(minutes=rekeying.LEAST_MINUTES)
    node = open_node(context)
    mesh = node.meshes.named(name)
    if not yes:
        confirm(
            f"In {how_soon} the boards of {mesh.name} that did not get the new key by then are out of it,"
            " and so is everybody who joined it: they need a new invitation."
        )
    at_ms = (now_ms() // 60_000 + minutes) * 60_000
    found = node.rekeyings.begin(mesh.name, at_ms, without or [], now_ms())
    node.close()
    _tell_keys(found, as_json)


def keys(context: typer.Context, name: meshes.MeshName, as_json: AsJson = False) -> None:
    """Show which boards of a mesh have the key that `mesh rekey` sent."""
    node = open_node(context)
    node.poll(now_ms())
    found = node.rekeyings.of(name, now_ms())
    mesh = node.meshes.named(name)
    node.close()
    if found is None:
        if as_json:
            print_json(name=mesh.name, fingerprint=mesh.fingerprint, at_ms=None, boards={})
        else:
            print(f"{mesh.name} has the key that it was made with, or joined with: {mesh.fingerprint}.")
    else:
        _tell_keys(found, as_json)


def _tell_keys(found: Rekeying, as_json: bool) -> None:
    if as_json:
        print_json(
            name=found.mesh,
            fingerprint=found.fingerprint,
            at_ms=found.at_ms,
            boards=found.boards,
            missing=found.missing,
        )
        return
    holds = "holds since" if found.at_ms <= now_ms() else "holds from"
    print(f"The key {found.fingerprint} of {found.mesh} {holds} {clock(found.at_ms)}.")
    for board, state in found.boards.items():
        print(f"  {board:<20} {'has it' if state == words.ANSWERED else state}")
    if found.missing:
        print(
            "Who does not have it then gets it from a computer that comes by: `hedgerow sync --board NAME`;"
        )
        print(f"those with {rekeying.NO_WAY} need `hedgerow flash --mesh` once it holds.")


def register() -> None:
    """Add the commands to `hedgerow mesh`."""
    meshes.app.command(epilog="Example: hedgerow mesh rekey 'Mill Lane' --in 2h --without stolen")(rekey)
    meshes.app.command(epilog="Example: hedgerow mesh keys 'Mill Lane'")(keys)
