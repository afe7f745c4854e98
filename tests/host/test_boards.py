"""Meshes and boards as a home keeps them, and the texts by which they pass from one person to another."""

import asyncio
import os
import sys
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people_support import NOW, source
from vault_support import cheap

from hedgerow import errors
from hedgerow.boards import code, console, meshes, pairing
from hedgerow.boards.code import Code
from hedgerow.boards.managing import Welcome
from hedgerow.boards.naming import numbered
from hedgerow.boards.settings import BoardSettings
from hedgerow.node import Node
from hedgerow.vault import backup, keystore
from hedgerow_core import cbor

WORD = "hedge and bramble"
KEY = bytes(range(32))


def test_a_mesh_is_known_by_its_name_and_told_from_others_by_a_fingerprint(node):
    mill = node.meshes.create("Mill Lane", NOW)
    node.meshes.create("Allotments", NOW)
    assert [mesh.name for mesh in node.meshes.all()] == ["Allotments", "Mill Lane"]
    found = node.meshes.named("mill lane")
    assert found == mill and len(found.key) == len(found.admin) == 32
    assert node.meshes.of_fingerprint(mill.fingerprint) == mill and len(mill.fingerprint) == 8
    assert node.meshes.of_key(KEY) is None
    assert KEY.hex() not in repr(mill) and repr(mill.key) not in repr(mill)
    with pytest.raises(errors.MeshNameTaken, match="Mill Lane"):
        node.meshes.create("Mill Lane", NOW)
    with pytest.raises(errors.UnknownMesh, match="Hill"):
        node.meshes.named("Hill")


def test_who_joins_has_the_key_and_only_with_admin_the_admin_secret(node, tmp_path):
    mill = node.meshes.create("Mill Lane", NOW)
    with closing(Node.create(tmp_path / "bob", "Bob", source(2), NOW)) as bob:
        bob.meshes.create("mill lane", NOW)
        found = bob.meshes.join(meshes.invitation(mill), NOW)
        assert (found.name, found.key, found.admin) == ("Mill Lane 2", mill.key, None)
        again = bob.meshes.join(meshes.for_qr(meshes.invitation(mill, admin=True)), NOW)
        assert again.id == found.id and again.admin == mill.admin
        assert bob.meshes.join(meshes.invitation(mill), NOW).admin == mill.admin


def test_no_member_says_who_signs_the_updates_of_a_mesh_that_another_made(node):
    mill = node.meshes.create("Mill Lane", NOW)
    theirs = b"the update key of a member"
    node.meshes.join(meshes.invitation(replace(mill, update_key=theirs)), NOW)
    node.meshes.join(meshes.invitation(replace(mill, update_key=theirs, admin=KEY), admin=True), NOW)
    assert node.meshes.named("Mill Lane") == mill
    ours = b"that of another admin"
    assert (
        node.meshes.join(meshes.invitation(replace(mill, update_key=ours), admin=True), NOW).update_key
        == ours
    )


def test_leaving_a_mesh_forgets_its_key_and_keeps_the_boards(node):
    mill = node.meshes.create("Mill Lane", NOW)
    node.boards.add("oak", KEY, NOW, mesh=mill.id)
    node.meshes.leave("mill lane")
    assert node.meshes.all() == []
    assert [(board.name, board.mesh) for board in node.boards.all()] == [("oak", None)]
    assert mill.key not in node.secrets()


def test_a_board_has_one_row_for_a_computer_however_often_they_are_paired(node):
    first = node.boards.add("oak", KEY, NOW, board_id=b"12345678", url="serial:/dev/ttyUSB0")
    again = node.boards.add("other", b"k" * 32, NOW + 5, board_id=b"12345678", care_key=b"c" * 32)
    assert (again.id, again.name, again.pairing_key) == (first.id, "oak", b"k" * 32)
    assert (again.url, again.care_key, again.paired_ms) == ("serial:/dev/ttyUSB0", b"c" * 32, NOW + 5)
    assert node.boards.add("oak", b"l" * 32, NOW).name == "oak 2"
    assert node.boards.keys() == [b"k" * 32, b"l" * 32]


def test_a_key_that_a_board_took_is_remembered_with_where_it_was(node):
    node.remember_key(KEY, NOW)
    node.remember_key(KEY, NOW + 1, "tcp:mill:7000")
    node.remember_key(b"k" * 32, NOW + 2)
    found = node.boards.all()
    assert [(b.name, b.used_ms, b.url) for b in found] == [
        ("board 2", NOW + 2, None),
        ("board 1", NOW + 1, "tcp:mill:7000"),
    ]
    node.boards.rename(found[1].id, "mill")
    assert node.boards.named("MILL").pairing_key == KEY
    with pytest.raises(errors.BoardNameTaken):
        node.boards.rename(found[0].id, "Mill")
    node.boards.forget(found[1].id)
    with pytest.raises(errors.UnknownBoard, match="mill"):
        node.boards.named("mill")


@pytest.mark.parametrize("name", ["", " ", "serial:x", "/dev/ttyUSB0", "a\nb", "n" * 33])
def test_no_name_can_be_taken_for_the_address_of_a_board(node, name):
    for call in (
        lambda: node.meshes.create(name, NOW),
        lambda: node.boards.add(name, KEY, NOW),
        lambda: BoardSettings(name, bytes(32)).content(),
    ):
        with pytest.raises(errors.BadBoardName):
            call()


def test_numbers_keep_names_within_their_length():
    assert numbered("n" * 32, {"n" * 32, "n" * 30 + " 2"}) == "n" * 30 + " 3"


def test_who_loses_the_computer_does_not_lose_the_mesh_and_its_boards(node, tmp_path):
    mill = node.meshes.create("Mill Lane", NOW)
    node.boards.add("oak", KEY, NOW, mesh=mill.id, finding=b"f" * 16, care_key=b"c" * 32)
    node._database.run("UPDATE meshes SET signer = seal_long(?)", b"state of the signer")
    with cheap:
        whole = node.backup(WORD)
        contents = backup.open_backup(tmp_path, whole, WORD)
    for secret in (mill.key, mill.admin, KEY, b"c" * 32):
        assert secret in contents.data and secret not in whole
    # It would sign twice with one key.
    assert b"state of the signer" not in contents.data and b"state of the signer" in node.secrets()
    backup.restore(tmp_path / "new", contents, keystore.plain)
    with closing(Node.open(tmp_path / "new", os.urandom, NOW)) as restored:
        assert restored.meshes.all() == [mill]
        assert restored.boards.all() == node.boards.all()
        assert all(secret in restored.secrets() for secret in (mill.key, mill.admin, KEY, b"c" * 32))


def test_a_code_as_text_and_as_qr_says_the_same():
    for ends_ms in (None, NOW - NOW % 60_000):
        made = Code("mill", KEY, b"f" * 16, ends_ms)
        assert code.parse(made.uri()) == code.parse(made.for_qr()) == made
        assert made.uri().startswith("hedgerow:board/1/") and repr(KEY) not in repr(made)
        assert code.parse(f" {made.uri()[:40]}\n{made.uri()[40:]} ") == made


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_slip_in_a_code_or_an_invitation_is_one_sentence(at, slip):
    mesh = meshes.Mesh(1, "Mill", KEY, None, None, NOW)
    wrong_code = (errors.PairingCodeDamaged, errors.PairingCodeVersion)
    for uri, read, refusals in (
        (Code("mill", KEY, b"f" * 16).uri(), code.parse, wrong_code),
        (meshes.invitation(mesh), meshes.read, (errors.MeshDamaged, errors.MeshVersion)),
    ):
        place = at % len(uri)
        wrong = uri[:place] + chr(ord(uri[place]) ^ slip % 128) + uri[place + 1 :]
        try:
            assert read(wrong) == read(uri)  # a space, or the same letter
        except refusals:
            pass


@pytest.mark.parametrize(
    "content",
    [1, [], ["mill", KEY], ["mill", KEY, b"short"], ["mill", b"", b"f" * 16], ["m", KEY, b"f" * 16, -1]],
)
def test_a_code_of_another_shape_is_damaged(content):
    with pytest.raises(errors.PairingCodeDamaged):
        code.parse(code._FORM.encode(cbor.encode(content)))


def test_a_code_of_a_later_version_says_so():
    with pytest.raises(errors.PairingCodeVersion):
        code.parse(Code("mill", KEY, b"f" * 16).uri().replace("/1/", "/2/"))


class Wire:
    """A port whose other end says what it is told to, each time something is written."""

    packet_bytes = None

    def __init__(self, *said):
        self.written = b""
        self._said = list(said)
        self._unread = asyncio.Queue()

    async def write(self, data):
        self.written += data
        for at, (when, answer) in enumerate(self._said):
            if self.written.endswith(when):
                del self._said[at]
                self._unread.put_nowait(answer)
                return

    async def read(self):
        return await self._unread.get()

    async def close(self):
        pass


@pytest.mark.parametrize("slot, first", [(None, "/a"), (0, "/a"), (1, "/b")])
def test_the_firmware_that_a_board_runs_is_the_one_that_pairs_by_the_cable(monkeypatch, capsys, slot, first):
    class Store:
        def __init__(self, name):
            assert name == "hedgerow"

        def get_i32(self, key):
            if slot is None:
                raise OSError
            return {"slot": slot}[key]

    manage_there = SimpleNamespace(cable=lambda command: sys.path[len(before) :][0].encode() + command)
    monkeypatch.setitem(sys.modules, "esp32", SimpleNamespace(NVS=Store))
    monkeypatch.setitem(sys.modules, "hedgerow_board", SimpleNamespace(manage=manage_there))
    monkeypatch.setitem(sys.modules, "hedgerow_board.manage", manage_there)
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", before.copy())
    exec(pairing._SCRIPT.format(command="06"), {})
    assert capsys.readouterr().out == f"reply {first.encode().hex()}06\n"


def test_boards_without_a_care_key_are_not_taken_for_one_another(node):
    for number in (1, 2):
        told = Welcome(f"mill {number}", b"f" * 16, b"")
        pairing._keep(node, bytes([number]) * 32, told, NOW, "serial:x")
    assert [(board.name, board.board_id, board.care_key) for board in node.boards.all()] == [
        ("mill 1", None, None),
        ("mill 2", None, None),
    ]


PROMPT = (b"\r\x01", b"\r\nraw REPL; CTRL-B to exit\r\n>")


@pytest.mark.parametrize(
    "said, error",
    [
        ((), errors.NoConsole),
        ((PROMPT,), errors.NoConsole),
        (
            (PROMPT, (b"\x04", b"OK\x04Traceback\r\nImportError: no such\r\n\x04>")),
            errors.BoardWithoutManaging,
        ),
        ((PROMPT, (b"\x04", b"OKsomething else\x04\x04>")), errors.NoConsole),
        ((PROMPT, (b"\x04", b"OKreply 04\x04\x04>")), errors.TooManyPairings),
        ((PROMPT, (b"\x04", b"OKreply 02\x04\x04>")), errors.OtherVersion),
        ((PROMPT, (b"\x04", b"OKreply 00ff\x04\x04>")), errors.OtherVersion),
        ((PROMPT, (b"\x04", b"OKreply 09\x04\x04>")), errors.OtherVersion),
    ],
)
def test_whatever_is_on_the_cable_it_is_one_sentence_and_the_board_is_started_again(
    node, monkeypatch, said, error
):
    wire = Wire(*said)

    async def opened(url):
        return wire

    monkeypatch.setattr("hedgerow.links.open", opened)
    monkeypatch.setattr(console, "_SILENCE_S", 0.01)
    monkeypatch.setattr(console, "_ANSWER_S", 0.05)
    monkeypatch.setattr(console, "_PART_S", 0.0)
    with pytest.raises(error):
        asyncio.run(pairing.by_cable(node, "serial:x", "Alice", lambda: NOW, None))
    # Whether the board took the key is known where it said anything of use.
    unsure = PROMPT in said and error is errors.NoConsole
    assert [board.used_ms for board in node.boards.all()] == ([0] if unsure else [])
    assert (b"machine.reset()" in wire.written) == (PROMPT in said)
