"""Commands about the log of a conversation: what stands in it, how it hangs together, what is missing."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from hedgerow import errors
from hedgerow.chat import operation as operations
from hedgerow.chat.commands import LoggedEntry
from hedgerow.chat.view import parsed
from hedgerow.cli.terminal import AsJson, clock, open_polled, print_json, progress, shown
from hedgerow.log import Log, interchange
from hedgerow.log import entry as entries
from hedgerow.whole import writing

_SHORT = 12  # characters of a CID that tell entries apart; all begin alike
_LAST = 20
_DOES = {
    operations.REPLY: "answers",
    operations.EDIT: "changes",
    operations.REACT: "reacts to",
    operations.PIN: "pins, or takes off,",
    operations.POLL: "asks",
    operations.POLL_MANY: "asks",
    operations.VOTE: "chooses in",
    operations.NAME: "is called",
    operations.FILE: "has a file",
    operations.STORE: "stores",
}


class _Named(TyperGroup):
    """`hedgerow log Bob` is `hedgerow log show Bob`."""

    default = "show"

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """What is no command is the name of a conversation."""
        if args and args[0] not in self.commands:
            args.insert(0, self.default)
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=_Named, no_args_is_help=True, help="The log of a conversation.")


@app.command(epilog="Example: hedgerow log show Bob --json")
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A contact or a group.")],
    dot: Annotated[bool, typer.Option("--dot", help="Print it as a graph for Graphviz.")] = False,
    all_of_it: Annotated[bool, typer.Option("--all", help="More than the last 20 entries.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the log of a conversation: entries by their ids, who wrote them, and what they follow.

    `hedgerow log Bob` is short for it.
    """
    node = open_polled(context, as_json or dot)
    found = node.chat.log(name)
    gaps = node.gaps(name)
    node.close()
    if as_json:
        for one in found:
            print_json(**vars(one))
        for gap in gaps:
            print_json(missing=gap.author, first=gap.first, last=gap.last, asked=gap.asked)
        return
    if dot:
        print(_graph(name, found), end="")
        return
    table = Table("Id", "Clock", "Author", "Written", "", box=None, pad_edge=False)
    for one in found if all_of_it else found[-_LAST:]:
        table.add_row(one.cid[-_SHORT:], str(one.clock), one.author, clock(one.written_ms), _said(one))
    Console(highlight=False, markup=False, emoji=False).print(table)
    more = "" if all_of_it or len(found) <= _LAST else f", the last {_LAST} of them are shown"
    print(f"{len(found)} {'entry' if len(found) == 1 else 'entries'}{more}.")
    for gap in gaps:
        count = gap.last - gap.first + 1
        print(
            f"{count} of {gap.author} {'is' if count == 1 else 'are'} missing; asked for {gap.asked} times."
        )


class Format(Enum):
    """What the command takes."""

    JSONL = interchange.JSONL
    CAR = interchange.CAR
    ORBITDB = interchange.ORBITDB


@app.command(epilog="Example: hedgerow log export Bob --format car --file bob.car")
def export(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A contact or a group.")],
    file: Annotated[Path, typer.Option("--file", help="Where to; it must not be there yet.")],
    form: Annotated[Format, typer.Option("--format", help="JSON lines, CAR, or CAR for OrbitDB.")],
    as_json: AsJson = False,
) -> None:
    """Write the log of a conversation to a file, unsealed. For OrbitDB you sign for all authors."""
    node = open_polled(context, as_json)
    try:
        with writing(file) as stream, progress("Writing", as_json) as told:
            count = node.chat.export(name, form.value, stream, told)
    finally:
        node.close()
    if as_json:
        print_json(entries=count, file=str(file), format=form.value)
    else:
        print(f"{count} {'entry' if count == 1 else 'entries'} in {file}, for everybody to read.")


@app.command("import", epilog="Example: hedgerow log import bob.car --into bob.log")
def import_(
    file: Annotated[Path, typer.Argument(help="JSON lines or CAR, as `hedgerow log export` writes them.")],
    into: Annotated[
        Path | None,
        typer.Option("--into", help="A log in a file of its own, or a new one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a log from a file, and join it to one of your own; conversations are not changed by it."""
    opened: list[Log] = []

    def log(name: bytes, signed: bool) -> Log:
        opened.append(Log.open(":memory:" if into is None else into, name, signed=signed))
        return opened[0]

    try:
        with file.open("rb") as stream, progress("Reading", as_json) as told:
            found = interchange.load(stream, log, told)
        joined, entries_now, gaps = found.joined, len(opened[0]), len(opened[0].gaps())
    except OSError as error:
        raise errors.FileMissing(path=file, reason=error.strerror) from None
    finally:
        for one in opened:
            one.close()
    left_out = found.unreadable + len(joined.refused)
    if as_json:
        print_json(
            added=joined.added, known=joined.duplicates, refused=left_out, entries=entries_now, gaps=gaps
        )
    else:
        print(
            f"{joined.added} entries are new, {joined.duplicates} were known, {left_out} left out: ", end=""
        )
        print(f"{entries_now} now, {gaps} missing.")
    if found.damage is not None:
        raise found.damage


def _said(one: LoggedEntry) -> str:
    """What an entry says, in a line."""
    text = one.text
    found = parsed(text) if one.kind == entries.CHAT else None
    if found is not None:
        about = "" if found.target is None else f" {found.target[0].hex()}.{found.target[1]}"
        text = f"({_DOES[found.mark]}{about}) {found.value if found.mark != operations.PIN else ''}"
    return shown(text.splitlines()[0]) if text else "(deleted)"


def _graph(name: str, found: list[LoggedEntry]) -> str:
    lines = [
        "digraph {",
        "  rankdir = BT",
        "  node [shape = box, fontname = sans]",
        f"  label = {_quoted(name)}",
    ]
    for one in found:
        label = _quoted(f"{one.author}: {_said(one)[:40]}")
        lines.append(f'  "{one.cid[-_SHORT:]}" [label = {label}]')
        lines += [f'  "{one.cid[-_SHORT:]}" -> "{parent[-_SHORT:]}"' for parent in one.parents]
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
