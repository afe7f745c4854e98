"""How the commands come to a passphrase: from the environment, the terminal or standard input, never argv."""

import getpass
import os
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from hedgerow import errors
from hedgerow.database import Protect
from hedgerow.vault import agent, keystore, system_keyring
from hedgerow.vault.keystore import Keystore
from hedgerow_core.errors import AuthError

_VARIABLE = "HEDGEROW_PASSPHRASE"
_BACKUP_VARIABLE = "HEDGEROW_BACKUP_PASSPHRASE"
_TRIES = 3
_REMIND_S = 24 * 3_600


def from_environment() -> str:
    """The passphrase that a script gave; empty where it gave none."""
    return os.environ.get(_VARIABLE, "")


def at_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def ask(question: str) -> str:
    """A line from the terminal, where it is not shown, or of standard input; empty where there is none."""
    if at_terminal():
        return getpass.getpass(f"{question}: ")
    return sys.stdin.readline().rstrip("\r\n") if sys.stdin is not None else ""


def new_passphrase(question: str) -> str:
    """A passphrase that is to be set, typed twice on a terminal; empty where none was given."""
    found = ask(question)
    if found and at_terminal() and ask("The same again") != found:
        raise errors.PassphrasesDiffer
    return found


def for_backup(new: bool) -> str:
    """The passphrase of a backup, which need not be that of the home; a new one is typed twice."""
    found = os.environ.get(_BACKUP_VARIABLE, "")
    if not found:
        found = new_passphrase("A passphrase for the backup") if new else ask("Passphrase of the backup")
    if not found:
        raise errors.BackupPassphraseMissing
    return found


def chosen_protection() -> Protect:
    """How a new home is protected: by a passphrase that was given, or typed twice; else not at all."""
    chosen = from_environment()
    if not chosen and at_terminal():
        chosen = new_passphrase("A passphrase for this computer, or nothing")
    return keystore.plain if not chosen else partial(keystore.under_passphrase, passphrase=chosen)


def without_asking(home: Path, found: Keystore) -> bytes:
    """The store key where it can be had without a question. HomeLocked or another UserError otherwise."""
    if found.kind == keystore.PASSPHRASE and not from_environment():
        kept = agent.ask(found.home_id, agent.KEY)
        if not kept:
            raise errors.HomeLocked(home=home)
        return kept
    return unlock(home, found)


def passphrase_of(home: Path, found: Keystore) -> bytes:
    """The store key, by a passphrase that must be given now. WrongPassphrase or PassphraseMissing."""
    given = from_environment()
    if given:
        return keystore.unwrap(home, found, given)
    for left in reversed(range(_TRIES if at_terminal() else 1)):
        given = ask("Passphrase")
        if not given:
            break
        try:
            return keystore.unwrap(home, found, given)
        except errors.WrongPassphrase:
            if not left:
                raise
            print("That was not it.", file=sys.stderr)
    raise errors.PassphraseMissing


def unlock(home: Path, found: Keystore) -> bytes:
    """The store key as ordinary commands get it. HomeLocked where nobody can be asked."""
    if found.kind == keystore.OPEN:
        _remind(home)
        return found.open_key
    if found.kind == keystore.KEYRING:
        try:
            return found.with_key(system_keyring.load(found.home_id))
        except AuthError:
            raise errors.NoKeyring(reason="it holds another home's key") from None
    kept = agent.ask(found.home_id, agent.KEY)
    if kept:
        return kept
    if not from_environment() and not at_terminal():
        raise errors.HomeLocked(home=home)
    return passphrase_of(home, found)


def _remind(home: Path) -> None:
    """Once a day, where somebody sees it."""
    if sys.stderr is None or not sys.stderr.isatty():
        return
    stamp = home / "reminded"
    with suppress(OSError):
        if stamp.exists() and time.time() - stamp.stat().st_mtime < _REMIND_S:
            return
        stamp.touch(mode=0o600)
    print("Whoever gets at this computer can read all: `hedgerow passphrase` sets one.", file=sys.stderr)
