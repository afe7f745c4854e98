"""The group `hedgerow mesh`: meshes whose key is on this computer."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hedgerow import errors
from hedgerow.boards.meshes import Mesh, for_qr, invitation
from hedgerow.cli import secrets
from hedgerow.cli.inviting import drawn, drawn_code
from hedgerow.cli.terminal import AsJson, confirm, now_ms, open_node, print_json

app = typer.Typer(no_args_is_help=True, help="Meshes: neighbourhoods of boards that share a key.")
MeshName = Annotated[str, typer.Argument(help="The mesh, as `hedgerow mesh list` shows it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
ASKED = "-"

_TELLS = (
    "Who has this can flash boards of {name}, hears its street, and opens links of its boards;"
    " no command takes it back."
)
_TELLS_ADMIN = "With the admin secret they manage it as you do."


@app.callback()
def options() -> None:
    """Meshes: neighbourhoods of boards that share a key."""


def _fields(mesh: Mesh, boards: list[str]) -> dict[str, object]:
    return {
        "name": mesh.name,
        "fingerprint": mesh.fingerprint,
        "admin": mesh.admin is not None,
        "boards": boards,
    }


@app.command(epilog="Example: hedgerow mesh create 'Mill Lane'")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What you call it.")],
    as_json: AsJson = False,
) -> None:
    """Make a mesh: boards that are flashed for it find each other, and nobody else does."""
    node = open_node(context)
    mesh = node.meshes.create(name, now_ms())
    node.close()
    if as_json:
        print_json(**_fields(mesh, []))
    else:
        print(f"{mesh.name} is made; its fingerprint is {mesh.fingerprint}. Its key stays on this computer:")
        print("`hedgerow backup` keeps a copy. Boards that are flashed with --mesh belong to it.")


@app.command(epilog="Example: hedgerow mesh join -")
def join(
    context: typer.Context,
    uri: Annotated[
        str, typer.Argument(help="The invitation, from `hedgerow:` to its last character; - asks for it.")
    ] = ASKED,
    as_json: AsJson = False,
) -> None:
    """Take in the key of a mesh that somebody else made, to flash boards for it."""
    node = open_node(context)
    mesh = node.meshes.join(secrets.ask("The invitation") if uri == ASKED else uri, now_ms())
    node.close()
    if as_json:
        print_json(**_fields(mesh, []))
    else:
        print(f"{mesh.name} is here now; its fingerprint is {mesh.fingerprint}: compare it with who invited.")


@app.command(epilog="Example: hedgerow mesh show 'Mill Lane' --qr")
def show(
    context: typer.Context,
    name: MeshName,
    qr: Annotated[bool, typer.Option("--qr", help="An invitation with the key, as a QR code.")] = False,
    uri: Annotated[bool, typer.Option("--uri", help="An invitation with the key, as text.")] = False,
    admin: Annotated[bool, typer.Option("--admin", help="With the admin secret, too.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Show the boards of a mesh and its fingerprint; its key only with --qr or --uri."""
    node = open_node(context)
    mesh = node.meshes.named(name)
    boards = [board.name for board in node.boards.all() if board.mesh == mesh.id]
    node.close()
    if admin and mesh.admin is None:
        raise errors.NotMaker(name=mesh.name)
    if admin and not (qr or uri):
        raise typer.BadParameter("say --qr or --uri, too", param_hint="--admin")
    if not (qr or uri):
        if as_json:
            print_json(**_fields(mesh, boards))
        else:
            print(f"{mesh.name}, fingerprint {mesh.fingerprint}" + (", made here" if mesh.admin else ""))
            print("  boards: " + (", ".join(boards) or "none that this computer is paired with"))
        return
    if not yes:
        confirm(_TELLS.format(name=mesh.name) + (f" {_TELLS_ADMIN}" if admin else ""))
    text = invitation(mesh, admin)
    if as_json:
        print_json(**_fields(mesh, boards), invitation=text, qr=for_qr(text))
    elif qr:
        sys.stdout.write(drawn(drawn_code(for_qr(text))))
        print("`hedgerow mesh join -` takes what it says.")
    else:
        print(text)


@app.command("list", epilog="Example: hedgerow mesh list --json")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the meshes whose key is here."""
    node = open_node(context)
    boards = node.boards.all()
    meshes = [(mesh, [board.name for board in boards if board.mesh == mesh.id]) for mesh in node.meshes.all()]
    node.close()
    if as_json:
        for mesh, names in meshes:
            print_json(**_fields(mesh, names))
    elif not meshes:
        print("No mesh is here: `hedgerow mesh create NAME` makes one, `hedgerow mesh join -` takes one in.")
    else:
        table = Table("Name", "Fingerprint", "Made here", "Boards", box=None, pad_edge=False)
        for mesh, names in meshes:
            table.add_row(mesh.name, mesh.fingerprint, "yes" if mesh.admin else "no", ", ".join(names))
        Console(highlight=False, markup=False, emoji=False).print(table)


@app.command(epilog="Example: hedgerow mesh leave 'Mill Lane'")
def leave(context: typer.Context, name: MeshName, yes: Yes = False, as_json: AsJson = False) -> None:
    """Forget the key of a mesh. Its boards go on; pairings with them stay."""
    node = open_node(context)
    mesh = node.meshes.named(name)
    if not yes:
        warning = f"The key of {mesh.name} will be lost here."
        if mesh.admin:
            warning += " So will be what lets you manage it as who made it."
        coming = node.rekeyings.of(mesh.name, now_ms())
        if coming is not None and coming.at_ms > now_ms():
            warning += " And so will be the other key, which its boards take soon."
        confirm(warning)
    node.meshes.leave(mesh.name)
    node.close()
    if as_json:
        print_json(left=mesh.name)
    else:
        print(f"{mesh.name} is forgotten here.")


def register(parent: typer.Typer) -> None:
    """Add the commands to ``parent``."""
    parent.add_typer(app, name="mesh")
