"""Entries as rows of the database."""

from hedgerow.database import Database
from hedgerow.log.entry import Entry
from hedgerow_core.envelope import Envelope


def insert(
    database: Database,
    contact: int,
    mine: bool,
    written: Entry,
    shown: str,
    envelope: Envelope,
    received_ms: int | None = None,
    late: bool = False,
) -> int:
    """Keep an entry, of which ``shown`` is shown; its row."""
    return database.run(
        "INSERT INTO entries (contact, mine, sequence, clock, reference, written_ms, received_ms, text,"
        " envelope, hops, late) VALUES (?, ?, ?, ?, ?, ?, ?, seal_long(?), ?, ?, ?)",
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
        int(late),
    )


def has(database: Database, contact: int, written: Entry, shown: str) -> bool:
    """Whether the very same entry of theirs is here: they sent it again, as no proof had reached them."""
    row = database.row(
        "SELECT 1 FROM entries WHERE contact = ? AND mine = 0 AND sequence = ? AND clock = ?"
        " AND written_ms = ? AND unseal(text) = ?",
        contact,
        written.sequence,
        written.clock,
        written.written_ms,
        shown,
    )
    return row is not None
