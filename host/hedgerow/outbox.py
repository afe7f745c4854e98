"""What became of what we sent. A state is shown only where we know that it is true."""

import hashlib
import sqlite3
from collections.abc import Callable

from hedgerow.database import Database
from hedgerow_core import limits
from hedgerow_core.counts import EVICTED
from hedgerow_core.envelope import TTL_MINUTES, Envelope, decode
from hedgerow_core.errors import PeerError
from hedgerow_core.shelf import KNOWN, REFUSED, Shelf

QUEUED = "queued"  # no board has acknowledged it
CARRIED = "carried"  # a board acknowledged it: there it would survive a loss of power
EXPIRED = "expired"  # its lifetime is over by our clock, and no proof came
DELIVERED = "delivered"  # its proof came: only who opened it can give that

_MINUTE_MS = 60_000
# Ours have a share of the shelf of their own: who has the largest makes room first (hedgerow_core.shelf).
_SOURCE_OWN = 2
_FULL = 254  # of 255: with less room something else had to go
_OLD_MS = 30 * _MINUTE_MS  # a full board takes nothing that is older than all it has

# What ``state_of`` needs, from entries ``e`` with their newest sending ``s``.
# One device of theirs has it: so do they.
STATE_COLUMNS = (
    "e.sequence, ifnull(e.delivered_ms, (SELECT min(k.delivered_ms) FROM entries k WHERE k.copy_of = e.id))"
    " AS delivered_ms, s.expires_ms, s.carried_ms, s.record IS NOT NULL AS held"
)


def state_of(row: sqlite3.Row, now: int) -> str | None:
    """The state of a letter of ours; None where an earlier version sent it and did not keep one."""
    if row["delivered_ms"] is not None:
        return DELIVERED
    if row["sequence"] == 0:
        return QUEUED  # it waits for an answer to our request
    if row["expires_ms"] is None:
        return None
    if row["expires_ms"] <= now:
        return EXPIRED
    if row["carried_ms"] is not None:
        return CARRIED
    return QUEUED if row["held"] else None


class Outbox:
    """Our envelopes on their way. Their bytes are kept until a board has them: our own shelf may be full.

    ``jitter_ms`` tells how long an envelope waits here before it may leave.
    """

    def __init__(
        self, database: Database, shelf: Shelf, jitter_ms: Callable[[bytes], int] = lambda identity: 0
    ) -> None:
        self._database = database
        self._shelf = shelf
        self._jitter_ms = jitter_ms
        self._leave_ms: int | None = None  # when the next of those that wait may
        self._lost = (-1, -1)  # what the shelf had let go when we last looked
        self.refused = False  # the shelf had no room for some of it
        self._declined = False  # a board had none

    def reload(self) -> None:
        """Another process may have sent something."""
        self._lost = (-1, -1)

    def add(
        self, envelope: Envelope, contact: int, entry: int | None, now: int, at_once: bool = False
    ) -> None:
        """Send ``envelope``, ``at_once`` where it must not wait; ``entry`` is the row that it carries, None
        for a contact request."""
        self._database.run(
            "INSERT INTO sendings (envelope, hash, contact, entry, sealed_ms, expires_ms, record)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            # A request in a slot that it had before is the same envelope.
            " ON CONFLICT (envelope) DO UPDATE SET sealed_ms = excluded.sealed_ms,"
            " expires_ms = excluded.expires_ms, carried_ms = NULL, record = excluded.record",
            envelope.id,
            envelope.proof_hash(),
            contact,
            entry,
            now,
            now + TTL_MINUTES[envelope.ttl] * _MINUTE_MS,
            envelope.encode(),
        )
        leave_ms = now if at_once else now + self._jitter_ms(envelope.id)
        if leave_ms > now:
            self._wait_until(leave_ms)
        elif self._shelf.put(envelope, now, _SOURCE_OWN) == REFUSED:
            self.refused = True

    def _wait_until(self, leave_ms: int) -> None:
        if self._leave_ms is None or leave_ms < self._leave_ms:
            self._leave_ms = leave_ms

    def acked(self, identity: bytes, now: int) -> None:
        """A board keeps the envelope: it would survive a loss of power there."""
        if self._database.row("SELECT 1 FROM sendings WHERE envelope = ? AND carried_ms IS NULL", identity):
            self._database.run(
                "UPDATE sendings SET carried_ms = ?, declined_ms = NULL, record = NULL WHERE envelope = ?",
                now,
                identity,
            )

    def declined(self, identity: bytes, now: int) -> None:
        """A board did not keep the envelope."""
        if self._database.row("SELECT 1 FROM sendings WHERE envelope = ? AND carried_ms IS NULL", identity):
            self._database.run("UPDATE sendings SET declined_ms = ? WHERE envelope = ?", now, identity)
            self._declined = True

    def proof(self, proof: bytes, now: int) -> None:
        """Somebody shows a token or stop: what it opens has arrived. Any other changes nothing."""
        digest = hashlib.sha256(proof).digest()
        rows = self._database.rows(
            "SELECT s.contact, s.entry FROM sendings s JOIN contacts c ON c.id = s.contact"
            " LEFT JOIN entries e ON e.id = s.entry WHERE s.hash IN (?, ?)"
            " AND iif(s.entry IS NULL, c.arrived_ms, e.delivered_ms) IS NULL",
            digest[: limits.LOCK_BYTES],
            digest[: limits.PROOF_BYTES],
        )
        if not rows:
            return
        with self._database.transaction():
            for row in rows:
                if row["entry"] is None:
                    self._database.run("UPDATE contacts SET arrived_ms = ? WHERE id = ?", now, row["contact"])
                else:
                    self._database.run(
                        "UPDATE entries SET delivered_ms = ?, content = NULL WHERE id = ?", now, row["entry"]
                    )
                    self._database.run("UPDATE sendings SET record = NULL WHERE entry = ?", row["entry"])

    def answered(self, contact: int) -> None:
        """Our request was answered: it is not sent any more."""
        self._database.run("DELETE FROM sendings WHERE contact = ? AND entry IS NULL", contact)

    def let_go(self, identity: bytes) -> None:
        """The envelope is replaced by another one."""
        self._database.run("UPDATE sendings SET record = NULL WHERE envelope = ?", identity)
        self._shelf.drop(identity)

    def restock(self, now: int) -> list[tuple[bytes, int, int | None]]:
        """Put what no board has back onto the shelf; (id, contact, entry) of what must be sealed once more.

        The shelf never takes back an envelope that it once let go to make room, and a full board none that
        waited here until all that it has was younger.
        """
        lost = (self._shelf.counts[EVICTED], self._shelf.damaged)
        leaving = self._leave_ms is not None and now >= self._leave_ms
        if lost == self._lost and not (self.refused or self._declined or leaving):
            return []
        self.refused = self._declined = False
        self._leave_ms = None
        evicted = []
        for row in self._database.rows(
            "SELECT envelope, contact, entry, sealed_ms, declined_ms, record FROM sendings"
            " WHERE record IS NOT NULL AND expires_ms > ? ORDER BY sealed_ms, rowid",
            now,
        ):
            if row["declined_ms"] is not None and row["declined_ms"] - row["sealed_ms"] >= _OLD_MS:
                evicted.append((bytes(row["envelope"]), row["contact"], row["entry"]))
                continue
            if self._shelf.has(row["envelope"]):
                continue
            leave_ms = row["sealed_ms"] + self._jitter_ms(bytes(row["envelope"]))
            if row["sealed_ms"] <= now < leave_ms:
                self._wait_until(leave_ms)
                continue
            try:
                envelope = decode(row["record"])
            except PeerError:
                continue  # damaged on our disk: it expires
            if self._shelf.load() >= _FULL:
                self.refused = True
                break
            age = max(0, (now - row["sealed_ms"]) // _MINUTE_MS)
            status = self._shelf.put(envelope.carried(envelope.hops, age), now, _SOURCE_OWN)
            if status == REFUSED:
                self.refused = True
                break
            if status == KNOWN and not self._shelf.proof_of(envelope):
                evicted.append((bytes(row["envelope"]), row["contact"], row["entry"]))
        self._lost = (self._shelf.counts[EVICTED], self._shelf.damaged)
        return evicted
