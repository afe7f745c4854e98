from hedgerow_core import limits
from hedgerow_core.beacon import Beacon
from hedgerow_core.carrier import Carrier

SMALL, LARGE = b"\1" * 6, b"\7" * 6


MAC = b"mac of 8"


def at(who):
    """The address of a board: any 7 bytes."""
    return b"\1" + who


def heard(carrier, who, now, summary=b"diff", mac=MAC):
    carrier.heard(Beacon(who, 1, summary, 0, mac), at(who), -60, now)


def test_a_neighbour_that_knows_something_else_is_called():
    one = Carrier(SMALL, 0)
    heard(one, LARGE, 0)
    assert one.meeting(b"mine", 1, 0) == at(LARGE)
    assert one.meeting(b"diff", 1, 0) is None


def test_of_two_boards_one_calls_first_and_the_other_only_later():
    small, large = Carrier(SMALL, 0), Carrier(LARGE, 0)
    heard(small, LARGE, 0)
    heard(large, SMALL, 0)
    assert small.meeting(b"mine", 1, 0) == at(LARGE)
    assert large.meeting(b"mine", 1, 0) is None
    heard(large, SMALL, 2000)
    assert large.meeting(b"mine", 1, 2000) == at(SMALL)


def test_failures_back_off_and_a_meeting_ends_that():
    one = Carrier(SMALL, 0)
    now = tries = 0
    while now < 600_000:
        heard(one, LARGE, now)
        address = one.meeting(b"mine", 1, now)
        if address is not None:
            tries += 1
            one.met(address, now, False)
        now += 100
    assert 4 < tries < 15
    heard(one, LARGE, now)
    one.met(at(LARGE), now, True)
    heard(one, LARGE, now + 1500)
    assert one.meeting(b"mine", 1, now + 1500) == at(LARGE)


def test_the_longest_unmet_is_called_first():
    one = Carrier(SMALL, 0)
    for who in (b"\2" * 6, b"\3" * 6):
        heard(one, who, 0)
    first = one.meeting(b"mine", 1, 0)
    one.met(first, 0, True)
    for who in (b"\2" * 6, b"\3" * 6):
        heard(one, who, 5000)
    assert one.meeting(b"mine", 1, 5000) != first


def test_a_crowd_costs_no_more_than_the_bound():
    one = Carrier(SMALL, 0)
    for number in range(500):
        heard(one, number.to_bytes(6, "big"), number)
    assert len(one.neighbours(500)) <= limits.NEIGHBOURS


def test_who_went_away_is_forgotten():
    one = Carrier(SMALL, 0)
    heard(one, LARGE, 0)
    assert one.meeting(b"mine", 1, limits.NEIGHBOUR_FORGET_MS + 1) is None


def test_a_beacon_that_was_checked_once_is_known_again_and_keeps_its_sender_here():
    one = Carrier(SMALL, 0)
    heard(one, LARGE, 0)
    soon = limits.NEIGHBOUR_FORGET_MS
    assert one.again(MAC, at(LARGE), -50, soon)
    assert one.meeting(b"mine", 1, soon + 1) == at(LARGE)
    # Not what differs in one thing: it has to be checked.
    assert not one.again(b"mac of 9", at(LARGE), -50, soon)
    assert not one.again(MAC, at(SMALL), -50, soon)


def test_who_says_something_new_is_known_by_that_only():
    one = Carrier(SMALL, 0)
    heard(one, LARGE, 0)
    heard(one, LARGE, 1, b"news", b"new mac.")
    assert one.again(b"new mac.", at(LARGE), -50, 2)
    assert not one.again(MAC, at(LARGE), -50, 2)
    assert one.meeting(b"news", 1, 2) is None


def test_of_a_crowd_the_one_not_heard_for_longest_is_forgotten():
    one = Carrier(SMALL, 0)
    boards = [number.to_bytes(6, "big") for number in range(limits.NEIGHBOURS + 1)]
    for number, who in enumerate(boards[:-1]):
        heard(one, who, 100 + number)
    assert one.again(MAC, at(boards[0]), -60, 500)
    heard(one, boards[-1], 501)
    assert one.again(MAC, at(boards[0]), -60, 502)
    assert not one.again(MAC, at(boards[1]), -60, 502)


def test_days_after_the_start_neighbours_are_met_as_on_the_first_day():
    one = Carrier(SMALL, 0)
    day = 86_400_000
    for now in (0, 12 * day, 13 * day, 50 * day, 400 * day):
        heard(one, LARGE, now)
        assert one.meeting(b"mine", 1, now) == at(LARGE)
        one.met(at(LARGE), now, False)
        assert one.meeting(b"mine", 1, now + limits.BACKOFF_MIN_MS - 1) is None


def test_our_own_beacon_is_no_neighbour():
    one = Carrier(SMALL, 0)
    heard(one, SMALL, 0)
    assert one.neighbours(0) == []


def test_beacons_are_fast_after_a_change_and_at_most_ten_seconds_apart():
    one = Carrier(SMALL, 0)
    assert one.beacon_interval_ms(0) == limits.BEACON_FAST_MS
    last = 0
    for now in range(0, 3_600_000, 1000):
        interval = one.beacon_interval_ms(now)
        assert last <= interval <= 10_000
        last = interval
    one.changed(3_600_000)
    assert one.beacon_interval_ms(3_600_001) == limits.BEACON_FAST_MS
