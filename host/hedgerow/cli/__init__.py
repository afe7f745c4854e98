"""The command line. ``main`` is the entry point; every failure of the user's ends in one sentence."""

import asyncio
import io
import os
import signal
import sys
from enum import Enum
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import platformdirs
import typer
from rich.console import Console
from rich.table import Table

from hedgerow import __version__, covers
from hedgerow.cli import (
    accounts,
    backups,
    boards,
    caring,
    chat,
    conversations,
    devices,
    files,
    flashing,
    groups,
    inviting,
    linking,
    log,
    managing,
    meshes,
    pairing,
    people,
    rekeying,
    safety,
    scanning,
    store,
    street,
    updating,
    wiping,
)
from hedgerow.cli.terminal import (
    AsJson,
    clock,
    name_shown,
    now_ms,
    open_node,
    print_event,
    print_json,
    print_letter_json,
    print_letters,
    shown,
    state_shown,
)
from hedgerow.events import Letter
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node
from hedgerow.outbox import CARRIED, EXPIRED, QUEUED
from hedgerow_core.errors import HedgerowError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Letters between neighbours over a mesh of small boards, when there is no internet.",
)


class Profile(Enum):
    """What the command takes."""

    BALANCED = covers.BALANCED
    PRIVATE = covers.PRIVATE


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


accounts.register(app)


@app.command(epilog="Example: hedgerow add 'hedgerow:invite/1/iWVB...'")
def add(
    context: typer.Context,
    uri: Annotated[str, typer.Argument(help="The invite, from `hedgerow:` to its last character.")],
    as_json: AsJson = False,
) -> None:
    """Ask whoever made an invite to become your contact."""
    node = open_node(context)
    name = node.add(uri, now_ms())
    changed = any(contact.changed for contact in node.contacts() if contact.name == name)
    if as_json:
        print_json(name=name, connected=False, changed=changed)
    elif changed:
        print(f"Asked {name}, whose key changed: letters wait until `hedgerow verify` or `accept --new-key`.")
    else:
        print(f"Asked {name}. You can write at once; the letters leave when {name} has answered.")
    node.close()


@app.command(epilog="Example: hedgerow send Bob 'Is the well frozen?'")
def send(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A contact, as `hedgerow contacts` shows it.")],
    text: Annotated[str | None, typer.Argument(help="The letter.", show_default=False)] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Send a file.")] = None,
    small: Annotated[bool, typer.Option("--small", help="A picture: smaller for the air.")] = False,
    sure: Annotated[bool, typer.Option("--yes", help="Do not ask about a large file.")] = False,
    board: linking.MaybeBoardUrl = None,
    key_file: linking.KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Write a letter, or send a file. It leaves at once with --board, else with the next board."""
    if text is None and file is None:
        raise typer.BadParameter("write a text, or name a file with --file", param_hint="TEXT")
    node = open_node(context)
    keeper = linking.checked_keeper(node, board, key_file, as_json)
    _poll(node, as_json)
    if file is not None:
        files.send(node, name, file, small, sure, as_json)
    if text is not None:
        node.send(name, text, now_ms())
    _exchange_sent(node, node.sent(name)[-1].id, keeper, as_json)
    node.close()


def _exchange_sent(node: Node, number: int, keeper: Keeper | None, as_json: bool) -> None:
    """Give a letter that was written just now to a board, where there is one, and tell how far it is."""
    try:
        if keeper is not None:
            asyncio.run(linking.exchange(keeper, as_json))
    finally:
        # Written it is, whatever happens to the board: nobody is to send it again.
        _print_sent(node, next(letter for letter in node.sent() if letter.id == number), as_json)


def _print_sent(node: Node, letter: Letter, as_json: bool) -> None:
    """How far a letter is that was written just now."""
    if as_json:
        print_json(name=letter.name, sealed=letter.sent, id=letter.id, state=letter.state)
    elif letter.state != QUEUED:
        print(f"Sealed; {'the board has it' if letter.state == CARRIED else letter.state}.")
    elif not letter.sent and letter.changed:
        print(f"Kept, for the key of {letter.name} changed; it leaves when you agreed: `hedgerow contacts`.")
    elif not letter.sent:
        print(f"Kept; it leaves when {letter.name} has answered your request.")
    elif letter.declined:
        print("Sealed, but the board has no room for it: it stays here and leaves with the next board.")
    elif not node.has_room:
        print("Sealed, but this computer carries all it can: it stays here and leaves when there is room.")
    elif node.profile == covers.PRIVATE:
        print("Sealed; it leaves with a board within ten minutes or later: the profile is private.")
    else:
        print("Sealed; it leaves with the next board.")


@app.command(epilog="Example: hedgerow sent Bob")
def sent(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Only letters to this contact.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what became of your letters: queued here, carried by a board, delivered, or expired."""
    node = open_node(context)
    _poll(node, as_json)
    letters = node.sent(name)
    if as_json:
        for letter in letters:
            print_letter_json(letter)
    elif not letters:
        print("No letters yet.")
    else:
        table = Table("Number", "Written", "To", "State", "Letter", box=None, pad_edge=False)
        for letter in letters:
            when = clock(letter.written_ms)
            table.add_row(str(letter.id), when, name_shown(letter), state_shown(letter), shown(letter.text))
        Console(highlight=False, markup=False, emoji=False).print(table)
        if any(letter.state == EXPIRED for letter in letters):
            print("No proof came for what expired: `hedgerow send-again NUMBER` sends it once more.")
    node.close()


@app.command(epilog="Example: hedgerow profile private")
def profile(
    context: typer.Context,
    wanted: Annotated[
        Profile | None, typer.Argument(help="The profile from now on.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show or choose the profile: `private` hides when you write behind letters that hold nothing."""
    node = open_node(context)
    if wanted is not None:
        node.choose_profile(wanted.value, now_ms())
    if as_json:
        print_json(profile=node.profile)
    elif node.profile == covers.PRIVATE:
        print("private: about every half hour, while `hedgerow run` goes on, an empty letter leaves;")
        print("yours wait up to ten minutes before they do.")
    else:
        print("balanced: only letters leave. `hedgerow profile private` hides when you write.")
    node.close()


@app.command("send-again", epilog="Example: hedgerow send-again 12")
def send_again(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help="The letter, as `hedgerow sent` numbers it.")],
    board: linking.MaybeBoardUrl = None,
    key_file: linking.KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Send an expired letter once more. Who has it already does not see it twice."""
    node = open_node(context)
    keeper = linking.checked_keeper(node, board, key_file, as_json)
    _poll(node, as_json)
    node.send_again(number, now_ms())
    _exchange_sent(node, number, keeper, as_json)
    node.close()


@app.command(epilog="Example: hedgerow inbox Bob --follow --board serial:/dev/ttyUSB0")
def inbox(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Only the conversation with this contact.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C.")] = False,
    pinned: Annotated[bool, typer.Option("--pinned", help="Only letters that are pinned.")] = False,
    board: linking.MaybeBoardUrl = None,
    key_file: linking.KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Show your letters; those that a board holds for you too, with --board."""
    node = open_node(context)
    _poll(node, as_json)
    if board is not None and not follow:
        linking.exchange_now(node, board, key_file, as_json)
    letters = [letter for letter in node.inbox(name) if letter.marks.pinned or not pinned]
    if as_json:
        for letter in letters:
            print_letter_json(letter)
    elif letters:
        print_letters(node, letters)
    elif not follow:
        print("No letters yet.")
    if letters and not pinned:
        node.read(name, now_ms())
    if follow:
        linking.follow(node, name, letters, board, key_file, as_json)
    node.close()


inviting.register(app)
devices.register(app)
groups.register(app)
conversations.register(app)
chat.register(app)
files.register(app)
app.add_typer(log.app, name="log")
app.add_typer(store.app, name="store")
people.register(app)
linking.register(app)
street.register(app)
meshes.register(app)
boards.register(app)
flashing.register(app)
scanning.register()
pairing.register()
managing.register()
updating.register()
caring.register(app)
rekeying.register()
safety.register(app)
backups.register(app)
wiping.register(app)


def _poll(node: Node, quiet: bool) -> None:
    """Open what came with the last link."""
    for event in node.poll(now_ms()):
        if not quiet:
            print_event(event)


def _add_plugins() -> None:
    for point in entry_points(group="hedgerow.commands"):
        try:
            app.command(point.name)(point.load())
        except ImportError:
            continue  # the extra that brings it is not installed


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
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
        return _fail(str(error), getattr(error, "code", 1))
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
        told = message()
        # A group of commands without one of them has shown its help, and says nothing more.
        return _usage(error, told) if told else 0


def _usage(error: Any, message: str) -> int:
    context = getattr(error, "ctx", None)
    command = "hedgerow" if context is None else context.command_path
    message = message.replace("Value error, ", "")  # as a library of typer's begins
    _fail(f"{' '.join(message.split()).rstrip('.')}: see `{command} --help`.")
    return 2


def _fail(sentence: str, code: int = 1) -> int:
    print(f"hedgerow: {' '.join(shown(sentence).split())}", file=sys.stderr)
    return code


def _silence() -> None:
    """What is still buffered for the output has nowhere to go."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
