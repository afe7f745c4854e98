"""The keystore opens with its passphrase and nothing else, and a crash or a damaged slot loses nothing."""

import os
import shutil
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from node_support import settle
from people_support import NOW, flip, source
from vault_support import cheap, killed_at

from hedgerow import errors
from hedgerow.database import Database
from hedgerow.node import Node
from hedgerow.vault import keystore
from hedgerow.vault.keystore import Keystore
from hedgerow.vault.slots import SLOT_BYTES, SlotFile
from hedgerow_core import cbor
from hedgerow_core.errors import AuthError, PeerError

HOME_ID = bytes(range(16))
STORE_KEY = bytes(range(32))
OLD, NEW = "the well is frozen", "the well has thawed"


@pytest.fixture(autouse=True)
def fast():
    with cheap:
        yield


def under(passphrase):
    return lambda home_id, store_key: keystore.under_passphrase(home_id, store_key, passphrase)


def by(passphrase):
    return lambda home, found: keystore.unwrap(home, found, passphrase)


@settings(max_examples=40)
@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_a_passphrase_opens_and_another_one_does_not(passphrase, other):
    made = Keystore.decode(keystore.under_passphrase(HOME_ID, STORE_KEY, passphrase).encode())
    assert made.with_passphrase(passphrase) == STORE_KEY
    if keystore.as_bytes(other) != keystore.as_bytes(passphrase):
        with pytest.raises(AuthError):
            made.with_passphrase(other)


def test_an_accent_opens_however_the_keyboard_spells_it():
    made = keystore.under_passphrase(HOME_ID, STORE_KEY, unicodedata.normalize("NFC", "café"))
    assert made.with_passphrase(unicodedata.normalize("NFD", "café")) == STORE_KEY


def test_a_passphrase_set_again_has_another_salt_and_other_bytes():
    first, second = (keystore.under_passphrase(HOME_ID, STORE_KEY, OLD) for _ in range(2))
    assert first.salt != second.salt and first.wrapped != second.wrapped


@given(st.data())
def test_a_keystore_that_was_changed_opens_nothing(data):
    content = keystore.under_passphrase(HOME_ID, STORE_KEY, OLD).encode()
    turned = flip(content, data.draw(st.integers(0, len(content) * 8 - 1)))
    try:
        found = Keystore.decode(turned)
    except PeerError:
        return
    with pytest.raises(PeerError):
        assert found.open_key == b"it opened"
    if found.memory_kib <= 4096:  # else it costs a gigabyte, and opens nothing either
        with pytest.raises(PeerError):
            found.with_passphrase(OLD)


def test_turned_parameters_are_authenticated_too():
    made = keystore.under_passphrase(HOME_ID, STORE_KEY, OLD)
    for changed in (
        Keystore(made.kind, made.home_id, 2, made.memory_kib, made.salt, made.wrapped),
        Keystore(made.kind, made.home_id, made.passes, 128, made.salt, made.wrapped),
        Keystore(made.kind, bytes(16), made.passes, made.memory_kib, made.salt, made.wrapped),
        Keystore(keystore.KEYRING, made.home_id, made.passes, made.memory_kib, made.salt, made.wrapped),
    ):
        with pytest.raises(AuthError):
            changed.with_passphrase(OLD)


@given(st.binary(max_size=120))
def test_no_bytes_end_in_anything_but_a_keystore_or_a_sentence(content):
    try:
        Keystore.decode(content)
    except PeerError:
        pass


def test_a_keystore_of_a_later_version_is_told_from_a_damaged_one(tmp_path):
    Node.create(tmp_path, "Alice", source(), NOW).close()
    keystore.slot_file(tmp_path).write_both(cbor.encode([2, "whatever comes"]))
    with pytest.raises(errors.HomeDamaged, match="version 2 of the keystore, not 1"):
        Node.open(tmp_path, source(), NOW)


# The two slots


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=900), min_size=1, max_size=6))
def test_the_newest_content_is_read_and_nothing_of_older_ones_is_left(tmp_path_factory, written):
    home = tmp_path_factory.mktemp("slots")
    file = SlotFile(home, "keys")
    for content in written:
        file.write_both(content)
        assert file.newest() == content
        assert file.read() == (content, content)
    for path in file.paths:
        assert path.stat().st_size == SLOT_BYTES and path.stat().st_mode & 0o777 == 0o600
    shutil.rmtree(home)


@settings(max_examples=60)
@given(st.sampled_from([0, 1]), st.one_of(st.integers(0, SLOT_BYTES - 1), st.none()), st.data())
def test_one_slot_damaged_in_any_way_costs_nothing(tmp_path_factory, slot, cut, data):
    home = tmp_path_factory.mktemp("slots")
    file = SlotFile(home, "keys")
    file.write_both(b"content")
    whole = file.paths[slot].read_bytes()
    if cut is None:
        file.paths[slot].write_bytes(flip(whole, data.draw(st.integers(0, SLOT_BYTES * 8 - 1))))
    else:
        file.paths[slot].write_bytes(whole[:cut])
    assert file.newest() == b"content"
    file.write_both(b"further")
    assert file.read() == (b"further", b"further")
    shutil.rmtree(home)


def test_both_slots_damaged_is_one_sentence(tmp_path):
    Node.create(tmp_path, "Alice", source(), NOW).close()
    for path in keystore.slot_file(tmp_path).paths:
        path.write_bytes(flip(path.read_bytes(), 100))
    with pytest.raises(errors.HomeDamaged, match="both copies of its keystore are damaged"):
        Node.open(tmp_path, source(), NOW)
    for path in keystore.slot_file(tmp_path).paths:
        path.unlink()
    with pytest.raises(errors.HomeDamaged, match="its keystore is missing"):
        Node.open(tmp_path, source(), NOW)


# A passphrase on a whole home


def change(home, new, old):
    database = Database.open(home, by(old))
    database.vault.protect(under(new))
    database.close()


def test_without_its_passphrase_a_home_tells_nothing(tmp_path):
    Node.create(tmp_path, "Alice", source(), NOW, protect=under(OLD)).close()
    with pytest.raises(errors.HomeLocked, match="is locked: run `hedgerow unlock`"):
        Node.open(tmp_path, source(), NOW)
    with pytest.raises(errors.WrongPassphrase):
        Node.open(tmp_path, source(), NOW, by(NEW))
    Node.open(tmp_path, source(), NOW, by(OLD)).close()


def test_a_changed_passphrase_opens_and_the_former_one_opens_neither_slot(tmp_path):
    Node.create(tmp_path, "Alice", source(), NOW, protect=under(OLD)).close()
    change(tmp_path, NEW, OLD)
    Node.open(tmp_path, source(), NOW, by(NEW)).close()
    for content in keystore.slot_file(tmp_path).read():
        with pytest.raises(AuthError):
            Keystore.decode(content).with_passphrase(OLD)


def test_a_program_killed_while_it_changes_the_passphrase_leaves_a_home_that_opens(tmp_path):
    first = tmp_path / "first"
    Node.create(first, "Alice", source(), NOW, protect=under(OLD)).close()
    at, opened_by = 0, set()
    while True:
        home = tmp_path / str(at)
        shutil.copytree(first, home)
        settle(home)
        killed = killed_at(at, lambda home=home: change(home, NEW, OLD))
        works = [passphrase for passphrase in (OLD, NEW) if opens(home, passphrase)]
        assert len(works) == 1, "one of them opens it, and only one"
        opened_by.add(works[0])
        # Opened once, the other one opens no slot any more.
        (other,) = {OLD, NEW} - set(works)
        for content in keystore.slot_file(home).read():
            with pytest.raises(AuthError):
                Keystore.decode(content).with_passphrase(other)
        if not killed:
            break
        at += 1
    assert works == [NEW] and at > 8 and opened_by == {OLD, NEW}


def opens(home, passphrase):
    try:
        node = Node.open(home, source(), NOW, by(passphrase))
    except errors.WrongPassphrase:
        return False
    assert node.name == "Alice" and len(node.entropy) == 32
    node.close()
    return True


def test_a_full_disk_leaves_the_passphrase_as_it_was(tmp_path, monkeypatch):
    Node.create(tmp_path, "Alice", source(), NOW, protect=under(OLD)).close()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    database = Database.open(tmp_path, by(OLD))
    database.vault.before_first()
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(errors.CannotWrite, match="no space left"):
            database.vault.protect(under(NEW))
    database.close()
    assert opens(tmp_path, OLD) and not opens(tmp_path, NEW)
