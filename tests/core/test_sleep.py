"""When boards sleep, and what members may do to a clock that slept."""

from hedgerow_core import limits, sleep
from hedgerow_core.mesh_clock import MeshClock

MINUTE = 60_000
M = 1_400_000


def test_only_what_leaves_time_to_meet_and_to_sleep_is_valid():
    good = ((0, 0), (2, 15), (2, 3), (5, 10), (1_439, 1_440))
    bad = ((1, 15), (0, 15), (2, 0), (15, 15), (16, 15), (2, 1_441), (-2, 15), (2, 2))
    assert [pair for pair in good + bad if sleep.valid(*pair)] == list(good)


def test_a_board_wakes_up_before_the_others_do_by_what_its_timer_may_be_slow():
    assert sleep.left_ms(15, 2, 0) == 13 * MINUTE - 13 * MINUTE // 64 - 3_000
    assert sleep.left_ms(15, 14, 20_000) == 40_000 - 625 - 3_000
    assert sleep.left_ms(15, 14, 30_000) == 0


def slept(slack_ms: int) -> MeshClock:
    return MeshClock(0, M, True, 13 * MINUTE, slack_ms=slack_ms)


def test_a_clock_that_slept_is_set_by_a_member_as_far_as_its_timer_may_be_wrong():
    clock = slept(3 * MINUTE)
    assert clock.learn_from_member(b"a", M + 15, True, 0) == 2
    assert clock.minute(0) == M + 15
    # What is left of it.
    assert clock.learn_from_member(b"b", M + 17, True, 0) == 0
    assert clock.learn_from_member(b"b", M + 16, True, 0) == 1
    assert clock.learn_from_member(b"b", M + 17, True, 0) == 0
    assert clock.minute(0) == M + 16 and clock.slack_ms == 0


def test_neither_an_uncertain_member_nor_one_behind_moves_a_clock_that_slept():
    clock = slept(3 * MINUTE)
    assert clock.learn_from_member(b"a", M + 15, False, 0) == 0
    assert clock.learn_from_member(b"a", M + 10, True, 0) == 0
    assert clock.minute(0) == M + 13 and clock.slack_ms == 3 * MINUTE


def test_a_clock_that_did_not_sleep_stays():
    clock = MeshClock(0, M, True, 13 * MINUTE)
    assert clock.learn_from_member(b"a", M + 14, True, 0) == 0


def test_a_clock_that_no_host_ever_told_takes_the_time_of_a_member_who_heard_of_one():
    clock = MeshClock(0, 100, True, 0)
    assert clock.learn_from_member(b"a", limits.M_TOLD - 1, True, 0) == 0
    assert clock.learn_from_member(b"a", M, False, 0) == 0
    assert clock.learn_from_member(b"a", M, True, 0) == M - 100
    assert clock.learn_from_member(b"a", M + 5, True, 0) == 0
