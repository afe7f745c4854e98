"""The command init, and the account that another command makes on the way."""

import os
from pathlib import Path
from typing import Annotated

import typer

from hedgerow import errors
from hedgerow.cli import safety, secrets
from hedgerow.cli.terminal import AsJson, now_ms, print_json
from hedgerow.identity.phrase import ENTROPY_BYTES, entropy_of, words_of
from hedgerow.node import Node
from hedgerow.people.names import checked_name
from hedgerow.vault import keystore


def init(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Option(help="What others see you called; else it is asked for.", show_default=False)
    ] = None,
    recover: Annotated[
        bool, typer.Option("--recover", help="Make the account of a recovery phrase, which is asked for.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an account on this computer, and show its recovery phrase."""
    if name is None:
        if not secrets.at_terminal():
            raise errors.NameMissing
        name = typer.prompt("Your name", err=as_json)
    make(context.obj, name, recover, as_json)
    if not as_json:
        print("Next: `hedgerow invite`, and give the result to a neighbour.")


def make(home: Path, name: str, recover: bool = False, as_json: bool = False) -> None:
    """An account in ``home``, told on the terminal. BadName, HomeExists."""
    checked_name(name)
    if (home / "hedgerow.db").exists():
        raise errors.HomeExists(home=home)
    entropy = entropy_of(secrets.ask("The 24 words")) if recover else os.urandom(ENTROPY_BYTES)
    protect = secrets.chosen_protection()
    chosen = protect is not keystore.plain
    node = Node.create(home, name, os.urandom, now_ms(), entropy, protect)
    words = words_of(entropy)
    if as_json:
        print_json(name=node.name, home=str(home), phrase=words, passphrase=chosen)
        node.close()
        return
    print(f"Welcome, {node.name}. Your account is in {home}.")
    if recover:
        print(
            "It is the account of your phrase again, on a new device. Contacts and letters do not come back,"
        )
        print("nor does what is on its way to you: give your contacts a new invite, or restore a backup.")
    else:
        print("Its recovery phrase. Write it on paper; who has it is you:\n")
        print(safety.phrase_table(words) + "\n")
    if not chosen:
        print("Whoever gets at this computer can read all: `hedgerow passphrase` sets one.")
    node.close()


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: hedgerow init --name Alice")(init)
