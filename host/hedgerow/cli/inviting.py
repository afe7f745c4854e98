"""The command invite: as text or QR code, with what becomes of the invites that were made."""

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from hedgerow import errors
from hedgerow.cli.terminal import AsJson, clock, now_ms, open_node, print_json
from hedgerow.people.invite import for_qr

if TYPE_CHECKING:
    from segno import QRCode

_HERE = "-"
_BORDER = 2  # cells around it, where every column of the terminal counts
_ENDINGS = ("png", "svg")
_SCALE = 8


class _Inviting(TyperGroup):
    """``--qr`` without a file means the terminal."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for at in range(len(args) - 1, -1, -1):
            if args[at] == "--qr" and (at + 1 == len(args) or args[at + 1].startswith("--")):
                args.insert(at + 1, _HERE)
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_Inviting)


def qr_code(uri: str) -> "QRCode":
    """The invite as a QR code: alphanumeric mode, as small as it goes, with what correction fits in."""
    return drawn_code(for_qr(uri))


def drawn_code(text: str) -> "QRCode":
    """A text in capitals as a QR code."""
    # Only here: it takes time to read, and few commands need it.
    import segno

    return segno.make_qr(text, error="l", mode="alphanumeric", boost_error=True)


def drawn(code: "QRCode") -> str:
    """For a terminal: half a line a cell."""
    drawn = io.StringIO()
    code.terminal(drawn, border=_BORDER, compact=True)
    return drawn.getvalue()


def _write(code: "QRCode", path: Path) -> None:
    drawn = io.BytesIO()
    code.save(drawn, kind=path.suffix.lower().lstrip("."), scale=_SCALE)
    try:
        # Who has it can ask to become a contact.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(file, "wb") as stream:
            stream.write(drawn.getvalue())
    except OSError as error:
        raise errors.PictureNotWritten(path=path, reason=(error.strerror or str(error)).lower()) from None


@app.callback(invoke_without_command=True, epilog="Example: hedgerow invite > for-bob.txt")
def invite(
    context: typer.Context,
    qr: Annotated[
        str | None,
        typer.Option("--qr", metavar="[FILE]", help="As a QR code: shown here, or in a .png or .svg file."),
    ] = None,
    many: Annotated[bool, typer.Option("--many", help="For many people; each waits for your yes.")] = False,
    ask: Annotated[bool, typer.Option("--ask", help="Let whoever uses it wait for your yes.")] = False,
    days: Annotated[int | None, typer.Option("--days", help="For how long it holds, 14 days else.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print an invite: one person who adds it becomes your contact. It holds for 14 days."""
    if context.invoked_subcommand is not None:
        return
    path = Path(qr) if qr not in (None, _HERE) else None
    if path is not None and path.suffix.lower().lstrip(".") not in _ENDINGS:
        raise errors.QrEnding(path=path)
    node = open_node(context)
    uri = node.invite(now_ms(), days, many, ask)
    made = node.people.inviting.open(now_ms())[-1]
    if path is not None:
        try:
            _write(qr_code(uri), path)
        except errors.PictureNotWritten:
            node.people.inviting.withdraw(made.id, now_ms())
            raise
    node.close()
    if as_json:
        print_json(
            invite=uri,
            id=made.id,
            many=made.many,
            ask=made.ask,
            expires_ms=made.expires_ms,
            qr=str(path) if path is not None else for_qr(uri) if qr else None,
        )
    elif path is not None:
        print(f"The QR code is in {path}; it holds until {clock(made.expires_ms)}.")
    elif qr is not None:
        sys.stdout.write(drawn(qr_code(uri)))
        print(f"Invite {made.id} holds until {clock(made.expires_ms)}. `hedgerow add` takes what it says.")
    else:
        print(uri)


@app.command("list", epilog="Example: hedgerow invite list --json")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the invites that still hold."""
    node = open_node(context)
    found = node.people.inviting.open(now_ms())
    node.close()
    if as_json:
        for one in found:
            print_json(
                id=one.id,
                many=one.many,
                ask=one.ask,
                used=one.used,
                made_ms=one.made_ms,
                expires_ms=one.expires_ms,
                introduction=one.introduced,
                group=one.group,
            )
    elif not found:
        print("No invite holds now: `hedgerow invite` makes one.")
    else:
        table = Table("Id", "For", "Asks first", "Used", "Holds until", box=None, pad_edge=False)
        for one in found:
            whom = "an introduction" if one.introduced else "many" if one.many else "one"
            whom = f"members of {one.group}" if one.group else whom
            table.add_row(one.id, whom, "yes" if one.ask else "no", str(one.used), clock(one.expires_ms))
        Console(highlight=False, markup=False, emoji=False).print(table)


@app.command(epilog="Example: hedgerow invite withdraw 1f0c92ab")
def withdraw(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="The invite, as `hedgerow invite list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Let an invite hold no more: its keys are erased, and who uses it is not heard."""
    node = open_node(context)
    node.people.inviting.withdraw(id, now_ms())
    node.close()
    if as_json:
        print_json(withdrawn=id)
    else:
        print("Withdrawn. Who asked with it before still waits in `hedgerow requests`.")


def register(parent: typer.Typer) -> None:
    """Add the commands to ``parent``."""
    parent.add_typer(app, name="invite")
