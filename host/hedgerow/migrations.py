"""Brings a home that an earlier version made to the present schema, in one transaction."""

import os
import sqlite3
from contextlib import nullcontext
from pathlib import Path

from hedgerow.vault import ciphers, keystore
from hedgerow.vault.vault import FLEETING, LASTING, Vault
from hedgerow_core.clock import EPOCH_MINUTES
from hedgerow_core.envelope import TTL_MINUTES, decode
from hedgerow_core.errors import PeerError
from hedgerow_core.shelf import SOURCE_HOST, record_of

VERSION = 8

# Since version 2: what became of what we sent, and the proofs that we give.
SENDINGS_AND_PROOFS = """
CREATE TABLE sendings (
    envelope BLOB PRIMARY KEY,
    hash BLOB NOT NULL,
    contact INTEGER NOT NULL REFERENCES contacts(id),
    entry INTEGER REFERENCES entries(id),
    sealed_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    carried_ms INTEGER,
    declined_ms INTEGER,
    record BLOB
);
CREATE INDEX sendings_hash ON sendings (hash);
CREATE INDEX sendings_entry ON sendings (entry);
CREATE INDEX sendings_held ON sendings (expires_ms) WHERE record IS NOT NULL;
CREATE TABLE proofs (
    hash BLOB PRIMARY KEY,
    proof BLOB NOT NULL,
    kept_ms INTEGER NOT NULL,
    published_ms INTEGER
);
CREATE INDEX proofs_waiting ON proofs (hash) WHERE published_ms IS NULL;
CREATE INDEX proofs_age ON proofs (kept_ms);
CREATE INDEX entries_place ON entries (contact, mine, sequence);
"""

# Since version 3: the streets that our boards told of, and what was said there. A letter that is left out
# because its writer said too much has no text.
STREETS = """
CREATE TABLE streets (key BLOB PRIMARY KEY, met_ms INTEGER NOT NULL);
CREATE TABLE street_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    letter BLOB NOT NULL UNIQUE,
    mine INTEGER NOT NULL,
    sos INTEGER NOT NULL,
    pseudonym BLOB NOT NULL,
    contact INTEGER REFERENCES contacts(id),
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    written_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    late INTEGER NOT NULL,
    left_out INTEGER NOT NULL,
    envelope BLOB NOT NULL,
    carried_ms INTEGER
);
CREATE INDEX street_letters_said ON street_letters (at_ms, pseudonym) WHERE left_out = 0;
CREATE INDEX street_letters_left_out ON street_letters (received_ms) WHERE left_out = 1;
CREATE INDEX street_letters_waiting ON street_letters (envelope) WHERE mine = 1 AND carried_ms IS NULL;
"""

# Since version 4: by which a reset finds its way. Of contacts made before it is not known.
_DEVICE_DH = "ALTER TABLE contacts ADD COLUMN device_dh BLOB"
# Contacts whom we asked for a new ratchet, or have to ask: ``sent_ms`` is 0 then.
RESETS = """
CREATE TABLE resets (
    contact INTEGER PRIMARY KEY REFERENCES contacts(id),
    begun_ms INTEGER NOT NULL,
    sent_ms INTEGER NOT NULL
);
"""

# Since version 5: whom we know how well, and who waits for our answer. ``contact``: whose keys a request
# changes; ``kind`` as in hedgerow.people.waiting.
PEOPLE = """
ALTER TABLE contacts ADD COLUMN verified_ms INTEGER;
ALTER TABLE contacts ADD COLUMN changed_ms INTEGER;
ALTER TABLE contacts ADD COLUMN blocked_ms INTEGER;
ALTER TABLE contacts ADD COLUMN introduced_by INTEGER;
ALTER TABLE contacts ADD COLUMN ask_until_ms INTEGER;
ALTER TABLE invites ADD COLUMN many INTEGER NOT NULL DEFAULT 1;
ALTER TABLE invites ADD COLUMN ask INTEGER NOT NULL DEFAULT 0;
ALTER TABLE invites ADD COLUMN made_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE invites ADD COLUMN taken_by BLOB;
ALTER TABLE invites ADD COLUMN only_for BLOB;
ALTER TABLE invites ADD COLUMN introduced_by INTEGER;
ALTER TABLE requests_seen ADD COLUMN invite BLOB;
CREATE TABLE requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    account_key BLOB NOT NULL,
    device_key BLOB NOT NULL,
    contact INTEGER REFERENCES contacts(id),
    introduced_by INTEGER REFERENCES contacts(id),
    received_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    secret BLOB NOT NULL,
    UNIQUE (kind, account_key)
);
CREATE TABLE verifications (
    contact INTEGER PRIMARY KEY REFERENCES contacts(id),
    run BLOB NOT NULL,
    sent_ms INTEGER NOT NULL
);
CREATE TABLE introductions (
    id BLOB PRIMARY KEY,
    asked INTEGER NOT NULL REFERENCES contacts(id),
    other INTEGER NOT NULL REFERENCES contacts(id),
    made_ms INTEGER NOT NULL
);
"""

# Since version 6: further devices and groups. A row of ``contacts`` is a session with a device, or a group;
# ``role`` as in hedgerow.roles, ``person`` is whose further device it is. ``devices`` is the newest signed
# list of an account's devices. ``entries.kind`` as in hedgerow.log.entry; ``device``: the further device that
# wrote it; ``content`` is the data of what is not shown, until it was delivered; ``copy_of``: the entry that
# goes to a further device of who it is for; ``timer``: minutes from ``read_ms`` to when the text disappears;
# ``seen_ms``: when we heard that they read it.
DEVICES = """
CREATE TABLE contacts_6 (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE COLLATE NOCASE,
    account_key BLOB NOT NULL,
    device_key BLOB NOT NULL,
    connected INTEGER NOT NULL,
    ratchet BLOB NOT NULL,
    request BLOB,
    asked_ms INTEGER,
    arrived_ms INTEGER,
    device_dh BLOB,
    sequence INTEGER NOT NULL DEFAULT 0,
    clock INTEGER NOT NULL DEFAULT 0,
    seen INTEGER NOT NULL DEFAULT 0,
    verified_ms INTEGER,
    changed_ms INTEGER,
    blocked_ms INTEGER,
    introduced_by INTEGER,
    ask_until_ms INTEGER,
    role INTEGER NOT NULL DEFAULT 0,
    person INTEGER REFERENCES contacts_6(id),
    devices BLOB,
    label TEXT NOT NULL DEFAULT '',
    made_ms INTEGER NOT NULL DEFAULT 0,
    revoked_ms INTEGER,
    timer INTEGER NOT NULL DEFAULT 0,
    timer_clock INTEGER NOT NULL DEFAULT 0,
    announced INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account_key, device_key)
);
INSERT INTO contacts_6 (id, name, account_key, device_key, connected, ratchet, request, asked_ms, arrived_ms,
    device_dh, sequence, clock, seen, verified_ms, changed_ms, blocked_ms, introduced_by, ask_until_ms)
    SELECT id, name, account_key, device_key, connected, ratchet, request, asked_ms, arrived_ms,
    device_dh, sequence, clock, seen, verified_ms, changed_ms, blocked_ms, introduced_by, ask_until_ms
    FROM contacts;
DROP TABLE contacts;
ALTER TABLE contacts_6 RENAME TO contacts;
CREATE INDEX contacts_person ON contacts (person);
ALTER TABLE account ADD COLUMN devices BLOB;
ALTER TABLE account ADD COLUMN receipts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN kind INTEGER NOT NULL DEFAULT 2;
ALTER TABLE entries ADD COLUMN device INTEGER REFERENCES contacts(id);
ALTER TABLE entries ADD COLUMN content BLOB;
ALTER TABLE entries ADD COLUMN copy_of INTEGER REFERENCES entries(id);
ALTER TABLE entries ADD COLUMN timer INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN read_ms INTEGER;
ALTER TABLE entries ADD COLUMN seen_ms INTEGER;
ALTER TABLE entries ADD COLUMN removed_ms INTEGER;
CREATE INDEX entries_copies ON entries (copy_of) WHERE copy_of IS NOT NULL;
CREATE INDEX entries_posted ON entries (id) WHERE content IS NOT NULL;
CREATE INDEX entries_timed ON entries (read_ms) WHERE timer > 0;
CREATE TABLE removals (
    contact INTEGER NOT NULL REFERENCES contacts(id),
    author BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (contact, author, sequence)
);
CREATE TABLE joins (id INTEGER PRIMARY KEY CHECK (id = 1), secret BLOB NOT NULL, expires_ms INTEGER NOT NULL);
"""

# Since version 6, too: what is kept of groups, whose rows of ``contacts`` have the role GROUP. Operations lie
# in the order in which they were taken. An epoch without ``devices``, which names who is in, waits for
# operations and has no chains yet.
GROUPS = """
CREATE TABLE group_states (
    contact INTEGER PRIMARY KEY REFERENCES contacts(id),
    digest_ms INTEGER,
    joined_ms INTEGER,
    left_ms INTEGER
);
CREATE TABLE group_operations (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    contact INTEGER NOT NULL REFERENCES contacts(id),
    data BLOB NOT NULL,
    UNIQUE (contact, data)
);
CREATE TABLE group_epochs (
    id INTEGER PRIMARY KEY,
    contact INTEGER NOT NULL REFERENCES contacts(id),
    epoch BLOB NOT NULL,
    number INTEGER NOT NULL,
    maker BLOB NOT NULL,
    heads BLOB NOT NULL,
    devices BLOB,
    secret BLOB,
    made_ms INTEGER NOT NULL,
    UNIQUE (contact, epoch)
);
CREATE TABLE group_chains (
    epoch INTEGER NOT NULL REFERENCES group_epochs(id),
    device BLOB NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (epoch, device)
);
CREATE TABLE group_acks (
    contact INTEGER NOT NULL REFERENCES contacts(id),
    device BLOB NOT NULL,
    theirs INTEGER NOT NULL DEFAULT 0,
    ours INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (contact, device)
);
CREATE TABLE group_contradictions (
    contact INTEGER NOT NULL REFERENCES contacts(id),
    device BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (contact, device, sequence)
);
ALTER TABLE contacts ADD COLUMN certificate BLOB;
ALTER TABLE entries ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sendings ADD COLUMN stop BLOB;
ALTER TABLE invites ADD COLUMN for_group INTEGER REFERENCES contacts(id);
ALTER TABLE requests ADD COLUMN for_group INTEGER REFERENCES contacts(id);
"""

# Since version 7: what others said that is not here, by sequences of an author; it names a row of contacts.
# ``proof`` of an entry of a group lets any member pass it on.
GAPS = """
CREATE TABLE gaps (
    contact INTEGER NOT NULL REFERENCES contacts(id),
    author INTEGER NOT NULL REFERENCES contacts(id),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    noticed_ms INTEGER NOT NULL,
    asked_ms INTEGER,
    asked INTEGER NOT NULL,
    PRIMARY KEY (contact, author, first)
);
ALTER TABLE entries ADD COLUMN proof BLOB;
ALTER TABLE contacts ADD COLUMN keep_days INTEGER;
"""

# Since version 7, too: files by the letters that offer them, their blocks, and pieces of blocks that are not
# whole yet, by the first bytes of their block's id. A piece without data was asked for;
# ``pieces_due`` are those that others asked for.
BLOBS = """
CREATE TABLE blob_uses (
    entry INTEGER PRIMARY KEY REFERENCES entries(id),
    contact INTEGER NOT NULL REFERENCES contacts(id),
    author INTEGER NOT NULL,
    root BLOB NOT NULL,
    size INTEGER NOT NULL,
    wanted_ms INTEGER,
    done_ms INTEGER,
    tries INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX blob_uses_root ON blob_uses (root);
CREATE TABLE blocks (block BLOB PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE block_pieces (
    block BLOB NOT NULL,
    piece INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    count INTEGER,
    data BLOB,
    PRIMARY KEY (block, piece)
);
CREATE TABLE pieces_due (
    contact INTEGER NOT NULL REFERENCES contacts(id),
    block BLOB NOT NULL,
    piece INTEGER NOT NULL,
    ttl INTEGER NOT NULL,
    UNIQUE (contact, block, piece)
);
"""

# Since version 8: meshes whose key is here, and boards that we are paired with. ``admin`` is known to who
# made the mesh, ``signer`` is the state of the private key that ``update_key`` belongs to; ``rights`` as in
# hedgerow_core.manage; ``url`` is where the board was last, ``kind`` which file of boards/ describes it;
# ``care_next`` is the number of the next sealed command; ``unique_id`` is the address of the chip that was
# flashed here.
BOARDS = """
CREATE TABLE meshes (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    key BLOB NOT NULL,
    admin BLOB,
    update_key BLOB,
    signer BLOB,
    made_ms INTEGER NOT NULL,
    next_key BLOB,
    next_ms INTEGER,
    former BLOB NOT NULL DEFAULT x''
);
CREATE TABLE boards (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    mesh INTEGER REFERENCES meshes(id),
    pairing_key BLOB NOT NULL,
    finding BLOB,
    care_key BLOB,
    care_next INTEGER NOT NULL DEFAULT 0,
    board_id BLOB,
    rights INTEGER NOT NULL DEFAULT 0,
    expires_ms INTEGER,
    kind TEXT,
    url TEXT,
    firmware INTEGER,
    unique_id BLOB,
    paired_ms INTEGER NOT NULL,
    used_ms INTEGER NOT NULL
);
"""
# Since version 8, too: care of boards over the mesh. ``care`` is where we are in the commands of a board,
# under the care key that ``of`` names. A command has ``number``, ``salt``, ``envelope`` and ``record`` of its
# last try, which ends at ``over_ms``; ``taken_ms``: its board proved it. ``rekeyed`` are the boards of a mesh
# whose key ``meshes.next_key`` holds from ``next_ms`` on, with the command that told them; ``meshes.former``
# are the fingerprints of its former keys, 4 bytes each.
CARE = """
CREATE TABLE care (
    board INTEGER PRIMARY KEY REFERENCES boards(id) ON DELETE CASCADE,
    of BLOB NOT NULL,
    known INTEGER NOT NULL,
    doubt INTEGER NOT NULL
);
CREATE TABLE commands (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    board INTEGER NOT NULL REFERENCES boards(id) ON DELETE CASCADE,
    command BLOB NOT NULL,
    reply BLOB,
    made_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    number INTEGER,
    salt BLOB,
    envelope BLOB,
    record BLOB,
    over_ms INTEGER,
    carried_ms INTEGER,
    taken_ms INTEGER,
    answered_ms INTEGER,
    ended INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE rekeyed (
    mesh INTEGER NOT NULL REFERENCES meshes(id) ON DELETE CASCADE,
    board INTEGER NOT NULL REFERENCES boards(id) ON DELETE CASCADE,
    left_out INTEGER NOT NULL,
    command INTEGER REFERENCES commands(id) ON DELETE SET NULL,
    PRIMARY KEY (mesh, board)
);
"""
# The keys that boards took before; nobody asked these boards for their names.
_PAIRING_KEYS = """
INSERT INTO boards (name, pairing_key, paired_ms, used_ms)
    SELECT 'board ' || row_number() OVER (ORDER BY rowid), key, used_ms, used_ms FROM pairing_keys;
DROP TABLE pairing_keys;
"""

_COLUMNS = """
ALTER TABLE contacts ADD COLUMN arrived_ms INTEGER;
ALTER TABLE entries ADD COLUMN delivered_ms INTEGER;
ALTER TABLE entries ADD COLUMN late INTEGER NOT NULL DEFAULT 0;
"""


def migrate(connection: sqlite3.Connection, home: Path) -> None:
    """Go on from an earlier version, if it is one. sqlite3.Error or OSError where that fails; then nothing
    changed."""
    connection.execute("PRAGMA foreign_keys = OFF")  # a table is replaced by one of its name
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 1:
            _execute(connection, _COLUMNS + SENDINGS_AND_PROOFS)
            _convert_shelf(connection)
        if version in (1, 2):
            _execute(connection, STREETS)
        if version in (1, 2, 3):
            _execute(connection, _DEVICE_DH + ";" + RESETS)
        if version < 5:
            _execute(connection, PEOPLE)
        if version < 6:
            _execute(connection, DEVICES + ";" + GROUPS)
            connection.execute("UPDATE entries SET kind = 1 WHERE text = ''")
        if version < 7:
            _execute(connection, GAPS + ";" + BLOBS)
        _execute(connection, BOARDS + _PAIRING_KEYS + ";" + CARE)
        if version in (1, 2, 3):
            # Behind all columns: what is secret in them is sealed.
            _seal(connection, home)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.execute("PRAGMA foreign_keys = ON")
    # What lay there unsealed is not to stay in the log.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _seal(connection: sqlite3.Connection, home: Path) -> None:
    """Since version 4: what is secret is sealed. The keystore is without a passphrase until one is set."""
    store_key = os.urandom(ciphers.KEY_BYTES)
    keystore.save(home, keystore.plain(os.urandom(keystore.HOME_ID_BYTES), store_key))
    Vault.begin(home, connection, store_key, nullcontext, 0)
    for fields, seal in ((FLEETING, "seal_hour"), (LASTING, "seal_long")):
        for table, column in fields:
            connection.execute(f"UPDATE {table} SET {column} = {seal}({column})")


def _execute(connection: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";"):
        connection.execute(statement)


def _convert_shelf(connection: sqlite3.Connection) -> None:
    """Records were the minute of arrival, 4 bytes of unix time, and the envelope."""
    for row in connection.execute("SELECT place, record FROM shelf").fetchall():
        try:
            arrived = int.from_bytes(row["record"][:4], "big")
            envelope = decode(row["record"][4:])
        except PeerError:
            connection.execute("DELETE FROM shelf WHERE place = ?", (row["place"],))
            continue
        record = record_of(envelope, max(arrived - EPOCH_MINUTES, 0), SOURCE_HOST)
        connection.execute("UPDATE shelf SET record = ? WHERE place = ?", (record, row["place"]))
        # Our own: their locks are known from here, but not whether a board has them.
        for entry in connection.execute(
            "SELECT id, contact FROM entries WHERE mine = 1 AND envelope = ?", (envelope.id,)
        ).fetchall():
            sealed_ms = (arrived - envelope.age) * 60_000
            connection.execute(
                "INSERT OR IGNORE INTO sendings (envelope, hash, contact, entry, sealed_ms, expires_ms)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    envelope.id,
                    envelope.proof_hash(),
                    entry["contact"],
                    entry["id"],
                    sealed_ms,
                    sealed_ms + TTL_MINUTES[envelope.ttl] * 60_000,
                ),
            )
