"""Commands that make boards: boards, flash."""

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from hedgerow import errors as all_errors
from hedgerow.boards.naming import checked_name
from hedgerow.boards.settings import PROFILES
from hedgerow.cli import accounts
from hedgerow.cli.inviting import drawn, drawn_code
from hedgerow.cli.terminal import AsJson, now_ms, open_node, print_json, shown
from hedgerow.flashing import catalogue, errors, pages, plan, steps
from hedgerow.flashing.ports import Port
from hedgerow.flashing.provision import CODE_DAYS, Wishes
from hedgerow.flashing.steps import Flashing, Request
from hedgerow.node import Node

BoardProfile = Enum("BoardProfile", {name.upper(): name for name in PROFILES})  # type: ignore[misc]


def boards(
    name: Annotated[str | None, typer.Argument(help="Show one whole.", show_default=False)] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="As docs/boards.md has them.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the kinds of boards that can be flashed."""
    found = catalogue.kinds() if name is None else [catalogue.named(name)]
    if markdown:
        print(pages.markdown(found), end="")
    elif as_json:
        for kind in found:
            print_json(**pages.fields(kind))
    elif name is None:
        table = Table("Board", "Chip", "Flash", "Console", "Product", box=None, pad_edge=False)
        for kind in found:
            table.add_row(
                kind.name, kind.chip, f"{kind.flash_mb} MB", pages.SERIAL[kind.serial], kind.product
            )
        _console().print(table)
    else:
        print(found[0].name)
        table = Table.grid(padding=(0, 2, 0, 0))
        for label, text in pages.rows(found[0]):
            table.add_row(f"  {label}", text)
        for number, note in enumerate(found[0].notes):
            table.add_row("" if number else "  Beware", note)
        _console().print(table)


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=False)


class Screen:
    """Steps on a terminal with a bar each, else a line each; JSON says the same."""

    def __init__(self, as_json: bool) -> None:
        self.title = ""
        self._number = 0
        self._as_json = as_json
        self._asks = not as_json and sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[float], None]]:
        """A line when it begins, the seconds when it is done."""
        self._number += 1
        self.title = title
        begin = time.monotonic()
        if self._as_json:
            yield lambda part: None
            print_json(step=self._number, title=title, seconds=round(time.monotonic() - begin, 2))
            return
        columns = (TextColumn("{task.description}"), BarColumn(20), TaskProgressColumn())
        with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as progress:
            # It runs to and fro where a step does not tell how far it is.
            task = progress.add_task(f"{self._number:2}. {title}", total=None)
            yield lambda part: progress.update(task, total=1.0, completed=part)
        print(f"{self._number:2}. {title}: {time.monotonic() - begin:.1f} s", flush=True)

    def note(self, text: str) -> None:
        """Something that came out."""
        if not self._as_json:
            print(f"    {shown(text)}", flush=True)

    def choose(self, found: list[Port]) -> Port:
        """Ask which port; SeveralPorts where nobody can answer."""
        names = ", ".join(port.device for port in found)
        if not self._asks:
            raise errors.SeveralPorts(ports=names)
        for number, port in enumerate(found, 1):
            print(f"    {number}  {port.device}  {shown(port.text)}")
        answer = input("Which one is the board? [number] ").strip()
        if not answer.isdigit() or not 0 < int(answer) <= len(found):
            raise errors.SeveralPorts(ports=names)
        return found[int(answer) - 1]

    def confirm(self, warning: str) -> bool:
        """Ask whether to go on; no where nobody can answer."""
        if not self._asks:
            return False
        print(f"    {shown(warning)}")
        return input("Go on? [y/N] ").strip().lower() in ("y", "yes")


def flash(
    context: typer.Context,
    port: Annotated[str | None, typer.Option(help="Its serial port.", show_default="found")] = None,
    board: Annotated[
        str | None, typer.Option(help="Its kind, as `hedgerow boards` shows it.", show_default="its chip's")
    ] = None,
    firmware: Annotated[
        Path | None, typer.Option(help="MicroPython's .bin file, instead of fetching it.")
    ] = None,
    firmware_sha256: Annotated[
        str | None, typer.Option("--firmware-sha256", help="What that file's checksum has to be.")
    ] = None,
    aioble: Annotated[
        Path | None, typer.Option(help="A folder with aioble's sources, instead of fetching them.")
    ] = None,
    mesh: Annotated[str | None, typer.Option(help="Its mesh.", show_default="the only one here")] = None,
    name: Annotated[str | None, typer.Option(help="What you call it.", show_default="by its address")] = None,
    profile: Annotated[
        BoardProfile | None, typer.Option(help="How it lives.", show_default="its kind's")
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Let it answer `hedgerow trace`.")] = False,
    keep_data: Annotated[
        bool, typer.Option("--keep-data", help="Letters, keys and MicroPython stay; renew the rest.")
    ] = False,
    sure: Annotated[bool, typer.Option("--yes", help="Do not ask, whatever is lost.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and touch nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a board one of your mesh: MicroPython, firmware, keys; then it tests itself."""
    if firmware_sha256 is not None and firmware is None:
        raise errors.NotASum
    if name is not None:
        checked_name(name)
    wishes = Wishes(name, mesh, None if profile is None else profile.value, trace)
    request = Request(port, board, firmware, firmware_sha256, aioble, keep_data, sure, wishes)
    if dry_run:
        lines = plan.lines(request)
        if as_json:
            for title, detail in lines:
                print_json(title=title, detail=detail)
        else:
            for number, (title, detail) in enumerate(lines, 1):
                print(f"{number:2}. {title}" + "".join(f"\n    {line}" for line in detail))
            print("Nothing was done.")
        return
    if board is not None:
        catalogue.named(board)
    screen = Screen(as_json)
    node = _opened(context)
    for ending in ("SIGTERM", "SIGHUP"):
        # Whoever ends us, no tool goes on writing behind our back.
        if hasattr(signal, ending):
            signal.signal(getattr(signal, ending), signal.default_int_handler)
    try:
        result = Flashing(node, request, screen, os.urandom, now_ms).run()
    except KeyboardInterrupt:
        raise errors.Stopped(step=screen.title or steps.PORT) from None
    _show(node, result, as_json)
    node.close()


def _opened(context: typer.Context) -> Node:
    """The account; one is made where there is none and somebody can be asked."""
    try:
        return open_node(context)
    except all_errors.NoHome:
        if sys.stdin is None or not sys.stdin.isatty():
            raise errors.NoAccount(home=context.obj) from None
    print(f"There is no account in {context.obj} yet: the board's keys need one.")
    accounts.make(context.obj, typer.prompt("Your name"))
    return open_node(context)


def _show(node: Node, result: steps.Result, as_json: bool) -> None:
    report, code = result.report, result.provision.code
    if as_json:
        print_json(
            name=result.board.name,
            mesh=result.mesh.name,
            board=result.kind.name,
            port=result.port,
            heap_bytes=report.heap_bytes,
            flash_bytes=report.flash_bytes,
            link_s=round(report.link_s, 2),
            copied_bytes=result.bytes_copied,
            code=code.uri(),
        )
        return
    print(
        f"{shown(result.board.name)} is a board of {shown(result.mesh.name)} now, and its self-test passed."
    )
    print(f"Exchange letters with `hedgerow sync --board {shlex.quote(shown(result.board.name))}`.\n")
    print("One more computer becomes an owner with this code, by `hedgerow board pair --ble -`, the first")
    print(f"that has it, within {CODE_DAYS} days:\n")
    print(drawn(drawn_code(code.for_qr())))
    print(code.uri())


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: hedgerow boards esp32-c3-generic")(boards)
    app.command(epilog="Example: hedgerow flash --board esp32-c3-generic --name mill")(flash)
