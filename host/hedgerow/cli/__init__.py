"""The command line. ``main`` is the entry point; every failure of the user's ends in one sentence."""

import io
import json
import os
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import platformdirs
import typer
from rich.console import Console
from rich.table import Table

from hedgerow import __version__
from hedgerow.node import Connected, Node, Received
from hedgerow_core.errors import HedgerowError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Letters between neighbours over a mesh of small boards, when there is no internet.",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"hedgerow {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(envvar="HEDGEROW_HOME", help="The folder of the account.", show_default=False),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before the command."""
    context.obj = home if home is not None else Path(platformdirs.user_data_dir("hedgerow"))


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def _open(context: typer.Context) -> Node:
    return Node.open(context.obj, os.urandom, now_ms())


def _print_json(**fields: Any) -> None:
    print(json.dumps(fields, ensure_ascii=False))


def _shown(text: str) -> str:
    """``text`` without what would move the cursor or colour the terminal: others wrote it."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _time(unix_ms: int) -> str:
    return time.strftime("%d %b %H:%M", time.localtime(unix_ms / 1000))


@app.command(epilog="Example: hedgerow init --name Alice")
def init(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="What others see you called.", prompt="Your name")],
    as_json: AsJson = False,
) -> None:
    """Make an account on this computer."""
    node = Node.create(context.obj, name, os.urandom, now_ms())
    if as_json:
        _print_json(name=node.name, home=str(context.obj))
    else:
        print(f"Welcome, {node.name}. Your account is in {context.obj}; keep a copy of it.")
        print("Next: `hedgerow invite`, and give the result to a neighbour.")
    node.close()


@app.command(epilog="Example: hedgerow invite > for-bob.txt")
def invite(context: typer.Context, as_json: AsJson = False) -> None:
    """Print an invite: whoever adds it can become your contact. It holds for 14 days."""
    node = _open(context)
    uri = node.invite(now_ms())
    if as_json:
        _print_json(invite=uri)
    else:
        print(uri)
    node.close()


@app.command(epilog="Example: hedgerow add 'hedgerow:invite/1/iWVB...'")
def add(
    context: typer.Context,
    uri: Annotated[str, typer.Argument(help="The invite, from `hedgerow:` to its last character.")],
    as_json: AsJson = False,
) -> None:
    """Ask whoever made an invite to become your contact."""
    node = _open(context)
    name = node.add(uri, now_ms())
    if as_json:
        _print_json(name=name, connected=False)
    else:
        print(f"Asked {name}. You can write at once; the letters leave when {name} has answered.")
    node.close()


@app.command(epilog="Example: hedgerow contacts --json")
def contacts(context: typer.Context, as_json: AsJson = False) -> None:
    """List your contacts."""
    node = _open(context)
    _poll(node, as_json)
    found = node.contacts()
    if as_json:
        for contact in found:
            _print_json(name=contact.name, connected=contact.connected, account_key=contact.account_key.hex())
    elif not found:
        print("No contacts yet: give somebody an invite (`hedgerow invite`), or add theirs.")
    else:
        table = Table("Name", "State", box=None, pad_edge=False)
        for contact in found:
            table.add_row(contact.name, "contact" if contact.connected else "asked, no answer yet")
        Console(highlight=False, markup=False, emoji=False).print(table)
    node.close()


@app.command(epilog="Example: hedgerow send Bob 'Is the well frozen?'")
def send(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A contact, as `hedgerow contacts` shows it.")],
    text: Annotated[str, typer.Argument(help="The letter.")],
    as_json: AsJson = False,
) -> None:
    """Write a letter. It leaves with the next board that this computer is linked to."""
    node = _open(context)
    _poll(node, as_json)
    node.send(name, text, now_ms())
    if as_json:
        _print_json(name=name, sealed=True)
    else:
        print("Sealed; it leaves with the next board.")
    node.close()


@app.command(epilog="Example: hedgerow inbox Bob")
def inbox(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Only the conversation with this contact.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show your letters."""
    node = _open(context)
    _poll(node, as_json)
    letters = node.inbox(name)
    if as_json:
        for letter in letters:
            _print_json(
                name=letter.name,
                mine=letter.mine,
                text=letter.text,
                written_ms=letter.written_ms,
                received_ms=letter.received_ms,
                sent=letter.sent,
            )
    elif not letters:
        print("No letters yet.")
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        last = None
        for letter in letters:
            if letter.name != last:
                table.add_row("", letter.name, "", style="bold")
                last = letter.name
            who = node.name if letter.mine else letter.name
            waits = "" if letter.sent else "  (waits for an answer)"
            table.add_row(_time(letter.written_ms), who, _shown(letter.text) + waits)
        Console(highlight=False, markup=False, emoji=False).print(table)
    node.close()


def _poll(node: Node, quiet: bool) -> None:
    """Open what came with the last link."""
    for event in node.poll(now_ms()):
        if not quiet and isinstance(event, Connected):
            print(f"{event.name} is a contact now.")
        elif not quiet and isinstance(event, Received):
            print(f"New from {event.name}.")


def _add_plugins() -> None:
    for point in entry_points(group="hedgerow.commands"):
        try:
            app.command(point.name)(point.load())
        except ImportError:
            continue  # the extra that brings it is not installed


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal of another encoding shows what it can.
            stream.reconfigure(errors="replace")
    _add_plugins()
    sys.exit(_run())


def _run() -> int:
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="hedgerow", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except HedgerowError as error:
        return _fail(str(error))
    except typer.Abort:
        return _fail("Stopped: a question was not answered.")
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        _silence()
        return 1
    except OSError as error:
        _silence()
        reason = (error.strerror or str(error)).lower()
        return _fail(f"The system refused ({reason}): mend that and try again.")
    except Exception as error:
        # The classes of usage errors are private to typer.
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        return _usage(error, message())


def _usage(error: Any, message: str) -> int:
    context = getattr(error, "ctx", None)
    command = "hedgerow" if context is None else context.command_path
    _fail(f"{' '.join(message.split()).rstrip('.')}: see `{command} --help`.")
    return 2


def _fail(sentence: str) -> int:
    print(f"hedgerow: {' '.join(_shown(sentence).split())}", file=sys.stderr)
    return 1


def _silence() -> None:
    """What is still buffered for the output has nowhere to go."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
