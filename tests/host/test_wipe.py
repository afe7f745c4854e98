"""After a wipe neither keys nor texts are in the home, not even in the blocks of the files that are gone."""

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people_support import NOW, source
from vault_support import ALICE, BOB, cheap, killed_at, neighbours

from hedgerow import errors
from hedgerow.database import Database
from hedgerow.node import Node
from hedgerow.vault import keystore, wipe


@pytest.fixture
def village():
    with neighbours() as both:
        yield both


def secrets_of(village):
    """Keys and texts of Alice, with more of each kind."""
    alice = village.nodes[ALICE]
    alice.remember_key(b"\xffpairing key\xfe" * 3, village.now)
    alice.street.learn(b"\x80street key\xfd" * 3, village.now)
    alice.street.say("soup at seven", False, village.now)
    alice.invite(village.now)
    board = alice.boards.add("mill", b"m" * 32, village.now, care_key=b"\xfccare key\x81!" * 3)
    mesh = alice.meshes.create("Mill Lane", village.now)
    database = alice._database
    database.run("UPDATE meshes SET next_key = seal_long(?) WHERE id = ?", b"\x82next key\xfb" * 3, mesh.id)
    database.run(
        "INSERT INTO commands (board, command, reply, made_ms, until_ms)"
        " VALUES (?, seal_long(?), seal_long(?), 0, 0)",
        *(board.id, b"\x83a command\xfa", b"\x84its reply\xf9"),
    )
    found = alice.secrets()
    assert b"not yet" not in found and len(found) > 12  # too short to be told from chance
    pieces = (b"next key", b"a command", b"its reply", b"care key")
    assert all(any(piece in secret for secret in found) for piece in pieces)
    return [*found, b"is the well frozen?", b"soup at seven"]


@given(st.binary(min_size=12, max_size=60), st.binary(max_size=40), st.binary(max_size=40))
def test_the_search_finds_a_secret_however_it_is_written(tmp_path_factory, secret, before, after):
    folder = tmp_path_factory.mktemp("search")
    around = before + secret + after
    for number, data in enumerate(
        (
            around,
            around.hex().encode(),
            around.hex().upper().encode(),
            base64.b64encode(around),
            base64.urlsafe_b64encode(around).rstrip(b"="),
        )
    ):
        path = folder / f"{number}"
        path.write_bytes(b"\x00" + data + b"\x00")
        assert wipe.search(folder, [secret]) == [path]
        path.unlink()
    assert wipe.search(folder, [secret]) == []


def test_in_a_home_without_a_passphrase_the_search_finds_the_key_before_the_wipe_and_nothing_after(village):
    secrets = secrets_of(village)
    village.nodes[ALICE].close()
    home = village.home(ALICE)
    assert wipe.search(home, secrets), "the canary: the key lies there"
    (home / "notes.txt").write_text("of somebody else")
    assert wipe.wipe(home) == []
    assert wipe.search(home, secrets) == []
    assert [path.name for path in home.iterdir()] == ["notes.txt"]
    with pytest.raises(errors.NoHome):
        Node.open(home, source("after"), village.now)
    village.nodes.pop(ALICE)


def test_what_was_written_is_overwritten_before_it_is_deleted(village, tmp_path):
    """A second name for each file shows what its blocks hold afterwards."""
    secrets = secrets_of(village)
    sealed = [village.nodes[ALICE]._database.row("SELECT ratchet FROM contacts")["ratchet"]]
    home = village.home(ALICE)
    links = tmp_path / "links"
    links.mkdir()
    for path in home.iterdir():
        os.link(path, links / path.name)
    sealed += wipe.sealed_keys_of(home)
    assert len(sealed) == 6
    for secret in sealed:
        assert wipe.search(links, [secret]), "the canary"
    # With the database open, as when a program still runs.
    assert wipe.wipe(home) == [] and not home.exists()
    assert wipe.search(links, secrets + sealed) == []
    for path in links.iterdir():
        if path.name != "hedgerow.db-shm":
            assert not any(path.read_bytes()), path
    with pytest.raises(errors.NoHome):
        village.nodes[ALICE].poll(village.now)
    village.nodes.pop(ALICE)


def test_a_home_that_nobody_can_open_is_wiped_all_the_same(tmp_path):
    def protect(home_id, store_key):
        return keystore.under_passphrase(home_id, store_key, "forgotten")

    home = tmp_path / "home"
    with cheap:
        Node.create(home, "Alice", source(), NOW, protect=protect).close()
    sealed = wipe.sealed_keys_of(home)
    assert len(sealed) == 5 and wipe.search(home, sealed)
    os.chmod(keystore.slot_file(home).paths[0], 0o400)
    assert wipe.wipe(home) == [] and not home.exists()


def test_half_a_home_that_a_crash_left_is_wiped_too(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    assert not wipe.there(home)
    (home / "restoring.db").write_bytes(b"half")
    assert wipe.there(home)
    assert wipe.wipe(home) == [] and not home.exists()


def test_a_wipe_that_is_killed_takes_the_keys_first_and_can_be_finished(village):
    secrets = secrets_of(village)
    village.nodes[ALICE].close()
    home = village.home(ALICE)
    at = 0
    while killed_at(at, lambda: wipe.wipe(home)):
        # Each time it goes on from what the last one left.
        if at >= 8:
            assert wipe.search(home, secrets) == []
            with pytest.raises(errors.UserError):
                Database.open(home)
        at += 1
    assert at > 8 and not home.exists()
    village.nodes.pop(ALICE)


def test_what_cannot_be_deleted_is_named(village, monkeypatch):
    village.nodes[ALICE].close()
    home = village.home(ALICE)
    real = os.open

    def refuse(path, *arguments):
        if str(path).endswith("hedgerow.db"):
            raise OSError(30, "Read-only file system")
        return real(path, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        assert wipe.wipe(home) == [home / "hedgerow.db"]
    assert wipe.wipe(home) == []
    village.nodes.pop(ALICE)


def test_after_a_wipe_a_new_account_can_be_made_in_the_folder(village):
    village.nodes[ALICE].close()
    wipe.wipe(village.home(ALICE))
    village.nodes[ALICE] = Node.create(village.home(ALICE), "Alice", source("new"), village.now)
    village.nodes[BOB].add(village.nodes[ALICE].invite(village.now), village.now)
    village.exchange()
    assert len(village.nodes[BOB].contacts()) == 2


def test_keys_that_a_flash_left_behind_are_wiped_too(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    os.link(home_file(home, "flash-left"), tmp_path / "block")
    with wipe.folder(home) as folder:
        assert folder.parent == home and folder.stat().st_mode & 0o077 == 0
        (folder / "settings.a").write_bytes(b"another key")
        os.link(folder / "settings.a", tmp_path / "other block")
    assert not folder.exists() and b"another key" not in (tmp_path / "other block").read_bytes()
    assert wipe.there(home), "a flash that goes on beside this one"
    assert wipe.wipe(home) == [] and not home.exists()
    assert b"mesh key" not in (tmp_path / "block").read_bytes()


def test_the_next_flash_takes_what_one_that_was_killed_left_long_ago(tmp_path):
    left = home_file(tmp_path, "flash-left")
    os.link(left, tmp_path / "block")
    os.utime(left.parent, (0, 0))
    with wipe.folder(tmp_path):
        pass
    assert not left.parent.exists() and b"mesh key" not in (tmp_path / "block").read_bytes()


def home_file(home, folder):
    (home / folder).mkdir()
    (home / folder / "settings.a").write_bytes(b"mesh key")
    return home / folder / "settings.a"
