"""What a user does with letters that are there; they are named by their numbers here."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from hedgerow import errors, roles, stored
from hedgerow.chat import dag
from hedgerow.chat import operation as operations
from hedgerow.chat.operation import Operation, Target
from hedgerow.chat.shared import Shared
from hedgerow.chat.view import Views, words
from hedgerow.database import Database
from hedgerow.log import Log, bounds, cid, interchange
from hedgerow.log import entry as entries
from hedgerow.log.canonical import Entry
from hedgerow.people.names import checked_name
from hedgerow_core.mac import hkdf

if TYPE_CHECKING:
    from hedgerow.desk import Desk

_TEXT_BYTES = 780  # fits where the conversation is a group, too


@dataclass(frozen=True)
class LoggedEntry:
    """An entry of a conversation's log; ids are CIDs, ``device_key`` is hexadecimal."""

    cid: str
    author: str
    device_key: str
    sequence: int
    clock: int
    parents: list[str]
    references: list[str]
    kind: int
    written_ms: int
    text: str


class ChatCommands:
    """For ``Node.chat``; ``may_say`` looks whether a conversation can be written to."""

    def __init__(self, desk: "Desk", database: Database, may_say: Callable[[int, str], None]) -> None:
        self._desk = desk
        self._database = database
        self._may_say = may_say

    def reply(self, number: int, text: str, now: int) -> int:
        """Answer a letter; the number of the answer. UnknownLetter, EmptyText, TextTooLong."""
        return self._about(number, operations.REPLY, _checked(text), now)

    def edit(self, number: int, text: str, now: int) -> int:
        """Put another text in the place of a letter of ours. NotOurs."""
        row = self._row(number)
        if not row["mine"]:
            raise errors.NotOurs(number=number)
        return self._about(number, operations.EDIT, _checked(text), now)

    def react(self, number: int, symbol: str, now: int) -> int:
        """Put a symbol to a letter in place of ours; empty: take it back. BadReaction."""
        symbol = symbol.strip()
        if len(symbol) > operations.REACTION_CHARACTERS or not all(map(_shown, symbol)):
            raise errors.BadReaction(most=operations.REACTION_CHARACTERS)
        return self._about(number, operations.REACT, symbol, now)

    def pin(self, number: int, wanted: bool, now: int) -> int:
        """Pin a letter for everybody in the conversation, or take it off."""
        return self._about(number, operations.PIN, "1" if wanted else "0", now)

    def poll(self, name: str, question: str, choices: list[str], many: bool, now: int) -> int:
        """Ask a question with choices; its number. BadPoll."""
        lines = [" ".join(line.split()) for line in (question, *choices)]
        if not 2 <= len(choices) <= operations.CHOICES_MAX or not all(lines) or len({*lines}) < len(lines):
            raise errors.BadPoll(most=operations.CHOICES_MAX)
        mark = operations.POLL_MANY if many else operations.POLL
        contact = self._desk.book.conversation_of(name)
        return self.say(contact, name, Operation(mark, None, _checked("\n".join(lines))), now)

    def vote(self, number: int, chosen: list[int], now: int) -> int:
        """Choose, counted from 1; nothing: take it back. NoPoll, BadVote."""
        row = self._row(number)
        poll = Views(self._desk, self._database).about(row).poll
        if poll is None:
            raise errors.NoPoll(number=number)
        if not all(1 <= one <= len(poll.choices) for one in chosen) or (len(chosen) > 1 and not poll.many):
            what = "one or more" if poll.many else "one"
            raise errors.BadVote(what=what, most=len(poll.choices))
        value = ",".join(str(one - 1) for one in sorted(set(chosen)))
        return self._about(number, operations.VOTE, value, now)

    def call(self, name: str, now: int) -> int:
        """Call ourselves by another name, and tell all contacts; how many. BadName."""
        name, told = checked_name(name), 0
        with self._desk.changing(now):
            self._desk.conversations.call(name)
        for row in self._database.rows(
            "SELECT id FROM contacts WHERE role = ? AND connected = 1 AND changed_ms IS NULL"
            " AND blocked_ms IS NULL",
            roles.CONTACT,
        ):
            said = operations.encode(Operation(operations.NAME, None, name))
            self._desk.say(row["id"], entries.CHAT, said, now)
            told += 1
        return told

    def say(self, contact: int, name: str, operation: Operation, now: int) -> int:
        """Do something in a conversation; its row."""
        self._may_say(contact, name)
        self._desk.say(contact, entries.CHAT, operations.encode(operation), now)
        rows = self._database.rows(
            "SELECT max(id) AS id FROM entries WHERE contact = ? AND mine = 1 AND kind = ?"
            " AND copy_of IS NULL",
            contact,
            entries.CHAT,
        )
        return int(rows[0]["id"])

    def log(self, name: str) -> list[LoggedEntry]:
        """The conversation as a log, in its order."""
        log, people = self._log(name)
        with log:
            return [_logged(entry, people) for entry in log.entries()]

    def export(
        self, name: str, form: str, stream: IO[bytes], told: Callable[[int], None] | None = None
    ) -> int:
        """Write the conversation's log to a file, in one of ``interchange.FORMATS``; how many entries."""
        secret = hkdf(self._desk.account.device_seed, b"", b"hedgerow orbitdb export", 32)
        log, _ = self._log(name)
        with log:
            return interchange.export(log, form, stream, secret, told)

    def _log(self, name: str) -> tuple[Log, dict[bytes, str]]:
        """The log of a conversation, and how its authors are called."""
        contact = self._desk.book.conversation_of(name)
        people: dict[bytes, str] = {}
        said = []
        for row in self._database.rows(
            "SELECT e.contact, e.mine, e.device, e.sequence, e.clock, e.kind, e.written_ms, c.role, c.name,"
            " unseal(e.text) AS text, c.account_key AS theirs, a.account_key AS account,"
            " a.role AS device_role, a.device_key,"
            " coalesce(a.device_key, iif(e.mine, ?, c.device_key)) AS author"
            " FROM entries e JOIN contacts c ON c.id = e.contact LEFT JOIN contacts a ON a.id = e.device"
            " WHERE e.contact = ? AND e.kind IN (?, ?) AND e.copy_of IS NULL AND e.refused = 0"
            " AND e.sequence > 0",
            *(self._desk.account.device_key, contact, *entries.WORDS),
        ):
            people[bytes(row["author"])] = Views(self._desk, self._database).person(row)[1]
            body = dag.body_of(row["written_ms"], row["text"])
            said.append(dag.Words(bytes(row["author"]), row["clock"], row["kind"], body))
        conversation = self._desk.gaps.name(contact).ljust(bounds.LOG_ID_BYTES, b"\0")
        return dag.log_of(conversation, said), people

    def shared(self, name: str, now: int) -> Shared:
        """What stores of the conversation stand on."""
        contact = self._desk.book.conversation_of(name)
        views = Views(self._desk, self._database)

        def say(operation: Operation) -> Target:
            return views.place(self._entry(self.say(contact, name, operation, now)))

        account = self._desk.account.account_key
        return Shared(self._desk.gaps.name(contact), account, views.of(contact).done, say)

    def _entry(self, row: int) -> sqlite3.Row:
        return self._database.rows("SELECT contact, mine, device, sequence FROM entries WHERE id = ?", row)[0]

    def _about(self, number: int, mark: str, value: str, now: int) -> int:
        row = self._row(number)
        target: Target = Views(self._desk, self._database).place(row)
        return self.say(int(row["contact"]), row["name"], Operation(mark, target, value), now)

    def _row(self, number: int) -> sqlite3.Row:
        row = self._database.row(
            "SELECT e.id, e.contact, e.mine, e.device, e.sequence, e.kind, unseal(e.text) AS text, c.name"
            " FROM entries e JOIN contacts c ON c.id = e.contact"
            " WHERE e.id = ? AND e.kind IN (?, ?) AND e.copy_of IS NULL AND e.removed_ms IS NULL",
            number,
            *entries.WORDS,
        )
        if row is None or not words(row["kind"], row["text"]):
            raise errors.UnknownLetter(number=number)
        if not row["sequence"]:
            raise errors.NotConnected(name=row["name"])
        return row


def _logged(entry: Entry, people: dict[bytes, str]) -> LoggedEntry:
    written_ms, text = stored.read(entry.body, int, str)
    return LoggedEntry(
        cid.to_text(entry.id),
        people[entry.author],
        entry.author.hex(),
        entry.sequence,
        entry.clock,
        [cid.to_text(parent) for parent in entry.parents],
        [cid.to_text(reference) for reference in entry.references],
        entry.kind - dag.KINDS,
        written_ms,
        text,
    )


def _checked(text: str) -> str:
    text = text.encode(errors="replace").decode()
    if not text.strip():
        raise errors.EmptyText
    size = len(text.encode())
    if size > _TEXT_BYTES:
        raise errors.TextTooLong(size=size, limit=_TEXT_BYTES)
    return text


def _shown(character: str) -> bool:
    # A zero-width joiner and the variation selectors hold an emoji together.
    return character.isprintable() or character in "\N{ZERO WIDTH JOINER}"
