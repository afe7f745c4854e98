"""Care over the mesh with the real host and the real firmware, in virtual time."""

import pytest

from hedgerow.care import words
from hedgerow.events import Answered
from hedgerow_core import cbor, manage, sealed
from hedgerow_lab.courier import key
from hedgerow_lab.person import Person
from hedgerow_lab.world import Lab, find_aioble

MINUTE = 60_000
NAMES = ("a", "b", "c", "d")


@pytest.fixture
def lane(tmp_path):
    """(lab, person on the cable of a, what the person heard): a line of four boards that are the person's."""
    with Lab(1, workdir=tmp_path / "run", aioble=find_aioble()) as lab:
        admin = Person(lab, "Alice", tmp_path / "home", 1)
        mesh = admin.node.meshes.create("Lane", admin.unix_ms)
        for at, name in enumerate(NAMES):
            care_key = key("care", name)
            settings = {"name": name, "mesh_key": mesh.key, "pairing_key": key("pairing", name)}
            lab.add_board(name, settings={**settings, "care_key": care_key})
            admin.node.boards.add(
                *(name, key("pairing", name), admin.unix_ms),
                mesh=mesh.id,
                care_key=care_key,
                board_id=sealed.board_id(care_key),
            )
            if at:
                lab.hear(NAMES[at - 1], name)
        heard = []
        admin.on_event = lambda event, now: heard.append(event)
        lab.run_until(3_000)
        admin.plug("a", key("pairing", "a"))
        yield lab, admin, heard
        assert not any(lab.log(name) for name in NAMES)
        admin.node.close()


def answers(heard):
    return [
        (event.board, words.name_of(event.command), event.reply[0])
        for event in heard
        if isinstance(event, Answered)
    ]


def test_an_admin_asks_sets_and_restarts_a_board_three_hops_away(lane):
    lab, admin, heard = lane
    node = admin.node
    until = admin.unix_ms + 60 * MINUTE
    wanted = bytes((manage.CONFIG_SET,)) + cbor.encode({"profile": "relay"})
    for command in (bytes((manage.STATUS,)), wanted, bytes((manage.REBOOT,)), bytes((manage.CONFIG_GET,))):
        node.care.ask("d", command, until, admin.unix_ms)
    admin.changed()
    lab.run_until(lab.now_ms + 20 * MINUTE, lambda: len(answers(heard)) == 4)
    assert answers(heard) == [("d", what, 0) for what in ("status", "set", "restart", "config")]
    assert node.care.commands(admin.unix_ms)[3].fields()["profile"] == "relay"
    assert node.care.commands(admin.unix_ms)[0].fields()["starts"] == 1
    # The profile and the command, each one restart.
    assert lab.boards["d"].causes == [1, 2, 2]
    assert all(len(lab.boards[name].causes) == 1 for name in "abc")


def test_a_mesh_gets_another_key_with_one_board_off_meanwhile(lane):
    lab, admin, heard = lane
    lab.run_until(lab.now_ms + MINUTE)
    before = admin.node.meshes.named("Lane")
    lab.power_off("d")
    at = (admin.unix_ms // MINUTE + 15) * MINUTE
    admin.node.rekeyings.begin("Lane", at, [], admin.unix_ms)
    admin.changed()
    lab.run_until(lab.now_ms + 10 * MINUTE)
    found = admin.node.rekeyings.of("Lane", admin.unix_ms)
    assert found.missing == ["d"] and admin.node.meshes.named("Lane").key == before.key
    lab.run_until(lab.now_ms + 8 * MINUTE)
    lab.power_on("d")
    lab.run_until(lab.now_ms + 2 * MINUTE)
    assert admin.node.meshes.named("Lane").fingerprint == found.fingerprint != before.fingerprint
    # The three are one mesh again; d is alone, until somebody comes by.
    admin.node.care.ask("c", bytes((manage.STATUS,)), admin.unix_ms + 60 * MINUTE, admin.unix_ms)
    admin.changed()
    lab.run_until(lab.now_ms + 5 * MINUTE, lambda: answers(heard)[-1:] == [("c", "status", 0)])
    assert answers(heard)[-1] == ("c", "status", 0)
    admin.plug("d", key("pairing", "d"))
    lab.run_until(lab.now_ms + 5 * MINUTE, lambda: not admin.node.rekeyings.of("Lane", admin.unix_ms).missing)
    assert admin.node.rekeyings.of("Lane", admin.unix_ms).missing == []
    lab.run_until(lab.now_ms + 2 * MINUTE)
    admin.plug("a", key("pairing", "a"))
    admin.node.care.ask("d", bytes((manage.STATUS,)), admin.unix_ms + 60 * MINUTE, admin.unix_ms)
    lab.run_until(lab.now_ms + 10 * MINUTE, lambda: answers(heard)[-1:] == [("d", "status", 0)])
    assert answers(heard)[-1] == ("d", "status", 0)
