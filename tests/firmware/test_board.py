"""One board that runs the real firmware: its cable, its address, its flash."""

import random
from itertools import pairwise

import pytest
from support_firmware import MESH, PAIRING, Cable, open_lab

from hedgerow_core import beacon, session
from hedgerow_lab.world import Lab, find_aioble


def quiet(lab, name="a"):
    return [line for line in lab.log(name) if line]


def test_a_letter_acknowledged_over_the_cable_is_on_the_flash(tmp_path):
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2_000)
        cable = Cable(lab, "a")
        ids = cable.put(20)
        lab.run_until(10_000)
        assert cable.acked() == set(ids)
        lab.power_off("a")
        lab.power_on("a")
        cable.stop()
        other = Cable(lab, "a")
        lab.run_until(20_000)
        assert set(other.shelf.ids()) == set(ids)
        assert quiet(lab) == []


@pytest.mark.parametrize("seed", range(6))
def test_power_cuts_at_any_moment_lose_nothing_that_was_acknowledged(tmp_path, seed):
    dice = random.Random(seed)
    with open_lab(tmp_path, "a", seed=seed) as lab:
        lab.run_until(2_000)
        cable = Cable(lab, "a")
        put = []
        for _ in range(6):
            put += cable.put(dice.randrange(1, 8))
            lab.run_until(lab.now_ms + dice.randrange(1, 1_500))
            lab.power_off("a")
            lab.run_until(lab.now_ms + 100)
            lab.power_on("a")
        acked = cable.acked()
        lab.run_until(lab.now_ms + 30_000)
        cable.stop()
        other = Cable(lab, "a")
        lab.run_until(lab.now_ms + 10_000)
        assert acked <= set(other.shelf.ids())
        assert set(other.shelf.ids()) == set(put)  # the rest was put again
        assert quiet(lab) == []


def test_noise_and_cut_frames_on_the_cable_do_not_stop_the_next_letter(tmp_path):
    dice = random.Random(5)
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2_000)
        cable = Cable(lab, "a")
        lab.run_until(3_000)
        for _ in range(10):
            cable.line.write(dice.randbytes(dice.randrange(1, 700)))
            cable.line.write(b"\0\x05half of a frame")
            ids = cable.put(1)
            lab.run_until(lab.now_ms + 8_000)
            assert set(ids) <= cable.acked()
        assert quiet(lab) == []


def test_a_wrong_pairing_key_is_told_and_the_right_one_works_afterwards(tmp_path):
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2_000)
        stranger = Cable(lab, "a", key=bytes(32))
        lab.run_until(8_000)
        assert ("down", "wrong key") in stranger.events
        cable = Cable(lab, "a", key=PAIRING)
        ids = cable.put(1)
        lab.run_until(15_000)
        assert set(ids) == cable.acked()


def test_another_version_of_the_protocol_is_told(tmp_path, monkeypatch):
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2_000)
        monkeypatch.setattr(session, "VERSION", 7)
        newer = Cable(lab, "a")
        lab.run_until(3_000)
        assert ("down", "version") in newer.events
        newer.stop()
        monkeypatch.undo()
        same = Cable(lab, "a")
        ids = same.put(1)
        lab.run_until(10_000)
        assert set(ids) == same.acked()


@pytest.mark.parametrize("escape", [b"\x03", b"\r\x03"])
def test_the_escape_gives_the_console_back_to_a_person(tmp_path, escape):
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2_000)
        cable = Cable(lab, "a")
        ids = cable.put(3)
        lab.run_until(6_000)
        cable.stop()
        cable.line.write(escape)
        lab.run_until(7_000)
        assert any("stopped" in line for line in lab.log("a"))
        adverts = lab.counters["adverts"]
        lab.run_until(20_000)
        assert lab.counters["adverts"] == adverts  # the radio is off
        assert set(ids) <= cable.acked()


def test_the_escape_inside_a_letter_does_not_stop_the_board(tmp_path):
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2_000)
        cable = Cable(lab, "a")
        lab.run_until(3_000)
        cable.line.write(b"\0\x09\r\x03")  # a frame that goes on
        lab.run_until(5_000)
        cable.line.write(b"\x03")
        lab.run_until(6_000)
        cable.line.write(b"\0")
        ids = cable.put(1)
        lab.run_until(12_000)
        assert set(ids) == cable.acked()


def test_no_write_to_usb_is_a_multiple_of_64_bytes(tmp_path):
    sizes = []
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2_000)
        first = Cable(lab, "a")
        first.put(40)
        lab.run_until(15_000)
        first.stop()
        second = Cable(lab, "a")
        deliver = second.line.on_receive
        second.line.on_receive = lambda data, now: (sizes.append(len(data)), deliver(data, now))
        lab.run_until(30_000)
        assert len(second.shelf.ids()) == 40
    assert sizes and not [size for size in sizes if size % 64 == 0]


def test_the_factory_address_is_never_on_the_air_and_address_and_beacon_id_change_together(tmp_path):
    heard = []
    with open_lab(tmp_path, "a") as lab:
        board = lab.boards["a"]
        lab.air.advert_watchers.append(
            lambda name, data: heard.append((lab.now_ms, board.radio.address, data))
        )
        lab.run_until(46 * 60_000)
        assert quiet(lab) == []
    factory = board.address
    assert len({address for _, address, _ in heard}) == 4  # at the start and every 15 minutes
    for _, (kind, address), data in heard:
        assert kind == 1 and address != factory
        assert address[0] & 0xC0 == 0  # non-resolvable private
        assert beacon.parse(data, MESH, address) is not None  # the MAC covers this address
    pairs = {(address, data[8:14]) for _, (_, address), data in heard}
    assert len(pairs) == 4 == len({beacon_id for _, beacon_id in pairs})
    gaps = [b[0] - a[0] for a, b in pairwise(heard)]
    assert max(gaps) <= 10_000


def test_the_wrap_of_the_millisecond_counter_stops_nothing(tmp_path):
    wrap_ms = 1 << 30
    with open_lab(tmp_path, "a", "b", ticks_offset=wrap_ms - 20_000) as lab:
        lab.run_until(3_000)
        near, far = Cable(lab, "a"), Cable(lab, "b")
        for _ in range(8):
            near.put(1)
            lab.run_until(lab.now_ms + 8_000)
        lab.run_until(lab.now_ms + 20_000)
        assert set(far.shelf.ids()) == set(near.shelf.ids())
        assert quiet(lab) == quiet(lab, "b") == []


def test_boards_of_two_meshes_do_not_talk(tmp_path):
    with Lab(1, workdir=tmp_path, aioble=find_aioble()) as lab:
        for name, key in (("a", MESH), ("b", bytes(32))):
            lab.add_board(name, settings={"name": name, "mesh_key": key, "pairing_key": PAIRING})
        lab.hear("a", "b")
        lab.run_until(3_000)
        near, far = Cable(lab, "a"), Cable(lab, "b")
        near.put(3)
        lab.run_until(120_000)
        assert far.shelf.ids() == []
        assert lab.counters["connections"] == 0


def test_a_board_without_settings_says_so_and_leaves_the_console(tmp_path):
    with Lab(1, workdir=tmp_path, aioble=find_aioble()) as lab:
        lab.add_board("a")
        lab.run_until(2_000)
        assert lab.log("a") == ["This board has no settings: flash it with ./flash.sh."]
        assert lab.counters["adverts"] == 0
