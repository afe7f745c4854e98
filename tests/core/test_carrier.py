from hedgerow_core import limits
from hedgerow_core.beacon import Beacon
from hedgerow_core.carrier import Carrier

SMALL, LARGE = b"\1" * 6, b"\7" * 6


def heard(carrier, who, now, summary=b"diff", address=None):
    carrier.heard(Beacon(who, 1, summary, 0), address or who, -60, now)


def test_a_neighbour_that_knows_something_else_is_called():
    one = Carrier(SMALL, 0)
    heard(one, LARGE, 0)
    assert one.meeting(b"mine", 1, 0) == LARGE
    assert one.meeting(b"diff", 1, 0) is None


def test_of_two_boards_one_calls_first_and_the_other_only_later():
    small, large = Carrier(SMALL, 0), Carrier(LARGE, 0)
    heard(small, LARGE, 0)
    heard(large, SMALL, 0)
    assert small.meeting(b"mine", 1, 0) == LARGE
    assert large.meeting(b"mine", 1, 0) is None
    heard(large, SMALL, 2000)
    assert large.meeting(b"mine", 1, 2000) == SMALL


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
    one.met(LARGE, now, True)
    heard(one, LARGE, now + 1500)
    assert one.meeting(b"mine", 1, now + 1500) == LARGE


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
