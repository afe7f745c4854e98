"""What people say to each other: texts, wishes that one be deleted, what was read, and the timer.

Each is an entry that all devices of both people get; who wrote it is a device, named by the tag of its key.
All methods are a part of their caller's transaction; times are unix time in ms.
"""

import sqlite3
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from hedgerow import roles
from hedgerow.chat import operation as operations
from hedgerow.chat import view
from hedgerow.database import Database
from hedgerow.devices import sync
from hedgerow.log import entry as entries
from hedgerow.log import rows
from hedgerow.people.names import clean_name
from hedgerow_core.envelope import Envelope
from hedgerow_core.errors import PeerError

if TYPE_CHECKING:
    from hedgerow.desk import Desk

TIMER_MINUTES_MAX = 366 * 24 * 60
_READ_AT_ONCE = 100
_MINUTE_MS = 60_000
_SKEW_MS = 3_600_000
_LOOK_MS = 3_600_000
_OVER_MS = 30 * 86_400_000


class Conversations:
    """A part of ``desk``."""

    def __init__(self, desk: "Desk", database: Database, random: Callable[[int], bytes]) -> None:
        self._desk = desk
        self._database = database
        self._looked_ms: int | None = None

    # Writing

    def say(self, contact: int, kind: int, text: str, data: bytes, now: int) -> Envelope:
        """Seal something new for a person, or for a group."""
        if self._person(contact)["role"] == roles.GROUP:
            return self._desk.groups.letters.write(contact, kind, text, data, now)
        return self.write(contact, kind, text, data, now)

    def write(self, person: int, kind: int, text: str, data: bytes, now: int) -> Envelope:
        """Seal something new for all devices of ``person``, and of ours."""
        timer = self._person(person)["timer"] if kind in entries.WORDS else 0
        state, envelope, entry = self._desk.sealer.new(person, kind, text, now, data, timer)
        self._desk.adopt(person, state)
        if timer:
            self._database.run("UPDATE entries SET read_ms = ? WHERE id = ?", now, entry)
        self.spread(entry, now)
        return envelope

    def wait(self, person: int, text: str, now: int) -> None:
        """Keep a text that leaves as soon as there is a ratchet."""
        self._database.run(
            "INSERT INTO entries (contact, mine, kind, sequence, clock, reference, written_ms, read_ms,"
            " timer, text) SELECT id, 1, ?, 0, 0, 0, ?, iif(timer, ?, NULL), timer, seal_long(?)"
            " FROM contacts WHERE id = ?",
            entries.TEXT,
            now,
            now,
            text,
            person,
        )

    def spread(self, entry: int, now: int) -> None:
        """An entry of ours was sealed for the first device of who it is for: the others get it, too."""
        row = self._database.rows(
            "SELECT e.contact, e.kind, c.role FROM entries e JOIN contacts c ON c.id = e.contact"
            " WHERE e.id = ? AND e.copy_of IS NULL",
            entry,
        )
        if not row or row[0]["kind"] not in entries.SAID or row[0]["role"] != roles.CONTACT:
            return
        for device in self.devices_of(row[0]["contact"]):
            self._desk.sealer.copy(entry, device)
        self._desk.devices.share(entry, now)

    def devices_of(self, person: int) -> list[int]:
        """The further devices of a person."""
        found = self._database.rows(
            "SELECT id FROM contacts WHERE person = ? AND role = ? AND revoked_ms IS NULL ORDER BY id",
            person,
            roles.FURTHER,
        )
        return [int(row["id"]) for row in found]

    # Reading

    def take(
        self,
        person: int,
        mine: bool,
        device: int | None,
        written: entries.Entry,
        now: int,
        envelope: Envelope | None = None,
        late: bool = False,
    ) -> bool:
        """Something that was said; whether it is new here. ``device`` is the further device that wrote it."""
        if written.kind not in entries.SAID:
            raise PeerError("an entry of an unknown kind")
        shown = written.text if written.kind in entries.WORDS else ""
        if rows.find(self._database, person, mine, device, written, shown) is not None:
            return False
        entry = rows.insert(
            self._database, person, mine, written, shown, envelope, None if mine else now, late, device
        )
        if not mine or device is not None:
            self._desk.gaps.came(person, device, written.sequence, now)
        if mine and written.timer:
            self._database.run("UPDATE entries SET read_ms = ? WHERE id = ?", now, entry)
        if written.kind in entries.WORDS:
            key = (person, self.author_tag(person, mine, device), written.sequence)
            if self._database.row(
                "SELECT 1 FROM removals WHERE contact = ? AND author = ? AND sequence = ?", *key
            ):
                self._erase(entry, now)  # the wish overtook it
            if written.kind == entries.CHAT:
                self._done(entry, person, mine, device, written, now)
        elif written.kind == entries.TIMER:
            self._set_timer(person, written)
        elif written.kind == entries.REMOVE:
            self._removed(person, mine, device, written.data, now)
        elif written.kind == entries.READ and not mine:
            self._was_read(person, written.data, now)
        elif written.kind == entries.READ:
            self._read_elsewhere(person, written.data, now)
        return True

    def _done(
        self, entry: int, person: int, mine: bool, device: int | None, written: entries.Entry, now: int
    ) -> None:
        found = view.parsed(written.text)
        if found is not None and found.mark == operations.FILE:
            self._desk.blobs.said(entry, person, device or person, found, now)
        elif mine and found is not None and found.mark == operations.NAME:
            self.call(clean_name(found.value))  # on another device of ours

    def call(self, name: str) -> None:
        """We call ourselves otherwise from now on."""
        self._database.run("UPDATE account SET name = ?", name)
        self._desk.name = self._desk.sealer.name = name

    def author_tag(self, person: int, mine: bool, device: int | None) -> bytes:
        """By what the device is named that wrote an entry."""
        if mine and device is None:
            return sync.tag(self._desk.account.device_key)
        row = self._database.rows(
            "SELECT device_key FROM contacts WHERE id = ?", person if device is None else device
        )[0]
        return sync.tag(row["device_key"])

    # The timer

    def set_timer(self, person: int, minutes: int, now: int) -> Envelope:
        """Let texts of both sides disappear so many minutes after they were read; 0: they stay."""
        envelope = self.say(person, entries.TIMER, "", entries.encode_number(minutes), now)
        clock = self._person(person)["clock"]
        self._database.run(
            "UPDATE contacts SET timer = ?, timer_clock = ? WHERE id = ?", minutes, clock, person
        )
        return envelope

    def _set_timer(self, person: int, written: entries.Entry) -> None:
        minutes, end = entries.decode_number(written.data, 0)
        if end != len(written.data) or minutes > TIMER_MINUTES_MAX:
            raise PeerError("a damaged timer")
        # Of two at once, on all devices alike: the later clock, then the longer time.
        self._database.run(
            "UPDATE contacts SET timer = ?, timer_clock = ? WHERE id = ? AND (timer_clock, timer) < (?, ?)",
            minutes,
            written.clock,
            person,
            written.clock,
            minutes,
        )

    def disappear(self, now: int) -> None:
        """Erase the texts whose time is over."""
        found = self._database.rows(
            "SELECT id FROM entries WHERE timer > 0 AND read_ms + timer * 60000 <= ? AND removed_ms IS NULL",
            now,
        )
        if found:
            with self._desk.changing(now):
                for row in found:
                    self._erase(row["id"], now)

    # Keeping

    def keep(self, contact: int, days: int | None) -> None:
        """Erase letters of a conversation here so many days after they came; None: keep all."""
        self._database.run("UPDATE contacts SET keep_days = ? WHERE id = ?", days, contact)
        self._looked_ms = None

    def forget_old(self, now: int) -> None:
        """Erase what is older than the user wants to keep, once an hour; what is pinned stays."""
        if self._looked_ms is not None and 0 <= now - self._looked_ms < _LOOK_MS:
            return
        self._looked_ms = now
        found = self._database.rows(
            "SELECT e.id, e.contact, e.mine, e.device, e.sequence, e.kind, unseal(e.text) AS text"
            " FROM entries e JOIN contacts c ON c.id = e.contact"
            " WHERE c.keep_days IS NOT NULL AND e.kind IN (?, ?) AND e.text != ''"
            " AND e.removed_ms IS NULL AND e.copy_of IS NULL AND e.sequence > 0"
            " AND ifnull(e.received_ms, e.written_ms) + c.keep_days * 86400000 <= ?"
            # What is still on its way stays until it is there, or was over long ago.
            " AND (e.mine = 0 OR e.delivered_ms IS NOT NULL OR e.written_ms + ? <= ?)",
            *(*entries.WORDS, now, _OVER_MS, now),
        )
        views = view.Views(self._desk, self._database)
        old = [row for row in found if view.words(row["kind"], row["text"]) and not views.about(row).pinned]
        if old:
            with self._desk.changing(now):
                for row in old:
                    self._erase(row["id"], now)

    # Deleting

    def remove(self, entry: int, now: int) -> None:
        """Erase an entry of ours here, and ask all who have it to do so."""
        row = self._database.rows(
            "SELECT contact, device, sequence FROM entries WHERE id = ? AND mine = 1", entry
        )[0]
        if row["sequence"]:
            target = self.author_tag(row["contact"], True, row["device"])
            target += entries.encode_number(row["sequence"])
            self.say(row["contact"], entries.REMOVE, "", target, now)
        self._erase(entry, now)

    def forget(self, entry: int, now: int) -> None:
        """Erase an entry here only."""
        self._erase(entry, now)

    def _removed(self, person: int, mine: bool, writer: int | None, data: bytes, now: int) -> None:
        """The author of an entry wishes that it be deleted; only one of the same person is. PeerError where
        one of a group's other members wishes it."""
        for tag, sequence in _targets(data):
            device = self._device(person, mine, tag)
            if not mine and self._account(person, device) != self._account(person, writer):
                raise PeerError("a wish about what somebody else said")
            self._database.run(
                "INSERT OR IGNORE INTO removals (contact, author, sequence) VALUES (?, ?, ?)",
                person,
                tag,
                sequence,
            )
            for row in self._database.rows(
                "SELECT id FROM entries WHERE contact = ? AND mine = ? AND device IS ? AND sequence = ?"
                " AND kind IN (?, ?) AND copy_of IS NULL AND removed_ms IS NULL",
                person,
                int(mine),
                device,
                sequence,
                *entries.WORDS,
            ):
                self._erase(row["id"], now)

    def _erase(self, entry: int, now: int) -> None:
        row = self._database.rows("SELECT contact, mine, device, sequence FROM entries WHERE id = ?", entry)[
            0
        ]
        target = (self.author_tag(row["contact"], bool(row["mine"]), row["device"]), row["sequence"])
        edits = operations.encode(operations.Operation(operations.EDIT, target, ""))
        # What stood in its place later goes as well.
        for other in self._database.rows(
            "SELECT id FROM entries WHERE contact = ? AND kind = ? AND substr(unseal(text), 1, ?) = ?",
            row["contact"],
            entries.CHAT,
            len(edits),
            edits,
        ):
            self._empty(other["id"], now)
        self._empty(entry, now)

    def _empty(self, entry: int, now: int) -> None:
        self._desk.blobs.forget(entry)
        self._database.run(
            "UPDATE entries SET text = '', proof = NULL, removed_ms = ? WHERE id = ?", now, entry
        )
        for row in self._database.rows(
            "SELECT s.envelope FROM sendings s JOIN entries e ON e.id = s.entry"
            " WHERE (e.id = ? OR e.copy_of = ?) AND s.record IS NOT NULL",
            entry,
            entry,
        ):
            self._desk.outbox.let_go(bytes(row["envelope"]))

    # What was read

    def read(self, person: int | None, now: int) -> int:
        """The user has seen what came from ``person``, or from all: timers run, and where receipts are on,
        they hear of that; how many were new."""
        found = self._database.rows(
            "SELECT e.id, e.contact, e.device, e.sequence, e.kind, unseal(e.text) AS text FROM entries e"
            " JOIN contacts c ON c.id = e.contact WHERE e.mine = 0 AND e.text != '' AND e.kind IN (?, ?)"
            " AND e.read_ms IS NULL AND e.removed_ms IS NULL AND (? IS NULL OR e.contact = ?)"
            " AND c.blocked_ms IS NULL AND (c.changed_ms IS NULL OR e.received_ms < c.changed_ms)"
            " ORDER BY e.contact, e.id",
            *entries.WORDS,
            person,
            person,
        )
        count = 0
        said: dict[int, list[bytes]] = {}
        for row in found:
            self._database.run("UPDATE entries SET read_ms = ? WHERE id = ?", now, row["id"])
            if not view.words(row["kind"], row["text"]):
                continue
            count += 1
            target = self.author_tag(row["contact"], False, row["device"])
            said.setdefault(row["contact"], []).append(target + entries.encode_number(row["sequence"]))
        if self.receipts:
            for contact, targets in said.items():
                if self._may_tell(contact):
                    for at in range(0, len(targets), _READ_AT_ONCE):
                        self.write(contact, entries.READ, "", b"".join(targets[at : at + _READ_AT_ONCE]), now)
        return count

    @property
    def receipts(self) -> bool:
        """Whether we tell people that we read what they wrote."""
        return bool(self._database.rows("SELECT receipts FROM account")[0]["receipts"])

    def choose_receipts(self, wanted: bool) -> None:
        """Tell people that we read what they wrote, or not."""
        self._database.run("UPDATE account SET receipts = ?", int(wanted))

    def _may_tell(self, contact: int) -> bool:
        row = self._person(contact)
        return bool(row["connected"]) and row["changed_ms"] is None and row["role"] == roles.CONTACT

    def _was_read(self, person: int, data: bytes, now: int) -> None:
        for tag, sequence in _targets(data):
            self._database.run(
                "UPDATE entries SET seen_ms = ? WHERE contact = ? AND mine = 1 AND device IS ?"
                " AND sequence = ? AND kind IN (?, ?) AND copy_of IS NULL AND seen_ms IS NULL",
                now,
                person,
                self._device(person, True, tag),
                sequence,
                *entries.WORDS,
            )

    def _read_elsewhere(self, person: int, data: bytes, now: int) -> None:
        for tag, sequence in _targets(data):
            self._database.run(
                "UPDATE entries SET read_ms = ? WHERE contact = ? AND mine = 0 AND device IS ?"
                " AND sequence = ? AND read_ms IS NULL",
                now,
                person,
                self._device(person, False, tag),
                sequence,
            )

    def _device(self, person: int, mine: bool, tag: bytes) -> int | None:
        """The further device of theirs, or of ours, with this tag; None for the first, or this one. PeerError
        where there is none."""
        if mine and tag == sync.tag(self._desk.account.device_key):
            return None
        if not mine and tag == sync.tag(self._person(person)["device_key"]):
            return None
        group = self._person(person)["role"] == roles.GROUP
        for row in self._database.rows(
            "SELECT id, device_key FROM contacts WHERE iif(?, role = ?, iif(?, role IN (?, ?, ?),"
            " role = ? AND person = ?))",
            *(int(mine), roles.OWN, int(group), roles.CONTACT, roles.FURTHER, roles.MEMBER),
            *(roles.FURTHER, person),
        ):
            if sync.tag(row["device_key"]) == tag:
                return int(row["id"])
        raise PeerError("an entry of a device that is not known")

    def _account(self, person: int, device: int | None) -> bytes:
        return bytes(self._person(person if device is None else device)["account_key"])

    def find_author(self, person: int, tag: bytes) -> tuple[bool, int | None]:
        """(whether we wrote it, the further device) of who is named ``tag``. PeerError where nobody is."""
        for mine in (True, False):
            try:
                return mine, self._device(person, mine, tag)
            except PeerError:
                continue
        raise PeerError("an entry of a device that is not known")

    def _person(self, person: int) -> sqlite3.Row:
        return self._database.rows("SELECT * FROM contacts WHERE id = ?", person)[0]


def _targets(data: bytes) -> Iterator[tuple[bytes, int]]:
    at, count = 0, 0
    while at < len(data) and count < _READ_AT_ONCE:
        tag = data[at : at + sync.TAG_BYTES]
        sequence, at = entries.decode_number(data, at + sync.TAG_BYTES)
        count += 1
        yield tag, sequence
    if at != len(data) or not count:
        raise PeerError("a damaged list of entries")
