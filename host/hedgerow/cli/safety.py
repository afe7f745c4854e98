"""Commands that keep the home safe: phrase, passphrase, lock, unlock."""

from typing import Annotated

import typer

from hedgerow import errors
from hedgerow.cli import secrets
from hedgerow.cli.terminal import AsJson, open_node, print_json
from hedgerow.identity.phrase import words_of
from hedgerow.vault import agent, keystore, system_keyring
from hedgerow.vault.keystore import Keystore
from hedgerow.vault.vault import lock_mark

_HOURS = 12
_COLUMNS = 4


def phrase_table(words: str) -> str:
    """24 words, numbered, to be written down."""
    cells = [f"{number:2} {word:<9}" for number, word in enumerate(words.split(), 1)]
    return "\n".join(
        "  " + " ".join(cells[at : at + _COLUMNS]).rstrip() for at in range(0, len(cells), _COLUMNS)
    )


def _keystore(context: typer.Context) -> Keystore:
    found = keystore.load(context.obj)
    if found is None:
        open_node(context).close()  # NoHome, or a home of an earlier version, which has one now
        found = keystore.load(context.obj)
    if found is None:
        raise errors.HomeDamaged(home=context.obj, reason="its keystore is missing")
    return found


def phrase(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the 24 words that make the account anew, after the passphrase."""
    found = _keystore(context)
    # Also where it is unlocked: somebody may have left the computer for a moment.
    ask = secrets.passphrase_of if found.kind == keystore.PASSPHRASE else secrets.unlock
    node = open_node(context, ask)
    words = words_of(node.entropy)
    if as_json:
        print_json(phrase=words)
    else:
        print(phrase_table(words))
        print("Write them on paper. Who has them is you; `hedgerow init --recover` takes them.")
    node.close()


def passphrase(
    context: typer.Context,
    keyring: Annotated[
        bool, typer.Option("--keyring", help="Let the keyring of this system hold the key instead.")
    ] = False,
    none: Annotated[bool, typer.Option("--none", help="Have no passphrase any more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Set or change the passphrase of this home; without a terminal, as lines: the old one, the new one."""
    before = _keystore(context)
    ask = secrets.passphrase_of if before.kind == keystore.PASSPHRASE else secrets.unlock
    node = open_node(context, ask)
    if none:
        node.vault.protect(keystore.plain)
        told = "No passphrase any more: whoever gets at this computer can read all."
    elif keyring:
        key = system_keyring.store(before.home_id)
        node.vault.protect(lambda home_id, store_key: keystore.under_key(home_id, store_key, key))
        told = "The keyring of this system holds the key now."
    else:
        chosen = secrets.new_passphrase("New passphrase")
        if not chosen:
            raise errors.PassphraseMissing
        node.vault.protect(lambda home_id, store_key: keystore.under_passphrase(home_id, store_key, chosen))
        told = "The passphrase is set. `hedgerow unlock` opens the home, `hedgerow lock` ends that."
    if before.kind == keystore.KEYRING and not keyring:
        system_keyring.erase(before.home_id)
    after = node.vault.keystore.kind
    node.close()
    if as_json:
        print_json(protection=_PROTECTIONS[after])
    else:
        print(told)


_PROTECTIONS = {keystore.OPEN: "none", keystore.PASSPHRASE: "passphrase", keystore.KEYRING: "keyring"}


def unlock(
    context: typer.Context,
    hours: Annotated[int, typer.Option(help="For how long.", min=1, max=168)] = _HOURS,
    as_json: AsJson = False,
) -> None:
    """Open a locked home for the next commands; asks for the passphrase."""
    found = _keystore(context)
    if found.kind == keystore.PASSPHRASE:
        node = open_node(context, secrets.passphrase_of)
        key = node.vault.store_key
        node.close()
        agent.start(found.home_id, key, hours * 3_600)
    else:
        open_node(context).close()
    if as_json:
        print_json(locked=False, protection=_PROTECTIONS[found.kind])
    elif found.kind == keystore.PASSPHRASE:
        print(f"Unlocked until `hedgerow lock`, for {hours} h at most.")
    else:
        print("This home opens without a passphrase.")


def lock(context: typer.Context, as_json: AsJson = False) -> None:
    """Close an unlocked home: its key is forgotten, and programs that use it end."""
    found = _keystore(context)
    if found.kind == keystore.OPEN:
        raise errors.NoPassphrase(home=context.obj)
    if found.kind == keystore.KEYRING:
        raise errors.KeyringLocks(home=context.obj)
    agent.ask(found.home_id, agent.FORGET)
    lock_mark(context.obj)
    if as_json:
        print_json(locked=True)
    else:
        print("Locked. What has the home open ends within moments.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: hedgerow phrase")(phrase)
    app.command(epilog="Example: hedgerow passphrase")(passphrase)
    app.command(epilog="Example: hedgerow unlock --hours 8")(unlock)
    app.command(epilog="Example: hedgerow lock")(lock)
