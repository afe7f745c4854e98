"""The desk: seals our letters, opens those that are for us, and answers who asks to become a contact.

Every change is one transaction, and the ratchet's state is read inside it: several processes may work on
one home, and no key serves twice. Long, for sealing and opening are steps of such transactions; what can
stand beside them (people, proofs, resets, covers) has modules of its own.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from hedgerow import errors, roles
from hedgerow.blobs.exchange import Blobs
from hedgerow.boards.meshes import Meshes
from hedgerow.boards.paired import Boards
from hedgerow.care.rekeying import Rekeyings
from hedgerow.care.sending import Care, CareLock
from hedgerow.chat import view
from hedgerow.conversations import Conversations
from hedgerow.covers import Covers
from hedgerow.database import Database
from hedgerow.devices.circle import Devices, JoinLock
from hedgerow.events import Connected, Event, Received
from hedgerow.gaps import Gaps
from hedgerow.groups import limits as group_limits
from hedgerow.groups.book import Groups
from hedgerow.groups.epochs import GroupLock
from hedgerow.identity.account import Account, Card
from hedgerow.log import entry as entries
from hedgerow.log import rows
from hedgerow.mailbox import Mailbox
from hedgerow.outbox import Outbox
from hedgerow.people import invite as invites
from hedgerow.people import request as requests
from hedgerow.people.answering import Answers
from hedgerow.people.asking import Asking
from hedgerow.people.book import Book
from hedgerow.people.introducing import Introducing
from hedgerow.people.inviting import Inviting
from hedgerow.people.names import clean_name
from hedgerow.people.verifying import Verifying
from hedgerow.people.waiting import Requests
from hedgerow.pings import Pings
from hedgerow.proofs import Proofs
from hedgerow.ratchet import sessions
from hedgerow.ratchet.sessions import Sessions
from hedgerow.ratchet.state import Place, State
from hedgerow.resets import ResetLock, Resets
from hedgerow.sealing import Sealer
from hedgerow.street.channel import Street
from hedgerow_core import envelope as envelopes
from hedgerow_core.envelope import Envelope
from hedgerow_core.errors import PeerError
from hedgerow_core.shelf import Shelf

_REQUEST_AGAIN_MS = 24 * 3_600_000
_ANSWERED_MS = 30 * 24 * 3_600_000  # so long an answer is repeated
_DEEP_EVERY_MS = 24 * 3_600_000
_CHORES_MS = 60_000
_MINUTE_MS = 60_000
_SKEW_MS = 3_600_000  # two clocks that nobody sets may differ by so much

_Kept = TypeVar("_Kept")


@dataclass(frozen=True)
class _Ratchet:
    contact: int
    place: Place


@dataclass(frozen=True)
class _Invite:
    id: bytes
    slot: int


_Owner = _Ratchet | _Invite | ResetLock | JoinLock | GroupLock | CareLock


def _began(before: Sessions, now: Sessions) -> bool:
    """Whether a reset, of ours or of theirs, came to its end between the two."""
    return (now.confirm and not before.confirm) or len(now.offered) < len(before.offered)


class Desk:
    """Works on the envelopes of ``shelf`` for the account in ``database``."""

    def __init__(self, database: Database, shelf: Shelf, random: Callable[[int], bytes], now: int) -> None:
        self._database = database
        self._random = random
        self.shelf = shelf
        row = database.row("SELECT name, unseal(keys) AS keys, deep_ms FROM account")
        if row is None:
            raise errors.HomeDamaged(home=database.home, reason="no account in it")
        self.name = str(row["name"])
        self.account = self.kept(Account.from_cbor, row["keys"])
        self._deep_ms = int(row["deep_ms"])
        self.mailbox: Mailbox[_Owner] = Mailbox(shelf)
        self.proofs = Proofs(database, shelf)
        self.covers = Covers(database, shelf, self.proofs, random)
        self.outbox = Outbox(database, shelf, self.covers.jitter_ms)
        self.sealer = Sealer(
            database,
            self.outbox,
            random,
            self.name,
            lambda data: self.kept(Sessions.from_cbor, data),
            self.covers.ttl,
        )
        self.resets = Resets(database, self.sealer, self.proofs, self.account, random)
        self.book = Book(self, database, random)
        self.asking = Asking(self, database, random)
        self.inviting = Inviting(self, database, random)
        self.requests = Requests(self, database, random)
        self.answers = Answers(self, database)
        self.verifying = Verifying(self, database, random)
        self.introducing = Introducing(self, database, random)
        self.devices = Devices(self, database, random)
        self.conversations = Conversations(self, database, random)
        self.groups = Groups(self, database, random)
        self.gaps = Gaps(self, database)
        self.blobs = Blobs(self, database)
        self.pings = Pings(database)
        boards = Boards(database)
        self.care = Care(
            database, shelf, boards, self.mailbox.watch, self.proofs, random, self.covers.ttl, self.tell
        )
        self.rekeyings = Rekeyings(database, Meshes(database, random), boards, self.care, random)
        self.outdated = False  # our keys were replaced: this desk is to be made anew
        self._chores_ms: int | None = None  # None: at once
        self._stale = False
        self._states: dict[int, Sessions] = {}
        self._events: list[Event] = []
        self.street = Street(
            database, shelf, self.account, self.name, random, lambda heard: self._events.append(heard)
        )
        self.reload(now)

    def reload(self, now: int) -> None:
        """Take in the ratchets and invites of the database."""
        row = self._database.rows("SELECT unseal(keys) AS keys FROM account")[0]
        self.outdated = self.kept(Account.from_cbor, row["keys"]) != self.account
        for contact in self._database.rows(
            "SELECT id, unseal(ratchet) AS ratchet, ifnull(blocked_ms, revoked_ms) AS over FROM contacts"
            " WHERE role != ?",
            roles.GROUP,
        ):
            if contact["over"] is not None:
                self.turn_away(contact["id"])
                continue
            state = self.kept(Sessions.from_cbor, contact["ratchet"])
            if self._states.get(contact["id"]) != state:
                self.adopt(contact["id"], state)
        for stored in self._database.rows(
            "SELECT unseal(secret) AS secret FROM invites WHERE expires_ms > ?", now
        ):
            self.watch_invite(self.kept(invites.InviteSecret.from_cbor, stored["secret"]))
        self.devices.watch(now)
        self.groups.epochs.watch_all()
        self.outbox.reload()
        self.proofs.reload()
        self.street.reload()
        self.care.reload()
        self._chores_ms = None
        self._stale = False

    @contextmanager
    def changing(self, now: int) -> Iterator[None]:
        """A transaction that also holds for the shelf and for the ratchets in memory."""
        try:
            with self._database.transaction():
                yield
        except PeerError:
            raise  # somebody's forgery: nothing had changed yet
        except BaseException:
            self._stale = True
            self.shelf.catch_up(now)
            raise

    def poll(self, now: int) -> list[Event]:
        """Open what is new, repeat what was not answered; what happened."""
        if self._stale:
            self.reload(now)
        anything = self.mailbox.collect(
            now, lambda envelope: self._came(envelope, now), lambda proof: self.proved(proof, now)
        )
        self.street.work(now)
        self._open_mail(now)
        if self.blobs.giving:
            with self.changing(now):
                self.blobs.give(now)
        due = self._chores_ms is None or not 0 <= now - self._chores_ms < _CHORES_MS
        if due:
            self._chores_ms = now
            # Behind the opening: what lay here unread is late, but it is here.
            self.shelf.expire(now)
            self._ask_again(now)
            self._reset(now)
            self.inviting.forget_used()
            self.requests.forget_old(now)
            self.verifying.repeat(now)
            self.proofs.forget_old(now)
            self._send_covers(now)
            self._post_again(now)
            self._answer_again(now)
            if self.groups.letters.due(now):
                with self.changing(now):
                    self.groups.letters.work(now)
            if self.gaps.due(now):
                with self.changing(now):
                    self.gaps.ask(now)
            if self.care.due(now):
                with self.changing(now):
                    self.care.work(now)
            if self.rekeyings.due(now):
                self.rekeyings.work(now)
            self.conversations.disappear(now)
            self.conversations.forget_old(now)
            self._renew(now)
        if due or anything:
            self._deep_scan(now)
            if self.blobs.due(now):
                with self.changing(now):
                    self.blobs.ask(now)
            self.send_waiting(now)
            self._restock(now)
        happened, self._events = self._events, []
        return happened

    def proved(self, proof: bytes, now: int) -> None:
        """Somebody shows a token or stop."""
        self.outbox.proof(proof, now)
        self.care.proof(proof, now)

    def _came(self, envelope: Envelope, now: int) -> None:
        self.proofs.answer(envelope)
        self.street.look(envelope, now)

    def _open_mail(self, now: int) -> None:
        self.mailbox.open(now, lambda envelope, owner: self._open(envelope, owner, now))
        # Only now: what is proved is let go everywhere.
        self.proofs.publish(now)

    def _renew(self, now: int) -> None:
        """Forget for good what was used: replace the data key, hourly."""
        # Where nothing can be written, nothing was used either.
        with suppress(errors.HomeBusy, errors.CannotWrite):
            if self._database.vault.due(now):
                self._database.vault.rotate(now)

    def _send_covers(self, now: int) -> None:
        if self.covers.due(now):
            with self.changing(now):
                self.covers.work(now)
            self.proofs.publish(now)

    def _ask_again(self, now: int) -> None:
        """Repeat the requests that were not answered."""
        for row in self._database.rows(
            "SELECT id, unseal(request) AS request FROM contacts WHERE request IS NOT NULL"
            " AND asked_ms <= ? AND ifnull(ask_until_ms, ?) >= ? AND blocked_ms IS NULL",
            now - _REQUEST_AGAIN_MS,
            now,
            now,
        ):
            with self.changing(now):
                self.sealer.request(row["id"], self.kept(requests.RequestSent.from_cbor, row["request"]), now)
                self._database.run("UPDATE contacts SET asked_ms = ? WHERE id = ?", now, row["id"])

    def _restock(self, now: int) -> None:
        """What no board has must not be lost because our own shelf had no room for it."""
        for identity, contact, entry in self.outbox.restock(now):
            if not self._may_write(contact, entry is None):
                self.outbox.refused = True
                continue
            with suppress(errors.Unanswered), self.changing(now):
                self.outbox.let_go(identity)
                if entry is not None:
                    self.seal_again(entry, now)
                    continue
                row = self._database.row(
                    "SELECT unseal(request) AS request FROM contacts WHERE id = ?", contact
                )
                if row is not None and row["request"] is not None:
                    self.sealer.request(
                        contact, self.kept(requests.RequestSent.from_cbor, row["request"]), now
                    )

    def _answer_again(self, now: int) -> None:
        """Who asked us and never wrote may not have our answer: where it expired, it is sealed anew."""
        for row in self._database.rows(
            "SELECT c.id FROM contacts c WHERE c.role = ? AND c.connected = 1 AND c.seen = 0 AND EXISTS"
            " (SELECT 1 FROM entries e WHERE e.contact = c.id AND e.mine = 1 AND e.written_ms > ?)"
            " AND NOT EXISTS (SELECT 1 FROM entries e JOIN sendings s ON s.envelope = e.envelope"
            " WHERE e.contact = c.id AND e.mine = 1 AND (e.delivered_ms IS NOT NULL OR s.expires_ms > ?))",
            roles.CONTACT,
            now - _ANSWERED_MS,
            now,
        ):
            if self._may_write(row["id"], False):
                with suppress(errors.Unanswered):
                    self.seal(row["id"], entries.HELLO, self.name, now)

    def _post_again(self, now: int) -> None:
        """What nobody writes by hand is repeated until it was proved."""
        for row in self._database.rows(
            "SELECT e.id, e.contact FROM entries e JOIN sendings s ON s.envelope = e.envelope"
            " WHERE e.content IS NOT NULL AND e.delivered_ms IS NULL AND s.expires_ms <= ?",
            now,
        ):
            if self._may_write(row["contact"], False):
                with suppress(errors.Unanswered), self.changing(now):
                    self.seal_again(row["id"], now)

    def _deep_scan(self, now: int) -> None:
        """Find letters beyond the dense windows; costly, so only where there are locks of nobody's."""
        if 0 <= now - self._deep_ms < _DEEP_EVERY_MS:
            return
        unknown = set(self.mailbox.unmatched())
        if not unknown:
            return
        self._deep_ms = now
        self.groups.epochs.watch_all(group_limits.EPOCH_MESSAGES)
        self._database.run("UPDATE account SET deep_ms = ?", now)
        for contact, state in list(self._states.items()):
            found = {
                lock: _Ratchet(contact, place)
                for lock, place in sessions.deep_locks(state).items()
                if lock in unknown
            }
            # What the last scan found and could not open is somebody's forgery: it is let go.
            self.mailbox.watch(("deep", contact), found)
        self._open_mail(now)

    def kept(self, read: Callable[[bytes], _Kept], data: bytes) -> _Kept:
        """What ``read`` makes of stored bytes. HomeDamaged where they are damaged."""
        try:
            return read(data)
        except PeerError as error:
            raise errors.HomeDamaged(home=self._database.home, reason=str(error)) from None

    def send_waiting(self, now: int) -> None:
        """Seal what was written before there was an answer."""
        more = False
        for row in self._database.rows(
            "SELECT e.id FROM entries e JOIN contacts c ON c.id = e.contact"
            " WHERE c.connected = 1 AND e.sequence = 0 AND c.changed_ms IS NULL AND c.blocked_ms IS NULL"
            " AND c.role != ? ORDER BY e.id",
            roles.GROUP,
        ):
            with suppress(errors.Unanswered), self.changing(now):
                # Another process may have been faster.
                if self._database.row("SELECT 1 FROM entries WHERE id = ? AND sequence = 0", row["id"]):
                    self.seal_again(row["id"], now)
                    self.conversations.spread(row["id"], now)
                    more = True
        if more:
            self.send_waiting(now)  # the copies for further devices

    def adopt(self, contact: int, state: Sessions) -> None:
        """Go on with ``state`` for a contact: its locks are watched from now on."""
        self._states[contact] = state
        self.mailbox.watch(
            contact, {lock: _Ratchet(contact, place) for lock, place in sessions.locks(state).items()}
        )
        self.mailbox.watch_once(("reset", contact), lambda: self.resets.locks(contact))

    def tell(self, event: Event) -> None:
        """Something happened: the next ``poll`` says so."""
        self._events.append(event)

    def turn_away(self, contact: int) -> None:
        """Look for nothing of a contact's any more: what is not opened is not answered, nor proved."""
        self._states.pop(contact, None)
        for source in (contact, ("reset", contact), ("deep", contact)):
            self.mailbox.forget(source)

    def begin_anew(self, contact: int, now: int) -> None:
        """Go on with a contact whose new ratchet we said yes to: what waited leaves."""
        state = self.sealer.sessions_of(contact)
        if sessions.can_write(state):
            self._go_on(contact, state, now)
            self.send_waiting(now)

    def _may_write(self, contact: int, request: bool) -> bool:
        """Whether a letter, or a request, leaves: not where we blocked them or their key changed."""
        row = self._database.rows("SELECT changed_ms, blocked_ms FROM contacts WHERE id = ?", contact)[0]
        return row["blocked_ms"] is None and (request or row["changed_ms"] is None)

    def _go_on(self, contact: int, state: Sessions, now: int) -> None:
        """A new ratchet is the present one: they hear of that, and get what may have been lost."""
        with suppress(errors.Unanswered):
            for entry in self.resets.unproved(contact, now):
                self.seal_again(entry, now)
            if state.confirm:
                self.seal(contact, entries.HELLO, self.name, now)

    def watch_invite(self, secret: invites.InviteSecret) -> None:
        """Watch the locks of an invite."""
        self.mailbox.watch(
            secret.id, {lock: _Invite(secret.id, slot) for lock, slot in invites.locks(secret.secret).items()}
        )

    def free_name(self, wished: str) -> str:
        """A name like the wished one that no contact has yet."""
        wished = clean_name(wished)
        name = wished
        number = 2
        while self._database.row("SELECT id FROM contacts WHERE name = ?", name) is not None:
            name = f"{wished} {number}"
            number += 1
        return name

    def insert_contact(self, name: str, card: Card, connected: bool, state: Sessions) -> int:
        """A new contact; its row. A device that we knew from a group only is it from now on."""
        known = self._database.row(
            "SELECT id FROM contacts WHERE account_key = ? AND device_key = ?",
            card.account_key,
            card.device_key,
        )
        if known is not None:
            self._database.run(
                "UPDATE contacts SET role = iif(id = ?, ?, ?), person = iif(id = ?, NULL, ?)"
                " WHERE account_key = ?",
                *(known["id"], roles.CONTACT, roles.FURTHER),
                *(known["id"], known["id"], card.account_key),
            )
            self._database.run(
                "UPDATE contacts SET name = ?, device_dh = ?, certificate = ?, connected = ?,"
                " ratchet = seal_hour(?) WHERE id = ?",
                name,
                card.device_dh,
                card.certificate,
                int(connected),
                state.to_cbor(),
                known["id"],
            )
            return int(known["id"])
        return self._database.run(
            "INSERT INTO contacts (name, account_key, device_key, device_dh, certificate, connected, ratchet)"
            " VALUES (?, ?, ?, ?, ?, ?, seal_hour(?))",
            name,
            card.account_key,
            card.device_key,
            card.device_dh,
            card.certificate,
            int(connected),
            state.to_cbor(),
        )

    def seal(self, contact: int, kind: int, text: str, now: int) -> Envelope:
        """Seal a new entry for a contact and put it onto the shelf."""
        with self.changing(now):
            state, envelope, _ = self.sealer.new(contact, kind, text, now)
            self.adopt(contact, state)
        return envelope

    def say(self, person: int, kind: int, text: str, now: int, data: bytes = b"") -> Envelope:
        """Seal something that is said to a person, for all of their devices and of ours."""
        with self.changing(now):
            envelope = self.conversations.say(person, kind, text, data, now)
        self.send_waiting(now)
        return envelope

    def hurry(self) -> None:
        """Something is due: with the next ``poll``."""
        self._chores_ms = None

    def reload_soon(self) -> None:
        """Somebody is to be heard again: with the next ``poll``."""
        self._stale = True

    def seal_again(self, entry: int, now: int) -> Envelope | None:
        """Seal an entry of ours that is written already: it had to wait, or did not arrive."""
        with self.changing(now):
            if self._database.row(
                "SELECT 1 FROM entries e JOIN contacts c ON c.id = e.contact WHERE e.id = ? AND c.role = ?",
                entry,
                roles.GROUP,
            ):
                return self.groups.letters.again(entry, now)
            contact, state, envelope = self.sealer.again(entry, now)
            self.adopt(contact, state)
        return envelope

    def _open(self, envelope: Envelope, owner: "_Owner", now: int) -> bool:
        try:
            if isinstance(owner, _Invite):
                self._open_request(envelope, owner, now)
            elif isinstance(owner, ResetLock):
                self._open_reset(envelope, owner, now)
            elif isinstance(owner, GroupLock):
                with self.changing(now):
                    self.groups.letters.open(envelope, owner, now)
            elif isinstance(owner, CareLock):
                with self.changing(now):
                    self.care.open(envelope, owner, now)
            elif isinstance(owner, JoinLock):
                with self.changing(now):
                    self.devices.welcomed(envelope, now)
            else:
                self._open_letter(envelope, owner, now)
        except PeerError:
            return False  # somebody's forgery under a lock of ours
        return True

    def _open_request(self, envelope: Envelope, owner: _Invite, now: int) -> None:
        row = self._database.row("SELECT *, unseal(secret) AS opened FROM invites WHERE id = ?", owner.id)
        if row is None or row["expires_ms"] <= now:
            return
        secret = self.kept(invites.InviteSecret.from_cbor, row["opened"])
        self.requests.receive(row, requests.open(self.account, secret, owner.slot, envelope.body), now)

    def replace(self, contact: int, card: Card, fresh: State) -> Sessions:
        """Go on with a contact in a new ratchet, perhaps on a new device of theirs; the others are read."""
        former = self.sealer.sessions_of(contact)
        past = tuple(state.changed(cks=b"") for state in former.readable())[-sessions.PAST :]
        state = Sessions(fresh, past=past)
        self._database.run(
            "UPDATE contacts SET ratchet = seal_hour(?), connected = ?, request = NULL, verified_ms ="
            " iif(account_key = ? AND device_key = ?, verified_ms, NULL), account_key = ?, device_key = ?,"
            " device_dh = ?, certificate = ? WHERE id = ?",
            state.to_cbor(),
            int(sessions.can_write(state)),
            *[card.account_key, card.device_key] * 2,
            card.device_dh,
            card.certificate,
            contact,
        )
        self.verifying.forget(contact)
        self.resets.answered(contact)
        self.mailbox.forget(("reset", contact))
        return state

    def _open_reset(self, envelope: Envelope, owner: ResetLock, now: int) -> None:
        with self.changing(now):
            state, changed = self.resets.receive(envelope, owner, now)
            if changed:
                self.adopt(owner.contact, state)

    def _reset(self, now: int) -> None:
        """Ask, or ask again, whom we lost our ratchet with; and say daily that a new one was heard of."""
        for contact in self.resets.due(now):
            if contact not in self._states:
                continue  # blocked
            with self.changing(now):
                asked = self.resets.ask(contact, now)
                if asked is not None:
                    self.adopt(contact, asked)
        for contact, state in list(self._states.items()):
            if state.confirm:
                with self.changing(now):
                    said = self.resets.unconfirmed(contact, self.sealer.sessions_of(contact), now)
                    if said is not None:
                        self.adopt(contact, said)

    def _open_letter(self, envelope: Envelope, owner: _Ratchet, now: int) -> None:
        contact = owner.contact
        with self.changing(now):
            row = self._database.rows(
                "SELECT c.connected, unseal(c.ratchet) AS ratchet, c.role, c.revoked_ms, p.id AS person,"
                " p.name, p.clock, p.seen, p.changed_ms, p.blocked_ms FROM contacts c"
                " JOIN contacts p ON p.id = ifnull(c.person, c.id) WHERE c.id = ?",
                contact,
            )[0]
            if row["blocked_ms"] is not None or row["revoked_ms"] is not None:
                return  # another process did that just now
            before = self.kept(Sessions.from_cbor, row["ratchet"])
            state, plaintext, token = sessions.decrypt(
                before,
                owner.place,
                envelope.lock,
                envelope.body,
                self._random,
            )
            written = entries.decode(plaintext)
            self._database.run(
                "UPDATE contacts SET ratchet = seal_hour(?), connected = ?, request = NULL WHERE id = ?",
                state.to_cbor(),
                int(sessions.can_write(state)),
                contact,
            )
            self._database.run(
                "UPDATE contacts SET clock = ?, seen = ? WHERE id = ?",
                max(row["clock"], written.clock),
                max(row["seen"], written.sequence),
                row["person"],
            )
            if sessions.can_write(state) and not row["connected"]:
                self.outbox.answered(contact)
                self.resets.answered(contact)
            lifetime_ms = envelopes.TTL_MINUTES[envelope.ttl] * _MINUTE_MS
            late = now - written.sealed_ms > lifetime_ms + _SKEW_MS
            self._states[contact] = state  # what it says may change it once more
            again = not self._take(envelope, row, contact, written, late, now)
            self.proofs.keep(token, now)
        self.adopt(contact, self.sealer.sessions_of(contact))
        changed = row["changed_ms"] is not None
        began = state.present is not None and before.present is not state.present and _began(before, state)
        # An answer on another device of theirs: what went to the former one goes there.
        moved = sessions.can_write(state) and not row["connected"] and bool(state.past)
        if (began or moved) and not changed:
            self._go_on(contact, state, now)
        if sessions.can_write(state) and not row["connected"]:
            if row["role"] == roles.CONTACT:
                self._events.append(Connected(row["name"]))
            with self.changing(now):
                self.devices.announce(contact, now)
                if row["role"] == roles.CONTACT:
                    self.devices.share_person(contact, now)
            self.send_waiting(now)
        if written.kind == entries.PING and not (again or late):
            reply = self.pings.reply_to(written.text, contact, envelope.hops, now)
            if reply is not None:
                with suppress(errors.Unanswered):
                    self.seal(contact, entries.PONG, reply, now)
        if written.kind == entries.VERIFY and not again:
            self.verifying.heard(contact, written.text, written.clock, now)
        if written.kind == entries.INTRODUCE and not again and not changed:
            self.introducing.heard(contact, written.text, now)
        if written.kind in (entries.DEVICES, entries.SYNC, entries.GROUP, entries.WANT):
            self.mailbox.retry()
            self.send_waiting(now)
        text = view.words(written.kind, written.text) if written.kind in entries.WORDS else ""
        if text and not again and not changed:
            self._events.append(
                Received(
                    row["name"],
                    text,
                    written.sequence,
                    envelope.hops,
                    written.written_ms,
                    envelope.id,
                    late,
                )
            )

    def _take(
        self, envelope: Envelope, row: sqlite3.Row, contact: int, written: entries.Entry, late: bool, now: int
    ) -> bool:
        """Keep what the device ``contact`` wrote; whether it is new. PeerError where it may not say that."""
        person = int(row["person"])
        device = contact if contact != person else None
        if written.kind in entries.SAID:
            if row["role"] not in (roles.CONTACT, roles.FURTHER):
                raise PeerError("a text of a stranger's")
            new = self.conversations.take(person, False, device, written, now, envelope, late)
            if new and row["changed_ms"] is None:
                (entry,) = self._database.rows("SELECT max(id) AS id FROM entries WHERE contact = ?", person)
                self.devices.share_heard(entry["id"], contact, written.written_ms, now)
            return new
        if written.kind in (entries.PIECE, entries.WANT_PIECES):
            if row["changed_ms"] is None and written.kind == entries.PIECE:
                self.blobs.came(written.data, now)
            elif row["changed_ms"] is None:
                self.blobs.asked(contact, written.data, now)
            return True
        if rows.find(self._database, contact, False, None, written, "") is not None:
            return False
        rows.insert(self._database, contact, False, written, "", envelope, now, late)
        if written.kind == entries.PONG:
            self.pings.answered(written.text, contact, now)
        elif written.kind == entries.DEVICES and row["changed_ms"] is None:
            self.devices.heard(contact, written.data, now)
        elif written.kind == entries.WANT and row["changed_ms"] is None:
            self.gaps.heard(contact, written.data, now)
        elif written.kind == entries.GROUP and row["changed_ms"] is None:
            self.groups.heard(contact, written.data, now)
        elif written.kind == entries.SYNC:
            if row["role"] != roles.OWN:
                raise PeerError("only our own devices tell us that")
            self.devices.synced(contact, written.data, now)
        return True
