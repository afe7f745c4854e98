import os
import signal
import sqlite3
import subprocess
import sys

import pytest
from node_support import Village
from people_support import NOW, source
from test_cli import PATHS

from hedgerow import errors
from hedgerow.database import Database, ShelfStore
from hedgerow.migrations import VERSION
from hedgerow.node import Node

FIRST = "INSERT INTO account (id, name, keys, deep_ms) VALUES (1, 'Alice', x'00', 0)"
KEEP = "INSERT INTO requests_seen (ephemeral, expires_ms) VALUES (?, 1)"


@pytest.fixture
def database(tmp_path):
    found = Database.create(tmp_path / "home", FIRST)
    yield found
    found.close()


def kept(database):
    return [row["ephemeral"] for row in database.rows("SELECT ephemeral FROM requests_seen")]


def test_a_change_that_fails_leaves_everything_as_it_was(database):
    database.run(KEEP, b"before")
    with pytest.raises(KeyError), database.transaction():
        database.run(KEEP, b"within")
        raise KeyError
    assert kept(database) == [b"before"]
    with database.transaction():
        database.run(KEEP, b"after")
    assert kept(database) == [b"after", b"before"]


def test_a_part_that_fails_takes_the_whole_change_with_it(database):
    with pytest.raises(KeyError), database.transaction():
        database.run(KEEP, b"outer")
        with database.transaction():
            database.run(KEEP, b"inner")
        raise KeyError
    assert kept(database) == []


def test_a_change_that_the_database_refuses_is_undone_whole(database):
    with pytest.raises(errors.UserError), database.transaction():
        database.run(KEEP, b"twice")
        database.run(KEEP, b"twice")
    assert kept(database) == []


def test_a_disk_that_fills_up_in_the_middle_undoes_the_change_and_says_so(database):
    database.run(KEEP, b"before")
    pages = database.rows("PRAGMA page_count")[0][0]
    database.run(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(errors.CannotWrite, match="is full"), database.transaction():
        for number in range(1_000):
            database.run(KEEP, bytes(1_000) + bytes((number >> 8, number & 255)))
    assert kept(database) == [b"before"]
    database.run(f"PRAGMA max_page_count = {pages + 1_000}")
    database.run(KEEP, b"room again")
    assert kept(database) == [b"before", b"room again"]


def test_a_letter_that_found_no_room_can_be_sent_later_and_arrives_once():
    with Village("Alice", "Bob") as village:
        village.befriend("Alice", "Bob")
        database = village.nodes["Alice"]._database
        pages = database.rows("PRAGMA page_count")[0][0]
        database.run(f"PRAGMA max_page_count = {pages}")
        sent = []
        for number in range(50):
            try:
                village.send("Alice", "Bob", f"{number}" + "x" * 800)
                sent.append(number)
            except errors.CannotWrite:
                break
        assert len(sent) < 50
        database.run("PRAGMA max_page_count = 100000")
        village.send("Alice", "Bob", "room again")
        village.exchange()
        texts = [text.rstrip("x") for _, text in village.read("Bob")]
        assert texts == [*map(str, sent), "room again"]


WRITER = """
import os, sys
from pathlib import Path
from hedgerow.migrations import VERSION
from hedgerow.node import Node
node = Node.open(Path(sys.argv[1]), os.urandom, int(sys.argv[2]))
for number in range(10_000):
    node.send("Bob", str(number), int(sys.argv[2]))
    print(number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 20, 57])
def test_no_letter_that_was_confirmed_is_lost_when_the_program_is_killed(lines):
    with Village("Alice", "Bob") as village:
        village.befriend("Alice", "Bob")
        village.nodes["Alice"].close()
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(village.home("Alice")), str(NOW)],
            env={**os.environ, "PYTHONPATH": PATHS},
            stdout=subprocess.PIPE,
            text=True,
        )
        confirmed = [int(process.stdout.readline()) for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        confirmed += [int(line) for line in process.stdout.read().split("\n") if line]
        process.wait()
        process.stdout.close()
        village.nodes["Alice"] = Node.open(village.home("Alice"), source("again"), NOW)
        mine = [letter.text for letter in village.nodes["Alice"].inbox()]
        # At most the one that was being written is there without having been confirmed.
        assert mine[: len(confirmed)] == [str(number) for number in confirmed]
        assert len(mine) <= len(confirmed) + 1
        village.send("Alice", "Bob", "after the crash")
        village.exchange()
        assert [text for _, text in village.read("Bob")] == [*mine, "after the crash"]


@pytest.mark.parametrize("version", [0, VERSION + 1, 99])
def test_data_of_another_version_gives_a_sentence(tmp_path, database, version):
    connection = sqlite3.connect(tmp_path / "home" / "hedgerow.db")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with pytest.raises(errors.HomeDamaged, match=rf"version {version} of the data, not {VERSION}\)"):
        Database.open(tmp_path / "home")


def test_a_home_is_made_whole_or_not_at_all(tmp_path):
    with pytest.raises(errors.CannotWrite):
        Database.create(tmp_path / "home", "INSERT INTO nothing VALUES (1)")
    assert list((tmp_path / "home").iterdir()) == []
    Database.create(tmp_path / "home", FIRST).close()
    with pytest.raises(errors.HomeExists):
        Database.create(tmp_path / "home", FIRST)


def test_what_was_deleted_is_not_left_in_the_file(tmp_path, database):
    secret = b"a key that was used and is gone" * 3
    database.run(KEEP, secret)
    database.run("DELETE FROM requests_seen")
    database.run("PRAGMA wal_checkpoint(TRUNCATE)")
    assert secret not in (tmp_path / "home" / "hedgerow.db").read_bytes()


def test_the_shelf_keeps_its_records_in_order_and_never_gives_a_place_twice(database):
    store = ShelfStore(database)
    places = [store.append(bytes((number,))) for number in range(5)]
    store.drop(places[4], False)
    assert store.append(b"new") > places[4]
    assert store.read(places[2]) == b"\x02" and store.read(places[4]) == b""
    assert [record for _, record in ShelfStore(database).records()] == [b"\0", b"\1", b"\2", b"\3", b"new"]
