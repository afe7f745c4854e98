"""Entries as rows of the database."""

from hedgerow.database import Database
from hedgerow.log.entry import CHAT, INTRODUCE, PIECE, Entry
from hedgerow_core.envelope import Envelope


def insert(
    database: Database,
    contact: int,
    mine: bool,
    written: Entry,
    shown: str,
    envelope: Envelope | None,
    received_ms: int | None = None,
    late: bool = False,
    device: int | None = None,
) -> int:
    """Keep an entry, of which ``shown`` is shown; its row. ``device`` is the further device that wrote it."""
    return database.run(
        "INSERT INTO entries (contact, mine, kind, sequence, clock, reference, written_ms, received_ms, text,"
        " envelope, hops, late, timer, device, content)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, seal_long(?), ?, ?, ?, ?, ?, seal_hour(?))",
        contact,
        int(mine),
        written.kind,
        written.sequence,
        written.clock,
        written.reference,
        written.written_ms,
        received_ms,
        shown,
        None if envelope is None else envelope.id,
        None if envelope is None else envelope.hops,
        int(late),
        written.timer,
        device,
        kept(written) if mine and device is None else None,
    )


def kept(written: Entry) -> bytes | None:
    """What is needed to seal it again, of what is not shown; where there is something it is repeated."""
    if written.kind == PIECE:
        return None  # who wants it asks again
    if written.kind == CHAT:
        return b"\0"
    if written.kind == INTRODUCE:
        return written.text.encode()
    return written.data or None


def find(
    database: Database, contact: int, mine: bool, device: int | None, written: Entry, shown: str
) -> int | None:
    """The row of the very same entry, where it is here: it was sent again, as no proof had reached them."""
    row = database.row(
        "SELECT id FROM entries WHERE contact = ? AND mine = ? AND device IS ? AND copy_of IS NULL"
        " AND sequence = ? AND clock = ? AND written_ms = ?"
        # What was removed, or has disappeared, does not come back.
        " AND (unseal(text) = ? OR removed_ms IS NOT NULL)",
        contact,
        int(mine),
        device,
        written.sequence,
        written.clock,
        written.written_ms,
        shown,
    )
    return None if row is None else int(row["id"])
