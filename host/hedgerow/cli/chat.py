"""Commands about letters that are there: reply, edit, react, pin, poll, vote, search; and your name."""

from collections.abc import Callable
from typing import Annotated

import typer

from hedgerow.chat.search import search as found_in
from hedgerow.cli.terminal import (
    AsJson,
    now_ms,
    open_node,
    open_polled,
    print_json,
    print_letter_json,
    print_letters,
    shown,
)
from hedgerow.node import Node

Number = Annotated[int, typer.Argument(help="The letter, as `hedgerow inbox` numbers it.")]


def _do(context: typer.Context, as_json: bool, said: str, act: Callable[[Node], int]) -> None:
    node = open_polled(context, as_json)
    number = act(node)
    node.close()
    if as_json:
        print_json(id=number)
    else:
        print(f"{said}; it leaves with the next board.")


def reply(
    context: typer.Context,
    number: Number,
    text: Annotated[str, typer.Argument(help="The letter.")],
    as_json: AsJson = False,
) -> None:
    """Answer a letter, so that all see which one is meant."""
    _do(context, as_json, "Sealed", lambda node: node.chat.reply(number, text, now_ms()))


def edit(
    context: typer.Context,
    number: Number,
    text: Annotated[str, typer.Argument(help="What stands there from now on.")],
    as_json: AsJson = False,
) -> None:
    """Put another text in the place of a letter of yours. Who read the former one has read it."""
    _do(context, as_json, "Changed", lambda node: node.chat.edit(number, text, now_ms()))


def react(
    context: typer.Context,
    number: Number,
    symbol: Annotated[str, typer.Argument(help="An emoji; nothing takes yours back.")] = "",
    as_json: AsJson = False,
) -> None:
    """Put a symbol to a letter."""
    said = "Put there" if symbol.strip() else "Taken back"
    _do(context, as_json, said, lambda node: node.chat.react(number, symbol, now_ms()))


def pin(
    context: typer.Context,
    number: Number,
    off: Annotated[bool, typer.Option("--off", help="Take it off.")] = False,
    as_json: AsJson = False,
) -> None:
    """Pin a letter for all in the conversation: `hedgerow inbox --pinned` shows what is."""
    said = "Taken off" if off else "Pinned"
    _do(context, as_json, said, lambda node: node.chat.pin(number, not off, now_ms()))


def poll(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A contact or a group.")],
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    choices: Annotated[list[str], typer.Argument(help="What one can choose, each by itself.")],
    many: Annotated[bool, typer.Option("--many", help="One may choose several.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask a question with choices."""
    _do(context, as_json, "Asked", lambda node: node.chat.poll(name, question, choices, many, now_ms()))


def vote(
    context: typer.Context,
    number: Number,
    chosen: Annotated[
        list[int] | None, typer.Argument(help="Choices by their numbers; none: take back.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Choose in a poll. A later choice takes the place of the one before."""
    said = "Chosen" if chosen else "Taken back"
    _do(context, as_json, said, lambda node: node.chat.vote(number, chosen or [], now_ms()))


def name(
    context: typer.Context,
    wanted: Annotated[
        str | None, typer.Argument(help="How you want to be called.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show how you call yourself, or choose another name and tell your contacts."""
    node = open_polled(context, as_json)
    told = None if wanted is None else node.chat.call(wanted, now_ms())
    now = node.name
    node.close()
    if as_json:
        print_json(name=now, told=told or 0)
    elif told is None:
        print(f"You call yourself {now}.")
    else:
        print(f"You call yourself {now}; {told} {'contact is' if told == 1 else 'contacts are'} told.")


def search(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(help="Words, or how they begin.")],
    within: Annotated[str | None, typer.Option("--in", help="Only in this conversation.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find letters that have all the words. It happens on this computer alone."""
    node = open_node(context)
    found = found_in(node.inbox(within), " ".join(words))
    if as_json:
        for letter in found:
            print_letter_json(letter)
    elif found:
        print_letters(node, found)
    else:
        print(f"No letter has {shown(' '.join(words))}.")
    node.close()


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: hedgerow reply 12 'At eight then.'")(reply)
    app.command(epilog="Example: hedgerow edit 12 'At nine, sorry.'")(edit)
    app.command(epilog="Example: hedgerow react 12 👍")(react)
    app.command(epilog="Example: hedgerow pin 12")(pin)
    app.command(epilog="Example: hedgerow poll Lane 'Who can host?' Ann Bob")(poll)
    app.command(epilog="Example: hedgerow vote 12 2")(vote)
    app.command(epilog="Example: hedgerow name Annie")(name)
    app.command(epilog="Example: hedgerow search well frozen --in Bob")(search)
