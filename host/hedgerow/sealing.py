"""Seals our entries and requests and sends them. Every call is a part of its caller's transaction."""

from collections.abc import Callable
from dataclasses import replace

from hedgerow import errors
from hedgerow.database import Database
from hedgerow.log import entry as entries
from hedgerow.log import rows
from hedgerow.outbox import Outbox
from hedgerow.people import invite as invites
from hedgerow.people import request as requests
from hedgerow.ratchet import sessions
from hedgerow.ratchet.sessions import Sessions
from hedgerow_core import envelope as envelopes
from hedgerow_core.envelope import Envelope
from hedgerow_core.errors import LimitError

_RANDOM_HOPS = 4
_MINUTE_MS = 60_000


class Sealer:
    """``name`` is what we call ourselves, ``read`` reads a contact's ratchets from its row."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        random: Callable[[int], bytes],
        name: str,
        read: Callable[[bytes], Sessions],
        ttl: Callable[[], int],
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._random = random
        self.name = name
        self._read = read
        self._ttl = ttl

    def request(self, contact: int, sent: requests.RequestSent, now: int) -> None:
        """Send a contact request, in a new slot."""
        slot = self._random(1)[0]
        lock = invites.lock(sent.invite_secret, slot)
        envelope = self._envelope(lock, requests.body_for_slot(sent, slot), shared=True)
        self._outbox.add(envelope, contact, None, now)

    def new(
        self,
        contact: int,
        kind: int,
        text: str,
        now: int,
        data: bytes = b"",
        timer: int = 0,
        bulk_ttl: int | None = None,
    ) -> tuple[Sessions, Envelope, int]:
        """Seal and send a new entry; with the ratchet's new state, and the entry's row.

        ``bulk_ttl`` is the ttl class of what travels behind everything else.
        """
        written = replace(self._next(contact, kind, text, now), data=data, timer=timer)
        state, envelope = self._seal(contact, written, bulk_ttl)
        shown = text if kind in entries.WORDS else ""
        entry = rows.insert(self._database, contact, True, written, shown, envelope)
        self._outbox.add(envelope, contact, entry, now, kind in (entries.PING, entries.PONG))
        return state, envelope, entry

    def post(self, contact: int, kind: int, data: bytes, now: int) -> int:
        """Keep an entry that leaves as soon as there is a ratchet, and is repeated until it was proved."""
        return self._database.run(
            "INSERT INTO entries (contact, mine, kind, sequence, clock, reference, written_ms, text, content)"
            " VALUES (?, 1, ?, 0, 0, 0, ?, '', seal_hour(?))",
            contact,
            kind,
            now,
            data,
        )

    def copy(self, entry: int, device: int) -> None:
        """Send ``entry``, which was sealed for its contact, to another device, too, as soon as that goes."""
        self._database.run(
            "INSERT INTO entries (contact, mine, kind, sequence, clock, reference, written_ms, text, content,"
            " copy_of)"
            " SELECT ?, 1, kind, 0, 0, 0, written_ms, '', content, id FROM entries WHERE id = ?",
            device,
            entry,
        )

    def again(self, entry: int, now: int) -> tuple[int, Sessions, Envelope]:
        """Seal and send an entry that had to wait, or did not arrive; with its contact."""
        row = self._database.rows(
            "SELECT c.contact, e.kind, e.sequence, e.clock, e.reference, e.written_ms, e.timer,"
            " unseal(e.text) AS text, unseal(c.content) AS content"
            " FROM entries c JOIN entries e ON e.id = ifnull(c.copy_of, c.id) WHERE c.id = ?",
            entry,
        )[0]
        contact, kind = int(row["contact"]), int(row["kind"])
        if not row["text"] and row["content"] is None:
            kind = entries.HELLO  # what there was is over: they get the new ratchet
        text = row["text"] if kind in entries.WORDS else self.name if kind == entries.HELLO else ""
        data = b"" if kind == entries.CHAT else row["content"] or b""
        if kind == entries.INTRODUCE:
            text, data = data.decode(), b""
        if row["sequence"] == 0:
            written = self._next(contact, kind, text, row["written_ms"])
        else:
            # The same once more: who has it does not see it twice.
            written = entries.Entry(
                kind, row["sequence"], row["clock"], row["reference"], row["written_ms"], text
            )
        written = replace(written, timer=row["timer"], data=data)
        delay = max(0, (now - written.written_ms) // _MINUTE_MS)
        state, envelope = self._seal(contact, replace(written, delay=delay))
        self._database.run(
            "UPDATE entries SET sequence = ?, clock = ?, reference = ?, envelope = ?, hops = ? WHERE id = ?",
            written.sequence,
            written.clock,
            written.reference,
            envelope.id,
            envelope.hops,
            entry,
        )
        self._outbox.add(envelope, contact, entry, now)
        return contact, state, envelope

    def _next(self, contact: int, kind: int, text: str, written_ms: int) -> entries.Entry:
        row = self._database.rows(
            "SELECT p.sequence, p.clock, p.seen FROM contacts c JOIN contacts p ON p.id ="
            " ifnull(c.person, c.id) WHERE c.id = ?",
            contact,
        )[0]
        # What is said is numbered without holes, so that all who get it see what is missing.
        sequence = row["sequence"] + 1 if kind in entries.SAID else max(row["sequence"], 1)
        clock = entries.next_clock(row["clock"], sequence)
        return entries.Entry(kind, sequence, clock, row["seen"], written_ms, text)

    def _envelope(
        self, lock: bytes, body: bytes, shared: bool = False, bulk_ttl: int | None = None
    ) -> Envelope:
        hops = self._random(1)[0] % _RANDOM_HOPS
        if bulk_ttl is not None:
            return envelopes.make(envelopes.BULK, bulk_ttl, lock, body, hops, shared)
        return envelopes.make(envelopes.NORMAL, self._ttl(), lock, body, hops, shared)

    def _seal(
        self, contact: int, written: entries.Entry, bulk_ttl: int | None = None
    ) -> tuple[Sessions, Envelope]:
        # The state of the database, not ours: another process may have written, and no key serves twice.
        state = self.sessions_of(contact)
        try:
            state, lock, body, _ = sessions.encrypt(state, entries.encode(written))
        except LimitError:
            name = self.name_of(contact)
            if state.present is None:
                raise errors.SessionPending(name=name) from None
            raise errors.Unanswered(name=name, count=state.present.ns) from None
        self._written(contact, state, written)
        return state, self._envelope(lock, body, bulk_ttl=bulk_ttl)

    def sessions_of(self, contact: int) -> Sessions:
        """The contact's ratchets, as they are in the database."""
        row = self._database.rows("SELECT unseal(ratchet) AS ratchet FROM contacts WHERE id = ?", contact)[0]
        return self._read(row["ratchet"])

    def keep(self, contact: int, state: Sessions) -> None:
        """Store the contact's ratchets."""
        self._database.run(
            "UPDATE contacts SET ratchet = seal_hour(?), connected = ? WHERE id = ?",
            state.to_cbor(),
            int(sessions.can_write(state)),
            contact,
        )

    def _written(self, contact: int, state: Sessions, written: entries.Entry) -> None:
        self._database.run(
            "UPDATE contacts SET ratchet = seal_hour(?) WHERE id = ?", state.to_cbor(), contact
        )
        # All devices of somebody read one sequence of ours.
        self._database.run(
            "UPDATE contacts SET sequence = max(sequence, ?), clock = max(clock, ?)"
            " WHERE id = (SELECT ifnull(person, id) FROM contacts WHERE id = ?)",
            written.sequence,
            written.clock,
            contact,
        )

    def name_of(self, contact: int) -> str:
        """Whose device it is, as they are called here."""
        row = self._database.rows(
            "SELECT coalesce(c.name, p.name, nullif(c.label, '')) AS name FROM contacts c"
            " LEFT JOIN contacts p ON p.id = c.person WHERE c.id = ?",
            contact,
        )[0]
        return str(row["name"] or "The other device")

    def welcome(self, device: int, lock: bytes, body: bytes, now: int) -> None:
        """Send the welcome of a further device of ours."""
        self._outbox.add(self._envelope(lock, body, shared=True), device, None, now, at_once=True)

    def to_group(self, group: int, lock: bytes, body: bytes, stop: bytes, now: int) -> Envelope:
        """Send a letter to a group; ``stop`` is ours alone."""
        envelope = self._envelope(lock, body, shared=True)
        self._outbox.add(envelope, group, None, now)
        self._database.run("UPDATE sendings SET stop = ? WHERE envelope = ?", stop, envelope.id)
        return envelope

    # Resets

    def reset(self, contact: int, lock: bytes, body: bytes, now: int) -> None:
        """Send a reset of ours."""
        self._outbox.add(self._envelope(lock, body, shared=True), contact, None, now)

    def offer(self, contact: int, state: Sessions, identity: bytes, now: int) -> Sessions:
        """Answer the reset ``identity`` in the ratchet that is offered for it; the ratchets now."""
        written = self._next(contact, entries.HELLO, self.name, now)
        state, lock, body, _ = sessions.encrypt_offer(state, identity, entries.encode(written))
        self._written(contact, state, written)
        envelope = self._envelope(lock, body)
        entry = rows.insert(self._database, contact, True, written, "", envelope)
        self._outbox.add(envelope, contact, entry, now)
        return state
