"""Proofs that we give: whoever opened a letter publishes its token, and carriers let it go.

The token is stored in the transaction that stores the letter, and published afterwards: a proof without a
letter would lose it, a letter without a proof only lies about until its lifetime is over.
"""

import hashlib

from hedgerow.database import Database
from hedgerow_core import limits
from hedgerow_core.envelope import Envelope
from hedgerow_core.shelf import Shelf

# A copy may come to light again for as long: what was read late in its life, on a carrier that was off.
KEPT_MS = 2 * limits.TTL_MINUTES * 60_000

_HASH_BYTES = limits.LOCK_BYTES


class Proofs:
    """The tokens and stops of what was opened here, and whether they are on ``shelf`` yet."""

    def __init__(self, database: Database, shelf: Shelf) -> None:
        self._database = database
        self._shelf = shelf
        self._waiting = True

    def reload(self) -> None:
        """Another process may have died between reading and publishing."""
        self._waiting = True

    def keep(self, proof: bytes, now: int) -> None:
        """Remember a token or stop of 16 bytes, to publish; within the transaction that read its letter."""
        digest = hashlib.sha256(proof).digest()[:_HASH_BYTES]
        if self._database.row("SELECT 1 FROM proofs WHERE hash = ?", digest) is None:
            self._database.run(
                "INSERT OR IGNORE INTO proofs (hash, proof, kept_ms) VALUES (?, ?, ?)", digest, proof, now
            )
            self._waiting = True

    def answer(self, envelope: Envelope) -> None:
        """``envelope`` is new on the shelf: where it was read before, it is to be proved again."""
        wanted = envelope.proof_hash()
        row = self._database.row("SELECT proof FROM proofs WHERE hash = ?", wanted[:_HASH_BYTES])
        if row is not None and hashlib.sha256(row["proof"]).digest()[: len(wanted)] == wanted:
            self._database.run("UPDATE proofs SET published_ms = NULL WHERE hash = ?", wanted[:_HASH_BYTES])
            self._waiting = True

    def publish(self, now: int) -> None:
        """Put what waits into the place of its envelopes, on the shelf."""
        if not self._waiting:
            return
        rows = self._database.rows("SELECT hash, proof FROM proofs WHERE published_ms IS NULL")
        if rows:
            with self._database.transaction():
                for row in rows:
                    self._shelf.prove(bytes(row["proof"]), now)
                    self._database.run("UPDATE proofs SET published_ms = ? WHERE hash = ?", now, row["hash"])
        self._waiting = False

    def forget_old(self, now: int) -> None:
        """Let go those of letters that cannot come back."""
        # Reading first: that needs no lock on the home.
        if self._database.row("SELECT 1 FROM proofs WHERE kept_ms < ?", now - KEPT_MS) is not None:
            self._database.run("DELETE FROM proofs WHERE kept_ms < ?", now - KEPT_MS)
