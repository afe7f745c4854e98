"""Covers: envelopes that hold nothing, sent at random times and proved by ourselves after a while. So who
sees envelopes and proofs come from us does not know when we write or read. For the profile ``private``.

A cover has the size of an envelope that is on our shelf, a lifetime that is drawn as that of a letter is, and
a lock like any other, which is the hash of its token. So carriers cannot tell it from a letter, nor its proof
from a proof. Letters wait a while before they leave.
"""

import hashlib
import math
from collections.abc import Callable

from hedgerow.database import Database
from hedgerow.proofs import Proofs
from hedgerow_core import envelope, limits
from hedgerow_core.shelf import KEPT, Shelf

BALANCED = "balanced"
PRIVATE = "private"
EVERY_MS = 30 * 60_000  # between two covers, on the average
PROVED_MS = 30 * 60_000  # from a cover to its proof, on the average
JITTER_MS = 10 * 60_000  # a letter waits up to so long before it leaves
_TTLS = 4  # classes from the usual one on: 3, 4, 5 and 7 days
_LEAST_BODY = 77  # of the shortest letter
_HOPS = 4

# Made where the profile is first changed: nobody else needs them.
_TABLES = (
    "CREATE TABLE IF NOT EXISTS cover_plan (id INTEGER PRIMARY KEY CHECK (id = 1), next_ms INTEGER)",
    "CREATE TABLE IF NOT EXISTS covers (token BLOB PRIMARY KEY, prove_ms INTEGER NOT NULL)",
)


class Covers:
    """The covers of one home. ``random`` gives so many secret random bytes; times are unix time in ms."""

    def __init__(
        self, database: Database, shelf: Shelf, proofs: Proofs, random: Callable[[int], bytes]
    ) -> None:
        self._database = database
        self._shelf = shelf
        self._proofs = proofs
        self._random = random
        self._jitter_key = random(16)

    def _exist(self) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'cover_plan'"
        return self._database.row(query) is not None

    @property
    def profile(self) -> str:
        """PRIVATE or BALANCED."""
        row = self._database.row("SELECT next_ms FROM cover_plan") if self._exist() else None
        return PRIVATE if row is not None and row["next_ms"] is not None else BALANCED

    def choose(self, profile: str, now: int) -> None:
        """Go on with ``profile``. Covers that were sent are proved all the same."""
        if profile == self.profile:
            return
        next_ms = now + self._wait_ms(EVERY_MS) if profile == PRIVATE else None
        with self._database.transaction():
            for table in _TABLES:
                self._database.run(table)
            self._database.run("INSERT OR REPLACE INTO cover_plan (id, next_ms) VALUES (1, ?)", next_ms)

    def work(self, now: int) -> None:
        """Prove what is due, and send a cover where one is due; within a transaction of the caller's."""
        if not self._exist():
            return
        for row in self._database.rows("SELECT token FROM covers WHERE prove_ms <= ?", now):
            self._proofs.keep(bytes(row["token"]), now)
            self._database.run("DELETE FROM covers WHERE token = ?", row["token"])
        plan = self._database.row("SELECT next_ms FROM cover_plan")
        if plan is None or plan["next_ms"] is None:
            return
        # A clock that was set back must not silence us.
        if now >= plan["next_ms"] or plan["next_ms"] > now + 60 * EVERY_MS:
            # After a night in which this computer was off it is one, not as many as it missed.
            self._database.run("UPDATE cover_plan SET next_ms = ?", now + self._wait_ms(EVERY_MS))
            self._send(now)

    def due(self, now: int) -> bool:
        """Whether ``work`` has something to do; without a lock on the home."""
        if not self._exist():
            return False
        return (
            self._database.row(
                "SELECT 1 FROM cover_plan WHERE next_ms <= ? OR next_ms > ?", now, now + 60 * EVERY_MS
            )
            is not None
            or self._database.row("SELECT 1 FROM covers WHERE prove_ms <= ?", now) is not None
        )

    def jitter_ms(self, identity: bytes) -> int:
        """How long the envelope ``identity`` waits before it leaves; the same whenever this process asks."""
        if self.profile != PRIVATE:
            return 0
        drawn = hashlib.blake2b(identity, key=self._jitter_key, digest_size=8).digest()
        return int.from_bytes(drawn, "big") * JITTER_MS >> 64

    def ttl(self) -> int:
        """The class of lifetime of the next envelope."""
        if self.profile != PRIVATE:
            return envelope.TTL_DEFAULT
        return envelope.TTL_DEFAULT + self._number(_TTLS)

    def _send(self, now: int) -> None:
        token = self._random(limits.PROOF_BYTES)
        lock = hashlib.sha256(token).digest()[: limits.LOCK_BYTES]
        hops = self._random(1)[0] % _HOPS
        body = self._random(self._body_size(now))
        cover = envelope.make(envelope.NORMAL, self.ttl(), lock, body, hops)
        if self._shelf.put(cover, now) == KEPT:
            prove_ms = now + self._wait_ms(PROVED_MS)
            self._database.run("INSERT INTO covers (token, prove_ms) VALUES (?, ?)", token, prove_ms)

    def _body_size(self, now: int) -> int:
        """The size of a body that is on our shelf: what is usual here."""
        ids = self._shelf.ids()
        for _ in range(8):
            if not ids:
                break
            found = self._shelf.get(ids[self._number(len(ids))], now)
            if found is not None and found.priority == envelope.NORMAL and not found.shared:
                return len(found.body)
        return envelope.padded_body_size(_LEAST_BODY)

    def _number(self, below: int) -> int:
        return int.from_bytes(self._random(8), "big") % below

    def _wait_ms(self, average_ms: int) -> int:
        """Exponential, so that the time since the last says nothing about the next."""
        uniform = (int.from_bytes(self._random(6), "big") + 1) / (1 << 48)
        return max(1, round(-math.log(uniform) * average_ms))
