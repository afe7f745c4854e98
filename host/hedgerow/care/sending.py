"""Sends commands to boards over the mesh, one at a time to each, and hears their replies.

Each change is one transaction. A command is tried again under another number while its time is not over,
unless to run it twice would do harm; the board runs each number at most once.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hedgerow import errors
from hedgerow.boards.paired import Boards, Paired
from hedgerow.care import words
from hedgerow.care.places import Places
from hedgerow.care.words import Command
from hedgerow.database import Database
from hedgerow.events import Answered
from hedgerow.proofs import Proofs
from hedgerow_core import envelope as envelopes
from hedgerow_core import limits, sealed
from hedgerow_core.clock import EPOCH_MINUTES
from hedgerow_core.envelope import Envelope
from hedgerow_core.errors import LimitError
from hedgerow_core.shelf import Shelf

COMMAND_BYTES = 900
_SOURCE_OWN = 2
_WAITING = 20  # commands of one board that were not answered
_MINUTE_MS = 60_000
_KEPT_MS = 30 * 24 * 3_600_000
_COLUMNS = (
    "c.id, c.board, b.name, unseal(c.command) AS command, unseal(c.reply) AS reply, c.made_ms, c.until_ms,"
    " c.number, c.salt, c.envelope, c.record, c.over_ms, c.carried_ms, c.taken_ms, c.answered_ms, c.ended"
)


@dataclass(frozen=True)
class CareLock:
    """A lock under which a reply of a board may come."""

    board: int
    number: int


class Care:
    """Commands of one home; times are unix time in ms. ``watch`` replaces the locks of a source
    (``Mailbox.watch``), ``ttl`` gives the lifetime class of the next letter."""

    def __init__(
        self,
        database: Database,
        shelf: Shelf,
        boards: Boards,
        watch: Callable[[object, Mapping[bytes, CareLock]], None],
        proofs: Proofs,
        random: Callable[[int], bytes],
        ttl: Callable[[], int],
        tell: Callable[[Answered], None],
    ) -> None:
        self._database = database
        self._shelf = shelf
        self._boards = boards
        self._watch_locks = watch
        self._proofs = proofs
        self._random = random
        self._ttl = ttl
        self._tell = tell
        self._places = Places(database, boards)
        self._watched: dict[int, tuple[bytes, tuple[int, ...]]] = {}
        self._taken: dict[bytes, tuple[int, int]] = {}  # locks of commands and replies -> board, number
        self.reload()

    def reload(self) -> None:
        """Watch the locks of all boards, as another process may have left them."""
        there = {board.id: board for board in self._boards.all() if board.care_key}
        for number in self._watched.keys() - there.keys():
            self._watch_locks(("care", number), {})
            del self._watched[number]
        for board in there.values():
            self._watch(board)

    def _watch(self, board: Paired) -> None:
        key = board.care_key or b""
        wanted = set(sealed.numbers(self._places.of(board).known))
        row = self._in_flight(board.id)
        if row is not None:
            wanted.add(row["number"])
        numbers = tuple(sorted(wanted))
        if self._watched.get(board.id) == (key, numbers):
            return
        self._watched[board.id] = (key, numbers)
        locks = {sealed.lock(key, sealed.UP, number): CareLock(board.id, number) for number in numbers}
        self._taken = {lock: found for lock, found in self._taken.items() if found[0] != board.id}
        for lock, owner in locks.items():
            self._taken[lock] = (owner.board, owner.number)
        for number in numbers:
            self._taken[sealed.lock(key, sealed.DOWN, number)] = (board.id, number)
        self._watch_locks(("care", board.id), locks)

    # Asking

    def ask(self, name: str, command: bytes, until_ms: int, now: int) -> int:
        """Send ``command`` to the board ``name`` as soon as the one before is answered; its number in the
        list. UnknownBoard, NotOwner, NoCareKey, NoCareLeft, TooManyCommands."""
        board = self._boards.named(name)
        if not board.owned:
            raise errors.NotOwner
        if not board.care_key:
            raise errors.NoCareKey(name=board.name)
        if self._places.exhausted(board):
            raise errors.NoCareLeft(name=board.name)
        if len(command) > COMMAND_BYTES:
            raise LimitError("a command above the limit")
        with self._database.transaction():
            waiting = self._database.rows(
                "SELECT count(*) AS count FROM commands WHERE board = ? AND ended = 0", board.id
            )
            if waiting[0]["count"] >= _WAITING:
                raise errors.TooManyCommands(name=board.name)
            number = self._database.run(
                "INSERT INTO commands (board, command, made_ms, until_ms) VALUES (?, seal_long(?), ?, ?)",
                board.id,
                command,
                now,
                until_ms,
            )
            self._send_next(board, now)
        return number

    def cancel(self, number: int, now: int) -> Command:
        """Give a command up. What is on its way may still be run. UnknownCommand, CommandOver."""
        found = self.command(number, now)
        if found.state in (words.ANSWERED, words.EXPIRED):
            raise errors.CommandOver(number=number, name=found.board, state=found.state)
        with self._database.transaction():
            self._database.run("UPDATE commands SET ended = 1, record = NULL WHERE id = ?", number)
            self.work(now)
        return found

    def _send_next(self, board: Paired, now: int) -> None:
        if self._in_flight(board.id) is not None:
            self._watch(board)
            return
        row = self._one("c.board = ? AND c.ended = 0 AND c.until_ms > ? ORDER BY c.id LIMIT 1", board.id, now)
        if row is not None and not self._places.exhausted(board):
            self._send(board, row, now)
        self._watch(self._boards.named(board.name))

    def _send(self, board: Paired, row: sqlite3.Row, now: int) -> None:
        """Seal the command under its next number, and put it onto the shelf."""
        number = self._places.of(board).next()
        ttl = self._ttl()
        over_ms = min(row["until_ms"], now + envelopes.TTL_MINUTES[ttl] * _MINUTE_MS)
        salt = self._random(sealed.SALT_BYTES)
        made = sealed.seal(
            board.care_key or b"",
            sealed.DOWN,
            number,
            max(over_ms // _MINUTE_MS - EPOCH_MINUTES, 0),
            bytes(row["command"]),
            salt,
            ttl,
            self._random(1)[0] & 3,
        )
        self._places.used(board, number)
        self._database.run(
            "UPDATE commands SET number = ?, salt = ?, envelope = ?, record = ?, over_ms = ?,"
            " carried_ms = NULL, taken_ms = NULL WHERE id = ?",
            *(number, salt, made.id, made.encode(), over_ms, row["id"]),
        )
        self._shelf.put(made, now, _SOURCE_OWN)

    # Hearing

    def open(self, envelope: Envelope, owner: CareLock, now: int) -> None:
        """A reply, to us or to another admin. AuthError where it is none."""
        board = self._board(owner.board)
        if board is None or not board.care_key:
            return
        _, message = sealed.open_sealed(board.care_key, sealed.UP, owner.number, envelope)
        salt, reply = message[: sealed.SALT_BYTES], message[sealed.SALT_BYTES :]
        row = self._one("c.board = ? AND c.salt = ? AND c.ended = 0", board.id, salt)
        self._places.heard(board, owner.number, row is not None)
        if row is not None:
            self._database.run(
                "UPDATE commands SET reply = seal_long(?), answered_ms = ?, ended = 1, record = NULL"
                " WHERE id = ?",
                reply,
                now,
                row["id"],
            )
            self._tell(Answered(board.name, row["id"], bytes(row["command"]), reply))
        else:
            # Another admin's command had that number: ours was not looked at, and gets another one.
            self._database.run(
                "UPDATE commands SET salt = NULL, record = NULL WHERE board = ? AND number = ? AND ended = 0",
                board.id,
                owner.number,
            )
        self._proofs.keep(sealed.token(board.care_key, sealed.UP, owner.number), now)
        self._send_next(self._boards.named(board.name), now)

    def proof(self, proof: bytes, now: int) -> None:
        """Somebody shows a proof: of a command that its board took, or of a reply that another admin read."""
        found = self._taken.get(hashlib.sha256(proof).digest()[: limits.LOCK_BYTES])
        board = self._board(found[0]) if found is not None else None
        if board is None or found is None or self._places.of(board).known > found[1]:
            return
        with self._database.transaction():
            self._places.heard(board, found[1], False)
            self._database.run(
                "UPDATE commands SET taken_ms = ?, record = NULL"
                " WHERE board = ? AND number = ? AND ended = 0 AND taken_ms IS NULL",
                now,
                *found,
            )
            self._watch(self._boards.named(board.name))

    def acked(self, identity: bytes, now: int) -> None:
        """A board keeps the envelope."""
        if self._database.row("SELECT 1 FROM commands WHERE envelope = ? AND carried_ms IS NULL", identity):
            self._database.run("UPDATE commands SET carried_ms = ? WHERE envelope = ?", now, identity)

    # Time

    def due(self, now: int) -> bool:
        """Whether ``work`` has anything to do."""
        query = "SELECT 1 FROM commands WHERE ended = 0 OR made_ms < ?"
        return self._database.row(query, now - _KEPT_MS) is not None

    def work(self, now: int) -> None:
        """Try again what got no answer, give up what is over, forget what is old. In a transaction."""
        self._database.run("DELETE FROM commands WHERE ended = 1 AND made_ms < ?", now - _KEPT_MS)
        for row in self._database.rows(
            f"SELECT {_COLUMNS} FROM commands c JOIN boards b ON b.id = c.board WHERE c.ended = 0"
        ):
            board = self._board(row["board"])
            if board is None:
                continue
            if row["salt"] is not None and row["over_ms"] <= now:
                self._places.silent(board)
                repeated = bytes(row["command"][:1])[0] in words.REPEATED
                self._database.run(
                    "UPDATE commands SET salt = NULL, record = NULL, ended = ? WHERE id = ?",
                    int(not repeated or row["until_ms"] <= now),
                    row["id"],
                )
            elif row["salt"] is None and row["until_ms"] <= now:
                self._database.run("UPDATE commands SET ended = 1 WHERE id = ?", row["id"])
            elif row["record"] is not None and row["carried_ms"] is None:
                # Our own shelf may have let it go before a board had it.
                self._shelf.put(envelopes.decode(row["record"]), now, _SOURCE_OWN)
            board = self._board(row["board"])
            if board is not None:
                self._send_next(board, now)

    # Showing

    def commands(self, now: int, board: str | None = None) -> list[Command]:
        """Those of the last 30 days, the newest last; to one board where ``board`` names it."""
        name = None if board is None else self._boards.named(board).name
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM commands c JOIN boards b ON b.id = c.board"
            " WHERE ? IS NULL OR b.name = ? ORDER BY c.id",
            name,
            name,
        )
        return [_shown(row, now) for row in rows]

    def command(self, number: int, now: int) -> Command:
        """One of them. UnknownCommand."""
        row = self._one("c.id = ?", number)
        if row is None:
            raise errors.UnknownCommand(number=number)
        return _shown(row, now)

    def _in_flight(self, board: int) -> sqlite3.Row | None:
        return self._one("c.board = ? AND c.ended = 0 AND c.salt IS NOT NULL", board)

    def _one(self, which: str, *values: object) -> sqlite3.Row | None:
        return self._database.row(
            f"SELECT {_COLUMNS} FROM commands c JOIN boards b ON b.id = c.board WHERE {which}", *values
        )

    def _board(self, number: int) -> Paired | None:
        return next((board for board in self._boards.all() if board.id == number), None)


def _shown(row: sqlite3.Row, now: int) -> Command:
    if row["answered_ms"] is not None:
        state = words.ANSWERED
    elif row["ended"] or row["until_ms"] <= now:
        state = words.EXPIRED
    elif row["taken_ms"] is not None:
        state = words.TAKEN
    else:
        state = words.CARRIED if row["carried_ms"] is not None and row["salt"] is not None else words.QUEUED
    reply = None if row["reply"] is None else bytes(row["reply"])
    return Command(
        *(row["id"], row["name"], bytes(row["command"]), state, row["made_ms"], row["until_ms"]),
        row["answered_ms"],
        reply,
    )
