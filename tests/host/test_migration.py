"""A home that an earlier version made keeps working."""

import shutil
import sqlite3
from contextlib import closing

import pytest
from node_support import DAY_MS, Village
from people_support import NOW, source
from vault_support import contents, killed_at

from hedgerow import errors
from hedgerow.database import Database
from hedgerow.migrations import VERSION
from hedgerow.node import Node
from hedgerow.outbox import DELIVERED, EXPIRED
from hedgerow.vault import datakey, keystore
from hedgerow.vault.vault import FLEETING, LASTING
from hedgerow_core.envelope import TTL_MINUTES

ALICE, BOB = "Alice", "Bob"

# The schema of version 1, as it was.
VERSION_1 = """
CREATE TABLE account (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    keys BLOB NOT NULL,
    deep_ms INTEGER NOT NULL
);
CREATE TABLE invites (id BLOB PRIMARY KEY, secret BLOB NOT NULL, expires_ms INTEGER NOT NULL);
CREATE TABLE requests_seen (ephemeral BLOB PRIMARY KEY, expires_ms INTEGER NOT NULL);
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    account_key BLOB NOT NULL UNIQUE,
    device_key BLOB NOT NULL,
    connected INTEGER NOT NULL,
    ratchet BLOB NOT NULL,
    request BLOB,
    asked_ms INTEGER,
    sequence INTEGER NOT NULL DEFAULT 0,
    clock INTEGER NOT NULL DEFAULT 0,
    seen INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    contact INTEGER NOT NULL REFERENCES contacts(id),
    mine INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    clock INTEGER NOT NULL,
    reference INTEGER NOT NULL,
    written_ms INTEGER NOT NULL,
    received_ms INTEGER,
    text TEXT NOT NULL,
    envelope BLOB,
    hops INTEGER
);
CREATE INDEX entries_waiting ON entries (sequence) WHERE sequence = 0;
CREATE TABLE pairing_keys (key BLOB PRIMARY KEY, used_ms INTEGER NOT NULL);
CREATE TABLE shelf (place INTEGER PRIMARY KEY AUTOINCREMENT, record BLOB NOT NULL);
PRAGMA user_version = 1;
"""
TABLES = ("account", "invites", "requests_seen", "contacts", "entries")


PAIRING_KEYS = (b"pairing key of the mill's board..", b"pairing key of the school's ....")


def make_old(village, who):
    """Turn their home into one of version 1, with all that a home had then; it is closed."""
    shelf = village.nodes[who].shelf
    records = [
        (village.now // 60_000).to_bytes(4, "big") + envelope.encode()
        for identity in shelf.ids()
        if (envelope := shelf.get(identity, village.now)) is not None
    ]
    village.nodes[who].close()
    keys = Database.open(village.home(who))
    unseal = keys.vault._columns._unseal
    keys._connection.close()
    path = village.home(who) / "hedgerow.db"
    new = path.rename(path.with_name("new.db"))
    with closing(sqlite3.connect(path)) as old:
        old.executescript("PRAGMA journal_mode = WAL;" + VERSION_1)
        old.create_function("unseal", 1, unseal)
        old.execute("ATTACH ? AS new", (str(new),))
        for table in TABLES:
            columns = [row[1] for row in old.execute(f"PRAGMA table_info({table})")]
            sealed = [column for at, column in (*FLEETING, *LASTING) if at == table]
            opened = ", ".join(f"unseal({column})" if column in sealed else column for column in columns)
            old.execute(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {opened} FROM new.{table}")
        old.execute(
            "INSERT INTO pairing_keys SELECT unseal(pairing_key), used_ms FROM new.boards ORDER BY id"
        )
        old.executemany("INSERT INTO shelf (record) VALUES (?)", [(record,) for record in records])
        old.commit()
    for path in village.home(who).iterdir():
        if path.name != "hedgerow.db":
            path.unlink()


@pytest.fixture
def village():
    """Alice and Bob, who have written; Alice has letters on the way, and one that waits for Carol."""
    with Village(ALICE, BOB, "Carol") as found:
        found.befriend(ALICE, BOB)
        found.nodes[ALICE].add(found.nodes["Carol"].invite(NOW), NOW)
        found.send(BOB, ALICE, "read before")
        found.exchange()
        found.send(ALICE, BOB, "on the way")
        found.join("Dora")
        found.nodes[ALICE].add(found.nodes["Dora"].invite(NOW), NOW)
        found.send(ALICE, "Dora", "waits")
        for number, key in enumerate(PAIRING_KEYS):
            found.nodes[ALICE].remember_key(key, NOW + number)
        make_old(found, ALICE)
        # The fixture closes it again at its end.
        found.reopen(ALICE)
        yield found


def version(village, who):
    with closing(sqlite3.connect(village.home(who) / "hedgerow.db")) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


def test_contacts_and_letters_are_still_there_and_those_on_the_way_arrive(village):
    assert version(village, ALICE) == VERSION
    assert [letter.text for letter in village.nodes[ALICE].inbox()] == ["read before", "on the way", "waits"]
    village.exchange()
    assert village.read(BOB) == [(ALICE, "on the way")] and village.read("Dora") == [(ALICE, "waits")]
    village.send(BOB, ALICE, "and on")
    village.exchange()
    assert village.read(ALICE)[-1] == (BOB, "and on")
    village.reopen(ALICE)
    assert village.states(ALICE) == [DELIVERED, DELIVERED]


def test_what_became_of_old_letters_is_told_only_where_it_is_known(village):
    states = {letter.text: letter.state for letter in village.nodes[ALICE].sent()}
    # A board may have acknowledged it; nobody wrote that down.
    assert states == {"on the way": None, "waits": "queued"}
    village.now += TTL_MINUTES[10] * 60_000
    village.poll(ALICE)
    (old, _) = village.nodes[ALICE].sent()
    assert old.state == EXPIRED
    village.nodes[ALICE].send_again(old.id, village.now)
    village.exchange()
    assert village.read(BOB) == [(ALICE, "on the way")]


CONTACTS_5 = """
CREATE TABLE contacts_5 (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    account_key BLOB NOT NULL UNIQUE,
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
    ask_until_ms INTEGER
);
"""
NEW_IN_6 = ("kind", "device", "content", "copy_of", "timer", "read_ms", "seen_ms", "removed_ms", "refused")


def before_boards(connection):
    """Take back what version 8 brought."""
    connection.execute("CREATE TABLE pairing_keys (key BLOB PRIMARY KEY, used_ms INTEGER NOT NULL)")
    connection.execute("INSERT INTO pairing_keys SELECT pairing_key, used_ms FROM boards ORDER BY id")
    for table in ("rekeyed", "commands", "care", "boards", "meshes"):
        connection.execute(f"DROP TABLE {table}")


def before_gaps(connection):
    """Take back what versions 7 and 8 brought."""
    before_boards(connection)
    for table in ("gaps", "blob_uses", "blocks", "block_pieces", "pieces_due"):
        connection.execute(f"DROP TABLE {table}")
    connection.execute("ALTER TABLE entries DROP COLUMN proof")
    connection.execute("ALTER TABLE contacts DROP COLUMN keep_days")


def before_devices(connection):
    """Take back what version 6 brought."""
    before_gaps(connection)
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.executescript(CONTACTS_5)
    columns = ", ".join(row[1] for row in connection.execute("PRAGMA table_info(contacts_5)"))
    connection.execute(f"INSERT INTO contacts_5 ({columns}) SELECT {columns} FROM contacts")
    for index in ("entries_copies", "entries_posted", "entries_timed"):
        connection.execute(f"DROP INDEX {index}")
    for column in NEW_IN_6:
        connection.execute(f"ALTER TABLE entries DROP COLUMN {column}")
    for column in ("devices", "receipts"):
        connection.execute(f"ALTER TABLE account DROP COLUMN {column}")
    for table, column in (("sendings", "stop"), ("invites", "for_group"), ("requests", "for_group")):
        connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    groups = ("chains", "epochs", "states", "operations", "acks", "contradictions")
    for table in ("contacts", "joins", "removals", *(f"group_{name}" for name in groups)):
        connection.execute(f"DROP TABLE {table}")
    connection.execute("ALTER TABLE contacts_5 RENAME TO contacts")


def test_a_home_of_version_7_knows_its_boards_by_their_pairing_keys(village):
    for number, key in enumerate(PAIRING_KEYS):
        village.nodes[BOB].remember_key(key, NOW + number)
    village.nodes[BOB].close()
    with closing(sqlite3.connect(village.home(BOB) / "hedgerow.db")) as connection:
        before_boards(connection)
        connection.execute("PRAGMA user_version = 7")
        connection.commit()
    village.reopen(BOB)
    # Of version 1 they are sealed on the way.
    for who in (ALICE, BOB):
        found = village.nodes[who].boards.all()
        assert [(board.name, board.pairing_key, board.owned, board.url) for board in found] == [
            ("board 2", PAIRING_KEYS[1], True, None),
            ("board 1", PAIRING_KEYS[0], True, None),
        ]
        assert [board.used_ms for board in found] == [NOW + 1, NOW]
        assert PAIRING_KEYS[0] not in b"".join(contents(village.home(who)).values())


def test_a_home_of_version_6_goes_on_and_notices_what_is_missing(village):
    village.nodes[BOB].close()
    with closing(sqlite3.connect(village.home(BOB) / "hedgerow.db")) as connection:
        before_gaps(connection)
        connection.execute("PRAGMA user_version = 6")
        connection.commit()
    village.reopen(BOB)
    assert version(village, BOB) == VERSION and village.nodes[BOB].gaps(ALICE) == []
    village.exchange()
    assert village.read(BOB) == [(ALICE, "on the way")]


def test_a_home_of_version_5_goes_on_with_its_contacts_and_what_waited(village):
    village.nodes[BOB].close()
    with closing(sqlite3.connect(village.home(BOB) / "hedgerow.db")) as connection:
        before_devices(connection)
        connection.execute("PRAGMA user_version = 5")
        connection.commit()
    village.reopen(BOB)
    assert version(village, BOB) == VERSION
    village.send(BOB, ALICE, "still here")
    village.exchange()
    assert village.read(BOB) == [(ALICE, "on the way")]
    assert (BOB, "still here") in village.read(ALICE)


def before_people(connection):
    """Take back what versions 5 and 6 brought."""
    before_devices(connection)
    for table, *columns in (
        ("contacts", "verified_ms", "changed_ms", "blocked_ms", "introduced_by", "ask_until_ms"),
        ("invites", "many", "ask", "made_ms", "taken_by", "only_for", "introduced_by"),
        ("requests_seen", "invite"),
    ):
        for column in columns:
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    for table in ("requests", "verifications", "introductions"):
        connection.execute(f"DROP TABLE {table}")


def test_a_home_of_version_4_knows_its_contacts_and_its_invites_hold_for_all_as_before(village):
    uri = village.nodes[BOB].invite(village.now)
    village.nodes[BOB].close()
    with closing(sqlite3.connect(village.home(BOB) / "hedgerow.db")) as connection:
        before_people(connection)
        connection.execute("PRAGMA user_version = 4")
        connection.commit()
    village.reopen(BOB)
    assert version(village, BOB) == VERSION
    for who in ("Carol", "Dora"):
        village.nodes[who].add(uri, village.now)
        village.exchange()
    found = village.nodes[BOB].contacts()
    assert [(contact.name, contact.connected) for contact in found] == [
        (ALICE, True),
        ("Carol", True),
        ("Dora", True),
    ]
    assert not any(contact.verified or contact.changed or contact.blocked for contact in found)


def unsealed(home, *statements):
    """Turn a closed home into one of before version 4, in which nothing was sealed."""
    keys = Database.open(home)
    keys._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for table, column in (*FLEETING, *LASTING):
        keys._connection.execute(f"UPDATE {table} SET {column} = unseal({column})")
    before_people(keys._connection)
    for statement in (
        "DROP TABLE vault",
        "DROP TABLE resets",
        "ALTER TABLE contacts DROP COLUMN device_dh",
        *statements,
    ):
        keys._connection.execute(statement)
    keys.close()
    for name in (*keystore.slot_file(home).paths, *datakey.slot_file(home).paths):
        name.unlink()


def test_a_home_of_version_2_hears_and_says_things_on_the_street(village):
    for node in village.nodes.values():
        node.close()
    unsealed(village.home(BOB), "DROP TABLE streets", "DROP TABLE street_letters", "PRAGMA user_version = 2")
    for who in village.nodes:
        village.reopen(who)
        village.nodes[who].street.learn(bytes(32), village.now)
    assert version(village, BOB) == VERSION
    village.nodes[ALICE].say("anyone?", False, village.now)
    village.exchange()
    assert [heard.text for heard in village.nodes[BOB].street.heard(0)] == ["anyone?"]
    assert village.read(BOB) == [(ALICE, "on the way")]


def test_a_new_home_and_an_old_one_have_the_same_tables(village):
    def tables(who):
        with closing(sqlite3.connect(village.home(who) / "hedgerow.db")) as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
            shapes = {n: sorted(r[1:] for r in connection.execute(f"PRAGMA table_info({n})")) for n in names}
            # Columns that came later stand behind the others.
            return {name: sorted(tuple(part[:4]) for part in rows) for name, rows in shapes.items()}

    assert tables(ALICE) == tables(BOB)


def test_a_migration_that_fails_leaves_the_old_home_as_it_was(village, monkeypatch):
    make_old(village, ALICE)
    before = (village.home(ALICE) / "hedgerow.db").read_bytes()
    monkeypatch.setattr("hedgerow.migrations._COLUMNS", "ALTER TABLE nothing ADD COLUMN x")
    with pytest.raises(errors.HomeDamaged):
        Database.open(village.home(ALICE))
    assert version(village, ALICE) == 1
    assert (village.home(ALICE) / "hedgerow.db").read_bytes() == before
    monkeypatch.undo()
    village.now += DAY_MS
    village.reopen(ALICE)
    assert len(village.nodes[ALICE].inbox()) == 3


def test_an_old_home_is_sealed_whole_and_nothing_of_it_is_left_in_clear(village):
    make_old(village, ALICE)
    texts = (b"read before", b"on the way")
    assert all(text in (village.home(ALICE) / "hedgerow.db").read_bytes() for text in texts), "the canary"
    village.reopen(ALICE)
    secrets = [*texts, village.nodes[ALICE]._desk.account.device_seed]
    raw = b"".join(contents(village.home(ALICE)).values())
    for secret in secrets:
        assert secret not in raw


def test_a_program_killed_while_it_seals_an_old_home_loses_nothing(village, tmp_path):
    make_old(village, ALICE)
    at, killed = 0, True
    while killed:
        home = tmp_path / str(at)
        shutil.copytree(village.home(ALICE), home)
        killed = killed_at(at, lambda home=home: Database.open(home).close())
        node = Node.open(home, source(at), village.now)
        assert [letter.text for letter in node.inbox()] == ["read before", "on the way", "waits"]
        node.close()
        shutil.rmtree(home)
        at += 1
    assert at > 15
    village.reopen(ALICE)
