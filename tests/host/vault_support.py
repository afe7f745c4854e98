"""What the tests of the vault share: cheap passphrases, and a program that is killed at each of its steps."""

import os
import signal
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from node_support import Village

from hedgerow.identity import keys
from hedgerow.vault import ciphers

ALICE, BOB = "Alice", "Bob"

cheap = patch.multiple(ciphers, PASSES=1, MEMORY_KIB=64)


@contextmanager
def neighbours():
    """Alice and Bob, who are contacts and have written to each other."""
    with Village(ALICE, BOB) as both:
        both.befriend(ALICE, BOB)
        both.send(ALICE, BOB, "is the well frozen?")
        both.send(BOB, ALICE, "not yet")
        both.exchange()
        yield both


@contextmanager
def recording():
    """What is sealed under each key of whatever kind, by everybody: a set for each key."""
    used = {}
    seal = keys.seal

    def noted(key, plaintext, associated):
        used.setdefault(key, set()).add((plaintext, associated))
        return seal(key, plaintext, associated)

    with patch.object(keys, "seal", noted):
        yield used


class _Killer:
    """Dies at the step ``at``: before it, or with half of it on the disk."""

    def __init__(self, at):
        self.left = at

    def step(self, half):
        self.left -= 1
        if self.left < 0:
            half()
            os.kill(os.getpid(), signal.SIGKILL)


def killed_at(at, action):
    """Whether ``action``, in a process of its own, was killed (kill -9) at its step number ``at``.

    Steps are writes, of which half is done, and all that makes them last: fsync, commit, link, unlink.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return True
        assert os.WEXITSTATUS(status) == 0, "the action failed"
        return False
    status = 1
    try:
        _run(_Killer(at), action)
        status = 0
    finally:
        os._exit(status)


def _run(killer, action):
    pwrite, write, fsync, link, unlink = os.pwrite, os.write, os.fsync, os.link, Path.unlink

    class Connection(sqlite3.Connection):
        def execute(self, statement, *values):
            if statement.startswith(("BEGIN", "COMMIT", "UPDATE", "INSERT")):
                killer.step(lambda: None)
            return super().execute(statement, *values)

    def half_pwrite(file, data, place):
        killer.step(lambda: pwrite(file, data[: len(data) // 2], place))
        return pwrite(file, data, place)

    def half_write(file, data):
        killer.step(lambda: write(file, data[: len(data) // 2]))
        return write(file, data)

    def before(function):
        def stepped(*arguments, **options):
            killer.step(lambda: None)
            return function(*arguments, **options)

        return stepped

    connect = sqlite3.connect
    with (
        patch("os.pwrite", half_pwrite),
        patch("os.write", half_write),
        patch("os.fsync", before(fsync)),
        patch("os.link", before(link)),
        patch.object(Path, "unlink", before(unlink)),
        patch("sqlite3.connect", lambda *words, **options: connect(*words, factory=Connection, **options)),
    ):
        action()


def contents(home):
    """All bytes of a home, file by file."""
    return {path: path.read_bytes() for path in sorted(home.iterdir()) if path.is_file()}
