"""A new beginning with everybody: what a home does that may have gone back to an earlier state.

No key of a ratchet may seal twice. A home that was copied or restored does not know which keys were used
since, so it writes on none of its chains any more, and asks each contact for a new ratchet.
"""

from hedgerow import errors, roles
from hedgerow.database import Database
from hedgerow.groups import limits
from hedgerow.identity.account import Account
from hedgerow.ratchet.sessions import Sessions
from hedgerow_core.errors import PeerError


def begin(database: Database) -> int:
    """Silence all ratchets and note that resets are due; with how many contacts. In a transaction of its
    own."""
    with database.transaction():
        _begin_groups(database)
        # The other copy may have signed since; a one-time key that signs twice is anybody's.
        database.run("UPDATE meshes SET signer = NULL")
        # Boards may be ahead of what we know of their commands.
        database.run("UPDATE care SET doubt = max(doubt, 1)")
        rows = database.rows(
            "SELECT id FROM contacts WHERE connected = 1 AND role != ? ORDER BY id", roles.GROUP
        )
        for row in rows:
            database.run(
                "UPDATE contacts SET ratchet = seal_hour(?), connected = 0 WHERE id = ?",
                _silenced(database, row["id"]).to_cbor(),
                row["id"],
            )
            database.run(
                "INSERT OR REPLACE INTO resets (contact, begun_ms, sent_ms) VALUES (?, 0, 0)", row["id"]
            )
    return len(rows)


def _begin_groups(database: Database) -> None:
    """Our chains may be an old copy: new epochs begin, and our sequences go on behind a leap."""
    row = database.rows("SELECT unseal(keys) AS keys FROM account")[0]
    try:
        own = Account.from_cbor(row["keys"]).device_key
    except PeerError:
        raise errors.HomeDamaged(home=database.home, reason="its account") from None
    database.run("DELETE FROM group_chains WHERE device = ?", own)
    for group in database.rows("SELECT id, sequence FROM contacts WHERE role = ?", roles.GROUP):
        database.run(
            "UPDATE contacts SET sequence = ? WHERE id = ?",
            limits.after_leap(group["sequence"]) - 1,
            group["id"],
        )


def _silenced(database: Database, contact: int) -> Sessions:
    """What was sealed for this home before can still be read, where its ratchets are here."""
    kept = database.readable("SELECT unseal(ratchet) AS ratchet FROM contacts WHERE id = ?", contact)
    try:
        former = Sessions.from_cbor(kept) if kept else Sessions(None)
    except PeerError:
        former = Sessions(None)
    past = tuple(state.changed(cks=b"") for state in former.readable())
    return Sessions(None, past=past, seen=former.seen)
