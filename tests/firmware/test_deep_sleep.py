"""Boards that sleep most of the time, and what they do in the rest of it."""

import tomllib
from itertools import pairwise

import pytest
from support_firmware import Cable, quiet, settings

from hedgerow_core import limits, service
from hedgerow_lab.world import TOP, Lab, find_aioble

MINUTE = 60_000
AWAKE, CYCLE = 2, 15
_SEARCH = 16  # starts, after one of which a board that hears nobody listens for a whole cycle


def sleepy(name, **more):
    return {**settings(name), "profile": "saver", "sleep_awake": AWAKE, "sleep_cycle": CYCLE, **more}


def sleepers(tmp_path, *names, seed=1):
    """Boards in a line that sleep, as soon as they know the time."""
    lab = Lab(seed, workdir=tmp_path, aioble=find_aioble())
    for name in names:
        lab.add_board(name, settings=sleepy(name))
    for a, b in pairwise(names):
        lab.hear(a, b)
    return lab


class Host(Cable):
    """One that asks its board how it is, as a host does when it hears nothing."""

    def __init__(self, lab, board, ahead=0):
        super().__init__(lab, board, minute=limits.M_TOLD + ahead)
        self._ask()

    def _ask(self):
        if self.link.established:
            self.link.service(bytes((service.STATUS,)))
            self._pump()
        if not self._stopped:
            self.lab.at(self.lab.now_ms + 5_000, self._ask)

    def leave(self):
        self.stop()
        self.line.connected = False


def share_awake(lab, name, minutes):
    """Of the next so many minutes."""
    board, awake_ms = lab.boards[name], lab.boards[name].awake_ms
    lab.run_until(lab.now_ms + minutes * MINUTE)
    return (board.awake_ms - awake_ms) / (minutes * MINUTE)


def visit(lab, name, minutes=1):
    """A host on the cable for a while."""
    host = Host(lab, name)
    lab.run_until(lab.now_ms + minutes * MINUTE)
    host.leave()
    return host


def test_a_board_that_knows_the_time_sleeps_outside_of_the_minutes_of_its_mesh(tmp_path):
    with sleepers(tmp_path, "a") as lab:
        assert share_awake(lab, "a", 30) == pytest.approx(1, abs=0.01)  # nobody told it the time
        visit(lab, "a")
        assert share_awake(lab, "a", 15) < 0.5
        assert AWAKE / CYCLE < share_awake(lab, "a", 120) < AWAKE / CYCLE + 0.04
        assert set(lab.boards["a"].causes[1:]) == {4} and quiet(lab)


def test_two_boards_are_awake_as_long_as_the_table_of_days_says(tmp_path):
    figures = tomllib.loads((TOP / "tools/power.toml").read_text())
    assert (figures["sleep_awake"], figures["sleep_cycle"]) == (AWAKE, CYCLE)
    with sleepers(tmp_path, "a", "b") as lab:
        lab.run_until(2_000)
        visit(lab, "a")
        lab.run_until(35 * MINUTE)
        assert share_awake(lab, "b", 180) == pytest.approx(figures["awake_share"], abs=0.01)


def test_letters_cross_a_line_of_boards_that_sleep_within_a_cycle(tmp_path):
    with sleepers(tmp_path, "a", "b", "c", "d") as lab:
        lab.run_until(2_000)
        near, far = Host(lab, "a"), Host(lab, "d")
        lab.run_until(30 * MINUTE)
        awake = {name: lab.boards[name].awake_ms for name in lab.boards}
        start = lab.now_ms
        sent, arrived = {}, {}
        while lab.now_ms < start + 90 * MINUTE:
            if lab.now_ms < start + 70 * MINUTE:
                sent[near.put()[0]] = lab.now_ms
            for _ in range(70):
                lab.run_until(lab.now_ms + 6_000)
                for identity in sent.keys() - arrived.keys():
                    if far.shelf.has(identity):
                        arrived[identity] = lab.now_ms
        took = [arrived[identity] - sent[identity] for identity in sent if identity in arrived]
        assert len(took) == len(sent) == 10
        assert max(took) < (CYCLE + AWAKE) * MINUTE
        shares = {n: (lab.boards[n].awake_ms - awake[n]) / (lab.now_ms - start) for n in lab.boards}
        # Boards whose host is there do not sleep.
        assert shares["a"] == shares["d"] == 1
        assert all(AWAKE / CYCLE < shares[name] < AWAKE / CYCLE + 0.08 for name in "bc"), shares
        assert set(lab.boards["b"].causes[1:]) == {4} and quiet(lab)


def test_boards_whose_timers_are_wrong_by_two_percent_still_meet_after_hours(tmp_path):
    with sleepers(tmp_path, "a", "b", "c") as lab:
        lab.boards["a"].machine.rtc_ppm, lab.boards["c"].machine.rtc_ppm = 20_000, -20_000
        lab.run_until(2_000)
        visit(lab, "a")
        lab.run_until(8 * 60 * MINUTE)
        near = Host(lab, "a")
        (letter,) = near.put()
        lab.run_until(lab.now_ms + (CYCLE + AWAKE) * MINUTE)
        far = Host(lab, "c")
        lab.run_until(lab.now_ms + (CYCLE + AWAKE) * MINUTE, lambda: far.shelf.has(letter))
        assert far.shelf.has(letter) and quiet(lab)


def test_a_board_that_was_started_by_hand_or_has_a_host_stays_awake(tmp_path):
    with sleepers(tmp_path, "a") as lab:
        lab.run_until(2_000)
        visit(lab, "a")
        lab.run_until(35 * MINUTE)
        assert not lab.boards["a"].powered
        lab.power_on("a")
        board = lab.boards["a"]
        lab.run_until(lab.now_ms + 4 * MINUTE)
        assert board.powered
        host = Host(lab, "a")
        starts = len(board.causes)
        lab.run_until(lab.now_ms + 40 * MINUTE)
        assert board.powered and len(board.causes) == starts
        host.leave()
        counts, entries = Cable(lab, "a", minute=limits.M_TOLD).log()
        assert sum(counts) == starts and counts[4] == starts - 2 and entries == []
        lab.run_until(lab.now_ms + 16 * MINUTE)
        assert len(board.causes) > starts


def test_a_host_that_moves_the_clock_of_one_board_does_not_part_it_from_the_others(tmp_path):
    with sleepers(tmp_path, "a", "b") as lab:
        lab.run_until(2_000)
        visit(lab, "a")
        lab.run_until(180 * MINUTE)
        ahead = Host(lab, "a", 5)  # of what the boards know
        (letter,) = ahead.put()
        lab.run_until(lab.now_ms + CYCLE * MINUTE)
        assert set(ahead.acked()) == {letter}
        ahead.leave()
        lab.run_until(lab.now_ms + (_SEARCH + 3) * CYCLE * MINUTE)
        far = Host(lab, "b")
        lab.run_until(lab.now_ms + 20 * MINUTE, lambda: far.shelf.has(letter))
        assert far.shelf.has(letter) and quiet(lab)
