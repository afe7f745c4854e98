"""What all commands share: opening the home, and what the terminal shows."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from hedgerow import errors
from hedgerow.care import words
from hedgerow.cli import secrets
from hedgerow.database import Unlock
from hedgerow.events import (
    ASKED,
    CHANGED,
    DEVICE_ADDED,
    DEVICE_REVOKED,
    DIGITS,
    EQUIVOCATED,
    GROUP_JOINED,
    GROUP_LEFT,
    INTRODUCED,
    REVOKED,
    Answered,
    Connected,
    Event,
    Heard,
    Joined,
    Letter,
    Noticed,
)
from hedgerow.node import Node
from hedgerow.outbox import QUEUED

# Of everything that is said on a street.
VISIBLE = "visible to all members"

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def open_node(context: typer.Context, unlock: Unlock = secrets.unlock) -> Node:
    """The account in the home that the options name; ``unlock`` gives the key that opens it."""
    return Node.open(context.obj, os.urandom, now_ms(), unlock)


def open_polled(context: typer.Context, quiet: bool) -> Node:
    """As ``open_node``, with what came with the last link; ``quiet``: nothing is said of that."""
    node = open_node(context)
    for event in node.poll(now_ms()):
        if not quiet:
            print_event(event)
    return node


def print_json(**fields: Any) -> None:
    """One object, one line, at once."""
    print(json.dumps(fields, ensure_ascii=False), flush=True)


def confirm(warning: str) -> None:
    """Ask whether to go on. NothingDone where the answer is not yes, NotConfirmed where nobody can answer."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise errors.NotConfirmed
    print(warning)
    if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise errors.NothingDone


def shown(text: str) -> str:
    """``text`` without what would move the cursor or colour the terminal: others wrote it."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def clock(unix_ms: int) -> str:
    """A time as a person reads it."""
    return time.strftime("%d %b %H:%M", time.localtime(unix_ms / 1000))


_NOTICED = {
    ASKED: "{name} asks to become your contact: `hedgerow requests`.",
    CHANGED: "The key of {name} changed, letters wait: `hedgerow requests`.",
    INTRODUCED: "{name} introduces somebody to you: `hedgerow requests`.",
    GROUP_JOINED: "You are in the group {name} now: `hedgerow group list`.",
    GROUP_LEFT: "You are not in the group {name} any more.",
    EQUIVOCATED: "{name} told members of a group different things in one place: beware.",
    DEVICE_ADDED: "{name} has one more device; their account signed for it.",
    DEVICE_REVOKED: "{name} took a device out of their account.",
    REVOKED: "This device was taken out of the account of {name}: nobody writes to it any more.",
    DIGITS: "There are digits to compare with {name}: `hedgerow verify`.",
}
_ALTERED = (
    "The verification with {name} was altered on the way: begin anew with `hedgerow verify`, and beware."
)


def print_event(event: Event, as_json: bool = False) -> None:
    """What a node tells."""
    if isinstance(event, Connected):
        if as_json:
            print_json(event="connected", name=event.name)
        else:
            print(f"{event.name} is a contact now.", flush=True)
    elif isinstance(event, Joined):
        if as_json:
            print_json(event="joined", name=event.name)
        else:
            print(f"This device belongs to {event.name} now.", flush=True)
    elif isinstance(event, Noticed):
        if as_json:
            print_json(event=event.what, name=event.name)
        else:
            print(_NOTICED.get(event.what, _ALTERED).format(name=event.name), flush=True)
    elif isinstance(event, Heard):
        if as_json:
            print_json(event="street", **heard_fields(event))
        elif event.sos:
            dated = f", dated {clock(event.written_ms)}" if event.late else ""
            said = shown(event.text).replace("\n", " / ")
            print(f"SOS on the street ({VISIBLE}), from {heard_name(event)}{dated}: {said}", flush=True)
        else:
            print(f"New on the street ({VISIBLE}), from {heard_name(event)}: `hedgerow hear`.", flush=True)
    elif isinstance(event, Answered):
        what, result = words.name_of(event.command), words.result_of(event.reply)
        if as_json:
            fields = words.fields_of(event.command, event.reply)
            print_json(
                event="answered",
                board=event.board,
                number=event.number,
                command=what,
                result=result,
                answer=fields,
            )
        else:
            print(f"{event.board} answered command {event.number}, {what}: {result}.", flush=True)
    elif as_json:
        print_json(
            event="received", name=event.name, text=event.text, written_ms=event.written_ms, late=event.late
        )
    elif event.late:
        print(f"An old letter from {event.name} came late: of {clock(event.written_ms)}.", flush=True)
    else:
        print(f"New from {event.name}.", flush=True)


def heard_name(heard: Heard) -> str:
    """Who said it: a contact by our name for them, others by what they call themselves and their mark."""
    return "you" if heard.mine else heard.name if heard.contact else f"{heard.name} ~{heard.mark}"


def heard_fields(heard: Heard) -> dict[str, Any]:
    """What was said on a street, for JSON."""
    return {
        "visible_to": "all members",
        "name": heard.name,
        "contact": heard.contact,
        "mark": heard.mark,
        "mine": heard.mine,
        "sos": heard.sos,
        "text": heard.text,
        "written_ms": heard.written_ms,
        "received_ms": heard.received_ms,
        "late": heard.late,
        "carried": heard.carried if heard.mine else None,
        "id": heard.id,
    }


def print_letter_json(letter: Letter) -> None:
    """A letter as one object."""
    marks = letter.marks
    print_json(
        name=letter.name,
        mine=letter.mine,
        text=letter.text,
        written_ms=letter.written_ms,
        received_ms=letter.received_ms,
        sent=letter.sent,
        id=letter.id,
        state=letter.state,
        declined=letter.declined,
        late=letter.late,
        verified=letter.verified,
        changed=letter.changed,
        read=letter.read,
        timer=letter.timer,
        author=letter.author,
        reached=letter.reached,
        of=letter.of,
        reply_to=marks.reply_to,
        edited=marks.edited,
        pinned=marks.pinned,
        reactions={symbol: list(names) for symbol, names in marks.reactions},
        poll=[vars(choice) for choice in marks.poll],
    )


@contextmanager
def progress(what: str, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Shows how many are done, on a terminal, where it takes longer than a moment."""
    if quiet or not sys.stderr.isatty():
        yield lambda count: None
        return
    with Progress(
        TextColumn("{task.description}"),
        SpinnerColumn(),
        TextColumn("{task.completed}"),
        transient=True,
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda count: bar.update(task, completed=count)


@contextmanager
def waiting(what: str, quiet: bool = False) -> Iterator[None]:
    """Shows on a terminal that something goes on, where nobody knows how long it takes."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    # What is printed meanwhile is no matter of ours, nor where it goes.
    with Progress(*columns, transient=True, console=Console(stderr=True), redirect_stdout=False) as bar:
        bar.add_task(what, total=None)
        yield


def print_letters(node: Node, letters: list[Letter]) -> None:
    """Letters as people read them, by conversation."""
    table = Table(box=None, pad_edge=False, show_header=False)
    last = None
    for letter in letters:
        if letter.name != last:
            table.add_row("", "", name_shown(letter), "", style="bold")
            last = letter.name
        marks = letter.marks
        states = ("pinned" * marks.pinned, "edited" * marks.edited, state_shown(letter))
        state = ", ".join(filter(None, states))
        text = shown(letter.text) + (f"  ({state})" if state else "")
        if marks.reply_to is not None:
            text = f"to {marks.reply_to}: {text}"
        for number, choice in enumerate(marks.poll, 1):
            text += f"\n{'*' if choice.ours else ' '} {number}. {shown(choice.text)}  {choice.votes}"
        for symbol, names in marks.reactions:
            text += f"\n{symbol_shown(symbol)} {shown(', '.join(names))}"
        table.add_row(str(letter.id), clock(letter.written_ms), author_shown(node, letter), text)
    Console(highlight=False, markup=False, emoji=False).print(table)


def symbol_shown(symbol: str) -> str:
    """A reaction; what holds an emoji together stays."""
    return "".join(c if c == "\N{ZERO WIDTH JOINER}" else shown(c) for c in symbol)


def name_shown(letter: Letter) -> str:
    """The contact of a letter, and how sure of them we are."""
    if letter.changed:
        return f"{letter.name} (key changed)"
    return f"{letter.name} (verified)" if letter.verified else letter.name


def author_shown(node: Node, letter: Letter) -> str:
    """Who wrote a letter."""
    return letter.author or (node.name if letter.mine else letter.name)


def state_shown(letter: Letter) -> str:
    """What is to be said of where a letter is."""
    if not letter.mine:
        return "came late" if letter.late else ""
    if not letter.sent:
        return "queued, waits for your yes to their key" if letter.changed else "queued, waits for an answer"
    if letter.read:
        return "read"
    if letter.of and letter.reached < letter.of and letter.reached:
        return f"delivered to {letter.reached} of {letter.of}"
    if letter.state is None:
        return "sent"
    if letter.state == QUEUED and letter.declined:
        return "queued, a board had no room"
    return letter.state
