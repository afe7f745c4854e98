"""Resets on a host: asks for a new ratchet where ours went back to an old copy, and answers who asks us.

The rules are in ``hedgerow.ratchet.sessions``; here is what they need of database, shelf and clock.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hedgerow import errors
from hedgerow.database import Database
from hedgerow.identity.account import Account
from hedgerow.log import entry as entries
from hedgerow.proofs import Proofs
from hedgerow.ratchet import reset, sessions
from hedgerow.ratchet.reset import Pair
from hedgerow.ratchet.sessions import Sessions
from hedgerow.sealing import Sealer
from hedgerow_core.envelope import Envelope
from hedgerow_core.errors import AuthError, PeerError

_AGAIN_MS = 24 * 3_600_000
_ANEW_MS = 7 * _AGAIN_MS
_MINUTE_MS = 60_000


@dataclass(frozen=True)
class ResetLock:
    """Whose lock it is, and which slot of theirs."""

    contact: int
    slot: int


class Resets:
    """The resets of one home; all calls are a part of their caller's transaction."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        proofs: Proofs,
        account: Account,
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._proofs = proofs
        self._account = account
        self._random = random
        self._pairs: dict[int, tuple[bytes, Pair]] = {}

    def pair(self, contact: int) -> Pair | None:
        """The two devices; None where theirs is not known well enough, of contacts of an earlier version."""
        row = self._database.rows(
            "SELECT account_key, device_key, device_dh FROM contacts WHERE id = ?", contact
        )[0]
        if row["device_dh"] is None:
            return None
        kept = self._pairs.get(contact)
        if kept is None or kept[0] != row["device_dh"]:
            try:
                made = reset.pair_of(self._account, row["account_key"], row["device_key"], row["device_dh"])
            except AuthError:
                return None
            kept = self._pairs[contact] = (row["device_dh"], made)
        return kept[1]

    def locks(self, contact: int) -> dict[bytes, ResetLock]:
        """Where a reset of theirs may lie."""
        devices = self.pair(contact)
        if devices is None:
            return {}
        return {lock: ResetLock(contact, slot) for lock, slot in reset.locks(devices).items()}

    def receive(self, envelope: Envelope, owner: ResetLock, now: int) -> tuple[Sessions, bool]:
        """Answer a reset of theirs; the sessions now, and whether they changed. PeerError for a forgery."""
        devices = self.pair(owner.contact)
        if devices is None:
            raise PeerError("a reset of nobody's")
        before = self._sealer.sessions_of(owner.contact)
        found, identity, stop, new = sessions.receive(
            before, devices, owner.slot, envelope.body, self._random
        )
        self._proofs.keep(stop, now)
        offered = any(offer.id == identity for offer in found.offered)
        if offered and (new or self._answer_due(owner.contact, now)):
            found = self._sealer.offer(owner.contact, found, identity, now)
        elif new:
            self._sealer.keep(owner.contact, found)
        return found, new or found is not before

    def _answer_due(self, contact: int, now: int) -> bool:
        last = self._database.rows(
            "SELECT max(written_ms) FROM entries WHERE contact = ? AND mine = 1", contact
        )[0][0]
        return last is None or now - last >= _AGAIN_MS

    def due(self, now: int) -> list[int]:
        """Contacts with whom a reset is to be asked for, for the first time or again."""
        rows = self._database.rows("SELECT contact FROM resets WHERE sent_ms <= ?", now - _AGAIN_MS)
        return [int(row["contact"]) for row in rows]

    def ask(self, contact: int, now: int) -> Sessions | None:
        """Ask for a new ratchet, or repeat that; the sessions now. None where there is nothing to ask for."""
        row = self._database.row("SELECT begun_ms, sent_ms FROM resets WHERE contact = ?", contact)
        devices = self.pair(contact)
        if row is None or devices is None or now - row["sent_ms"] < _AGAIN_MS:
            return None
        found = self._sealer.sessions_of(contact)
        if found.asking is None or now - row["begun_ms"] >= _ANEW_MS:
            minute = now // _MINUTE_MS - entries.EPOCH_MINUTES
            found = sessions.ask(found, devices, minute, self._random)
            self._sealer.keep(contact, found)
            self._database.run("UPDATE resets SET begun_ms = ? WHERE contact = ?", now, contact)
        if found.asking is None:
            return None
        self._database.run("UPDATE resets SET sent_ms = ? WHERE contact = ?", now, contact)
        slot = self._random(1)[0]
        lock = reset.our_lock(devices, slot)
        self._sealer.reset(contact, lock, reset.body_for_slot(devices, found.asking.asked, slot), now)
        return found

    def answered(self, contact: int) -> None:
        """There is a ratchet to write in again."""
        self._database.run("DELETE FROM resets WHERE contact = ?", contact)

    def unconfirmed(self, contact: int, found: Sessions, now: int) -> Sessions | None:
        """They may not know yet that we write in the new ratchet: say it daily; the sessions where they
        changed."""
        # The newest letter was written in the new ratchet.
        row = self._database.row(
            "SELECT written_ms, delivered_ms FROM entries WHERE contact = ? AND mine = 1 AND sequence > 0"
            " ORDER BY clock DESC LIMIT 1",
            contact,
        )
        if row is not None and row["delivered_ms"] is not None:
            found = sessions.proved(found)
            self._sealer.keep(contact, found)
            return found
        if row is None or now - row["written_ms"] >= _AGAIN_MS:
            try:
                return self._sealer.new(contact, entries.HELLO, self._sealer.name, now)[0]
            except errors.Unanswered:
                return None
        return None

    def unproved(self, contact: int, now: int) -> list[int]:
        """Letters that were sealed in a ratchet that is over, of which we do not know that they came."""
        rows = self._database.rows(
            "SELECT e.id FROM entries e JOIN sendings s ON s.envelope = e.envelope"
            " WHERE e.contact = ? AND e.mine = 1 AND e.sequence > 0"
            " AND (e.text != '' OR e.content IS NOT NULL OR e.copy_of IS NOT NULL)"
            " AND e.delivered_ms IS NULL AND s.expires_ms > ? ORDER BY e.id",
            contact,
            now,
        )
        return [int(row["id"]) for row in rows]
