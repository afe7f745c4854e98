"""The host's engine: account, contacts, letters. No I/O but the home's database, no clock of its own.

A link is ``hedgerow_core.link.Link``: whoever moves its bytes (serial, TCP, the lab) calls ``attach`` and
then, after each change of the shelf, ``poll``.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from hedgerow import errors
from hedgerow.database import Database, ShelfStore
from hedgerow.identity.account import Account, Card
from hedgerow.log import entry as entries
from hedgerow.mailbox import Mailbox
from hedgerow.people import invite as invites
from hedgerow.people import request as requests
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet.state import Place, State
from hedgerow_core import envelope as envelopes
from hedgerow_core.envelope import Envelope
from hedgerow_core.errors import LimitError, PeerError
from hedgerow_core.link import Link, Stream
from hedgerow_core.session import INITIATOR, PAIR, Session
from hedgerow_core.shelf import MemoryStore, Shelf

NAME_CHARACTERS = 32
TEXT_BYTES = 900
_REQUEST_AGAIN_MS = 24 * 3_600_000
_RANDOM_HOPS = 4
_ASK_MS = 3_000
_SHELF_COUNT = 4_000  # below limits.EXCHANGE_IDS: a host offers all of it
_SHELF_BYTES = _SHELF_COUNT * 1_024
_DEEP_EVERY_MS = 24 * 3_600_000

_Kept = TypeVar("_Kept")


@dataclass(frozen=True)
class Connected:
    """``name`` is a contact now: letters go both ways."""

    name: str


@dataclass(frozen=True)
class Received:
    """A letter from ``name`` was opened."""

    name: str
    text: str
    sequence: int
    hops: int
    written_ms: int
    envelope: bytes


@dataclass(frozen=True)
class Contact:
    """A row of ``hedgerow contacts``."""

    name: str
    connected: bool
    account_key: bytes


@dataclass(frozen=True)
class Letter:
    """A row of ``hedgerow inbox``; ``received_ms`` is None for our own, ``sent`` false while it waits."""

    id: int
    name: str
    mine: bool
    text: str
    written_ms: int
    received_ms: int | None
    sent: bool


@dataclass(frozen=True)
class _Ratchet:
    contact: int
    place: Place


@dataclass(frozen=True)
class _Invite:
    id: bytes
    slot: int


class Node:
    """One account in one home. ``random`` gives so many secret random bytes; ``now`` is unix time in ms."""

    def __init__(self, database: Database, random: Callable[[int], bytes], now: int) -> None:
        self._database = database
        self._random = random
        row = database.row("SELECT name, keys, deep_ms FROM account")
        if row is None:
            raise errors.HomeDamaged(home=database.home, reason="no account in it")
        self.name = str(row["name"])
        self._account = self._kept(Account.from_cbor, row["keys"])
        self._deep_ms = int(row["deep_ms"])
        self.shelf = Shelf(
            cast(MemoryStore, ShelfStore(database)), now, _SHELF_COUNT, _SHELF_BYTES, absolute=True
        )
        self._mailbox: Mailbox[_Ratchet | _Invite] = Mailbox(self.shelf)
        self._states: dict[int, State] = {}
        self._events: list[Connected | Received] = []
        for contact in database.rows("SELECT id, ratchet FROM contacts"):
            self._adopt(contact["id"], self._kept(State.from_cbor, contact["ratchet"]))
        for stored in database.rows("SELECT id, secret FROM invites WHERE expires_ms > ?", now):
            self._watch_invite(self._kept(invites.InviteSecret.from_cbor, stored["secret"]))

    @classmethod
    def create(cls, home: Path, name: str, random: Callable[[int], bytes], now: int) -> "Node":
        """A new account called ``name`` in ``home``."""
        name = checked_name(name)
        keys = Account.create(random).to_cbor()
        database = Database.create(
            home, "INSERT INTO account (id, name, keys, deep_ms) VALUES (1, ?, ?, ?)", name, keys, now
        )
        return cls(database, random, now)

    @classmethod
    def open(cls, home: Path, random: Callable[[int], bytes], now: int) -> "Node":
        """The account in ``home``."""
        return cls(Database.open(home), random, now)

    def close(self) -> None:
        """Close the home."""
        self._database.close()

    def refresh(self, now: int) -> None:
        """Take in what other processes on this home have done."""
        if not self._database.changed_elsewhere():
            return
        for contact in self._database.rows("SELECT id, ratchet FROM contacts"):
            state = self._kept(State.from_cbor, contact["ratchet"])
            if self._states.get(contact["id"]) != state:
                self._adopt(contact["id"], state)
        for stored in self._database.rows("SELECT secret FROM invites WHERE expires_ms > ?", now):
            self._watch_invite(self._kept(invites.InviteSecret.from_cbor, stored["secret"]))
        self.shelf.catch_up()

    # Links

    def pairing_keys(self) -> list[bytes]:
        """The pairing keys that boards took before, the last used first."""
        rows = self._database.rows("SELECT key FROM pairing_keys ORDER BY used_ms DESC")
        return [bytes(row["key"]) for row in rows]

    def remember_key(self, key: bytes, now: int) -> None:
        """A board took this pairing key."""
        self._database.run("INSERT OR REPLACE INTO pairing_keys (key, used_ms) VALUES (?, ?)", key, now)

    def attach(self, pairing_key: bytes, now: int) -> Link:
        """A link to a board over a byte stream; feed it with what the line brings."""
        session = Session(INITIATOR, {PAIR: pairing_key}, self._random(32), now)
        return Link(Stream(), session, self.shelf, now, ask_ms=_ASK_MS)

    # People

    def invite(self, now: int) -> str:
        """A new invite as a URI, for somebody to ``add``."""
        secret, uri = invites.create(self._account, self.name, self._random, now)
        self._database.run(
            "INSERT INTO invites (id, secret, expires_ms) VALUES (?, ?, ?)",
            secret.id,
            secret.to_cbor(),
            secret.expiry_ms,
        )
        self._watch_invite(secret)
        return uri

    def add(self, uri: str, now: int) -> str:
        """Ask whoever made the invite to become a contact; their name here."""
        try:
            invite = invites.parse(uri, now)
        except invites.Expired:
            raise errors.InviteExpired from None
        except invites.OtherVersion:
            raise errors.InviteVersion from None
        except PeerError:
            raise errors.InviteDamaged from None
        if invite.card.account_key == self._account.account_key:
            raise errors.InviteOwn
        known = self._database.row("SELECT name FROM contacts WHERE account_key = ?", invite.card.account_key)
        if known is not None:
            raise errors.AlreadyContact(name=known["name"])
        sent = requests.create(self._account, self.name, invite, self._random)
        state = ratchet.start_reader(sent.root, sent.ad, sent.ephemeral_private)
        with self._database.transaction():
            name = self._free_name(invite.card.name)
            contact = self._insert_contact(name, invite.card, False, state)
            self._database.run(
                "UPDATE contacts SET request = ?, asked_ms = ? WHERE id = ?", sent.to_cbor(), now, contact
            )
            self._put_request(sent, now)
        self._adopt(contact, state)
        return name

    def contacts(self) -> list[Contact]:
        """Everybody, in the order in which they came."""
        rows = self._database.rows("SELECT name, connected, account_key FROM contacts ORDER BY id")
        return [Contact(row["name"], bool(row["connected"]), row["account_key"]) for row in rows]

    # Letters

    def send(self, name: str, text: str, now: int) -> Envelope | None:
        """Write ``text`` to the contact ``name``; None while it waits here, as they have not answered us."""
        name, text = _encodable(name), _encodable(text)
        size = len(text.encode())
        if not text.strip():
            raise errors.EmptyText
        if size > TEXT_BYTES:
            raise errors.TextTooLong(size=size, limit=TEXT_BYTES)
        row = self._database.row("SELECT id, connected FROM contacts WHERE name = ?", name)
        if row is None:
            raise errors.UnknownContact(name=name)
        if row["connected"]:
            return self._seal(row["id"], entries.TEXT, text, now)
        self._database.run(
            "INSERT INTO entries (contact, mine, sequence, clock, reference, written_ms, text)"
            " VALUES (?, 1, 0, 0, 0, ?, ?)",
            row["id"],
            now,
            text,
        )
        return None

    def inbox(self, name: str | None = None) -> list[Letter]:
        """The conversations, one after the other; with one contact where ``name`` says so."""
        if name is not None:
            name = _encodable(name)
            if self._database.row("SELECT id FROM contacts WHERE name = ?", name) is None:
                raise errors.UnknownContact(name=name)
        rows = self._database.rows(
            "SELECT e.id, c.name, e.mine, e.text, e.written_ms, e.received_ms, e.sequence"
            " FROM entries e JOIN contacts c ON c.id = e.contact"
            " WHERE e.text != '' AND (? IS NULL OR c.name = ?)"
            " ORDER BY c.id, e.sequence = 0, e.clock, e.mine, e.id",
            name,
            name,
        )
        return [
            Letter(
                row["id"],
                row["name"],
                bool(row["mine"]),
                row["text"],
                row["written_ms"],
                row["received_ms"],
                row["sequence"] > 0,
            )
            for row in rows
        ]

    def poll(self, now: int) -> list[Connected | Received]:
        """Open what is for us on the shelf, repeat what was not answered; what happened."""
        self.refresh(now)
        self._mailbox.collect(now)
        self._mailbox.open(now, lambda envelope, owner: self._open(envelope, owner, now))
        self._deep_scan(now)
        self._send_waiting(now)
        for row in self._database.rows(
            "SELECT id, request FROM contacts WHERE request IS NOT NULL AND asked_ms <= ?",
            now - _REQUEST_AGAIN_MS,
        ):
            with self._database.transaction():
                self._put_request(self._kept(requests.RequestSent.from_cbor, row["request"]), now)
                self._database.run("UPDATE contacts SET asked_ms = ? WHERE id = ?", now, row["id"])
        self.shelf.expire(now)
        happened, self._events = self._events, []
        return happened

    def _deep_scan(self, now: int) -> None:
        """Find letters beyond the dense windows; costly, so only where there are locks of nobody's."""
        unknown = set(self._mailbox.unmatched())
        if not unknown or 0 <= now - self._deep_ms < _DEEP_EVERY_MS:
            return
        self._deep_ms = now
        self._database.run("UPDATE account SET deep_ms = ?", now)
        for contact, state in list(self._states.items()):
            found = {
                lock: _Ratchet(contact, place)
                for lock, place in ratchet.deep_locks(state).items()
                if lock in unknown
            }
            # What the last scan found and could not open is somebody's forgery: it is let go.
            self._mailbox.watch(("deep", contact), found)
        self._mailbox.open(now, lambda envelope, owner: self._open(envelope, owner, now))

    # Inside

    def _kept(self, read: Callable[[bytes], _Kept], data: bytes) -> _Kept:
        try:
            return read(data)
        except PeerError as error:
            raise errors.HomeDamaged(home=self._database.home, reason=str(error)) from None

    def _send_waiting(self, now: int) -> None:
        """Seal what was written before there was an answer."""
        for row in self._database.rows(
            "SELECT e.id, e.contact, e.text, e.written_ms FROM entries e JOIN contacts c ON c.id = e.contact"
            " WHERE c.connected = 1 AND e.sequence = 0 ORDER BY e.id"
        ):
            self._seal(row["contact"], entries.TEXT, row["text"], now, row["id"], row["written_ms"])

    def _adopt(self, contact: int, state: State) -> None:
        self._states[contact] = state
        self._mailbox.watch(
            contact, {lock: _Ratchet(contact, place) for lock, place in ratchet.locks(state).items()}
        )

    def _watch_invite(self, secret: invites.InviteSecret) -> None:
        self._mailbox.watch(
            secret.id, {lock: _Invite(secret.id, slot) for lock, slot in invites.locks(secret.secret).items()}
        )

    def _free_name(self, wished: str) -> str:
        wished = clean_name(wished)
        name = wished
        number = 2
        while self._database.row("SELECT id FROM contacts WHERE name = ?", name) is not None:
            name = f"{wished} {number}"
            number += 1
        return name

    def _insert_contact(self, name: str, card: Card, connected: bool, state: State) -> int:
        return self._database.run(
            "INSERT INTO contacts (name, account_key, device_key, connected, ratchet) VALUES (?, ?, ?, ?, ?)",
            name,
            card.account_key,
            card.device_key,
            int(connected),
            state.to_cbor(),
        )

    def _put(self, lock: bytes, body: bytes, now: int, shared: bool = False) -> Envelope:
        envelope = envelopes.make(
            envelopes.NORMAL, envelopes.TTL_DEFAULT, lock, body, self._random(1)[0] % _RANDOM_HOPS, shared
        )
        self.shelf.put(envelope, now)
        return envelope

    def _put_request(self, sent: requests.RequestSent, now: int) -> None:
        slot = self._random(1)[0]
        self._put(
            invites.lock(sent.invite_secret, slot), requests.body_for_slot(sent, slot), now, shared=True
        )

    def _seal(
        self,
        contact: int,
        kind: int,
        text: str,
        now: int,
        waiting: int | None = None,
        written_ms: int | None = None,
    ) -> Envelope:
        with self._database.transaction():
            row = self._database.rows(
                "SELECT name, ratchet, sequence, clock, seen FROM contacts WHERE id = ?", contact
            )[0]
            written = entries.Entry(
                kind,
                row["sequence"] + 1,
                row["clock"] + 1,
                row["seen"],
                now if written_ms is None else written_ms,
                text,
            )
            # The state of the database, not ours: another process may have written, and no key serves twice.
            state = self._kept(State.from_cbor, row["ratchet"])
            try:
                state, lock, body, _ = ratchet.encrypt(state, entries.encode(written))
            except LimitError:
                raise errors.Unanswered(name=row["name"], count=state.ns) from None
            envelope = self._put(lock, body, now)
            self._database.run(
                "UPDATE contacts SET ratchet = ?, sequence = ?, clock = ? WHERE id = ?",
                state.to_cbor(),
                written.sequence,
                written.clock,
                contact,
            )
            shown = text if kind == entries.TEXT else ""
            self._insert_entry(contact, True, written, shown, None, envelope, waiting)
        self._adopt(contact, state)
        return envelope

    def _insert_entry(
        self,
        contact: int,
        mine: bool,
        written: entries.Entry,
        shown: str,
        received_ms: int | None,
        envelope: Envelope,
        waiting: int | None = None,
    ) -> None:
        if waiting is not None:
            self._database.run("DELETE FROM entries WHERE id = ?", waiting)
        self._database.run(
            "INSERT INTO entries (contact, mine, sequence, clock, reference, written_ms, received_ms, text,"
            " envelope, hops) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            contact,
            int(mine),
            written.sequence,
            written.clock,
            written.reference,
            written.written_ms,
            received_ms,
            shown,
            envelope.id,
            envelope.hops,
        )

    def _open(self, envelope: Envelope, owner: "_Ratchet | _Invite", now: int) -> bool:
        try:
            if isinstance(owner, _Invite):
                self._open_request(envelope, owner, now)
            else:
                self._open_letter(envelope, owner, now)
        except PeerError:
            return False  # somebody's forgery under a lock of ours
        return True

    def _open_request(self, envelope: Envelope, owner: _Invite, now: int) -> None:
        row = self._database.row("SELECT secret, expires_ms FROM invites WHERE id = ?", owner.id)
        if row is None or row["expires_ms"] <= now:
            return
        secret = self._kept(invites.InviteSecret.from_cbor, row["secret"])
        asked = requests.open(self._account, secret, owner.slot, envelope.body)
        # Most often all is said and done; that needs no lock on the home.
        if self._database.row(
            "SELECT 1 FROM contacts WHERE account_key = ? AND connected = 1 AND seen > 0",
            asked.card.account_key,
        ):
            return
        with self._database.transaction():
            seen = self._database.row("SELECT 1 FROM requests_seen WHERE ephemeral = ?", asked.ephemeral)
            known = self._database.row(
                "SELECT id, name, connected, seen FROM contacts WHERE account_key = ?", asked.card.account_key
            )
            if known is not None and known["connected"]:
                if seen is not None and known["seen"] == 0:
                    self._answer_again(known["id"], now)
                return
            # Who asked each other at the same time: the smaller key answers, the larger one waits for that.
            if known is not None and self._account.account_key > asked.card.account_key:
                return
            state = ratchet.start_writer(asked.root, asked.ad, asked.ephemeral, self._random)
            self._database.run(
                "INSERT INTO requests_seen (ephemeral, expires_ms) VALUES (?, ?)",
                asked.ephemeral,
                row["expires_ms"],
            )
            if known is None:
                name = self._free_name(asked.card.name)
                contact = self._insert_contact(name, asked.card, True, state)
            else:
                name, contact = known["name"], known["id"]
                self._database.run(
                    "UPDATE contacts SET ratchet = ?, connected = 1, request = NULL WHERE id = ?",
                    state.to_cbor(),
                    contact,
                )
            # The answer: without it they could not write.
            self._seal(contact, entries.HELLO, self.name, now)
        self._events.append(Connected(name))

    def _answer_again(self, contact: int, now: int) -> None:
        """Somebody still asks and never wrote: our answer may have been lost."""
        last = self._database.rows("SELECT max(written_ms) FROM entries WHERE contact = ?", contact)[0][0]
        if last is None or now - last >= _REQUEST_AGAIN_MS:
            self._seal(contact, entries.HELLO, self.name, now)

    def _open_letter(self, envelope: Envelope, owner: _Ratchet, now: int) -> None:
        with self._database.transaction():
            row = self._database.rows(
                "SELECT name, connected, ratchet, clock, seen FROM contacts WHERE id = ?", owner.contact
            )[0]
            state, plaintext, _ = ratchet.decrypt(
                self._kept(State.from_cbor, row["ratchet"]),
                owner.place,
                envelope.lock,
                envelope.body,
                self._random,
            )
            written = entries.decode(plaintext)
            self._database.run(
                "UPDATE contacts SET ratchet = ?, connected = 1, request = NULL, clock = ?, seen = ?"
                " WHERE id = ?",
                state.to_cbor(),
                max(row["clock"], written.clock),
                max(row["seen"], written.sequence),
                owner.contact,
            )
            shown = written.text if written.kind == entries.TEXT else ""
            self._insert_entry(owner.contact, False, written, shown, now, envelope)
        self._adopt(owner.contact, state)
        if not row["connected"]:
            self._events.append(Connected(row["name"]))
            self._send_waiting(now)
        if shown:
            self._events.append(
                Received(row["name"], shown, written.sequence, envelope.hops, written.written_ms, envelope.id)
            )


def _encodable(text: str) -> str:
    """``text`` without halves of characters, as a command line may bring them."""
    return text.encode(errors="replace").decode()


def clean_name(name: str) -> str:
    """A name as it may be shown: printable, trimmed, cut; "someone" where nothing is left."""
    kept = "".join(c for c in unicodedata.normalize("NFC", name) if c.isprintable())
    return " ".join(kept.split())[:NAME_CHARACTERS].strip() or "someone"


def checked_name(name: str) -> str:
    """``name`` where it is one. BadName otherwise."""
    name = unicodedata.normalize("NFC", name).strip()
    if not name or clean_name(name) != name:
        raise errors.BadName
    return name
