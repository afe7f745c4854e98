"""Pings: letters that ask a contact's computer for an answer, and what came of them.

It answers only where its user agreed to that; a person sees nothing of either letter.
"""

from dataclasses import dataclass

from hedgerow.database import Database

NONCE_BYTES = 8
_ANSWERS = 8  # to one contact within a minute
_MINUTE_MS = 60_000
_KEPT_MS = 14 * 24 * 3_600_000
_HOPS_MAX = 64

# Made where somebody first asks, or agrees: nobody else needs them.
_TABLES = (
    "CREATE TABLE IF NOT EXISTS pings (nonce BLOB PRIMARY KEY,"
    " contact INTEGER NOT NULL REFERENCES contacts(id), sent_ms INTEGER NOT NULL, hops INTEGER NOT NULL,"
    " answered_ms INTEGER, arrived_hops INTEGER)",
    "CREATE TABLE IF NOT EXISTS ping_consent"
    " (id INTEGER PRIMARY KEY CHECK (id = 1), allowed INTEGER NOT NULL)",
)


@dataclass(frozen=True)
class Answer:
    """What came back: ms between question and answer, and the links that the question crossed, both cables
    among them."""

    round_trip_ms: int
    links: int


class Pings:
    """The pings of one home; times are unix time in ms."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._answered: dict[int, list[int]] = {}  # when we answered each contact lately

    def _exist(self) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'ping_consent'"
        return self._database.row(query) is not None

    def _make(self) -> None:
        if not self._exist():
            for table in _TABLES:
                self._database.run(table)

    @property
    def allowed(self) -> bool:
        """Whether this computer answers the pings of contacts."""
        row = self._database.row("SELECT allowed FROM ping_consent") if self._exist() else None
        return row is not None and bool(row["allowed"])

    def allow(self, allowed: bool) -> None:
        """Answer pings from now on, or do not."""
        with self._database.transaction():
            self._make()
            self._database.run(
                "INSERT OR REPLACE INTO ping_consent (id, allowed) VALUES (1, ?)", int(allowed)
            )

    def sent(self, nonce: bytes, contact: int, hops: int, now: int) -> None:
        """We asked ``contact``; the letter left with ``hops``, which nobody else knows."""
        self._make()
        self._database.run("DELETE FROM pings WHERE sent_ms < ?", now - _KEPT_MS)
        self._database.run(
            "INSERT INTO pings (nonce, contact, sent_ms, hops) VALUES (?, ?, ?, ?)", nonce, contact, now, hops
        )

    def reply_to(self, text: str, contact: int, hops: int, now: int) -> str | None:
        """What to answer the ping ``text`` of ``contact`` that came after ``hops``; None for nothing."""
        nonce = _nonce(text)
        if nonce is None or not self.allowed:
            return None
        lately = [then for then in self._answered.get(contact, []) if 0 <= now - then < _MINUTE_MS]
        self._answered[contact] = lately
        if len(lately) >= _ANSWERS:
            return None
        lately.append(now)
        return f"{nonce.hex()} {hops}"

    def answered(self, text: str, contact: int, now: int) -> None:
        """``contact`` answered. What we did not ask them, or was answered before, changes nothing."""
        first, _, hops = text.partition(" ")
        nonce = _nonce(first)
        if nonce is None or not (hops.isascii() and hops.isdecimal() and len(hops) <= 2) or not self._exist():
            return
        self._database.run(
            "UPDATE pings SET answered_ms = ?, arrived_hops = ?"
            " WHERE nonce = ? AND contact = ? AND answered_ms IS NULL",
            now,
            min(int(hops), _HOPS_MAX),
            nonce,
            contact,
        )

    def answer(self, nonce: bytes) -> Answer | None:
        """What came back of our ping, or None."""
        row = self._database.row(
            "SELECT sent_ms, hops, answered_ms, arrived_hops FROM pings WHERE nonce = ?", nonce
        )
        if row is None or row["answered_ms"] is None:
            return None
        return Answer(max(row["answered_ms"] - row["sent_ms"], 0), max(row["arrived_hops"] - row["hops"], 0))


def _nonce(text: str) -> bytes | None:
    try:
        nonce = bytes.fromhex(text)
    except ValueError:
        return None
    return nonce if nonce.hex() == text and len(nonce) == NONCE_BYTES else None
