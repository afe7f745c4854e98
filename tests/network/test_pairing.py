"""Meshes and pairings as people type them: by cable, by code over the air, on loan."""

import pytest
from ble_support import MESH, PAIRING
from cli_support import Street

from hedgerow import errors
from hedgerow.boards import pairing
from hedgerow.boards.meshes import Mesh, fingerprint, invitation
from hedgerow_core import manage
from hedgerow_lab.world import Lab, find_aioble


@pytest.fixture
def street(tmp_path, monkeypatch):
    with Lab(1, workdir=tmp_path / "lab", aioble=find_aioble()) as lab:
        for name in ("mill", "school"):
            lab.add_board(name, settings={"name": name, "mesh_key": MESH, "pairing_key": PAIRING})
        lab.run_until(3_000)
        yield Street(lab, monkeypatch)


def others_of(person, board):
    """Who is paired with it: name -> rights."""
    return {one["label"]: one["rights"] for one in person.does("board", "list", "--who", board)}


def test_a_board_passes_from_owner_to_owner_and_to_a_guest(street, tmp_path):
    alice, bob, carol = (street.person(name, tmp_path, ["mill"]) for name in ("Alice", "Bob", "Carol"))
    # By the cable, which a board in operation serves as well: nothing but the escape helps without a key.
    assert "No pairing key" in alice.refused("sync", "--board", "serial:mill")
    (found,) = alice.does("board", "pair", "--port", "serial:mill")
    assert found == {"name": "mill", "owner": True, "expires_ms": None, "mesh": None}
    assert alice.does("sync", "--board", "mill")[0]["given"] == 0
    # By a code, once; over the air.
    (made,) = alice.does("board", "code", "mill")
    assert others_of(alice, "mill")["code"] == "one-time code"
    assert bob.does("board", "pair", "--ble", made["code"], "--label", "Bob's laptop")[0]["owner"]
    assert "was used" in carol.refused("board", "pair", "--ble", made["qr"])
    assert carol.does("board", "list") == []
    # By a loan.
    text = bob.shows("board", "lend", "mill", "--for", "7d", "--label", "Carol")
    code = next(line for line in text.splitlines() if line.startswith("hedgerow:"))
    assert "is lent to this computer until" in carol.shows("board", "pair", "--ble", code)
    (guest,) = carol.does("board", "list")
    assert not guest["owner"] and guest["address"] == "ble:mill"
    assert carol.does("sync", "--board", "mill")[0]["taken"] == 0
    # Neighbours talk among themselves on the street of the mesh.
    for words in (("say", "Hello?"), ("hear",)):
        assert "mill is lent to you" in carol.refused(*words, "--board", "mill")
    assert alice.does("hear", "--board", "mill")[0]["visible_to"] == "all members"
    for words in (
        ("config", "get", "mill"),
        ("config", "set", "mill", "trace=on"),
        ("locate", "mill"),
        ("rename", "mill", "mine"),
        ("restart", "mill"),
        ("wipe", "mill", "--yes"),
        ("lend", "mill", "--for", "1d"),
        ("code", "mill"),
        ("list", "--who", "mill"),
        ("unpair", "mill", "--who", "Alice"),
    ):
        assert "Only owners" in carol.refused("board", *words), words
    wanted = {"": "owner", "Alice": "owner", "Bob's laptop": "owner", "Carol": "guest"}
    assert others_of(bob, "mill") == wanted
    rows = bob.shows("board", "list", "--who", "mill").splitlines()
    assert [row.split()[-2:] == ["this", "computer"] for row in rows] == [False, False, False, True, False]
    # Owners take pairings away: others', and their own.
    assert bob.does("board", "unpair", "mill", "--who", "carol")[0]["unpaired"] == "Carol"
    street.wait(20)  # in which its beacon becomes another one
    assert "not in reach" in carol.refused("sync", "--board", "mill")
    assert "say --yes" in alice.refused("board", "unpair", "mill")
    assert alice.does("board", "unpair", "mill", "--yes")[0]["told_the_board"]
    assert "no board named mill" in alice.refused("sync", "--board", "mill")
    # The board has another finding key since: Bob finds it all the same, and learns it.
    first = bob.does("board", "list", "--who", "mill")[0]["id"]
    assert bob.does("board", "unpair", "mill", "--who", first)[0]["unpaired"] == first
    assert "last owner" in bob.refused("board", "unpair", "mill", "--yes")
    assert others_of(bob, "mill") == {"Bob's laptop": "owner"}
    assert bob.does("board", "unpair", "mill", "--forget", "--yes")[0]["told_the_board"] is False
    assert not street.lab.log("mill") or all("stopped" in line for line in street.lab.log("mill"))


def test_a_loan_ends_by_itself(street, tmp_path):
    alice, bob = (street.person(name, tmp_path, ["mill"]) for name in ("Alice", "Bob"))
    alice.does("board", "pair", "--port", "serial:mill")
    (lent,) = alice.does("board", "lend", "mill", "--for", "30m")
    bob.does("board", "pair", "--ble", lent["code"])
    assert bob.does("board", "status", "--board", "mill")[0]["name"] == "mill"
    street.wait(31 * 60)
    assert "loan of mill is over" in bob.refused("sync", "--board", "mill")
    assert "who flashed it" not in alice.shows("board", "list", "--who", "mill").splitlines()[-1]
    assert "loan is over" in bob.shows("board", "list")
    assert "is over" in bob.refused("board", "pair", "--ble", lent["code"])


def test_a_guest_who_becomes_an_owner_has_one_pairing_and_keeps_the_name(street, tmp_path):
    alice, bob = (street.person(name, tmp_path, ["mill"]) for name in ("Alice", "Bob"))
    alice.does("board", "pair", "--port", "serial:mill")
    (lent,) = alice.does("board", "lend", "mill", "--for", "7d", "--label", "Bob")
    bob.does("board", "pair", "--ble", lent["code"])
    bob.does("board", "rename", "mill", "Oak", "--here")
    (made,) = alice.does("board", "code", "mill")
    assert bob.does("board", "pair", "--ble", made["code"])[0]["name"] == "Oak"
    (found,) = bob.does("board", "list")
    assert (found["name"], found["owner"], found["expires_ms"]) == ("Oak", True, None)
    assert others_of(alice, "mill") == {"": "owner", "Alice": "owner", "Bob": "owner"}


def test_a_board_is_set_and_found_and_another_one_at_its_place_is_not_taken_for_it(
    street, tmp_path, monkeypatch
):
    dora = street.person("Dora", tmp_path)
    dora.does("board", "pair", "--port", "serial:school")
    (found,) = dora.does("board", "config", "get", "school")
    assert found["mesh"] == fingerprint(MESH) and found["mesh_name"] is None
    assert "no LED" in dora.refused("board", "locate", "school")
    assert dora.does("board", "config", "set", "school", "led_pin=2", "trace=on")[0] == {
        "name": "school",
        "set": {"led_pin": 2, "trace": True},
        "restarts": False,
    }
    seen = []
    street.lab.boards["school"].note = lambda who, what, detail: seen.append(detail)
    assert "blinks for 1 s" in dora.shows("board", "locate", "school", "--seconds", "1")
    street.wait(1)
    assert [detail for detail in seen if detail.startswith("pin")] == ["pin 2 1", "pin 2 0"] * 4
    assert dora.does("board", "rename", "school", "Old school")[0]["before"] == "school"
    assert "`hedgerow sync --board 'Old school'`" in dora.shows("board", "pair", "--port", "serial:school")
    street.lab.power_off("school")
    street.lab.power_on("school")
    assert dora.does("board", "status", "--board", "Old school")[0]["name"] == "Old school"
    # Who names a board means that one, wherever the variable is.
    monkeypatch.setenv("HEDGEROW_BOARD", "serial:mill")
    for words in (("status",), ("repair", "--yes")):
        assert "Old school" in dora.shows("board", words[0], "Old school", *words[1:])
    assert dora.does("board", "log", "old school")[0]["cause"] == "power"
    monkeypatch.delenv("HEDGEROW_BOARD")
    assert "led_pin        2" in dora.shows("board", "config", "get", "Old school")
    assert "and restarts" in dora.shows("board", "config", "set", "Old school", "profile=saver")
    street.wait(4)
    assert dora.does("board", "restart", "Old school")[0]["restarts"]
    street.wait(4)
    # Power twice, the end of pairing twice, a setting, the command.
    assert dora.does("board", "status", "--board", "Old school")[0]["starts"] == 6
    for words, sentence in (
        (("config", "set", "Old school", "led_pin=99"), "from -1 to 48"),
        (("config", "set", "Old school", "profile=fast"), "relay, balanced"),
        (("config", "set", "Old school", "trace=maybe"), "on or off"),
        (("config", "set", "Old school", "trace"), "SETTING=VALUE"),
        (("config", "set", "Old school", "mesh_key=1"), "the settings are"),
        (("config", "set", "Old school", "name=x"), "board rename"),
        (("rename", "Old school", "tcp:x"), "choose another"),
        (("lend", "Old school", "--for", "soon"), "soon"),
        (("lend", "Old school", "--for", "off"), "off is no time up to a year: say minutes"),
        (("lend", "Old school", "--for", "60w"), "60w is no time up to a year: say minutes"),
        (("unpair", "Old school", "--who", "nobody"), "Nobody is paired so"),
        (("unpair", "Old school", "--who", "Dora"), "own pairing"),
        (("pair", "--ble", "hedgerow:board/1/AAAA"), "damaged"),
        (("pair", "--port", "/dev/no-such-port"), "nothing at"),
        (("status", "--board", "hall"), "no board named hall"),
        (("wipe", "Old school"), "say --yes"),
    ):
        assert sentence in dora.refused("board", *words), words
    # Somebody plugs another board in there: it is not wiped in its place.
    dora.does("board", "pair", "--port", "serial:mill")
    lab = street.lab
    lab._lines["school"], lab._lines["mill"] = lab.serial("mill"), lab.serial("school")
    assert "refuses the pairing key" in dora.refused("board", "wipe", "mill", "--yes")
    assert "where it is the right board, --forget" in dora.refused("board", "unpair", "mill", "--yes")
    lab._lines["school"], lab._lines["mill"] = lab.serial("mill"), lab.serial("school")
    assert dora.does("board", "wipe", "Old school", "--yes") == [{"erased": "Old school"}]
    assert [one["name"] for one in dora.does("board", "list")] == ["mill"]
    street.wait(60)
    assert not lab.flash_image("school").strip(b"\xff")


def test_a_computer_that_pairs_again_by_cable_takes_its_former_pairing_away(street, tmp_path):
    alice = street.person("Alice", tmp_path)
    for _ in range(3):
        alice.does("board", "pair", "--port", "serial:mill")
        assert [one["name"] for one in alice.does("board", "list")] == ["mill"]
        assert others_of(alice, "mill") == {"": "owner", "Alice": "owner"}


def test_a_cable_that_is_pulled_at_any_byte_leaves_a_board_that_pairs_the_next_time(street, tmp_path):
    alice = street.person("Alice", tmp_path)
    alice.does("board", "pair", "--port", "serial:mill")
    for left in (1, 3, 5, 6, 70, 150, 200):
        bob = street.person(f"Bob {left}", tmp_path)
        street.pull = left
        assert "serial:mill is gone" in bob.refused("board", "pair", "--port", "serial:mill")
        street.wait(2)
        assert bob.does("board", "pair", "--port", "serial:mill")[0]["owner"]
        assert bob.does("board", "unpair", "mill", "--yes")
    assert others_of(alice, "mill") == {"": "owner", "Alice": "owner"}


def test_a_cable_that_is_pulled_before_the_answer_leaves_one_pairing_the_next_time(
    street, tmp_path, monkeypatch
):
    alice, bob = street.person("Alice", tmp_path), street.person("Bob", tmp_path)
    alice.does("board", "pair", "--port", "serial:mill")
    ran = []

    class Pulled(pairing.Console):
        async def run(self, script):
            ran.append(await super().run(script))
            raise errors.PortLost(url="serial:mill")

    with monkeypatch.context() as patch:
        patch.setattr(pairing, "Console", Pulled)
        assert "serial:mill is gone" in bob.refused("board", "pair", "--port", "serial:mill")
    assert "reply 00" in ran[0] and others_of(alice, "mill") == {
        "": "owner",
        "Alice": "owner",
        "Bob": "owner",
    }
    rows = bob.shows("board", "list").splitlines()
    assert len(rows) == 2 and "never" in rows[1]
    assert bob.does("board", "pair", "--port", "serial:mill")[0]["name"] == "mill"
    listed = bob.does("board", "list", "--who", "mill")
    assert [one["label"] for one in listed] == ["", "Alice", "Bob"]
    assert [one["name"] for one in bob.does("board", "list")] == ["mill"]


def test_a_board_has_room_for_seven_and_says_so(street, tmp_path):
    alice = street.person("Alice", tmp_path)
    alice.does("board", "pair", "--port", "serial:mill")
    for number in range(5):
        alice.does("board", "lend", "mill", "--for", "10m", "--label", f"guest {number % 4}")
    assert "no room for another pairing" in alice.refused("board", "lend", "mill", "--for", "10m")
    assert "name one by its id" in alice.refused("board", "unpair", "mill", "--who", "guest 0")
    street.wait(11 * 60)
    # What is over makes room.
    alice.does("board", "lend", "mill", "--for", "1d", "--label", "late")
    assert others_of(alice, "mill") == {"": "owner", "Alice": "owner", "late": "guest"}


def test_a_mesh_passes_from_hand_to_hand_and_its_key_is_shown_only_when_asked(street, tmp_path):
    alice, bob = (street.person(name, tmp_path) for name in ("Alice", "Bob"))
    (made,) = alice.does("mesh", "create", "Mill Lane")
    assert made["admin"] and len(made["fingerprint"]) == 8
    assert "a mesh named Mill Lane" in alice.refused("mesh", "create", "Mill Lane")
    assert alice.does("mesh", "show", "mill lane") == [made]
    assert "say --yes" in alice.refused("mesh", "show", "Mill Lane", "--uri")
    uri = alice.shows("mesh", "show", "Mill Lane", "--uri", "--yes").strip()
    shown = alice.shows("mesh", "show", "Mill Lane") + alice.shows("mesh", "list")
    assert made["fingerprint"] in shown and "hedgerow:mesh" not in shown
    (joined,) = bob.does("mesh", "join", uri)
    assert joined == {**made, "admin": False}
    assert "admin secret" in bob.refused("mesh", "show", "Mill Lane", "--uri", "--admin", "--yes")
    whole = alice.does("mesh", "show", "Mill Lane", "--qr", "--admin", "--yes")[0]
    assert bob.does("mesh", "join", whole["qr"])[0]["admin"]
    assert "damaged" in bob.refused("mesh", "join", uri[:-1])
    assert "hedgerow mesh join" in alice.shows("mesh", "show", "Mill Lane", "--qr", "--yes")
    assert "say --yes" in bob.refused("mesh", "leave", "Mill Lane")
    assert bob.does("mesh", "leave", "Mill Lane", "--yes") == [{"left": "Mill Lane"}]
    assert bob.does("mesh", "list") == [] and alice.does("mesh", "list") == [made]


def test_the_mesh_of_a_board_is_known_where_its_key_is(street, tmp_path):
    alice = street.person("Alice", tmp_path)
    alice.does("mesh", "join", invitation(Mesh(1, "Mill Lane", MESH, None, None, 0)))
    assert alice.does("board", "pair", "--port", "serial:mill")[0]["mesh"] == "Mill Lane"
    assert alice.does("mesh", "show", "Mill Lane")[0]["boards"] == ["mill"]
    assert "Mill Lane" in alice.shows("board", "list")
    assert alice.does("board", "list", "--who", "mill")[0]["id"] == manage.pairing_id(PAIRING).hex()
