"""What others said that is not here: noticed at once, asked for, answered (docs/protocol.md, "Gaps").

The data of a WANT is one of these; ``conversation`` and authors are named by the first bytes of their hash:

    [0, conversation 8, author 4, [first, last ..]]       what is asked for, by sequences
    [1, conversation 8, author 4, [first, last ..]]       the author never said that
    [2, conversation 8, author 4, entry]                  what a device of the same person said
    [3, conversation 8, author 4, signed]                 what a member of the group said, with its signature
"""

import hashlib
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hedgerow import roles, stored
from hedgerow.database import Database
from hedgerow.devices import sync
from hedgerow.groups import limits
from hedgerow.log import entry as entries
from hedgerow_core import cbor
from hedgerow_core.errors import PeerError

if TYPE_CHECKING:
    from hedgerow.desk import Desk

_ASK, _NEVER, _OF_OURS, _OF_A_MEMBER = range(4)
_HOUR_MS = 3_600_000
FIRST_MS = _HOUR_MS  # what is only late comes by itself
AGAIN_MS = 6 * _HOUR_MS  # and twice as long each time
_ASKS = 6
_RANGES = 16
_AT_ONCE = 32  # entries that are sent for one question
_WAITING = 64  # and that wait for one device at most
_LOOKED_AT = 4_096  # of what may never have been said
_PROOF_BYTES = 850
_SEQUENCE_MAX = (1 << 28) - 1
_TOLD = (*entries.SAID, entries.GROUP)

# Whose entries: of this device; of the author in a row of contacts.
_OURS = "mine = 1 AND device IS NULL"
_BY = "ifnull(device, iif(mine, 0, contact)) = ?"


@dataclass(frozen=True)
class Gap:
    """Entries of one author that are not here, by sequence; ``author`` is how they are called."""

    author: str
    first: int
    last: int
    asked: int


class Gaps:
    """A part of ``desk``; all methods are a part of their caller's transaction."""

    def __init__(self, desk: "Desk", database: Database) -> None:
        self._desk = desk
        self._database = database

    # Noticing

    def came(self, contact: int, device: int | None, sequence: int, now: int) -> None:
        """An entry of somebody came: what is missing before it, or was missing in its place."""
        author = device or contact
        gap = self._database.row(
            "SELECT * FROM gaps WHERE contact = ? AND author = ? AND first <= ? AND last >= ?",
            *(contact, author, sequence, sequence),
        )
        if gap is not None:
            self._shrink(gap, sequence, sequence)
            return
        last = self._last(contact, author, sequence)
        # Nobody knows what was said before the first that is here, and who lost its home leaps.
        if last and sequence > last + 1 and sequence != limits.after_leap(last):
            self._add(contact, author, last + 1, sequence - 1, now, None, 0)

    def _last(self, contact: int, author: int, before: int) -> int:
        """The last sequence of an author before another one."""
        row = self._database.rows(
            "SELECT ifnull(max(sequence), 0) AS last FROM entries WHERE contact = ? AND sequence > 0"
            f" AND sequence < ? AND copy_of IS NULL AND {_BY}",
            *(contact, before, author),
        )[0]
        last = int(row["last"])
        if self._is_group(contact):
            key = self._key(author)
            nodes = self._desk.groups.state(contact).nodes
            signed = [node.operation.sequence for node in nodes if node.operation.author == key]
            last = max([last, *(sequence for sequence in signed if sequence < before)])
        return last

    def _shrink(self, gap: sqlite3.Row, first: int, last: int) -> None:
        contact, author = gap["contact"], gap["author"]
        self._database.run(
            "DELETE FROM gaps WHERE contact = ? AND author = ? AND first = ?", contact, author, gap["first"]
        )
        for start, end in ((gap["first"], first - 1), (last + 1, gap["last"])):
            if start <= end:
                self._add(contact, author, start, end, gap["noticed_ms"], gap["asked_ms"], gap["asked"])

    def _add(
        self,
        contact: int,
        author: int,
        first: int,
        last: int,
        noticed_ms: int,
        asked_ms: int | None,
        asked: int,
    ) -> None:
        self._database.run(
            "INSERT OR REPLACE INTO gaps (contact, author, first, last, noticed_ms, asked_ms, asked)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(contact, author, first, last, noticed_ms, asked_ms, asked),
        )

    def of(self, contact: int) -> list[Gap]:
        """What is missing in a conversation, as it is shown."""
        found = []
        for row in self._database.rows(
            "SELECT * FROM gaps WHERE contact = ? ORDER BY author, first", contact
        ):
            if self._is_group(contact):
                name = self._desk.groups.author_name(contact, self._key(row["author"]))
            elif self._account(row["author"]) == self._desk.account.account_key:
                name = self._desk.name
            else:
                name = self._desk.sealer.name_of(contact)
            found.append(Gap(name, row["first"], row["last"], row["asked"]))
        return found

    # Asking

    def due(self, now: int) -> list[sqlite3.Row]:
        """The gaps that are to be asked for."""
        return self._database.rows(
            "SELECT g.* FROM gaps g JOIN contacts c ON c.id = g.contact WHERE g.noticed_ms <= ?"
            " AND g.asked < ? AND (g.asked_ms IS NULL OR g.asked_ms + ? * (1 << (g.asked - 1)) <= ?)"
            " AND c.blocked_ms IS NULL AND c.changed_ms IS NULL ORDER BY g.noticed_ms LIMIT 100",
            *(now - FIRST_MS, _ASKS, AGAIN_MS, now),
        )

    def ask(self, now: int) -> None:
        """Ask for what is missing: its author first, then others who have it, in turn."""
        found: dict[tuple[int, int], list[sqlite3.Row]] = {}
        for gap in self.due(now):
            found.setdefault((gap["contact"], gap["author"]), []).append(gap)
        for (contact, author), gaps in found.items():
            ranges: list[object] = []
            for gap in gaps[:_RANGES]:
                ranges += [gap["first"], gap["last"]]
                self._database.run(
                    "UPDATE gaps SET asked_ms = ?, asked = asked + 1 WHERE contact = ? AND author = ?"
                    " AND first = ?",
                    *(now, contact, author, gap["first"]),
                )
            holders = self.holders(contact, author, now)
            if holders:
                holder = holders[gaps[0]["asked"] % len(holders)]
                tag = sync.tag(self._key(author))
                self._tell(holder, [_ASK, self.name(contact), tag, ranges], now)

    def holders(self, contact: int, author: int, now: int) -> list[int]:
        """Rows of devices that may have what an author said: itself first."""
        if self._is_group(contact):
            cards = self._desk.groups.state(contact).members.cards
            others = [self._desk.groups.device_row(contact, key, now) for key in cards]
        else:
            own = self._database.rows(
                "SELECT id FROM contacts WHERE role = ? AND revoked_ms IS NULL", roles.OWN
            )
            theirs = [contact, *self._desk.conversations.devices_of(contact)]
            others = [*theirs, *(int(row["id"]) for row in own)]
        found = [author, *(row for row in others if row is not None and row != author)]
        connected = self._database.rows("SELECT id FROM contacts WHERE connected = 1 AND blocked_ms IS NULL")
        reachable = {row["id"] for row in connected}
        return [row for row in found if row in reachable]

    # Answering

    def heard(self, device: int, data: bytes, now: int) -> None:
        """A WANT of the device in a row of contacts. PeerError where it is damaged, or no matter of its."""
        what, conversation, tag, rest = read(data)
        contact = self._conversation(conversation)
        account = self._account(device)
        if self._is_group(contact):
            members = self._desk.groups.state(contact).members
            if account != self._desk.account.account_key and not members.account_of(self._key(device)):
                raise PeerError("a question about a group by somebody who is not in")
        elif account not in (self._desk.account.account_key, self._account(contact)):
            raise PeerError("a question about a conversation with somebody else")
        if what == _OF_A_MEMBER:
            if not isinstance(rest, bytes) or not self._is_group(contact):
                raise PeerError("a damaged answer")
            self._desk.groups.letters.relayed(contact, tag, rest, now)
            return
        mine, writer = self._desk.conversations.find_author(contact, tag)
        ours = mine and writer is None
        author = writer or contact
        if what == _ASK:
            self._answer(device, contact, ours, author, tag, _ranges(rest), now)
        elif ours or self._account(author) != account:
            raise PeerError("an answer about somebody else")
        elif what == _NEVER:
            self._never(contact, author, _ranges(rest))
        elif isinstance(rest, bytes) and not self._is_group(contact):
            self._desk.conversations.take(contact, mine, writer, entries.decode(rest), now)
        else:
            raise PeerError("a damaged answer")

    def _answer(
        self,
        asker: int,
        contact: int,
        ours: bool,
        author: int,
        tag: bytes,
        ranges: list[tuple[int, int]],
        now: int,
    ) -> None:
        waiting = self._database.rows(
            "SELECT count(*) AS n FROM entries WHERE contact = ? AND mine = 1 AND delivered_ms IS NULL"
            " AND (copy_of IS NOT NULL OR kind IN (?, ?))",
            *(asker, entries.WANT, entries.SYNC),
        )[0]["n"]
        left = min(_AT_ONCE, _WAITING - waiting)
        never: list[object] = []
        for first, last in ranges:
            rows = self._database.rows(
                "SELECT id, sequence, unseal(proof) AS proof, removed_ms FROM entries WHERE contact = ?"
                f" AND copy_of IS NULL AND kind IN {_TOLD} AND {_OURS if ours else _BY}"
                " AND sequence BETWEEN ? AND ? ORDER BY sequence",
                *(contact, *(() if ours else (author,)), first, last),
            )
            if ours and last - first < _LOOKED_AT:
                there = {row["sequence"] for row in rows if row["removed_ms"] is None}
                never += _missing(first, last, there)
            for row in rows:
                if left > 0 and row["removed_ms"] is None:
                    left -= self._send(asker, contact, ours, author, tag, row, now)
        if never:
            self._tell(asker, [_NEVER, self.name(contact), tag, never[: 2 * _RANGES]], now)

    def _send(
        self, asker: int, contact: int, ours: bool, author: int, tag: bytes, row: sqlite3.Row, now: int
    ) -> bool:
        """Send an entry to who asked for it; whether that goes."""
        own = self._desk.account.account_key
        if self._is_group(contact):
            proof = bytes(row["proof"] or b"")
            if not 0 < len(proof) <= _PROOF_BYTES:
                return False  # too long for one letter: the author says it again
            self._tell(asker, [_OF_A_MEMBER, self.name(contact), tag, proof], now)
        elif self._account(asker) == own:
            self._desk.devices.tell(asker, [self._desk.devices.said(row["id"])], now)
        elif ours:
            if self._database.row(
                "SELECT 1 FROM entries WHERE copy_of = ? AND contact = ? AND delivered_ms IS NULL",
                *(row["id"], asker),
            ):
                return False  # it is on its way
            self._desk.sealer.copy(row["id"], asker)
        elif self._account(author) == own:
            said = self._desk.devices.said(row["id"]).entry
            self._tell(asker, [_OF_OURS, self.name(contact), tag, said], now)
        else:
            return False  # what they said themselves, their own devices tell
        return True

    def _never(self, contact: int, author: int, ranges: list[tuple[int, int]]) -> None:
        for first, last in ranges:
            for gap in self._database.rows(
                "SELECT * FROM gaps WHERE contact = ? AND author = ? AND first <= ? AND last >= ?",
                *(contact, author, last, first),
            ):
                self._shrink(gap, first, last)

    def _tell(self, device: int, fields: list[object], now: int) -> None:
        self._desk.sealer.post(device, entries.WANT, stored.write(fields), now)

    # Names

    def _conversation(self, name: bytes) -> int:
        for row in self._database.rows(
            "SELECT id FROM contacts WHERE role IN (?, ?) AND blocked_ms IS NULL AND changed_ms IS NULL",
            roles.CONTACT,
            roles.GROUP,
        ):
            if self.name(row["id"]) == name:
                return int(row["id"])
        raise PeerError("a question about a conversation that is not known")

    def name(self, contact: int) -> bytes:
        """What a conversation is called by both sides, 8 bytes."""
        if self._is_group(contact):
            keys = [self._desk.groups.state(contact).group]
        else:
            keys = sorted((self._desk.account.account_key, self._account(contact)))
        return hashlib.sha256(b"hedgerow conversation" + b"".join(keys)).digest()[:8]

    def _account(self, row: int) -> bytes:
        return bytes(self._database.rows("SELECT account_key FROM contacts WHERE id = ?", row)[0][0])

    def _key(self, row: int) -> bytes:
        return bytes(self._database.rows("SELECT device_key FROM contacts WHERE id = ?", row)[0][0])

    def _is_group(self, contact: int) -> bool:
        rows = self._database.rows("SELECT role FROM contacts WHERE id = ?", contact)
        return bool(rows[0]["role"] == roles.GROUP)


def read(data: bytes) -> tuple[int, bytes, bytes, object]:
    """(what, conversation, author, the rest) of a WANT. PeerError where it is damaged."""
    found = cbor.decode(data)
    if not isinstance(found, list) or len(found) != 4 or type(found[0]) is not int:
        raise PeerError("a damaged question")
    what, conversation, author, rest = found
    if not 0 <= what <= _OF_A_MEMBER:
        raise PeerError("a question of an unknown kind")
    if not isinstance(conversation, bytes) or not isinstance(author, bytes) or len(author) != sync.TAG_BYTES:
        raise PeerError("a damaged question")
    return what, conversation, author, rest


def _ranges(found: object) -> list[tuple[int, int]]:
    if not isinstance(found, list) or not found or len(found) > 2 * _RANGES or len(found) % 2:
        raise PeerError("a damaged question")
    if not all(type(number) is int and 1 <= number <= _SEQUENCE_MAX for number in found):
        raise PeerError("a damaged question")
    ranges = list(zip(found[::2], found[1::2], strict=True))
    if any(first > last for first, last in ranges):
        raise PeerError("a damaged question")
    return ranges


def _missing(first: int, last: int, there: set[int]) -> list[object]:
    """What is not there, as ranges."""
    found: list[Any] = []
    for sequence in range(first, last + 1):
        if sequence in there:
            continue
        if found and found[-1] == sequence - 1:
            found[-1] = sequence
        else:
            found += [sequence, sequence]
    return found
