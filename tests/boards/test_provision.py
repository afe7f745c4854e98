"""What a board's settings hold after flashing, and what this computer remembers of it."""

import itertools
import os

import pytest
from pyhsslms import pyhsslms

from hedgerow import errors as all_errors
from hedgerow.boards import code, settings
from hedgerow.cli import flashing as command
from hedgerow.flashing import catalogue, console, errors, onboard, provision, steps
from hedgerow.flashing.onboard import Found
from hedgerow.flashing.ports import Port
from hedgerow.flashing.provision import Wishes
from hedgerow.node import Node
from hedgerow.updates import signer
from hedgerow_core import manage
from hedgerow_core.clock import EPOCH_MINUTES

NOW = 1_800_000_000_000
TINY = catalogue.named("unexpectedmaker-tinys3")
XIAO = catalogue.named("seeed-xiao-esp32s3")
FIRST, SECOND = "24:0a:c4:00:00:01", "24:0a:c4:00:00:02"
NAMES = ("pairing_key", "finding", "care_key")


@pytest.fixture
def node(tmp_path, monkeypatch):
    # A second less for each signer.
    monkeypatch.setattr(signer, "_HEIGHT", pyhsslms.lms_sha256_m32_h5)
    made = Node.create(tmp_path / "home", "Alice Miller-Smith", os.urandom, NOW)
    yield made
    made.close()


def prepare(
    node, kind=TINY, there=None, default="board-0001", remembers=True, chip=FIRST, shown=None, **wishes
):
    wished = Wishes(**wishes)
    mesh = provision.mesh_for(node, wished.mesh, there) or node.meshes.create(provision.FIRST_MESH, NOW)
    made = provision.prepare(node, kind, mesh, wished, there, default, remembers, os.urandom, NOW)
    url = "serial:/dev/ttyUSB0"
    provision.remember(node, made, mesh, kind, 7, url, chip, there or shown, NOW)
    return made


def records(made):
    return records_in(made.settings)


def records_in(found):
    return manage.decode_records(found.pairings)


def test_a_new_board_begins_a_mesh_and_has_what_its_kind_has(node):
    made = prepare(node, name="mill", trace=True, profile="relay")
    found = made.settings
    (mesh,) = node.meshes.all()
    assert (found.name, found.mesh_key, mesh.name) == ("mill", mesh.key, "home")
    assert (found.battery_pin, found.battery_ratio, found.button_pin) == (10, 376, 0)
    assert (found.profile, found.trace) == ("relay", True)
    assert found.led_pin is None  # an addressable one is no plain LED
    assert settings.parse(found.content()) == found
    blinking = prepare(node, XIAO, name="gate", chip=SECOND).settings
    assert (blinking.led_pin, blinking.led_low, blinking.battery_pin) == (21, True, None)


def test_this_computer_owns_the_board_and_another_one_pairs_once_with_the_code(node):
    made = prepare(node, name="mill")
    (paired,) = node.boards.all()
    assert paired.owned and paired.name == "mill" and (paired.kind, paired.firmware) == (TINY.name, 7)
    assert paired.url == "serial:/dev/ttyUSB0" and paired.mesh == node.meshes.all()[0].id
    assert paired.pairing_key == made.settings.pairing_key == made.key
    assert (paired.finding, paired.care_key) == (made.settings.finding, made.settings.care_key)
    ((rights, expires, key, _),) = records(made)
    assert (rights, expires) == (manage.CODE, NOW // 60_000 + 7 * 24 * 60 - EPOCH_MINUTES)
    assert key not in (made.key, made.settings.mesh_key)
    told = code.parse(made.code.uri())
    assert (told.name, told.key, told.finding) == ("mill", key, made.settings.finding)


def test_a_board_that_was_erased_has_other_keys_and_its_place_in_the_list(node):
    first, again = prepare(node, name="mill"), prepare(node, name="mill")
    (row,) = node.boards.all()
    assert row.pairing_key == again.key == again.settings.pairing_key and row.name == "mill"
    assert row.finding == again.settings.finding and row.unique_id == bytes.fromhex("240ac4000001")
    for name in NAMES:
        assert getattr(first.settings, name) != getattr(again.settings, name)
    assert first.settings.mesh_key == again.settings.mesh_key
    assert records(first) != records(again)
    other = prepare(node, name="gate", chip=SECOND)
    assert other.key != first.key and len(node.boards.all()) == 2
    assert len(node.meshes.all()) == 1


@pytest.mark.parametrize("chip", [SECOND, ""])
def test_a_board_in_place_of_a_stolen_one_has_its_name_and_none_of_its_keys(node, chip):
    stolen = prepare(node, name="mill").settings
    made = prepare(node, name="mill", chip=chip, remembers=False)
    assert made.settings.name == "mill"
    known = {getattr(stolen, name) for name in NAMES} | {key for _, _, key, _ in records_in(stolen)}
    found = {getattr(made.settings, name) for name in NAMES} | {key for _, _, key, _ in records(made)}
    assert not known & found
    assert node.boards.named("mill").pairing_key == made.key
    # It has to be left out of a new mesh key.
    assert node.boards.named("mill 2").care_key == stolen.care_key


def test_a_board_that_was_paired_elsewhere_is_known_by_what_it_shows_before_it_is_erased(node):
    shown = prepare(node, name="mill", chip="").settings
    made = prepare(node, name="mill", chip=SECOND, shown=shown)
    (row,) = node.boards.all()
    assert row.pairing_key == made.key != shown.pairing_key
    # The same keys on a chip that is another one: somebody copied them.
    copied = prepare(node, name="mill", shown=made.settings)
    assert {board.name for board in node.boards.all()} == {"mill", "mill 2"}
    assert copied.key != made.key


def test_a_chip_has_one_place_in_the_list_whatever_keys_it_had(node):
    prepare(node, name="mill")
    there = prepare(node, name="gate", chip="").settings
    kept = prepare(node, there=there)
    (row,) = node.boards.all()
    assert (row.name, row.pairing_key) == ("gate", kept.key) and kept.key == there.pairing_key


def test_a_board_of_a_friend_keeps_its_name(node):
    node.boards.add("mill", b"f" * 32, NOW, rights=manage.GUEST)
    made = prepare(node, name="mill")
    assert node.boards.named("mill").pairing_key == b"f" * 32
    assert node.boards.named("mill 2").pairing_key == made.key


def test_what_later_versions_know_stays_and_so_does_a_mesh_key_that_is_to_come(node):
    first = prepare(node, name="mill").settings
    there = first.changed(next_key=b"n" * 32, next_at=77, update_leaf=5, others={"future": [1, "x"]})
    there = settings.parse(there.content())
    kept = settings.parse(prepare(node, there=there).settings.content())
    assert (kept.next_key, kept.next_at, kept.update_leaf) == (b"n" * 32, 77, 5)
    assert kept.others == {"future": [1, "x"]}
    node.meshes.create("lane", NOW)
    moved = prepare(node, there=there, mesh="lane").settings
    assert (moved.next_key, moved.next_at, moved.update_leaf) == (None, None, 0)


def test_a_board_without_a_name_has_one_by_its_address(node):
    assert prepare(node).settings.name == "board-0001"


def test_what_a_board_keeps_stays_but_for_what_is_wished(node):
    guest = manage.encode_record(manage.GUEST, 7, b"g" * 32, "Bob")
    first = prepare(node, name="mill", profile="saver").settings
    there = first.changed(pairings=first.pairings + guest, shelf_count=50, trace=True)
    kept = prepare(node, XIAO, there=there)
    assert kept.settings.changed(pairings=None) == there.changed(pairings=None)
    assert [record[:3] for record in records(kept)[:-1]] == [(manage.GUEST, 7, b"g" * 32)]
    assert records(kept)[-1][0] == manage.CODE and len(node.boards.all()) == 1
    renamed = prepare(node, there=there, name="gate", profile="relay").settings
    assert (renamed.name, renamed.profile, renamed.shelf_count) == ("gate", "relay", 50)
    assert [(board.name, board.pairing_key) for board in node.boards.all()] == [("gate", first.pairing_key)]


def test_a_board_that_forgot_which_commands_it_ran_never_hears_them_again(node):
    there = prepare(node, name="mill", remembers=False).settings
    (row,) = node.boards.all()
    node.boards.change(row.id, care_next=9)
    kept = prepare(node, there=there).settings
    (row,) = node.boards.all()
    assert (kept.care_key, row.care_key, row.care_next) == (there.care_key, there.care_key, 9)
    anew = prepare(node, there=there, remembers=False).settings
    (row,) = node.boards.all()
    assert anew.care_key != there.care_key
    assert (row.care_key, row.care_next) == (anew.care_key, 0)
    erased = prepare(node, name="mill", remembers=False).settings
    assert erased.care_key not in (there.care_key, anew.care_key)


def test_a_board_that_another_computer_flashed_gets_a_pairing_for_this_one(node):
    mesh = node.meshes.create("lane", NOW)
    guests = [manage.encode_record(manage.GUEST, 0, bytes((n,)) * 32, "x") for n in range(1, 7)]
    there = settings.BoardSettings("mill", mesh.key, pairing_key=b"k" * 32, pairings=b"".join(guests[:4]))
    made = prepare(node, there=there)
    assert made.settings.pairing_key == b"k" * 32
    owner, *rest = records(made)
    assert owner == (manage.OWNER, 0, made.key, "Alice Miller-Smi")
    assert len(rest) == 5 and rest[-1][0] == manage.CODE
    assert len(made.settings.finding) == 16 and len(made.settings.care_key) == 32
    assert prepare(node, there=made.settings).key == made.key


@pytest.mark.parametrize(("ours", "guests"), [(False, 5), (True, 6)])
def test_nobody_loses_a_pairing_because_a_board_is_full(node, ours, guests):
    mesh = node.meshes.create("lane", NOW)
    full = [manage.encode_record(manage.GUEST, 0, bytes((n,)) * 32, "x") for n in range(guests)]
    if ours:
        node.boards.add("mill", b"k" * 32, NOW)
    there = settings.BoardSettings("mill", mesh.key, pairing_key=b"k" * 32, pairings=b"".join(full))
    with pytest.raises(errors.NoPairingLeft, match="board unpair"):
        prepare(node, there=there)
    made = prepare(node, there=there.changed(pairings=b"".join(full[1:])))
    assert len(records(made)) == 6


def test_of_several_meshes_one_is_named_or_the_boards_own(node):
    lane, hill = node.meshes.create("lane", NOW), node.meshes.create("hill", NOW)
    with pytest.raises(errors.SeveralMeshes, match="hill, lane"):
        prepare(node, name="mill")
    assert prepare(node, name="mill", mesh="hill").settings.mesh_key == hill.key
    there = settings.BoardSettings("mill", lane.key, pairing_key=b"k" * 32)
    assert prepare(node, there=there).settings.mesh_key == lane.key
    assert prepare(node, there=there, mesh="hill").settings.mesh_key == hill.key
    with pytest.raises(all_errors.UnknownMesh):
        prepare(node, name="mill", mesh="nowhere")


# A board that was away when its mesh got another key


HOUR = 3_600_000


def rekeyed(node, *without):
    """The former key of home and the one that holds now."""
    mesh = node.meshes.named("home")
    node.rekeyings.begin("home", NOW + HOUR, list(without), NOW)
    node.rekeyings.work(NOW + HOUR)
    return mesh.key, node.meshes.named("home").key


def looked_at(node, there, monkeypatch, **wishes):
    """What flashing takes over of a board with these settings, which nobody is asked about."""
    monkeypatch.setattr(console, "answers", lambda port: True)
    monkeypatch.setattr(onboard, "look", lambda port: Found("1.25.0", (there.slot(), b""), 0))
    monkeypatch.setattr(onboard, "restart", lambda port: None)
    screen = command.Screen(as_json=True)
    flashing = steps.Flashing(node, steps.Request(**wishes), screen, os.urandom, lambda: NOW)
    return flashing._look(Port("/dev/ttyUSB0"))[1]


def test_a_board_that_was_away_is_one_of_its_mesh_and_gets_the_key_of_today(node, monkeypatch):
    there = prepare(node, name="mill").settings
    node.meshes.create("hill", NOW)
    former, today = rekeyed(node)
    assert there.mesh_key == former != today
    assert looked_at(node, there, monkeypatch) == there
    kept = prepare(node, there=there)
    assert kept.settings.changed(pairings=None) == there.changed(mesh_key=today, pairings=None)
    assert kept.key == there.pairing_key


def test_a_board_that_has_the_next_key_already_keeps_it(node, monkeypatch):
    first = prepare(node, name="mill").settings
    node.rekeyings.begin("home", NOW + HOUR, [], NOW)
    coming = node.meshes.next_key(node.meshes.named("home"))
    there = first.changed(mesh_key=coming)
    assert looked_at(node, there, monkeypatch) == there
    assert prepare(node, there=there).settings.mesh_key == coming != first.mesh_key
    node.rekeyings.work(NOW + HOUR)
    assert node.meshes.next_key(node.meshes.named("home")) is None
    assert prepare(node, there=there).settings.mesh_key == coming


@pytest.mark.parametrize("forgotten", [True, False])
def test_a_board_that_was_shut_out_comes_back_with_new_keys_or_not_at_all(node, monkeypatch, forgotten):
    there = prepare(node, name="mill").settings
    prepare(node, name="weir", chip=SECOND)
    rekeyed(node, "mill")
    if forgotten:
        node.boards.forget(node.boards.named("mill").id)
    for keep in (True, False):
        with pytest.raises(errors.FormerKey, match="mill has a former key of home"):
            looked_at(node, there, monkeypatch, keep_data=keep)
        assert looked_at(node, there, monkeypatch, keep_data=keep, sure=True) is None
    again = prepare(node, name="mill")
    assert again.key != there.pairing_key and again.settings.care_key != there.care_key
    assert not any(node.rekeyings.left_out(board) for board in node.boards.all())


def test_a_board_of_strangers_is_told_as_one(node, monkeypatch):
    prepare(node, name="mill")
    rekeyed(node)
    theirs = settings.BoardSettings("gate", b"s" * 32, pairing_key=node.boards.named("mill").pairing_key)
    with pytest.raises(errors.OtherMesh, match="gate"):
        looked_at(node, theirs, monkeypatch)


def test_a_name_that_cannot_be_one_is_refused(node):
    with pytest.raises(all_errors.BadBoardName):
        prepare(node, name="serial:/dev/ttyUSB0")
    assert not node.boards.all()


def test_settings_of_a_board_are_read_as_far_as_they_are_whole(node):
    made = prepare(node, name="mill").settings
    newer = made.changed(profile="relay")
    assert provision.settings_in(None) is None
    assert provision.settings_in(Found("1.25.0", (b"", b""), 0)) is None
    assert provision.settings_in(Found("1.25.0", (made.slot(1), newer.slot(2)), 0)) == newer
    assert provision.settings_in(Found("1.25.0", (made.slot(1), newer.slot(2)[:-1]), 0)) == made


# What is asked on a terminal


def test_on_a_terminal_one_of_several_ports_is_chosen(monkeypatch, capsys):
    found = [Port("/dev/ttyACM0", "XIAO"), Port("/dev/ttyUSB0", "CP2102")]
    screen = command.Screen(as_json=False)
    with pytest.raises(errors.SeveralPorts, match="/dev/ttyACM0, /dev/ttyUSB0"):
        screen.choose(found)
    assert screen.confirm("All is lost.") is False
    monkeypatch.setattr(screen, "_asks", True)
    answers = itertools.chain(["2", "0", "x", "y", ""])
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    assert screen.choose(found) == found[1]
    for _ in range(2):
        with pytest.raises(errors.SeveralPorts):
            screen.choose(found)
    assert screen.confirm("All is lost.") is True
    assert screen.confirm("All is lost.") is False
    assert "XIAO" in capsys.readouterr().out


def test_a_board_takes_no_update_that_was_signed_before_it_was_flashed(node):
    assert prepare(node, name="mill").settings.update_leaf == 0
    mesh = node.meshes.named("home")
    assert [node.signers.sign(mesh, b"update")[0] for _ in range(2)] == [0, 1]
    made = prepare(node, name="mill").settings
    assert made.update_leaf == 2
    # Of a computer that joined the mesh: it does not know how far the signer is.
    node._database.run("UPDATE meshes SET signer = NULL")
    assert prepare(node, there=made).settings.update_leaf == 2
    assert prepare(node, name="mill").settings.update_leaf is None
