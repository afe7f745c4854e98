"""The devices of our account and of the people we know: how they are added, learned of, and revoked.

A device is a row of ``contacts`` with a ratchet of its own (``hedgerow.roles``), so two devices of one
person share no key. Who learns of a device begins a session with it by a reset: both sides know the other's
keys.

Long, for whoever joins, is listed or is revoked is the same row of one signed list, read and changed in one
transaction.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hedgerow import errors, roles
from hedgerow.database import Database
from hedgerow.devices import bundle, joining, listing, sync
from hedgerow.devices.listing import DeviceList
from hedgerow.events import DEVICE_ADDED, DEVICE_REVOKED, REVOKED, Joined, Noticed
from hedgerow.identity import keys, phrase
from hedgerow.log import entry as entries
from hedgerow.people.names import clean_name
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet import sessions
from hedgerow.ratchet.sessions import Sessions
from hedgerow.uri import OtherVersion
from hedgerow_core import envelope as envelopes
from hedgerow_core.envelope import Envelope
from hedgerow_core.errors import PeerError

if TYPE_CHECKING:
    from hedgerow.desk import Desk

_MINUTE_MS = 60_000
_SKEW_MS = 3_600_000


@dataclass(frozen=True)
class JoinLock:
    """The lock of a welcome."""


@dataclass(frozen=True)
class Device:
    """A row of ``hedgerow device list``. ``connected``: there is a ratchet with it."""

    number: int
    label: str
    device_key: bytes
    this: bool
    connected: bool
    made_ms: int


class Devices:
    """A part of ``desk``; all but the listings are a part of their caller's transaction."""

    def __init__(self, desk: "Desk", database: Database, random: Callable[[int], bytes]) -> None:
        self._desk = desk
        self._database = database
        self._random = random

    # A device joins

    def code(self, label: str, now: int) -> str:
        """The code of this device, for one that is there to see; it holds for a day. BadLabel, HomeInUse."""
        label = label.strip()
        if not label.isprintable() or not 1 <= len(label.encode(errors="replace")) <= joining.LABEL_BYTES:
            raise errors.BadLabel(label=label[:40])
        if self._database.row("SELECT 1 FROM contacts") is not None:
            raise errors.HomeInUse(home=self._database.home)
        row = self._database.row("SELECT unseal(secret) AS secret FROM joins WHERE expires_ms > ?", now)
        if row is not None:
            before = self._desk.kept(joining.Kept.from_cbor, row["secret"])
            if before.label == label:
                return joining.uri(self._desk.account, before)
        kept, code = joining.create(self._desk.account, label, self._random, now)
        self._database.run(
            "INSERT OR REPLACE INTO joins (id, secret, expires_ms) VALUES (1, seal_hour(?), ?)",
            kept.to_cbor(),
            kept.expiry_ms,
        )
        self.watch(now)
        return code

    def watch(self, now: int) -> None:
        """Watch for the welcome, where this device waits for one."""
        row = self._database.row("SELECT unseal(secret) AS secret FROM joins WHERE expires_ms > ?", now)
        if row is not None:
            kept = self._desk.kept(joining.Kept.from_cbor, row["secret"])
            self._desk.mailbox.watch("join", {joining.lock(kept.secret): JoinLock()})

    def welcomed(self, envelope: Envelope, now: int) -> None:
        """This device belongs to another account from now on. PeerError for a forgery."""
        row = self._database.row("SELECT unseal(secret) AS secret FROM joins WHERE expires_ms > ?", now)
        if row is None or self._database.row("SELECT 1 FROM contacts") is not None:
            return
        kept = self._desk.kept(joining.Kept.from_cbor, row["secret"])
        found = joining.open_welcome(self._desk.account, kept, envelope.body)
        account = self._desk.account.as_further(found.card.account_key, found.certificate)
        self._database.run(
            "UPDATE account SET name = ?, keys = seal_long(?), devices = NULL",
            clean_name(found.card.name),
            account.to_cbor(),
        )
        for table in ("joins", "invites", "requests"):
            self._database.run(f"DELETE FROM {table}")
        state = ratchet.start_reader(found.root, found.ad, kept.prekey_private)
        self._insert(
            roles.OWN,
            None,
            account.account_key,
            found.card.device_key,
            found.card.device_dh,
            Sessions(state),
            now,
        )
        self._desk.proofs.keep(found.stop, now)
        self._desk.outdated = True
        self._desk.tell(Joined(clean_name(found.card.name)))

    def add(self, code: str, history_ms: int, now: int) -> Device:
        """Welcome the device that showed ``code``; it gets the contacts, and what was said since
        ``history_ms``. NoAccountKey, TooManyDevices, DeviceKnown, CodeDamaged, CodeExpired, CodeVersion."""
        desk = self._desk
        try:
            found = joining.parse(code, now)
        except joining.Expired:
            raise errors.CodeExpired from None
        except OtherVersion:
            raise errors.CodeVersion from None
        except PeerError:
            raise errors.CodeDamaged from None
        known = {bytes(row["device_key"]) for row in self._own()}
        if found.device_key in (*known, desk.account.device_key):
            raise errors.DeviceKnown
        body, welcome = joining.welcome(desk.account, desk.name, found, self._random)
        state = Sessions(ratchet.start_writer(welcome.root, welcome.ad, found.prekey, self._random))
        row = self._insert(
            roles.OWN,
            None,
            desk.account.account_key,
            found.device_key,
            found.device_dh,
            state,
            now,
            found.label,
        )
        self._database.run("UPDATE contacts SET connected = 1 WHERE id = ?", row)
        self._publish(now)
        desk.sealer.welcome(row, joining.lock(found.secret), body, now)
        desk.adopt(row, state)
        self._introduce(row, history_ms, now)
        desk.groups.own_devices_changed(now)
        desk.send_waiting(now)
        return next(device for device in self.all() if device.device_key == found.device_key)

    def _introduce(self, row: int, history_ms: int, now: int) -> None:
        """Tell a new device of ours what it needs."""
        found: list[sync.Item] = [
            sync.Label(bytes(other["device_key"]), other["label"]) for other in self._own() if other["label"]
        ]
        for contact in self._database.rows("SELECT id FROM contacts WHERE role = ?", roles.CONTACT):
            found.append(self._person(contact["id"]))
        for entry in self._database.rows(
            "SELECT e.id FROM entries e JOIN contacts c ON c.id = e.contact WHERE c.role = ?"
            " AND e.kind IN (?, ?) AND e.text != '' AND e.sequence > 0"
            " AND ifnull(e.received_ms, e.written_ms) >= ? ORDER BY e.id",
            roles.CONTACT,
            *entries.WORDS,
            history_ms,
        ):
            found.append(self.said(entry["id"]))
        self.tell(row, found, now)

    def recover(self, entropy: bytes) -> None:
        """This further device gets the account key, of the recovery phrase. PhraseOther."""
        desk = self._desk
        seed = phrase.account_seed(entropy)
        if keys.signing_public(seed) != desk.account.account_key:
            raise errors.PhraseOther
        account = replace(desk.account, account_seed=seed, entropy=entropy, linked=b"")
        self._database.run("UPDATE account SET keys = seal_long(?)", account.to_cbor())
        desk.outdated = True

    def bundle(self, device_key: bytes) -> bytes:
        """What is on its way to a device of ours, for a file or a cable."""
        found = self._database.rows(
            "SELECT s.record FROM sendings s JOIN contacts c ON c.id = s.contact WHERE c.role = ?"
            " AND c.device_key = ? AND s.record IS NOT NULL ORDER BY s.rowid",
            roles.OWN,
            device_key,
        )
        return bundle.pack([envelopes.decode(row["record"]) for row in found])

    # The list

    def all(self) -> list[Device]:
        """Our devices, this one first."""
        account = self._desk.account
        made = self._database.rows("SELECT created_ms FROM vault")[0]["created_ms"]
        found = [Device(1, "this device", account.device_key, True, True, made)]
        for row in self._own():
            found.append(
                Device(
                    len(found) + 1,
                    row["label"] or f"device {len(found) + 1}",
                    bytes(row["device_key"]),
                    False,
                    bool(row["connected"]),
                    row["made_ms"],
                )
            )
        return found

    def revoke(self, wanted: str, now: int) -> Device:
        """Take a device out of the account, by number or label. UnknownDevice, DeviceThis, NoAccountKey."""
        fits = [one for one in self.all() if wanted in (str(one.number), one.label)]
        if not fits:
            raise errors.UnknownDevice(wanted=wanted)
        if fits[0].this:
            raise errors.DeviceThis
        row = self._database.rows(
            "SELECT id FROM contacts WHERE account_key = ? AND device_key = ?",
            self._desk.account.account_key,
            fits[0].device_key,
        )[0]
        if not self._desk.account.account_seed:
            raise errors.NoAccountKey
        self._database.run("UPDATE contacts SET revoked_ms = ? WHERE id = ?", now, row["id"])
        self._publish(now)
        newest = self.newest()
        self._close(row["id"], now, b"" if newest is None else newest.encode())
        self._desk.groups.own_devices_changed(now)
        self._desk.send_waiting(now)
        return fits[0]

    def _own(self) -> list[sqlite3.Row]:
        return self._database.rows(
            "SELECT * FROM contacts WHERE role = ? AND revoked_ms IS NULL ORDER BY id", roles.OWN
        )

    def newest(self) -> DeviceList | None:
        """Our own list; None while there is one device only."""
        row = self._database.rows("SELECT devices FROM account")[0]
        if row["devices"] is None:
            return None
        key = self._desk.account.account_key
        return self._desk.kept(lambda data: listing.read(key, data), bytes(row["devices"]))

    def _publish(self, now: int) -> None:
        account = self._desk.account
        devices = [(account.device_key, account.device_dh)]
        devices += [(bytes(row["device_key"]), bytes(row["device_dh"])) for row in self._own()]
        made = listing.make(account, devices, self.newest(), now // _MINUTE_MS - entries.EPOCH_MINUTES)
        self._database.run("UPDATE account SET devices = ?", made.encode())
        for row in self._database.rows(
            "SELECT id FROM contacts WHERE role != ? AND revoked_ms IS NULL AND blocked_ms IS NULL",
            roles.GROUP,
        ):
            self.announce(row["id"], now)

    def announce(self, contact: int, now: int) -> None:
        """Tell the device ``contact`` which devices we have, where it was not told yet."""
        newest = self.newest()
        if newest is None:
            return
        row = self._database.rows("SELECT announced FROM contacts WHERE id = ?", contact)[0]
        if row["announced"] >= newest.version:
            return
        # An older one that is still on its way is of no use any more.
        self._database.run(
            "UPDATE entries SET content = NULL WHERE contact = ? AND mine = 1 AND kind = ?",
            contact,
            entries.DEVICES,
        )
        self._database.run(
            "DELETE FROM entries WHERE contact = ? AND mine = 1 AND kind = ? AND sequence = 0",
            contact,
            entries.DEVICES,
        )
        self._desk.sealer.post(contact, entries.DEVICES, newest.encode(), now)
        self._database.run("UPDATE contacts SET announced = ? WHERE id = ?", newest.version, contact)

    def heard(self, contact: int, data: bytes, now: int) -> None:
        """A device told which devices its account has. PeerError where that is forged."""
        row = self._database.rows("SELECT * FROM contacts WHERE id = ?", contact)[0]
        found = listing.read(bytes(row["account_key"]), data)
        if row["role"] == roles.OWN:
            self._heard_own(found, now)
        else:
            self.learn(int(row["person"] or contact), found, now)

    def _heard_own(self, found: DeviceList, now: int) -> None:
        if not found.newer_than(self.newest()):
            return
        self._database.run("UPDATE account SET devices = ?", found.encode())
        account = self._desk.account
        if not found.has(account.device_key):
            self._desk.tell(Noticed(REVOKED, self._desk.name))
            return
        known = {bytes(row["device_key"]): row["id"] for row in self._own()}
        for key, identity in known.items():
            if not found.has(key):
                self._close(identity, now)
        for device_key, device_dh in found.devices:
            if device_key != account.device_key and device_key not in known:
                self.begin(roles.OWN, None, account.account_key, device_key, device_dh, now)
        for row in self._database.rows(
            "SELECT id FROM contacts WHERE role != ? AND revoked_ms IS NULL AND blocked_ms IS NULL",
            roles.GROUP,
        ):
            self.announce(row["id"], now)

    def learn(self, person: int, found: DeviceList, now: int, quiet: bool = False) -> None:
        """Take in the devices of a person; nothing where we know a newer list. ``quiet``: no news."""
        row = self._database.rows("SELECT * FROM contacts WHERE id = ?", person)[0]
        before = None
        if row["devices"] is not None:
            key = bytes(row["account_key"])
            before = self._desk.kept(lambda data: listing.read(key, data), bytes(row["devices"]))
        if not found.newer_than(before):
            return
        self._database.run("UPDATE contacts SET devices = ? WHERE id = ?", found.encode(), person)
        known = {
            bytes(other["device_key"]): other["id"]
            for other in self._database.rows(
                "SELECT id, device_key FROM contacts WHERE person = ? AND revoked_ms IS NULL", person
            )
        }
        added = [
            pair for pair in found.devices if pair[0] not in known and pair[0] != bytes(row["device_key"])
        ]
        for device_key, device_dh in added:
            role = row["role"] if row["role"] == roles.MEMBER else roles.FURTHER
            self.begin(role, person, bytes(row["account_key"]), device_key, device_dh, now)
        gone = [identity for key, identity in known.items() if not found.has(key)]
        for identity in gone:
            self._close(identity, now)
        revoked = bool(gone)
        if not found.has(bytes(row["device_key"])):
            self._replace_first(person, now)
            revoked = True
        if row["role"] == roles.CONTACT and not quiet:
            if added:
                self._desk.tell(Noticed(DEVICE_ADDED, row["name"]))
            if revoked:
                self._desk.tell(Noticed(DEVICE_REVOKED, row["name"]))

    def begin(
        self,
        role: int,
        person: int | None,
        account_key: bytes,
        device_key: bytes,
        device_dh: bytes,
        now: int,
        ask: bool = True,
    ) -> int:
        """A device that we heard of: its row. ``ask``: a session with it begins; the one that leads asks."""
        known = self._database.row(
            "SELECT id FROM contacts WHERE account_key = ? AND device_key = ?", account_key, device_key
        )
        if known is not None:
            return int(known["id"])
        row = self._insert(role, person, account_key, device_key, device_dh, Sessions(None), now)
        pair = self._desk.resets.pair(row)
        if ask and pair is not None and pair.leads:
            self.want(row)
        self._desk.adopt(row, Sessions(None))
        if ask:
            self.announce(row, now)
        return row

    def want(self, row: int) -> None:
        """Something waits for a device: where there is no session with it, we ask for one."""
        self._database.run(
            "INSERT OR IGNORE INTO resets (contact, begun_ms, sent_ms) SELECT id, 0, 0 FROM contacts"
            " WHERE id = ? AND connected = 0 AND request IS NULL AND revoked_ms IS NULL",
            row,
        )
        self._desk.hurry()

    def _insert(
        self,
        role: int,
        person: int | None,
        account_key: bytes,
        device_key: bytes,
        device_dh: bytes,
        state: Sessions,
        now: int,
        label: str = "",
    ) -> int:
        return self._database.run(
            "INSERT INTO contacts (role, person, account_key, device_key, device_dh, connected, ratchet,"
            " label, made_ms) VALUES (?, ?, ?, ?, ?, 0, seal_hour(?), ?, ?)",
            role,
            person,
            account_key,
            device_key,
            device_dh,
            state.to_cbor(),
            label,
            now,
        )

    def _close(self, row: int, now: int, farewell: bytes = b"") -> None:
        """Nothing is sealed for a device any more, and nothing of it is read; the last that it may hear
        is the list that says so."""
        for sending in self._database.rows(
            "SELECT envelope FROM sendings WHERE contact = ? AND record IS NOT NULL", row
        ):
            self._desk.outbox.let_go(bytes(sending["envelope"]))
        if farewell and sessions.can_write(self._desk.sealer.sessions_of(row)):
            with suppress(errors.Unanswered):
                self._desk.sealer.new(row, entries.DEVICES, "", now, farewell)
        self._database.run(
            "UPDATE contacts SET ratchet = seal_hour(?), connected = 0, revoked_ms = ? WHERE id = ?",
            Sessions(None).to_cbor(),
            now,
            row,
        )
        self._database.run("DELETE FROM resets WHERE contact = ?", row)
        self._database.run("UPDATE entries SET content = NULL WHERE contact = ? AND mine = 1", row)
        self._desk.turn_away(row)

    def _replace_first(self, person: int, now: int) -> None:
        """The first device of a person was revoked: another one takes its place, where there is one."""
        other = self._database.row(
            "SELECT *, unseal(ratchet) AS opened FROM contacts WHERE person = ? AND revoked_ms IS NULL"
            " ORDER BY connected DESC, id LIMIT 1",
            person,
        )
        former = self._database.rows("SELECT device_key, device_dh FROM contacts WHERE id = ?", person)[0]
        self._close(person, now)
        self._desk.verifying.forget(person)
        self._database.run("UPDATE contacts SET revoked_ms = NULL WHERE id = ?", person)
        if other is None:
            return
        # The rows change places, so that what was written stays with who wrote it.
        spare = b"changing places"
        for row, pair in (
            (other["id"], (spare, spare)),
            (person, (other["device_key"], other["device_dh"])),
            (other["id"], (former["device_key"], former["device_dh"])),
        ):
            self._database.run(
                "UPDATE contacts SET device_key = ?, device_dh = ?, certificate = NULL WHERE id = ?",
                *pair,
                row,
            )
        self._database.run(
            "UPDATE contacts SET ratchet = seal_hour(?), connected = ? WHERE id = ?",
            other["opened"],
            other["connected"],
            person,
        )
        self._database.run(
            "UPDATE contacts SET ratchet = seal_hour(?), connected = 0, revoked_ms = ? WHERE id = ?",
            Sessions(None).to_cbor(),
            now,
            other["id"],
        )
        # What is on its way to the other device, and what it wrote; of copies the entry has a sending, too.
        self._database.run("UPDATE sendings SET contact = ? WHERE contact = ?", person, other["id"])
        self._database.run(
            "UPDATE entries SET device = iif(device IS NULL, ?, NULL) WHERE contact = ? AND mine = 0"
            " AND (device IS NULL OR device = ?)",
            other["id"],
            person,
            other["id"],
        )
        self._database.run(
            "UPDATE entries SET contact = ? WHERE contact = ? AND mine = 1 AND copy_of IS NULL"
            " AND sequence = 0",
            person,
            other["id"],
        )
        self._database.run("UPDATE OR REPLACE resets SET contact = ? WHERE contact = ?", person, other["id"])
        self._desk.turn_away(other["id"])
        self._desk.adopt(person, self._desk.sealer.sessions_of(person))

    # What own devices tell each other

    def share(self, entry: int, now: int) -> None:
        """Something was said, by us or to us: our other devices get it."""
        devices = self._own()
        if devices:
            said = self.said(entry)
            for row in devices:
                self.tell(row["id"], [said], now)

    def share_group(self, entry: int, readers: set[bytes], now: int) -> None:
        """Something was said to a group: devices of ours that are not among its ``readers`` get it."""
        for row in self._own():
            if bytes(row["device_key"]) not in readers:
                self.tell(row["id"], [self.said(entry)], now)

    def share_heard(self, entry: int, device: int, written_ms: int, now: int) -> None:
        """``device`` of somebody wrote ``entry``: our other devices get it from us where it may not have
        known all of them."""
        newest = self.newest()
        if newest is None:
            return
        told = self._database.row(
            "SELECT delivered_ms FROM entries WHERE contact = ? AND mine = 1 AND kind = ?"
            " ORDER BY id DESC LIMIT 1",
            device,
            entries.DEVICES,
        )
        if told is None or told["delivered_ms"] is None or written_ms <= told["delivered_ms"] + _SKEW_MS:
            self.share(entry, now)

    def share_person(self, contact: int, now: int) -> None:
        """Something about a contact changed: our other devices learn of it."""
        devices = self._own()
        if devices:
            person = self._person(contact)
            for row in devices:
                self.tell(row["id"], [person], now)

    def tell(self, device: int, items: list[sync.Item], now: int) -> None:
        """Tell a device of ours some things."""
        for data in sync.encode(items):
            self._desk.sealer.post(device, entries.SYNC, data, now)

    def said(self, entry: int) -> sync.Said:
        """An entry as our devices tell it each other."""
        row = self._database.rows(
            "SELECT e.*, unseal(e.text) AS opened, unseal(e.content) AS data, c.account_key FROM entries e"
            " JOIN contacts c ON c.id = e.contact WHERE e.id = ?",
            entry,
        )[0]
        written = entries.Entry(
            row["kind"],
            row["sequence"],
            row["clock"],
            row["reference"],
            row["written_ms"],
            row["opened"],
            0,
            row["timer"],
            row["data"] or b"",
        )
        author = self._desk.conversations.author_tag(row["contact"], bool(row["mine"]), row["device"])
        return sync.Said(sync.conversation(row["account_key"]), author, entries.encode(written))

    def _person(self, contact: int) -> sync.Person:
        row = self._database.rows("SELECT * FROM contacts WHERE id = ?", contact)[0]
        return sync.Person(
            bytes(row["account_key"]),
            bytes(row["device_key"]),
            bytes(row["device_dh"] or b""),
            bytes(row["certificate"] or b""),
            row["name"],
            row["verified_ms"] or 0,
            row["blocked_ms"] or 0,
            bytes(row["devices"] or b""),
        )

    def synced(self, device: int, data: bytes, now: int) -> None:
        """Our other ``device`` told us something. PeerError where it does not fit what is here."""
        for item in sync.decode(data):
            if isinstance(item, sync.Label):
                self._database.run(
                    "UPDATE contacts SET label = ? WHERE role = ? AND device_key = ?",
                    clean_name(item.label),
                    roles.OWN,
                    item.device_key,
                )
            elif isinstance(item, sync.Person):
                self._take_person(item, now)
            else:
                # What a device said that was taken out since has no place here: the rest has.
                with suppress(PeerError):
                    self._take_said(item, now)

    def _take_person(self, item: sync.Person, now: int) -> None:
        desk = self._desk
        found = listing.read(item.account_key, item.devices) if item.devices else None
        known = self._database.row(
            "SELECT id, role, blocked_ms FROM contacts WHERE account_key = ? AND person IS NULL",
            item.account_key,
        )
        if known is None:
            row = self.begin(roles.CONTACT, None, item.account_key, item.device_key, item.device_dh, now)
            self._database.run("UPDATE contacts SET name = ? WHERE id = ?", desk.free_name(item.name), row)
        elif known["role"] == roles.OWN:
            raise PeerError("a contact that is ourselves")
        else:
            row = int(known["id"])
            self._database.run("UPDATE contacts SET role = ? WHERE id = ?", roles.CONTACT, row)
            name = clean_name(item.name)
            if self._database.row("SELECT 1 FROM contacts WHERE name = ? AND id != ?", name, row) is None:
                self._database.run("UPDATE contacts SET name = ? WHERE id = ?", name, row)
        self._database.run(
            "UPDATE contacts SET verified_ms = nullif(?, 0), blocked_ms = nullif(?, 0),"
            " certificate = iif(device_key = ?, nullif(?, X''), certificate) WHERE id = ?",
            item.verified_ms,
            item.blocked_ms,
            item.device_key,
            item.certificate,
            row,
        )
        if found is not None:
            self.learn(row, found, now, quiet=True)
        if item.blocked_ms:
            desk.turn_away(row)
        elif known is not None and known["blocked_ms"] is not None:
            desk.reload_soon()

    def _take_said(self, item: sync.Said, now: int) -> None:
        written = entries.decode(item.entry)
        for row in self._database.rows(
            "SELECT id, account_key FROM contacts WHERE role IN (?, ?)", roles.CONTACT, roles.GROUP
        ):
            if sync.conversation(row["account_key"]) == item.conversation:
                mine, device = self._desk.conversations.find_author(row["id"], item.author)
                self._desk.conversations.take(row["id"], mine, device, written, now)
                self._database.run(
                    "UPDATE contacts SET clock = max(clock, ?), seen = max(seen, ?) WHERE id = ?",
                    written.clock,
                    0 if mine else written.sequence,
                    row["id"],
                )
                return
        raise PeerError("an entry of a conversation that is not known")
