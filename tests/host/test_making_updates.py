"""Who signs updates, what is in them, and how the host follows one; no one-time key signs twice."""

import random
import shutil
from contextlib import suppress

import pytest
from pyhsslms import pyhsslms as hashed
from vault_support import cheap

from hedgerow import errors
from hedgerow.boards import meshes
from hedgerow.flashing.build import firmware, number
from hedgerow.node import Node
from hedgerow.updates import signer
from hedgerow.updates.delivery import Delivery, Stage, State
from hedgerow.updates.making import files_of
from hedgerow.updates.release import Release
from hedgerow.vault import backup, keystore
from hedgerow_core import envelope, limits, lms, package, slot_state

NOW = 1_800_000_000_000
FILES = {"hedgerow_board/app.mpy": bytes(range(256)) * 20, "hedgerow_console.mpy": b"console"}


@pytest.fixture(autouse=True)
def small_tree(monkeypatch):
    """Of 32 one-time keys: made in no time."""
    with cheap:
        monkeypatch.setattr(signer, "_HEIGHT", hashed.lms_sha256_m32_h5)
        monkeypatch.setattr(signer, "SIGNATURES", 32)
        yield


@pytest.fixture
def node(tmp_path):
    made = Node.create(tmp_path / "home", "Ada", random.Random("ada").randbytes, NOW)
    yield made
    with suppress(Exception):
        made.close()


def verified(key: bytes, message: bytes, signature: bytes) -> int:
    return lms.verify(key, [message], lambda at, size: signature[at : at + size])


def test_what_the_signer_signs_is_what_boards_take(node):
    mesh = node.meshes.create("meadow", NOW)
    key = node.signers.key(mesh)
    assert key is not None and len(key) == lms.KEY_BYTES and node.signers.key(mesh) == key
    for leaf in range(3):
        message = b"manifest " + bytes((leaf,))
        found, signature = node.signers.sign(mesh, message)
        assert found == leaf == verified(key, message, signature)


def test_the_number_of_a_one_time_key_is_on_the_disk_before_it_signs(node, monkeypatch):
    mesh = node.meshes.create("meadow", NOW)
    node.signers.key(mesh)

    def dies(self, message):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(hashed.LmsPrivateKey, "sign", dies)
        node.signers.sign(mesh, b"manifest")
    home = node._database.home
    node.close()
    again = Node.open(home, random.Random("again").randbytes, NOW)
    assert again.signers.sign(again.meshes.named("meadow"), b"manifest")[0] == 1
    again.close()


def test_no_one_time_key_signs_twice_and_the_last_one_is_the_last(node):
    mesh = node.meshes.create("meadow", NOW)
    key = node.signers.key(mesh)
    leaves = [node.signers.sign(mesh, b"manifest")[0] for _ in range(32)]
    assert leaves == list(range(32))
    with pytest.raises(errors.SignerSpent):
        node.signers.sign(mesh, b"manifest")
    assert node.signers.renew(mesh) != key
    assert node.signers.sign(mesh, b"manifest")[0] == 0


def test_who_joined_a_mesh_cannot_sign_for_it(node, tmp_path):
    mesh = node.meshes.create("meadow", NOW)
    key = node.signers.key(mesh)
    other = Node.create(tmp_path / "other", "Bob", random.Random("bob").randbytes, NOW)
    joined = other.meshes.join(meshes.invitation(node.meshes.named("meadow")), NOW)
    assert other.signers.key(joined) == key
    with pytest.raises(errors.NotTheSigner):
        other.signers.sign(joined, b"manifest")
    with pytest.raises(errors.NotTheSigner):
        other.signers.renew(joined)
    other.close()


def test_a_home_that_was_copied_or_restored_has_no_signer(node, tmp_path):
    mesh = node.meshes.create("meadow", NOW)
    key = node.signers.key(mesh)
    node.signers.sign(mesh, b"manifest")
    whole = backup.make(node._database, "passphrase")
    home = node._database.home
    node.close()
    shutil.copytree(home, tmp_path / "copy")
    Node.adopt(tmp_path / "copy")
    backup.restore(
        tmp_path / "restored",
        backup.open_backup(tmp_path / "file", whole, "passphrase"),
        lambda home_id, store_key: keystore.plain(home_id, store_key),
    )
    for folder in ("copy", "restored"):
        again = Node.open(tmp_path / folder, random.Random(folder).randbytes, NOW)
        mesh = again.meshes.named("meadow")
        assert again.signers.key(mesh) == key
        with pytest.raises(errors.NoSigner, match="--new-signer"):
            again.signers.sign(mesh, b"manifest")
        assert again.signers.renew(mesh) != key
        assert again.signers.sign(mesh, b"manifest")[0] == 0
        again.close()


def given(node, target: bytes = package.EVERYBODY, **more) -> tuple[Release, int, list[bytes]]:
    mesh = node.meshes.create("meadow", NOW) if not node.meshes.all() else node.meshes.named("meadow")
    node.signers.key(mesh)
    release = Release(node, mesh, FILES, 7, random.Random("release").randbytes, **more)
    leaf, ids = release.give(target, 0, NOW)
    return release, leaf, ids


def test_an_update_is_no_bulk_fits_its_head_and_says_what_is_in_it(node):
    _, leaf, ids = given(node)
    mesh = node.meshes.named("meadow")
    mark = package.mark_of(mesh.key)
    _, head = node.shelf.marked(mark)
    assert head is not None and head.id == ids[-1] and len(head.encode()) % limits.ENVELOPE_PAD == 0
    found = package.decode_head(head.body, mark)
    assert (found.number, found.leaf, found.target) == (7, leaf, package.EVERYBODY)
    assert found.total == len(ids) - 1 and found.ids == b"".join(ids[: found.count()])
    pieces = [node.shelf.get(one, NOW) for one in ids]
    # A busy board has no room for larger ones, and a full one none for bulk.
    assert all(one.priority == envelope.NORMAL and len(one.encode()) <= 512 for one in pieces)
    get = {one.id: one.body for one in pieces}.get
    opening = package.Opening(node.signers.key(mesh), package.opening_of(found.ids, get))
    assert opening.verify() == leaf and opening.count == len(ids) - 1 - found.count()
    content = package.Pieces(opening.name, get)
    at = 0
    for path, size, _ in opening.files():
        assert content.read(at, size) == FILES[path]
        at += size


def test_an_update_for_one_board_goes_no_further_than_that_board(node):
    _, _, ids = given(node, b"board id")
    assert {node.shelf.get(one, NOW).hops for one in ids} == {limits.HOPS - 1}


def test_an_update_that_is_on_the_shelf_already_is_not_signed_again(node):
    release, leaf, ids = given(node)
    assert release.give(package.EVERYBODY, 0, NOW) == (leaf, ids)
    assert release.give(package.EVERYBODY, leaf + 1, NOW)[0] == leaf + 1
    assert given(node, downgrade=True)[1] == leaf + 2
    other = given(node, b"board id")
    assert other[1] == leaf + 3
    release.forget(other[2])
    assert given(node, b"board id")[1] == leaf + 4


def test_a_signed_update_whose_files_a_member_changed_on_the_way_is_signed_anew(node):
    release, leaf, ids = given(node)
    shelf, mark = node.shelf, package.mark_of(node.meshes.named("meadow").key)
    head = package.decode_head(shelf.get(ids[-1], NOW).body, mark)
    last = shelf.get(ids[head.count() - 1], NOW)
    forged = envelope.make(envelope.NORMAL, 13, bytes(limits.LOCK_BYTES), bytes(len(last.body)))
    body = package.Head(7, leaf, 0, head.target, head.total, head.ids[:-8] + forged.id).encode(mark)
    body += bytes(envelope.padded_body_size(len(body)) - len(body))
    release.forget(ids[-1:])
    for one in (forged, envelope.make(envelope.NORMAL, 13, bytes(limits.LOCK_BYTES), body, shared=True)):
        shelf.put(one, NOW)
    assert release.give(package.EVERYBODY, 0, NOW)[0] == leaf + 1


def test_a_firmware_above_the_bound_is_refused_in_one_sentence(node):
    mesh = node.meshes.create("meadow", NOW)
    node.signers.key(mesh)
    files = {"hedgerow_board/app.mpy": bytes(130_000)}
    with pytest.raises(errors.UpdateTooLarge, match="130000 bytes"):
        Release(node, mesh, files, 7, random.Random().randbytes).give(package.EVERYBODY, 0, NOW)


def test_the_firmware_of_this_checkout_fits_into_an_update_and_has_a_number():
    size = sum(len(data) for data in files_of(firmware()).values())
    assert size < limits.UPDATE_PIECES * package.PIECE_BYTES - 8_000 and number() > 0


OLD = State(1, 0, False, 0, 0, 0, 0, 0, 0, b"board id", b"key's id")


def told(**changed: object) -> State:
    return State(**{**OLD.__dict__, **changed})


def test_a_delivery_follows_the_board_from_the_first_piece_to_the_end_of_the_trial():
    delivery = Delivery("mill", 2, 0, OLD)
    assert delivery.take(OLD, NOW) is Stage.GIVING
    assert delivery.take(told(arriving=2, here=3, pieces=9), NOW) is Stage.GIVING
    assert (delivery.here, delivery.pieces) == (3, 9)
    assert delivery.take(told(arriving=2, here=9, pieces=9), NOW) is Stage.WRITING
    assert delivery.take(told(number=2, slot=1, trial=True, next_leaf=1), NOW) is Stage.TRYING
    assert delivery.take(told(number=2, slot=1, next_leaf=1), NOW) is Stage.DONE


@pytest.mark.parametrize("failure", range(1, slot_state.FAILURES))
def test_a_delivery_ends_with_the_reason_of_the_board(failure):
    delivery = Delivery("mill", 2, 0, OLD)
    leaf = 1 if failure == slot_state.DID_NOT_RUN else 0
    with pytest.raises(errors.UpdateRefused, match=r"^mill did not take the update: .+\.$"):
        delivery.take(told(failure=failure, failed=2, next_leaf=leaf), NOW)


def test_what_a_board_told_of_an_earlier_try_does_not_end_a_new_one():
    before = told(failure=slot_state.NO_ROOM, failed=2)
    delivery = Delivery("mill", 2, 0, before)
    assert delivery.take(before, NOW) is Stage.GIVING
    assert delivery.take(told(arriving=2, here=9, pieces=9, **{"failure": 3, "failed": 2}), NOW)
    assert delivery.take(before, NOW + 60_000) is Stage.WRITING
    with pytest.raises(errors.UpdateRefused):
        delivery.take(before, NOW + 200_000)
    ran = told(failure=slot_state.DID_NOT_RUN, failed=2, next_leaf=5)
    assert Delivery("mill", 2, 5, ran).take(ran, NOW) is Stage.GIVING
