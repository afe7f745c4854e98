"""The commands about people, as a user meets them."""

import os
import shutil
import struct
import zlib

import pytest
from node_support import settle
from test_cli import Person, carry

from hedgerow.cli import inviting
from hedgerow.node import Node
from hedgerow.people import invite as invites


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """Alice and Bob, contacts; Carol, who knows nobody."""
    folder = tmp_path_factory.mktemp("people")
    for name in ("Alice", "Bob", "Carol"):
        Person(folder / name).begin(name)
    alice, bob = Person(folder / "Alice"), Person(folder / "Bob")
    befriend(alice, bob)
    return folder


@pytest.fixture
def people(homes, tmp_path):
    shutil.copytree(homes, tmp_path, dirs_exist_ok=True)
    for name in ("Alice", "Bob", "Carol"):
        settle(tmp_path / name)
    return [Person(tmp_path / name) for name in ("Alice", "Bob", "Carol")]


def befriend(inviter, asker):
    node = inviter.node()
    uri = node.invite(inviting.now_ms())
    node.close()
    node = asker.node()
    node.add(uri, inviting.now_ms())
    node.close()
    meet(inviter, asker)


def meet(*people):
    """Everything to everybody, until all was answered."""
    for _ in range(4):
        carry(*people)
        for person in people:
            person.poll()


def modules(path):
    """The cells of a QR code in a PNG file, black is true; read by hand."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width = struct.unpack(">I", data[16:20])[0]
    depth = data[24]
    at, packed = 8, b""
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + size]
        at += 12 + size
    plain = zlib.decompress(packed)
    stride = 1 + -(-width * depth // 8)
    rows = [plain[row * stride + 1 : (row + 1) * stride] for row in range(width)]
    assert depth == 1
    bits = [[not row[x // 8] >> (7 - x % 8) & 1 for x in range(width)] for row in rows]
    inner = slice(4 * inviting._SCALE, -4 * inviting._SCALE, inviting._SCALE)
    return [line[inner] for line in bits[inner]]


def test_an_invite_as_a_picture_is_the_qr_code_of_its_text(people, tmp_path):
    alice, _, carol = people
    path = tmp_path / "for-carol.png"
    (told,) = alice.json("invite", "--qr", str(path))
    assert told["qr"] == str(path) and path.stat().st_mode & 0o777 == 0o600
    code = inviting.qr_code(told["invite"])
    assert code.mode == "alphanumeric" and code.version <= 12
    assert modules(path) == [[bool(cell) for cell in row] for row in code.matrix]
    carol.right("add", invites.for_qr(told["invite"]))


def test_an_invite_as_svg_or_on_the_terminal(people, tmp_path):
    alice = people[0]
    path = tmp_path / "a.SVG"
    assert str(path) in alice.right("invite", "--qr", str(path), "--days", "3")
    assert "<svg" in path.read_text()
    shown = alice.right("invite", "--qr", "--many")
    assert max(map(len, shown.splitlines())) <= 80 and "█" in shown
    (told,) = alice.json("invite", "--qr")
    assert told["qr"] == invites.for_qr(told["invite"])


def test_a_picture_that_cannot_be_written_is_a_sentence_and_makes_no_invite(people, tmp_path):
    alice = people[0]
    assert "must end in .png or .svg" in alice.wrong("invite", "--qr", str(tmp_path / "a.pdf"))
    assert "choose another file" in alice.wrong("invite", "--qr", str(tmp_path / "no" / "a.png"))
    assert [one for one in alice.json("invite", "list") if one["used"] == 0] == []


def test_invites_are_listed_and_withdrawn(people):
    alice, _, carol = people
    (made,) = alice.json("invite", "--many", "--days", "30")
    assert made["many"] and made["ask"]
    listed = [one for one in alice.json("invite", "list") if one["id"] == made["id"]]
    assert listed[0]["expires_ms"] == made["expires_ms"]
    assert made["id"] in alice.right("invite", "list")
    assert alice.right("invite", "withdraw", made["id"]).startswith("Withdrawn.")
    assert made["id"] not in alice.right("invite", "list")
    assert "`hedgerow invite list`" in alice.wrong("invite", "withdraw", made["id"])
    carol.right("add", made["invite"])
    meet(alice, carol)
    assert alice.right("requests") == "Nobody waits for your answer.\n"


def test_a_request_waits_for_the_answer_of_a_user(people):
    alice, bob, carol = people
    uri = alice.right("invite", "--ask").strip()
    carol.right("add", uri)
    carry(carol, alice)
    assert "Carol asks to become your contact: `hedgerow requests`." in alice.right("requests")
    (one,) = alice.json("requests")
    assert (one["id"], one["name"], one["introduced_by"]) == (1, "Carol", None)
    assert "Carol is a contact now" in alice.right("accept", "carol")
    meet(alice, carol)
    assert carol.json("contacts")[0]["connected"] is True
    assert "`hedgerow requests`" in alice.wrong("accept", "Carol")
    assert "`hedgerow requests`" in alice.wrong("refuse", "7")


def test_two_users_verify_each_other(people):
    alice, bob, _ = people
    assert "No digits yet" in alice.right("verify", "Bob")
    assert "no digits to compare" in alice.wrong("verify", "Bob", "--code", "123456")
    meet(alice, bob)
    shown = alice.right("verify", "Bob").splitlines()[0].replace(" ", "")
    (told,) = bob.json("verify", "Alice")
    assert told["digits"] == shown and told["verified"] is False
    assert "6 digits" in bob.wrong("verify", "Alice", "--code", "12")
    assert bob.right("verify", "Alice", "--code", shown) == "Alice is verified.\n"
    assert "is not verified" in alice.wrong("verify", "Bob", "--code", f"{(int(shown) + 1) % 10**6:06}")
    assert bob.json("contacts")[0]["verified"] is True and alice.json("contacts")[0]["verified"] is False
    bob.right("send", "Alice", "it is you")
    assert "Alice (verified)" in bob.right("inbox") and "Alice (verified)" in bob.right("sent")
    assert bob.json("sent")[0]["verified"] is bob.json("inbox")[0]["verified"] is True
    assert "verified" in bob.right("contacts")


def test_the_fingerprint_can_be_compared_by_eye(people):
    alice, bob, _ = people
    shown = alice.right("fingerprint", "Bob")
    lines = shown.splitlines()
    assert [len(line.split()) for line in lines[:2]] == [6, 6]
    assert bob.json("fingerprint", "Alice")[0]["fingerprint"] == "".join(lines[:2]).replace(" ", "")
    assert alice.json("contacts")[0]["verified"] is False
    assert "Say so with --same" in shown
    assert alice.json("fingerprint", "Bob")[0]["verified"] is False
    assert "Bob is verified." in alice.right("fingerprint", "Bob", "--same")
    assert alice.json("contacts")[0]["verified"] is True
    assert alice.json("fingerprint", "Bob")[0]["verified"] is True
    later = alice.right("fingerprint", "bob")
    assert "bob is verified." in later and "--same" not in later


def test_a_changed_key_is_seen_everywhere(people):
    alice, bob, _ = people
    entropy = bob.node().entropy
    shutil.rmtree(bob.home)
    Node.create(bob.home, "Bob", os.urandom, inviting.now_ms(), entropy).close()
    bob.right("add", alice.right("invite").strip())
    carry(bob, alice)
    assert "The key of Bob changed" in alice.right("contacts")
    assert "KEY CHANGED" in alice.right("contacts") and alice.json("contacts")[0]["changed"] is True
    assert "the key of Bob changed" in alice.right("send", "Bob", "is it you?")
    assert "Bob (key changed)" in alice.right("sent") and "waits for your yes" in alice.right("sent")
    assert "your contact Bob on another device" in alice.right("requests")
    assert "--new-key" in alice.wrong("accept", "Bob")
    assert "Bob is a contact now" in alice.right("accept", "Bob", "--new-key")
    meet(alice, bob)
    assert bob.texts() == ["is it you?"]


def test_people_are_introduced(people):
    alice, bob, carol = people
    befriend(alice, carol)
    assert "`hedgerow verify`" in alice.wrong("introduce", "Bob", "Carol")
    for name in ("Bob", "Carol"):
        alice.right("fingerprint", name, "--same")
    assert "two different people" in alice.wrong("introduce", "Bob", "bob")
    assert "Bob is asked" in alice.right("introduce", "Bob", "Carol")
    meet(alice, bob, carol)
    assert "introduced by Alice, whom you did not verify" in " ".join(bob.right("requests").split())
    assert "becomes a contact" in bob.right("accept", "Carol")
    meet(alice, bob, carol)
    carol.right("accept", "Bob")
    meet(alice, bob, carol)
    assert "introduced by Alice" in carol.right("contacts")
    assert [one["introduced_by"] for one in bob.json("contacts")] == [None, "Alice"]


def test_a_contact_is_blocked_unblocked_and_renamed(people):
    alice, bob, _ = people
    bob.right("send", "Alice", "hello")
    carry(alice, bob)
    assert "Bob is blocked" in alice.right("block", "Bob")
    assert alice.right("inbox") == "No letters yet.\n" and "blocked" in alice.right("contacts")
    assert "`hedgerow unblock`" in alice.wrong("send", "Bob", "x")
    assert "Bob is heard again" in alice.right("unblock", "Bob")
    assert alice.texts() == ["hello"]
    assert alice.json("rename", "Bob", "Miller") == [{"name": "Miller", "before": "Bob"}]
    assert alice.json("contacts")[0]["name"] == "Miller"
    assert "`hedgerow contacts`" in alice.wrong("rename", "Bob", "x")


@pytest.mark.parametrize("command", ["verify", "fingerprint", "block", "unblock"])
def test_a_name_that_nobody_has_is_a_sentence(people, command):
    assert "`hedgerow contacts`" in people[0].wrong(command, "Nobody")
