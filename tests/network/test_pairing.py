"""Meshes and pairings as people type them, against boards in real time."""

import json

import pytest
from test_commands import Person, running_lab


class Keyless(Person):
    """Somebody whom nobody gave a key file."""

    def __init__(self, name, folder):
        self.home = folder / name
        assert self.type("init", "--name", name).returncode == 0

    def does(self, *words):
        """The lines of a command's JSON."""
        done = self.type(*words, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with running_lab(tmp_path_factory.mktemp("lab")) as (boards, steer):
        yield boards, steer


def test_a_board_passes_from_owner_to_owner_and_to_a_guest(lab, tmp_path):
    boards, steer = lab
    alice, bob, carol = (Keyless(name, tmp_path) for name in ("Alice", "Bob", "Carol"))
    mill = boards["mill"]
    # By the cable, which a board in operation serves as well: nothing but the escape helps without a key.
    (found,) = alice.does("board", "pair", "--port", mill["pty"])
    assert found == {"name": "mill", "owner": True, "expires_ms": None, "mesh": None}
    assert alice.does("sync", "--board", "mill")[0]["given"] == 0
    # By a code, once. The lab has no radio for computers here: another line stands for it.
    (made,) = alice.does("board", "code", "mill")
    there = ("--board", mill["tcp"], "--label", "Bob's laptop")
    assert bob.does("board", "pair", "--ble", made["code"], *there)[0]["owner"]
    assert "was used" in carol.refused("board", "pair", "--ble", made["qr"], *there)
    assert carol.does("board", "list") == []
    # By a loan.
    (lent,) = bob.does("board", "lend", "mill", "--for", "7d", "--label", "Carol")
    (guest,) = carol.does("board", "pair", "--ble", lent["code"], "--board", mill["tcp"])
    assert not guest["owner"] and guest["expires_ms"] == lent["expires_ms"]
    assert carol.type("sync", "--board", "mill").returncode == 0
    for words in (
        ("config", "get", "mill"),
        ("locate", "mill"),
        ("rename", "mill", "mine"),
        ("wipe", "mill", "--yes"),
        ("lend", "mill", "--for", "1d"),
    ):
        assert "Only owners" in carol.refused("board", *words), words
    pairings = {one["label"]: one for one in bob.does("board", "list", "--who", "mill")}
    assert {label: one["rights"] for label, one in pairings.items()} == {
        "": "owner",
        "Alice": "owner",
        "Bob's laptop": "owner",
        "Carol": "guest",
    }
    assert pairings["Bob's laptop"]["this_computer"] and not pairings["Alice"]["this_computer"]
    assert pairings["Carol"]["expires_ms"] // 60_000 == lent["expires_ms"] // 60_000
    # Owners take pairings away: others', and their own.
    assert bob.does("board", "unpair", "mill", "--who", "carol")[0]["unpaired"] == "Carol"
    assert "refuses the pairing key" in carol.refused("sync", "--board", "mill")
    assert alice.does("board", "unpair", "mill", "--yes")[0]["told_the_board"]
    assert alice.does("board", "list") == []
    assert "no board named mill" in alice.refused("sync", "--board", "mill").lower()
    first = pairings[""]["id"]
    assert bob.does("board", "unpair", "mill", "--who", first)[0]["unpaired"] == first
    assert "last owner" in bob.refused("board", "unpair", "mill", "--yes")
    assert [one["label"] for one in bob.does("board", "list", "--who", "mill")] == ["Bob's laptop"]


def test_a_board_is_renamed_set_and_found_and_another_one_at_its_place_is_not_taken_for_it(lab, tmp_path):
    boards, steer = lab
    dora = Keyless("Dora", tmp_path)
    school = boards["school"]
    mesh = dora.does("mesh", "create", "Mill Lane")[0]
    dora.does("board", "pair", "--port", school["pty"])
    (found,) = dora.does("board", "config", "get", "school")
    assert found["mesh"] != mesh["fingerprint"] and found["mesh_name"] is None
    assert "no LED" in dora.refused("board", "locate", "school")
    assert dora.does("board", "config", "set", "school", "led_pin=2", "trace=on")[0] == {
        "name": "school",
        "set": {"led_pin": 2, "trace": True},
        "restarts": False,
    }
    assert dora.does("board", "locate", "school", "--seconds", "1") == [{"name": "school", "seconds": 1}]
    assert dora.does("board", "rename", "school", "Old school")[0]["before"] == "school"
    assert dora.does("board", "status", "--board", "Old school")[0]["name"] == "Old school"
    steer("power", "off", "school")
    steer("power", "on", "school")
    assert dora.does("board", "config", "get", "Old school")[0]["led_pin"] == 2
    (told,) = dora.does("board", "config", "set", "Old school", "profile=saver")
    assert told["restarts"]
    for words, sentence in (
        (("config", "set", "Old school", "led_pin=99"), "from -1 to 48"),
        (("config", "set", "Old school", "profile=fast"), "relay, balanced"),
        (("config", "set", "Old school", "mesh_key=1"), "the settings are"),
        (("config", "set", "Old school", "name=x"), "board rename"),
        (("rename", "Old school", "tcp:x"), "choose another"),
        (("lend", "Old school", "--for", "soon"), "soon"),
        (("unpair", "Old school", "--who", "nobody"), "Nobody is paired so"),
        (("pair", "--ble", "hedgerow:board/1/AAAA"), "damaged"),
        (("pair", "--port", "/dev/no-such-port"), "nothing at"),
    ):
        assert sentence in dora.refused("board", *words), words
    # Somebody plugs another board in there.
    own = dora.does("board", "list")[0]
    assert own["address"] == f"serial:{school['pty']}" and own["owner"]
    elsewhere = Keyless("Emil", tmp_path)
    elsewhere.does("board", "pair", "--port", school["pty"])
    assert elsewhere.does("board", "unpair", "Old school", "--yes")
    assert dora.does("board", "wipe", "Old school", "--yes") == [{"erased": "Old school"}]
    assert dora.does("board", "list") == []


def test_a_mesh_passes_from_hand_to_hand_and_its_key_is_shown_only_when_asked(tmp_path):
    alice, bob = (Keyless(name, tmp_path) for name in ("Alice", "Bob"))
    (made,) = alice.does("mesh", "create", "Mill Lane")
    assert made["admin"] and len(made["fingerprint"]) == 8
    assert "a mesh named Mill Lane" in alice.refused("mesh", "create", "Mill Lane")
    assert alice.does("mesh", "show", "mill lane") == [made]
    assert "say --yes" in alice.refused("mesh", "show", "Mill Lane", "--uri")
    uri = alice.type("mesh", "show", "Mill Lane", "--uri", "--yes").stdout.strip()
    shown = alice.type("mesh", "show", "Mill Lane").stdout + alice.type("mesh", "list").stdout
    assert made["fingerprint"] in shown and "hedgerow:mesh" not in shown
    (joined,) = bob.does("mesh", "join", uri)
    assert joined == {**made, "admin": False}
    assert "admin secret" in bob.refused("mesh", "show", "Mill Lane", "--uri", "--admin", "--yes")
    whole = alice.does("mesh", "show", "Mill Lane", "--qr", "--admin", "--yes")[0]
    assert bob.does("mesh", "join", whole["qr"])[0]["admin"]
    assert "damaged" in bob.refused("mesh", "join", uri[:-1])
    assert "hedgerow mesh join" in alice.type("mesh", "show", "Mill Lane", "--qr", "--yes").stdout
    assert "say --yes" in bob.refused("mesh", "leave", "Mill Lane")
    assert bob.does("mesh", "leave", "Mill Lane", "--yes") == [{"left": "Mill Lane"}]
    assert bob.does("mesh", "list") == [] and alice.does("mesh", "list") == [made]
