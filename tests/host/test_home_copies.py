"""No copy of a home writes on: its keys may have been used since."""

import os
import shutil
import sqlite3

import pytest
from node_support import settle
from people_support import source
from vault_support import ALICE, BOB, contents, neighbours, recording

from hedgerow import errors
from hedgerow.database import Database
from hedgerow.node import Node
from hedgerow.vault.vault import Vault


@pytest.fixture
def village():
    with neighbours() as both:
        yield both


def test_a_home_copied_while_it_runs_is_refused_and_the_original_goes_on(village, tmp_path):
    shutil.copytree(village.home(ALICE), tmp_path / "copy")
    with pytest.raises(errors.HomeCopied, match=r"is a copy, or was put back.*hedgerow adopt"):
        Node.open(tmp_path / "copy", source("copy"), village.now)
    village.send(ALICE, BOB, "the original")
    village.reopen(ALICE)
    village.exchange()
    assert village.received(BOB)[-1] == (ALICE, "the original")


def test_an_older_state_put_back_over_the_home_is_refused_whichever_files_were_put_back(village, tmp_path):
    home = village.home(ALICE)
    village.nodes[ALICE].close()
    old = contents(home)
    for round_, names in enumerate(("hedgerow.db", "datakey-a datakey-b", "hedgerow.db datakey-a datakey-b")):
        node = Node.open(home, source(round_), village.now)
        node.send(BOB, "used a key", village.now)
        node.vault.rotate(village.now)
        node.close()
        new = contents(home)
        for name in names.split():
            (home / name).write_bytes(old[home / name])
        with pytest.raises((errors.HomeCopied, errors.HomeDamaged)):
            Node.open(home, source("never"), village.now)
        for path, content in new.items():
            path.write_bytes(content)
        settle(home)
    village.nodes[ALICE] = Node.open(home, source("after"), village.now)


def test_an_older_database_is_told_by_its_counter_even_where_the_files_are_the_same(village):
    """Somebody puts back the database only, within the hour: the same data key, the same marks."""
    home = village.home(ALICE)
    village.nodes[ALICE].close()
    with sqlite3.connect(home / "hedgerow.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        row = connection.execute("SELECT mark_a, mark_b FROM vault").fetchone()
    connection.close()
    old = (home / "hedgerow.db").read_bytes()
    node = Node.open(home, source("a key"), village.now)
    node.send(BOB, "used a key", village.now)
    node.close()
    new = contents(home)
    for end in ("-wal", "-shm"):
        (home / f"hedgerow.db{end}").unlink(missing_ok=True)
    (home / "hedgerow.db").write_bytes(old)
    settle(home)
    with pytest.raises(errors.HomeCopied):
        Node.open(home, source("never"), village.now)
    assert row is not None
    for path, content in new.items():
        path.write_bytes(content)
    settle(home)
    village.nodes[ALICE] = Node.open(home, source("after"), village.now)


def test_a_home_that_is_moved_to_another_folder_goes_on(village):
    village.nodes[ALICE].close()
    village.home(ALICE).rename(village.home("moved"))
    village.nodes[ALICE] = Node.open(village.home("moved"), source("moved"), village.now)
    village.send(ALICE, BOB, "moved")
    village.exchange()
    assert village.received(BOB)[-1] == (ALICE, "moved")


def test_a_copy_that_is_adopted_begins_anew_with_everybody_and_uses_no_key_twice(village, tmp_path):
    with recording() as used:
        shutil.copytree(village.home(ALICE), tmp_path / "copy")
        # The original used keys that the copy has, too; then it burned.
        village.send(ALICE, BOB, "the last of the original")
        village.nodes[ALICE].close()
        assert Node.adopt(tmp_path / "copy") == 1
        village.nodes[ALICE] = Node.open(tmp_path / "copy", source("copy"), village.now)
        village.send(BOB, ALICE, "do you hear me?")
        village.send(ALICE, BOB, "waits for a new session")
        assert village.nodes[ALICE].inbox()[-1].sent is False
        village.exchange()
        village.exchange()
    assert (BOB, "do you hear me?") in village.received(ALICE)
    assert (ALICE, "waits for a new session") in village.received(BOB)
    assert all(len(plaintexts) == 1 for plaintexts in used.values())
    assert len(used) > 4


def test_a_program_that_opens_the_home_while_another_changes_its_keys_takes_it_for_no_copy(village, tmp_path):
    village.nodes.pop(ALICE).close()
    home, enough = village.home(ALICE), tmp_path / "enough"
    child = os.fork()
    if not child:
        status = 1
        try:
            while not enough.exists():
                database = Database.open(home)
                database.vault.rotate(village.now)
                database.close()
            status = 0
        finally:
            os._exit(status)
    try:
        for number in range(20):
            node = Node.open(home, source(number), village.now)
            assert len(node.inbox()) == 2
            node.close()
    finally:
        enough.touch()
        _, status = os.waitpid(child, 0)
    assert status == 0


def test_another_change_between_two_looks_is_looked_at_again(village, monkeypatch):
    """The same, at the worst moment: the other program is done when we look at the files."""
    home = village.home(ALICE)
    look = Vault._row
    other = village.nodes[ALICE]
    looks = []

    def rotated_behind(vault):
        row = look(vault)
        if vault is not other.vault and not looks:
            looks.append(row)
            other.vault.rotate(village.now)
        return row

    monkeypatch.setattr(Vault, "_row", rotated_behind)
    node = Node.open(home, source("second"), village.now)
    assert looks and len(node.inbox()) == 2
    looks.clear()
    other.vault.rotate(village.now)
    node.vault.reload()
    assert len(node.inbox()) == 2
    node.close()
