"""Boards in earshot: links that stay, that rotate and that yield, and neighbours that do not behave."""

import pytest
from support_firmware import MESH, Cable, open_lab, patched, quiet, settings
from support_strangers import Stranger

from hedgerow_core import beacon
from hedgerow_lab.world import Lab, find_aioble

NAMES = ("b", "c", "d", "e")


def star(tmp_path, *names, seed=1, **more):
    """A board a in the middle of others who hear only it."""
    lab = Lab(seed, workdir=tmp_path, aioble=find_aioble())
    for name in ("a", *names):
        lab.add_board(name, settings={**settings(name), **more})
        if name != "a":
            lab.hear("a", name)
    lab.run_until(3_000)
    return lab


def links(lab, name="a"):
    return len(lab.boards[name].radio.connections)


def test_two_neighbours_stay_linked_and_a_letter_crosses_without_a_new_call(tmp_path):
    with star(tmp_path, "b", "c") as lab:
        near, far = Cable(lab, "b"), Cable(lab, "c")
        near.put(1)
        lab.run_until(40_000)
        assert links(lab) == 2
        calls = lab.counters["connections"]
        start = lab.now_ms
        (letter,) = near.put(1)
        lab.run_until(start + 2_000, lambda: far.shelf.has(letter))
        assert lab.now_ms - start < 600
        assert lab.counters["connections"] == calls and quiet(lab)


def test_five_boards_share_the_places_of_the_one_in_the_middle(tmp_path):
    with star(tmp_path, *NAMES) as lab:
        cables = [Cable(lab, name) for name in NAMES]
        ids = [identity for cable in cables for identity in cable.put(2)]
        most = 0
        while lab.now_ms < 120_000:
            lab.run_until(lab.now_ms + 100)
            most = max(most, links(lab))
        assert all(set(cable.shelf.ids()) == set(ids) for cable in cables)
        assert most == 3 and links(lab) == 2 and quiet(lab)


def test_a_host_gets_a_line_within_two_seconds_and_no_board_has_more_than_three(tmp_path):
    with star(tmp_path, "b", "c") as lab:
        Cable(lab, "b").put(1)
        lab.run_until(40_000)
        # A third who never comes to an end holds the place that rotates.
        Stranger(lab, "slow", MESH, "slow", ["a"])
        lab.run_until(55_000)
        assert links(lab) == 3
        host = Cable(lab, "a")
        start = lab.now_ms
        lab.run_until(start + 2_000, lambda: links(lab) == 2)
        assert links(lab) == 2
        (letter,) = host.put(1)
        lab.run_until(lab.now_ms + 2_000)
        assert letter in host.acked() and quiet(lab)


def test_who_has_no_place_says_so_in_the_beacon(tmp_path):
    with star(tmp_path, "b", "c") as lab:
        Cable(lab, "b").put(1)
        lab.run_until(40_000)
        radio = lab.boards["a"].radio
        assert radio.advertising[1] and beacon.for_all(radio.advertising[2])
        Cable(lab, "a")
        lab.run_until(44_000)
        # Another host may still call, as it may take the place of a board.
        assert links(lab) == 2 and radio.advertising[1] and not beacon.for_all(radio.advertising[2])


def test_with_a_host_all_neighbours_still_get_letters(tmp_path):
    with star(tmp_path, *NAMES) as lab:
        host = Cable(lab, "a")
        cables = [Cable(lab, name) for name in NAMES]
        ids = [identity for cable in (host, *cables) for identity in cable.put(1)]
        most = 0
        while lab.now_ms < 300_000:
            lab.run_until(lab.now_ms + 100)
            most = max(most, links(lab))
        assert all(set(cable.shelf.ids()) == set(ids) for cable in (host, *cables))
        assert most <= 3 and links(lab) <= 2 and quiet(lab)


@pytest.mark.parametrize("manner", ["mute", "deaf", "gone"])
def test_a_neighbour_that_stops_in_the_middle_holds_nobody_up_and_is_called_less_and_less(tmp_path, manner):
    with star(tmp_path, "b", "c") as lab:
        stranger = Stranger(lab, "x", MESH, manner, ["a"])
        near, far = Cable(lab, "b"), Cable(lab, "c")
        for _ in range(10):
            near.put(1)
            lab.run_until(lab.now_ms + 30_000)
        assert set(far.shelf.ids()) == set(near.shelf.ids())
        assert 0 < stranger.calls <= 8
        assert links(lab) == 2 and quiet(lab)


def test_neighbours_that_answer_slowly_for_ever_leave_a_place_for_others(tmp_path):
    with star(tmp_path, "b", "c") as lab:
        for number in range(4):
            Stranger(lab, f"x{number}", MESH, "slow", ["a"], pause_ms=3_500)
        near, far = Cable(lab, "b"), Cable(lab, "c")
        near.put(3)
        lab.run_until(lab.now_ms + 300_000)
        assert set(far.shelf.ids()) == set(near.shelf.ids()) and quiet(lab)


def test_two_neighbours_with_one_address_do_not_stop_the_third(tmp_path):
    with star(tmp_path, "b", "c") as lab:
        same = (1, b"\x11same!")
        for name in ("x", "y"):
            Stranger(lab, name, MESH, "slow", ["a"], address=same)
        near, far = Cable(lab, "b"), Cable(lab, "c")
        near.put(3)
        lab.run_until(lab.now_ms + 240_000)
        assert set(far.shelf.ids()) == set(near.shelf.ids()) and quiet(lab)


def test_a_mesh_of_another_key_in_the_same_street_is_never_called(tmp_path):
    with star(tmp_path, "b", "c") as lab:
        others = [Stranger(lab, f"x{number}", bytes(32), "slow", ["a", "b", "c"]) for number in range(40)]
        near, far = Cable(lab, "b"), Cable(lab, "c")
        near.put(3)
        lab.run_until(lab.now_ms + 60_000)
        assert set(far.shelf.ids()) == set(near.shelf.ids())
        assert not any(other.calls for other in others) and quiet(lab)


def test_a_neighbour_that_loses_its_power_is_missed_soon_and_linked_again(tmp_path):
    with open_lab(tmp_path, "a", "b") as lab:
        lab.run_until(3_000)
        near = Cable(lab, "a")
        near.put(1)
        lab.run_until(20_000)
        assert links(lab) == 1
        lab.power_off("b")
        lab.run_until(25_000)
        assert links(lab) == 0
        lab.power_on("b")
        near.put(1)
        lab.run_until(30_000)
        far = Cable(lab, "b")
        lab.run_until(40_000)
        assert set(far.shelf.ids()) == set(near.shelf.ids()) and links(lab) == 1 and quiet(lab)


def test_a_new_address_ends_no_link_and_makes_no_second_one(tmp_path):
    with open_lab(tmp_path, "a", "b") as lab:
        lab.run_until(3_000)
        near, far = Cable(lab, "a"), Cable(lab, "b")
        before = [lab.boards[name].radio.address for name in "ab"]
        while lab.now_ms < 32 * 60_000:
            near.put(1)
            lab.run_until(lab.now_ms + 20_000)
        after = [lab.boards[name].radio.address for name in "ab"]
        assert before[0] != after[0] and before[1] != after[1]
        assert lab.counters["connections"] == 1
        assert set(far.shelf.ids()) == set(near.shelf.ids()) and quiet(lab)


def test_of_two_calls_that_cross_one_link_is_left(tmp_path):
    at_once = ("_ANSWER_MS = 1_500", "_ANSWER_MS = 0")
    source = patched(tmp_path / "source", "../../shared/hedgerow_core/carrier.py", at_once)
    with Lab(1, workdir=tmp_path / "lab", aioble=find_aioble()) as lab:
        for name in "ab":
            lab.add_board(name, settings=settings(name), source=source)
        lab.hear("a", "b")
        lab.run_until(3_000)
        near, far = Cable(lab, "a"), Cable(lab, "b")
        most = 0
        for _ in range(20):
            near.put(1)
            far.put(1)
            lab.run_until(lab.now_ms + 2_000, lambda: links(lab) == 2)
            most = max(most, links(lab))
            lab.run_until(lab.now_ms + 2_000)
            assert links(lab) == 1
            lab.link_drop("a", "b")
            lab.run_until(lab.now_ms + 20_000)
        assert most == 2 and quiet(lab)


def test_an_open_link_needs_no_packets_to_stay_open(tmp_path):
    with open_lab(tmp_path, "a", "b") as lab:
        lab.run_until(3_000)
        Cable(lab, "a").put(1)
        lab.run_until(30_000)
        packets = lab.counters["packets"]
        lab.run_until(12 * 60_000)
        assert links(lab) == 1 and lab.counters["packets"] == packets


def test_a_relay_hears_more_of_the_beacons_than_others(tmp_path):
    heard = {}
    for profile in ("balanced", "relay"):
        with star(tmp_path / profile, "b", "c", profile=profile) as lab:
            before = lab.air.counters["scan_results"]
            lab.run_until(lab.now_ms + 120_000)
            heard[profile] = lab.air.counters["scan_results"] - before
    assert heard["relay"] > 1.5 * heard["balanced"]


def test_a_board_that_saves_power_listens_less_keeps_no_link_and_still_gets_letters(tmp_path):
    scans = {}
    for profile in ("balanced", "saver"):
        with star(tmp_path / profile, "b", profile=profile) as lab:
            listened = 0
            near, far = Cable(lab, "a"), Cable(lab, "b")
            near.put(1)
            for _ in range(1_200):
                lab.run_until(lab.now_ms + 100)
                listened += lab.boards["a"].radio.scan is not None
            scans[profile] = listened
            assert links(lab) == (profile == "balanced")
            assert far.shelf.ids() == near.shelf.ids() and quiet(lab)
    assert scans["saver"] < 0.4 * scans["balanced"]
