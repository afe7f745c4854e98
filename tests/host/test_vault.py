"""What was used is gone from the disk: the data key is replaced hourly, and nothing is lost by that."""

import os
import shutil
import stat

import pytest
from node_support import settle
from people_support import NOW, source
from vault_support import ALICE, BOB, cheap, contents, killed_at, neighbours

from hedgerow import errors
from hedgerow.database import Database
from hedgerow.node import Node
from hedgerow.ratchet.sessions import Sessions
from hedgerow.vault import ciphers, columns, datakey, keystore
from hedgerow.vault.datakey import ROTATE_MS, DataKeys
from hedgerow_core.errors import PeerError

HOUR_MS = 3_600_000
NOBODY = 65_534


@pytest.fixture
def village():
    with neighbours() as both:
        yield both


def sealed_ratchet(node):
    """The ratchet as it lies on the disk, and the keys in it that write and read what comes next."""
    row = node._database.rows("SELECT ratchet, unseal(ratchet) AS plain FROM contacts")[0]
    state = Sessions.from_cbor(row["plain"]).present
    return row["ratchet"], [state.cks, state.ckr, state.rk]


def everything(home):
    return b"".join(contents(home).values())


def keys_on_disk(home, store_key):
    """Every data key that a thief finds who has all files and the passphrase."""
    found = {}
    for content in datakey.slot_file(home).read():
        if content is not None:
            found.update(DataKeys.unseal(store_key, content).keys)
    return found


# The data key


def test_what_a_ratchet_was_lies_in_the_log_for_long_and_opens_with_no_key_that_is_left(village):
    node, home = village.nodes[ALICE], village.home(ALICE)
    before, used = sealed_ratchet(node)
    old = node.vault.data_keys[0]
    generation = node.vault._columns.generation
    # The canary: with the key of its hour it opens.
    opened = columns.unseal(bytes(32), lambda _: old, before)
    assert all(key in opened for key in used)
    village.send(ALICE, BOB, "then I come tomorrow")
    village.exchange()
    node.vault.rotate(village.now)
    assert before in everything(home), "SQLite does not keep old rows any more: is the data key of use?"
    store_key = node.vault.store_key
    kept = keys_on_disk(home, store_key)
    assert generation not in kept and old not in kept.values() and len(kept) == 1
    # All files, the passphrase, and every 32 bytes in them as a key: the used state stays shut.
    raw = everything(home)
    for key in (old, *used):
        assert key not in raw
    head, sealed = before[:5], before[5:]
    for key in [*kept.values(), store_key, *(raw[at : at + 32] for at in range(len(raw) - 31))]:
        with pytest.raises(PeerError):
            ciphers.unseal(key, sealed, b"hedgerow column" + head)


def test_whoever_stole_an_old_data_key_reads_nothing_that_was_sealed_after_the_next_hour(village):
    node, home = village.nodes[ALICE], village.home(ALICE)
    stolen = dict(enumerate(node.vault.data_keys, node.vault._columns.generation))
    store_key = node.vault.store_key
    village.now += ROTATE_MS
    village.send(ALICE, BOB, "a new hour")
    village.exchange()
    village.now += ROTATE_MS
    village.poll(ALICE)
    assert not stolen.keys() & keys_on_disk(home, store_key).keys()
    sealed, _ = sealed_ratchet(node)
    with pytest.raises(columns.UnknownGeneration):
        columns.unseal(store_key, stolen.get, sealed)


def test_the_data_key_is_replaced_hourly_where_something_was_written_and_else_not(village):
    node = village.nodes[ALICE]
    village.poll(ALICE)
    generation = node.vault._columns.generation
    village.now += ROTATE_MS + 60_000
    village.poll(ALICE)
    village.now += 60_000
    village.poll(ALICE)
    assert node.vault._columns.generation == generation + 1
    village.send(ALICE, BOB, "one more")
    village.now += ROTATE_MS // 2
    village.poll(ALICE)
    assert node.vault._columns.generation == generation + 1
    village.now += ROTATE_MS
    village.poll(ALICE)
    assert node.vault._columns.generation == generation + 2
    for _ in range(5):
        village.now += 2 * ROTATE_MS
        village.poll(ALICE)
    assert node.vault._columns.generation == generation + 2, "nothing was written: no flash is worn"


def test_another_program_on_the_home_goes_on_over_a_change_of_the_data_key(village):
    first = village.nodes[ALICE]
    second = Node.open(village.home(ALICE), source("second"), village.now)
    first.vault.rotate(village.now)
    second.send(BOB, "from the second program", village.now)
    second.vault.rotate(village.now)
    first.send(BOB, "from the first", village.now)
    assert [letter.text for letter in second.inbox()][-2:] == ["from the second program", "from the first"]
    second.close()
    village.poll(ALICE)
    village.exchange()
    assert sorted(village.received(BOB)[-2:]) == [
        (ALICE, "from the first"),
        (ALICE, "from the second program"),
    ]


def rotate(home, now):
    database = Database.open(home)
    database.vault.rotate(now)
    database.close()


def test_a_program_killed_while_the_data_key_changes_loses_no_letter_and_the_old_key_goes(village, tmp_path):
    village.nodes[ALICE].close()
    at, killed = 0, True
    while killed:
        home = tmp_path / str(at)
        shutil.copytree(village.home(ALICE), home)
        settle(home)
        keys = Database.open(home)
        (old,), store_key = keys.vault.data_keys, keys.vault.store_key
        keys.close()
        killed = killed_at(at, lambda home=home: rotate(home, village.now))
        node = Node.open(home, source(at), village.now)
        assert {letter.text for letter in node.inbox()} == {"is the well frozen?", "not yet"}
        node.send(BOB, "still here", village.now)
        village.now += HOUR_MS
        node.poll(village.now)
        assert old not in keys_on_disk(home, store_key).values(), at
        assert len(keys_on_disk(home, store_key)) == 1
        node.close()
        Node.open(home, source(at), village.now).close()
        at += 1
    assert at > 20
    village.nodes[ALICE] = Node.open(village.home(ALICE), source("again"), village.now)


def test_one_damaged_slot_of_the_data_key_costs_nothing_and_two_end_in_a_sentence(village):
    home = village.home(ALICE)
    for path in datakey.slot_file(home).paths:
        whole = path.read_bytes()
        village.nodes[ALICE].close()
        path.write_bytes(whole[:500])
        village.nodes[ALICE] = Node.open(home, source("again"), village.now)
        village.send(ALICE, BOB, "goes on")
        village.nodes[ALICE].vault.rotate(village.now)
    village.exchange()
    village.nodes[ALICE].close()
    kept = [path.read_bytes() for path in datakey.slot_file(home).paths]
    for path in datakey.slot_file(home).paths:
        path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(errors.HomeDamaged, match="both copies of its data key are damaged"):
        Node.open(home, source("never"), village.now)
    for path, content in zip(datakey.slot_file(home).paths, kept, strict=True):
        path.write_bytes(content)
    settle(home)
    village.nodes[ALICE] = Node.open(home, source("mended"), village.now)


def test_a_row_that_was_changed_on_the_disk_is_refused_in_one_sentence(village):
    village.nodes[ALICE]._database.run("UPDATE entries SET text = zeroblob(60) WHERE id = 2")
    with pytest.raises(errors.HomeDamaged, match="cannot be read"):
        village.nodes[ALICE].inbox()


def test_texts_and_keys_do_not_lie_in_the_files_of_a_home_with_a_passphrase(tmp_path):
    def protect(home_id, store_key):
        return keystore.under_passphrase(home_id, store_key, "mill")

    with cheap:
        node = Node.create(tmp_path, "Alice", source(), NOW, protect=protect)
    node.street.learn(b"s" * 32, NOW)
    node.street.say("soup at seven", False, NOW)
    node.remember_key(b"p" * 32, NOW)
    node.invite(NOW)
    assert len(node.secrets()) > 8
    raw = everything(tmp_path)
    for secret in node.secrets():
        assert secret not in raw
    assert b"soup" not in raw
    node.close()


# Where nothing can be written


def test_a_home_on_a_full_disk_can_be_read_and_says_so_when_it_should_write(village, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    node = village.nodes[ALICE]
    village.now += 2 * ROTATE_MS
    node.send(BOB, "before", village.now)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        village.poll(ALICE)  # the data key waits
        assert [letter.text for letter in node.inbox()][-1] == "before"
        with pytest.raises(errors.CannotWrite, match="no space left"):
            node.vault.rotate(village.now)
    generation = node.vault._columns.generation
    village.now += 60_000
    village.poll(ALICE)
    assert node.vault._columns.generation == generation + 1


def test_files_of_a_home_are_for_its_user_only(village):
    village.nodes[ALICE].vault.rotate(village.now)
    for path in village.home(ALICE).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_home_that_may_not_be_written_ends_in_one_sentence(village):
    village.nodes.pop(ALICE).close()
    home = village.home(ALICE)
    for path in [village.folder, *village.folder.rglob("*")]:
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
    home.chmod(0o500)
    for path in home.iterdir():
        path.chmod(0o400)
    child = os.fork()
    if not child:
        # Root may write anything.
        if os.geteuid() == 0:
            os.setuid(NOBODY)
        try:
            Node.open(home, source("read only"), village.now).invite(village.now)
        except errors.CannotWrite as error:
            os._exit(0 if "cannot be written" in str(error) else 2)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    home.chmod(0o700)
