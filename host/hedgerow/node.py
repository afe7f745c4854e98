"""The host's engine: account, contacts, letters. No I/O but the home's database, no clock of its own.

A link is ``hedgerow_core.link.Link``: whoever moves its bytes (serial, TCP, the lab) calls ``attach`` and
then, after each change of the shelf, ``poll``. Long, for it is the one door: most methods only poll and
hand on to the part that does it.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

from hedgerow import errors, roles
from hedgerow.blobs.commands import Files
from hedgerow.boards.meshes import Meshes
from hedgerow.boards.paired import Boards
from hedgerow.care.rekeying import Rekeyings
from hedgerow.care.sending import Care
from hedgerow.chat import view
from hedgerow.chat.commands import ChatCommands
from hedgerow.database import Database, Protect, ShelfStore, Unlock, without_asking
from hedgerow.desk import Desk
from hedgerow.devices import bundle
from hedgerow.devices.circle import Device
from hedgerow.events import Contact, Event, Heard, Letter
from hedgerow.gaps import Gap
from hedgerow.groups.commands import GroupCommands
from hedgerow.identity.account import Account
from hedgerow.identity.phrase import ENTROPY_BYTES
from hedgerow.links.board import BoardLink
from hedgerow.links.cable import CableLink
from hedgerow.log import entry as entries
from hedgerow.outbox import EXPIRED, STATE_COLUMNS, state_of
from hedgerow.people.names import checked_name
from hedgerow.pings import NONCE_BYTES, Pings
from hedgerow.street.channel import Street
from hedgerow.updates.signer import Signers
from hedgerow.vault import backup, epoch, keystore, wipe
from hedgerow.vault.vault import Vault
from hedgerow_core.clock import Clock
from hedgerow_core.envelope import Envelope
from hedgerow_core.errors import PeerError
from hedgerow_core.link import Link, Packets, Stream
from hedgerow_core.session import INITIATOR, PAIR, Session
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore

TEXT_BYTES = 900
_ASK_MS = 3_000
_AIR_CREDIT_BYTES = 800  # unacknowledged; a board keeps ten packets that it had no time to read
_BUNDLE_STEP = 500
_SHELF_COUNT = 4_000  # below limits.EXCHANGE_IDS: a host offers all of it
_SHELF_BYTES = _SHELF_COUNT * 1_024


class Node:
    """One account in one home. ``random`` gives so many secret random bytes; ``now`` is unix time in ms."""

    def __init__(self, database: Database, random: Callable[[int], bytes], now: int) -> None:
        self._database = database
        self._random = random
        self._store = ShelfStore(database)
        self.shelf = Shelf(cast(MemoryStore, self._store), Clock(), now, _SHELF_COUNT, _SHELF_BYTES)
        self._desk = Desk(database, self.shelf, random, now)
        self._now = now

    @classmethod
    def create(
        cls,
        home: Path,
        name: str,
        random: Callable[[int], bytes],
        now: int,
        entropy: bytes | None = None,
        protect: Protect = keystore.plain,
    ) -> "Node":
        """A new account called ``name`` in ``home``, of a new recovery phrase where ``entropy`` is none;
        ``protect`` wraps the home's keys."""
        name = checked_name(name)
        keys = Account.of_phrase(random(ENTROPY_BYTES) if entropy is None else entropy, random).to_cbor()
        database = Database.create(
            home,
            "INSERT INTO account (id, name, keys, deep_ms) VALUES (1, ?, seal_long(?), ?)",
            name,
            keys,
            now,
            protect=protect,
            now=now,
        )
        return cls(database, random, now)

    @classmethod
    def open(
        cls, home: Path, random: Callable[[int], bytes], now: int, unlock: Unlock = without_asking
    ) -> "Node":
        """The account in ``home``; ``unlock`` gives the key that opens it."""
        return cls(Database.open(home, unlock), random, now)

    def close(self) -> None:
        """Close the home."""
        self._database.close()

    @property
    def home(self) -> Path:
        """The folder that holds it all."""
        return self._database.home

    @property
    def vault(self) -> Vault:
        """The keys of this home."""
        return self._database.vault

    @classmethod
    def adopt(cls, home: Path, unlock: Unlock = without_asking) -> int:
        """Make a home that was copied or put back the only one; with how many contacts it begins anew."""
        database = Database.open(home, unlock, adopt=True)
        try:
            return epoch.begin(database)
        finally:
            database.close()

    def backup(self, passphrase: str) -> bytes:
        """Everything that is needed to begin again elsewhere, under a passphrase."""
        return backup.make(self._database, passphrase)

    def secrets(self) -> list[bytes]:
        """Keys and texts, of which nothing may be left behind a wipe."""
        return wipe.secrets_of(self._database)

    @property
    def entropy(self) -> bytes:
        """What the recovery phrase says. NoPhrase where an earlier version made the account, NoAccountKey on
        a further device."""
        if not self._desk.account.account_seed:
            raise errors.NoAccountKey
        if not self._desk.account.entropy:
            raise errors.NoPhrase
        return self._desk.account.entropy

    def refresh(self, now: int) -> None:
        """Take in what other processes on this home have done. HomeLocked where one of them locked it."""
        self.vault.still_open()
        if self._database.changed_elsewhere():
            self._desk.reload(now)
            if self._store.anything_new():
                # Whole: two processes that took the same envelope must not both drop the other's record.
                with self._database.transaction():
                    self.shelf.catch_up(now)

    @property
    def profile(self) -> str:
        """covers.PRIVATE or covers.BALANCED."""
        return self._desk.covers.profile

    def choose_profile(self, profile: str, now: int) -> None:
        """Trade traffic for privacy: PRIVATE sends covers."""
        self._desk.covers.choose(profile, now)

    @property
    def pings(self) -> Pings:
        """Whether we answer pings, and what came of ours."""
        return self._desk.pings

    @property
    def street(self) -> Street:
        """What all members of the mesh can read."""
        return self._desk.street

    def say(self, text: str, sos: bool, now: int) -> Heard:
        """Say ``text`` to all members of the mesh; ``sos`` goes before everything else."""
        with self._desk.changing(now):
            return self.street.say(text, sos, now)

    def ping(self, name: str, now: int) -> bytes:
        """Ask the computer of the contact ``name`` for an answer; by what ``pings.answer`` finds it."""
        contact = self._desk.book.id_of(name)
        row = self._database.rows("SELECT id, connected FROM contacts WHERE id = ?", contact)[0]
        if not row["connected"]:
            raise errors.NotConnected(name=name)
        self._now = now
        nonce = self._random(NONCE_BYTES)
        with self._database.transaction():
            envelope = self._desk.seal(row["id"], entries.PING, nonce.hex(), now)
            self.pings.sent(nonce, row["id"], envelope.hops, now)
        return nonce

    @property
    def name(self) -> str:
        """How we call ourselves."""
        return self._desk.name

    @property
    def chat(self) -> ChatCommands:
        """What we do with letters that are there."""
        return ChatCommands(self._desk, self._database, self._may_say)

    @property
    def files(self) -> Files:
        """What we do with files."""
        return Files(self._desk, self._database, self.chat)

    @property
    def groups(self) -> GroupCommands:
        """What we do with groups."""
        return GroupCommands(self._desk)

    def new_key(self) -> bytes:
        """A secret key, 32 bytes."""
        return self._random(32)

    @property
    def boards(self) -> Boards:
        """The boards that this computer is paired with."""
        return Boards(self._database)

    @property
    def meshes(self) -> Meshes:
        """The meshes whose key is here."""
        return Meshes(self._database, self._random)

    @property
    def signers(self) -> Signers:
        """Who signs the updates of our meshes."""
        return Signers(self._database, self._random)

    # Links

    def pairing_keys(self) -> list[bytes]:
        """The pairing keys that boards took before, the last used first."""
        return self.boards.keys()

    def remember_key(self, key: bytes, now: int, url: str | None = None) -> None:
        """A board took this pairing key, at ``url``."""
        self.boards.worked(key, now, url)

    def attach(self, pairing_key: bytes, now: int, packet_bytes: int | None = None) -> Link:
        """A link to a board over a byte stream, or over packets of so many bytes; feed it with what the line
        brings."""
        session = Session(INITIATOR, {PAIR: pairing_key}, self._random(32), now)
        link: BoardLink
        if packet_bytes is None:
            link = CableLink(Stream(), session, self.shelf, now, ask_ms=_ASK_MS)
        else:
            link = BoardLink(Packets(packet_bytes), session, self.shelf, now, _AIR_CREDIT_BYTES, _ASK_MS)
        link.on_street = lambda *told: self.street.learn(*told)
        link.on_finding = lambda finding, when: self._found(pairing_key, finding, when)
        return link

    def _found(self, pairing_key: bytes, finding: bytes, now: int) -> None:
        """A board told by which key its beacons are recognised."""
        board = self.boards.of_key(pairing_key)
        if board is None:
            self.boards.worked(pairing_key, now)
            board = self.boards.of_key(pairing_key)
        if board is not None and board.finding != finding:
            self.boards.change(board.id, finding=finding)

    def acked(self, identity: bytes, now: int) -> None:
        """A board keeps this envelope: it would survive a loss of power there."""
        self._desk.outbox.acked(identity, now)
        self.street.acked(identity, now)
        self.care.acked(identity, now)

    def declined(self, identity: bytes, now: int) -> None:
        """A board did not keep this envelope."""
        self._desk.outbox.declined(identity, now)

    def proof(self, proof: bytes, now: int) -> None:
        """A link brought this token or stop."""
        self._desk.proved(proof, now)

    @property
    def care(self) -> Care:
        """Commands for boards that are several hops away."""
        return self._desk.care

    @property
    def rekeyings(self) -> Rekeyings:
        """Other keys for whole meshes."""
        return self._desk.rekeyings

    # People

    @property
    def people(self) -> Desk:
        """Contacts, invites, requests, verifications, introductions: ``book``, ``inviting``, and so on."""
        return self._desk

    def invite(self, now: int, days: int | None = None, many: bool = False, ask: bool = False) -> str:
        """A new invite as a URI, for somebody to ``add``; for ``many`` people, each of whom asks, or for one,
        who asks where ``ask`` says so."""
        return self._desk.inviting.create(now, days, many, ask)

    def add(self, uri: str, now: int) -> str:
        """Ask whoever made the invite to become a contact; their name here."""
        return self._desk.asking.add(uri, now)

    def contacts(self) -> list[Contact]:
        """Everybody, in the order in which they came."""
        views = view.Views(self._desk, self._database)
        return [
            replace(contact, called=views.called(contact.name, contact.account_key))
            for contact in self._desk.book.all(self._now)
        ]

    # Devices

    @property
    def joined(self) -> str | None:
        """Whose further device this is; None where it is the first one, or waits for a welcome."""
        return None if self._desk.account.account_seed else self.name

    def join_code(self, label: str, now: int) -> str:
        """The code by which this device, of a new home, joins an account."""
        with self._desk.changing(now):
            return self._desk.devices.code(label, now)

    def add_device(self, code: str, history_ms: int, now: int) -> Device:
        """Welcome the device that shows ``code``, with what was said since ``history_ms``."""
        with self._desk.changing(now):
            found = self._desk.devices.add(code, history_ms, now)
        self._desk.send_waiting(now)
        return found

    def revoke_device(self, wanted: str, now: int) -> Device:
        """Take a device out of the account."""
        with self._desk.changing(now):
            found = self._desk.devices.revoke(wanted, now)
        self._desk.send_waiting(now)
        return found

    def recover(self, entropy: bytes, now: int) -> None:
        """Give this further device the account key, of the recovery phrase."""
        with self._desk.changing(now):
            self._desk.devices.recover(entropy)
        self.poll(now)

    def bundle_for(self, device: Device) -> bytes:
        """What is on its way to a device of ours."""
        return self._desk.devices.bundle(device.device_key)

    def take_bundle(self, whole: bytes, now: int, path: Path | None = None) -> bytes:
        """Take in a bundle of letters; what is on its way to whom it is from. BundleDamaged."""
        try:
            found = bundle.unpack(whole)
        except PeerError:
            raise errors.BundleDamaged(path=path or "What came") from None
        for at, envelope in enumerate(found):
            self.shelf.put(envelope, now)
            if at % _BUNDLE_STEP == _BUNDLE_STEP - 1:
                self.poll(now)  # what is opened makes room
        self.poll(now)
        others = [one for one in self._desk.devices.all() if not one.this]
        return self.bundle_for(others[0]) if others else bundle.pack([])

    # Letters

    def send(self, name: str, text: str, now: int) -> Envelope | None:
        """Write ``text`` to the contact ``name``; None while it waits here, as they have not answered us."""
        name, text = _encodable(name), _encodable(text)
        size = len(text.encode())
        if not text.strip():
            raise errors.EmptyText
        if size > TEXT_BYTES:
            raise errors.TextTooLong(size=size, limit=TEXT_BYTES)
        row = self._database.row(
            "SELECT id, connected, changed_ms, blocked_ms FROM contacts WHERE name = ?", name
        )
        if row is None:
            raise errors.UnknownContact(name=name)
        if row["blocked_ms"] is not None:
            raise errors.Blocked(name=name)
        self._now = now
        if row["connected"] and row["changed_ms"] is None:
            return self._desk.say(row["id"], entries.TEXT, text, now)
        self._desk.conversations.wait(row["id"], text, now)
        return None

    def send_again(self, number: int, now: int) -> Envelope | None:
        """Send letter ``number``, which expired, under a new lock. Who has it does not see it twice."""
        with self._desk.changing(now):
            found = [letter for letter in self._letters("e.id = ?", number) if letter.mine]
            if not found:
                raise errors.UnknownLetter(number=number)
            if found[0].state != EXPIRED:
                state = found[0].state or "of an earlier version, and what became of it is not known"
                raise errors.NotExpired(number=number, state=state)
            if found[0].changed:
                raise errors.KeyChanged(name=found[0].name)
            return self._desk.seal_again(number, now)

    def inbox(self, name: str | None = None) -> list[Letter]:
        """The conversations, one after the other; with one contact where ``name`` says so.

        States are those at the last ``poll`` or ``send``.
        """
        return self._letters("? IS NULL OR c.name = ?", *[self._known(name)] * 2)

    def gaps(self, name: str) -> list[Gap]:
        """What others said in a conversation that is not here yet."""
        return self._desk.gaps.of(self._desk.book.conversation_of(name))

    def sent(self, name: str | None = None) -> list[Letter]:
        """Our own letters, as in ``inbox``, the last written last."""
        found = self._letters("e.mine = 1 AND (? IS NULL OR c.name = ?)", *[self._known(name)] * 2)
        return sorted(found, key=lambda letter: letter.id)

    def read(self, name: str | None, now: int) -> int:
        """The user has seen the inbox, or the conversation with one contact; how many letters were new."""
        name = self._known(name)
        contact = None if name is None else self._desk.book.conversation_of(name)
        with self._desk.changing(now):
            found = self._desk.conversations.read(contact, now)
        self._desk.send_waiting(now)
        return found

    @property
    def receipts(self) -> bool:
        """Whether we tell people that we read what they wrote."""
        return self._desk.conversations.receipts

    def choose_receipts(self, wanted: bool) -> None:
        """Tell people that we read what they wrote, or not."""
        with self._database.transaction():
            self._desk.conversations.choose_receipts(wanted)

    def timer(self, name: str) -> int:
        """After how many minutes texts of a conversation disappear; 0: they stay."""
        contact = self._desk.book.conversation_of(name)
        return int(self._database.rows("SELECT timer FROM contacts WHERE id = ?", contact)[0]["timer"])

    def set_timer(self, name: str, minutes: int, now: int) -> None:
        """Let texts of a conversation disappear, on both sides, so many minutes after they were read."""
        contact = self._desk.book.conversation_of(name)
        self._may_say(contact, name)
        with self._desk.changing(now):
            self._desk.conversations.set_timer(contact, minutes, now)
        self._desk.send_waiting(now)

    def kept_days(self, name: str) -> int | None:
        """How many days letters of a conversation are kept here; None: for ever."""
        contact = self._desk.book.conversation_of(name)
        found = self._database.rows("SELECT keep_days FROM contacts WHERE id = ?", contact)[0]["keep_days"]
        return None if found is None else int(found)

    def keep(self, name: str, days: int | None, now: int) -> None:
        """Erase letters of a conversation here so many days after they came; None: keep all."""
        contact = self._desk.book.conversation_of(name)
        with self._database.transaction():
            self._desk.conversations.keep(contact, days)
        self._desk.conversations.forget_old(now)

    def remove(self, number: int, here: bool, now: int) -> Letter:
        """Erase a letter; one of ours everywhere, unless ``here`` says otherwise. UnknownLetter, NotOurs."""
        found = self._letters("e.id = ?", number)
        if not found:
            raise errors.UnknownLetter(number=number)
        if not (found[0].mine or here):
            raise errors.NotOurs(number=number)
        with self._desk.changing(now):
            if here:
                self._desk.conversations.forget(number, now)
            else:
                self._desk.conversations.remove(number, now)
        self._desk.send_waiting(now)
        return found[0]

    def _may_say(self, contact: int, name: str) -> None:
        row = self._database.rows("SELECT connected, changed_ms FROM contacts WHERE id = ?", contact)[0]
        if not row["connected"]:
            raise errors.NotConnected(name=name)
        if row["changed_ms"] is not None:
            raise errors.KeyChanged(name=name)

    @property
    def has_room(self) -> bool:
        """Whether all that waits here for a board is on the shelf; else it goes there when there is room."""
        return not self._desk.outbox.refused

    def _known(self, name: str | None) -> str | None:
        if name is None:
            return None
        name = _encodable(name)
        self._desk.book.conversation_of(name)
        return name

    def _letters(self, which: str, *values: object) -> list[Letter]:
        rows = self._database.rows(
            "SELECT e.id, c.name, e.mine, e.kind, unseal(e.text) AS text, e.written_ms, e.received_ms,"
            " e.late, e.read_ms, e.seen_ms, e.timer, e.device, c.id AS contact, c.role,"
            " a.device_key AS author,"
            f" s.declined_ms, c.verified_ms, c.changed_ms, {STATE_COLUMNS}"
            " FROM entries e JOIN contacts c ON c.id = e.contact"
            " LEFT JOIN contacts a ON a.id = e.device"
            " LEFT JOIN sendings s ON e.mine = 1 AND s.envelope = e.envelope"
            # What comes from keys that we did not say yes to waits, as what goes there does.
            " WHERE e.text != '' AND e.refused = 0 AND c.blocked_ms IS NULL AND (e.mine = 1"
            f" OR c.changed_ms IS NULL OR e.received_ms < c.changed_ms) AND ({which})"
            f" ORDER BY c.id, {view.ORDER}",
            *values,
            self._desk.account.device_key,
        )
        views = view.Views(self._desk, self._database)
        return [
            Letter(
                row["id"],
                row["name"],
                bool(row["mine"]),
                views.about(row).text or text,
                row["written_ms"],
                row["received_ms"],
                row["sequence"] > 0,
                state_of(row, self._now) if row["mine"] else None,
                row["declined_ms"] is not None,
                bool(row["late"]),
                row["verified_ms"] is not None and row["changed_ms"] is None,
                row["changed_ms"] is not None,
                row["seen_ms" if row["mine"] else "read_ms"] is not None,
                row["timer"],
                *self._in_group(row),
                views.marks(row),
            )
            for row in rows
            if (text := view.words(row["kind"], row["text"]))
        ]

    def _in_group(self, row: sqlite3.Row) -> tuple[str | None, int, int]:
        """(author, how many have it, of how many) of a letter of a group."""
        if row["role"] != roles.GROUP:
            return None, 0, 0
        if row["mine"] and row["author"] is None:
            return self.name, *self._desk.groups.letters.delivered(row["contact"], row["sequence"])
        return self._desk.groups.author_name(row["contact"], bytes(row["author"])), 0, 0

    def poll(self, now: int) -> list[Event]:
        """Open what is for us on the shelf, repeat what was not answered; what happened."""
        self._now = now
        self.refresh(now)
        happened = self._desk.poll(now)
        if self._desk.outdated:
            # This device joined another account: all that knows our keys begins anew.
            self._desk = Desk(self._database, self.shelf, self._random, now)
            happened += self._desk.poll(now)
        return happened


def _encodable(text: str) -> str:
    """``text`` without halves of characters, as a command line may bring them."""
    return text.encode(errors="replace").decode()
