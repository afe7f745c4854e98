"""Commands for when a computer is lost: backup, restore; and adopt, for a home that was copied."""

from pathlib import Path
from typing import Annotated

import typer

from hedgerow import errors
from hedgerow.cli import secrets
from hedgerow.cli.terminal import AsJson, confirm, open_node, print_json, shown
from hedgerow.cli.wording import counted
from hedgerow.database import DATABASE_FILE
from hedgerow.node import Node
from hedgerow.vault import backup as backups

_ANEW = (
    "The next link to a board asks each contact for a new session. Letters wait until they answered; those"
    "\nthat were on their way come once more."
)


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")],
    as_json: AsJson = False,
) -> None:
    """Write account, contacts and letters into one encrypted file, under a passphrase of its own."""
    if file.exists():
        raise errors.FileExists(path=file)
    node = open_node(context)
    chosen = secrets.for_backup(new=True)
    whole = node.backup(chosen)
    node.close()
    backups.write_file(file, whole)
    if as_json:
        print_json(file=str(file), bytes=len(whole))
    else:
        print(f"The backup is in {file}: {len(whole):,} bytes. Without its passphrase nobody can read it.")


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file that `hedgerow backup` wrote.")],
    as_json: AsJson = False,
) -> None:
    """Make a home of a backup. The home it was made of must not go on."""
    if (context.obj / DATABASE_FILE).exists():
        raise errors.HomeExists(home=context.obj)
    whole = backups.read_file(file)
    backups.check(file, whole)
    contents = backups.open_backup(file, whole, secrets.for_backup(new=False))
    backups.restore(context.obj, contents, secrets.chosen_protection())
    if as_json:
        print_json(
            name=contents.name,
            home=str(context.obj),
            contacts=contents.contacts,
            letters=contents.letters,
            to_add_again=contents.strangers,
        )
        return
    print(
        f"{shown(contents.name)} is in {context.obj} again, with"
        f" {counted(contents.contacts, 'contact')} and {counted(contents.letters, 'letter')}."
    )
    print(_ANEW)
    if contents.strangers:
        print(f"{counted(contents.strangers, 'contact')} of an early version must be added again.")
    print("Where the computer of this backup still goes on, run `hedgerow wipe` there.")


def adopt(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Go on with a home that was copied or put back, as the only one."""
    if not yes:
        confirm(
            "If another copy of this home goes on, contacts answer now the one, now the other, and letters"
            " get lost.\nAll sessions begin anew."
        )
    contacts = Node.adopt(context.obj, secrets.unlock)
    if as_json:
        print_json(contacts=contacts)
    else:
        print(f"This is the home now. {_ANEW}")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: hedgerow backup alice.backup")(backup)
    app.command(epilog="Example: hedgerow restore alice.backup")(restore)
    app.command(epilog="Example: hedgerow adopt")(adopt)
