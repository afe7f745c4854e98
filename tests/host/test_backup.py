"""A backup brings account, contacts and letters back; no key of a session is in it, and none serves twice."""

import hashlib
import os
import shutil
import sqlite3
import zlib
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people_support import NOW, flip, source
from vault_support import ALICE, BOB, cheap, contents, killed_at, neighbours, recording

from hedgerow import errors
from hedgerow.database import DATABASE_FILE
from hedgerow.node import Node
from hedgerow.ratchet.sessions import Sessions
from hedgerow.vault import backup, keystore

WORD = "the mill is closed"


@pytest.fixture(autouse=True)
def fast():
    with cheap:
        yield


@pytest.fixture
def village():
    with neighbours() as both:
        yield both


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A backup of Alice alone, as it lies on the disk."""
    with cheap:
        node = Node.create(tmp_path_factory.mktemp("alice"), "Alice", source(), NOW)
        made = node.backup(WORD)
        node.close()
    return made


def restored(village, whole, home):
    """Alice's computer burned; her backup makes a new home."""
    village.nodes[ALICE].close()
    backup.restore(home, backup.open_backup(home, whole, WORD), keystore.plain)
    village.nodes[ALICE] = Node.open(home, source(f"restored {home}"), village.now)


def test_letters_contacts_and_the_account_come_back_and_letters_go_both_ways_again(village, tmp_path):
    alice = village.nodes[ALICE]
    whole, account, phrase = alice.backup(WORD), alice._desk.account.account_key, alice.entropy
    restored(village, whole, tmp_path / "new")
    alice = village.nodes[ALICE]
    assert (alice.name, alice._desk.account.account_key, alice.entropy) == ("Alice", account, phrase)
    assert {letter.text for letter in alice.inbox()} == {"is the well frozen?", "not yet"}
    assert [contact.name for contact in alice.contacts()] == [BOB]
    village.send(BOB, ALICE, "are you back?")
    village.send(ALICE, BOB, "I am")
    village.exchange()
    village.exchange()
    assert (BOB, "are you back?") in village.received(ALICE)
    assert village.received(BOB)[-1] == (ALICE, "I am")
    village.send(BOB, ALICE, "good")
    village.exchange()
    assert village.received(ALICE)[-1] == (BOB, "good")


def test_a_group_is_no_contact_that_a_restored_home_has_to_add_again(village, tmp_path):
    alice = village.nodes[ALICE]
    alice.groups.create("The lane", [BOB], village.now)
    found = backup.open_backup(tmp_path, alice.backup(WORD), WORD)
    assert (found.contacts, found.strangers) == (1, 0)


def test_an_old_backup_restored_uses_no_key_and_no_lock_a_second_time(village, tmp_path):
    with recording() as used:
        whole = village.nodes[ALICE].backup(WORD)
        for number in range(5):
            village.send(ALICE, BOB, f"after the backup {number}")
            village.send(BOB, ALICE, f"answer {number}")
            village.exchange()
        for number in range(3):
            restored(village, whole, tmp_path / f"home {number}")
            village.send(ALICE, BOB, f"restored {number}")
            for _ in range(3):
                village.exchange()
                village.now += 60_000
            assert village.received(BOB)[-1] == (ALICE, f"restored {number}")
            village.send(BOB, ALICE, f"I read {number}")
            village.exchange()
            assert village.received(ALICE)[-1] == (BOB, f"I read {number}")
            village.now += 25 * 3_600_000
    assert len(used) > 20
    assert all(len(sealed) == 1 for sealed in used.values())
    prefixes = set(village.on_air)
    assert len({prefix[:14] for prefix in prefixes}) == len(prefixes)


def test_a_letter_that_was_on_its_way_when_the_computer_burned_comes_once(village, tmp_path):
    village.nodes[ALICE].send(BOB, "on its way", village.now)
    whole = village.nodes[ALICE].backup(WORD)
    village.carry(ALICE, BOB)
    restored(village, whole, tmp_path / "new")
    village.exchange()
    village.exchange()
    assert village.received(BOB).count((ALICE, "on its way")) == 1
    assert village.states(ALICE)[-1] == "delivered"


def test_no_text_no_key_and_no_word_lies_open_in_a_backup_and_no_session_is_in_it(village):
    alice = village.nodes[ALICE]
    alice.remember_key(b"p" * 32, village.now)
    alice.invite(village.now)
    row = alice._database.row("SELECT unseal(ratchet) AS ratchet FROM contacts")
    state = Sessions.from_cbor(row["ratchet"]).present
    session = [state.rk, state.cks, state.ckr, state.hkr, state.nhkr]
    whole = alice.backup(WORD)
    for secret in alice.secrets():
        assert secret not in whole
    opened = backup.open_backup(None, whole, WORD).data
    assert b"is the well frozen?" in opened and b"p" * 32 in opened, "the search finds nothing at all"
    assert all(len(key) == 32 for key in session)
    for secret in (*session, alice.vault.store_key, *alice.vault.data_keys):
        assert secret not in opened


def test_a_restored_home_has_other_keys_than_the_one_that_was_lost(village, tmp_path):
    before = village.nodes[ALICE].vault
    keys = {before.store_key, *before.data_keys}
    restored(village, village.nodes[ALICE].backup(WORD), tmp_path / "new")
    after = village.nodes[ALICE].vault
    assert not keys & {after.store_key, *after.data_keys}


# Bad input


def test_another_passphrase_is_one_sentence(whole, tmp_path):
    with pytest.raises(errors.BackupPassphrase, match="is not the passphrase of"):
        backup.open_backup(tmp_path, whole, "the mill is open")


@settings(max_examples=200)
@given(st.data())
def test_a_backup_with_any_bit_turned_or_cut_anywhere_is_told_before_a_passphrase_is_asked(whole, data):
    turned = flip(whole, data.draw(st.integers(0, len(whole) * 8 - 1)))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    for damaged in (turned, cut, whole + b"x"):
        with pytest.raises(errors.BackupDamaged):
            backup.check(None, damaged)


@given(st.binary(max_size=200))
def test_any_other_file_is_no_backup(data):
    for content in (data, backup.MAGIC + data):
        with pytest.raises((errors.BackupDamaged, errors.BackupVersion)):
            backup.check(None, content)


def test_a_backup_of_another_version_is_told_from_a_damaged_one(whole, tmp_path):
    at = len(backup.MAGIC)
    later = checked(whole[:at] + b"\x02" + whole[at + 1 : -8])
    with pytest.raises(errors.BackupVersion, match="made by another version"):
        backup.open_backup(tmp_path, later, WORD)


def checked(content):
    return content + hashlib.sha256(content).digest()[:8]


@pytest.mark.parametrize("passes_and_memory", [bytes(8), b"\xff" * 8, b"\0\0\0\1\xff\xff\xff\xff"])
def test_a_backup_that_asks_for_all_memory_is_refused(whole, tmp_path, passes_and_memory):
    at = len(backup.MAGIC) + 1
    with pytest.raises(errors.BackupDamaged):
        backup.open_backup(tmp_path, checked(whole[:at] + passes_and_memory + whole[at + 8 : -8]), WORD)


@pytest.mark.parametrize("inside", [b"", b"SQLite format 3\0", bytes(4096), zlib.compress(b"no database")])
def test_what_is_no_database_inside_is_refused_and_no_home_is_made(tmp_path, whole, inside, monkeypatch):
    monkeypatch.setattr(zlib, "compress", lambda data: inside)
    node = Node.create(tmp_path / "a", "Alice", source(), NOW)
    made = node.backup(WORD)
    node.close()
    with pytest.raises(errors.BackupDamaged):
        backup.open_backup(tmp_path, made, WORD)


# Writing and crashes


def test_a_backup_is_written_whole_and_over_no_other_file(whole, tmp_path, monkeypatch):
    path = tmp_path / "alice.backup"
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(errors.FileNotWritten, match="no space left"):
            backup.write_file(path, whole)
    assert list(tmp_path.iterdir()) == []
    backup.write_file(path, whole)
    assert path.read_bytes() == whole and path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(errors.FileExists):
        backup.write_file(path, b"another")
    assert path.read_bytes() == whole


def test_a_backup_into_no_folder_does_not_send_the_user_to_another_home(whole, tmp_path):
    with pytest.raises(errors.FileNotWritten, match="make room or name another file"):
        backup.write_file(tmp_path / "none" / "alice.backup", whole)


def full(*arguments):
    raise OSError(28, "No space left on device")


def test_nothing_is_restored_over_a_home(whole, tmp_path):
    Node.create(tmp_path, "Bob", source("bob"), NOW).close()
    before = contents(tmp_path)
    with pytest.raises(errors.HomeExists):
        backup.restore(tmp_path, backup.open_backup(tmp_path, whole, WORD), keystore.plain)
    assert contents(tmp_path) == before


def test_a_restore_on_a_full_disk_leaves_no_home_and_works_later(whole, tmp_path, monkeypatch):
    opened = backup.open_backup(tmp_path, whole, WORD)
    for function in ("write", "pwrite", "link"):
        with monkeypatch.context() as patched:
            patched.setattr(os, function, full)
            if function == "link":
                patched.setattr("pathlib.Path.rename", full)
            with pytest.raises(errors.CannotWrite, match="no space left"):
                backup.restore(tmp_path / "home", opened, keystore.plain)
        assert list((tmp_path / "home").iterdir()) == []
    backup.restore(tmp_path / "home", opened, keystore.plain)
    Node.open(tmp_path / "home", source(), NOW).close()


def test_a_file_system_without_links_is_good_enough(whole, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    backup.restore(tmp_path / "home", backup.open_backup(tmp_path, whole, WORD), keystore.plain)
    Node.open(tmp_path / "home", source(), NOW).close()


def test_a_program_killed_while_it_restores_leaves_no_home_or_all_of_it(whole, tmp_path):
    opened = backup.open_backup(tmp_path, whole, WORD)
    with closing(sqlite3.connect(":memory:")) as plain:
        plain.deserialize(opened.data)
        (keys,) = plain.execute("SELECT keys FROM account").fetchone()
    assert keys in opened.data
    at, killed, made = 0, True, []
    while killed:
        home = tmp_path / str(at)
        killed = killed_at(at, lambda home=home: backup.restore(home, opened, keystore.plain))
        made.append((home / DATABASE_FILE).exists())
        if not made[-1]:
            # What the dead one left is no hindrance, and nothing in it is readable.
            for content in contents(home).values() if home.exists() else []:
                assert keys not in content
            backup.restore(home, opened, keystore.plain)
        node = Node.open(home, source(at), NOW)
        assert node.name == "Alice" and node.entropy
        node.close()
        shutil.rmtree(home)
        at += 1
    assert at > 10 and made[0] is False and made[-1] is True
