"""Commands about files: send one, list them, save one."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hedgerow import errors, whole
from hedgerow.blobs import blocks, pictures
from hedgerow.blobs.commands import ASK_BYTES, letters_of
from hedgerow.blobs.exchange import check_size
from hedgerow.cli import secrets
from hedgerow.cli.terminal import AsJson, now_ms, open_polled, print_json, progress, shown
from hedgerow.node import Node


def spoken(size: int) -> str:
    """ "812 bytes", "300 kB", "1.2 MB"."""
    if size < 1_000:
        return f"{size} bytes"
    return f"{round(size / 1_000)} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


def read(path: Path, small: bool, sure: bool) -> tuple[str, bytes]:
    """(name, bytes) of a file to send, after the questions that it needs. FileMissing, FileTooLarge,
    NotSure."""
    size, data = whole.read(path, blocks.FILE_BYTES)
    name = path.name
    asking = size > ASK_BYTES and not sure
    if small or (asking and secrets.at_terminal()):
        less = pictures.smaller(path)
        if less is not None and (
            small or _yes(f"Send this picture with {spoken(len(less))} instead of {spoken(size)}?")
        ):
            name, data, size = f"{path.stem}.jpg", less, len(less)
        elif small and less is None:
            raise errors.NotSmaller(path=path)
    check_size(size)
    if size > ASK_BYTES and asking:
        count = letters_of(size)
        if not secrets.at_terminal() or not _yes(
            f"{spoken(size)} are about {count} letters for the boards. Send it?"
        ):
            raise errors.NotSure(size=spoken(size), count=count)
    return name, data


def _yes(question: str) -> bool:
    return typer.confirm(question, err=True)


def send(node: Node, name: str, path: Path, small: bool, sure: bool, as_json: bool) -> int:
    """Send a file; the number of its letter."""
    file_name, data = read(path, small, sure)
    with progress("Cutting", as_json) as told:
        return node.files.send(name, file_name, data, now_ms(), told)


def files(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Only those of this conversation.")] = None,
    as_json: AsJson = False,
) -> None:
    """List files that were sent or offered, and how much of them is here."""
    node = open_polled(context, as_json)
    found = node.files.all(name)
    node.close()
    if as_json:
        for file in found:
            print_json(**vars(file))
        return
    if not found:
        print("No files yet.")
        return
    table = Table("Number", "With", "File", "Size", "", box=None, pad_edge=False)
    for file in found:
        share = file.here * 100 // max(file.size, 1)
        state = "here" if file.here >= file.size else f"{share} % is here" if file.wanted else "offered"
        table.add_row(str(file.number), shown(file.name), shown(file.file), spoken(file.size), state)
    Console(highlight=False, markup=False, emoji=False).print(table)


def fetch(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help="The file, as `hedgerow files` numbers it.")],
    to: Annotated[Path | None, typer.Option("--to", help="Where to save it; a folder or a name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Save a file; where it is not here yet, ask for it."""
    node = open_polled(context, as_json)
    file, data = node.files.fetch(number, now_ms())
    node.close()
    if data is None:
        if as_json:
            print_json(number=number, saved=None, here=file.here, size=file.size)
        else:
            share = f"{spoken(file.here)} of {spoken(file.size)}"
            print(f"{shown(file.file)} is asked for; {share} are here so far.")
        return
    path = to if to is not None and not to.is_dir() else (to or Path()) / file.file
    with whole.writing(path) as stream:
        stream.write(data)
    if as_json:
        print_json(number=number, saved=str(path), here=file.size, size=file.size)
    else:
        print(f"Saved as {path}.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: hedgerow files Bob")(files)
    app.command(epilog="Example: hedgerow fetch 12 --to pictures")(fetch)
