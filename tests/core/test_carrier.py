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


def linked(count, now=0):
    """A carrier with links 1 to ``count``, to the boards of the same number."""
    one = Carrier(SMALL, 0)
    for number in range(1, count + 1):
        heard(one, bytes((9, number)) * 3, now)
        one.opened(number, at(bytes((9, number)) * 3), now)
    return one


def test_two_links_stay_open_and_the_third_rotates():
    one = linked(3)
    assert [one.stays(handle) for handle in (1, 2, 3)] == [True, True, False]
    one.ended(1, 0, True)
    assert one.stays(3)


def test_who_saves_power_keeps_no_link_open():
    one = Carrier(SMALL, 0, 0)
    one.opened(1, at(LARGE), 0)
    assert not one.stays(1)


def test_nobody_is_called_who_is_linked_already_nor_without_a_free_place():
    one = Carrier(SMALL, 0)
    heard(one, LARGE, 0)
    assert one.meeting(b"mine", 1, 0, False) is None
    one.opened(1, at(LARGE), 0)
    assert one.meeting(b"mine", 1, 0) is None
    one.ended(1, 0, False)
    heard(one, LARGE, 10_000)
    assert one.meeting(b"mine", 1, 10_000) == at(LARGE)


def test_a_host_gets_the_place_of_the_link_that_rotates_at_once():
    one = linked(3)
    assert one.to_end(0, 0) == -1
    assert one.to_end(1, 0) == 3
    one.ended(3, 0, True)
    assert one.to_end(1, 0) == -1


def test_a_neighbour_that_waits_gets_the_place_of_the_link_that_was_idle_for_longest():
    one = linked(2)
    one.moved(1, 20_000)
    now = 40_000
    heard(one, LARGE, now)
    assert one.meeting(b"mine", 1, now, False) is None and one.to_end(1, now) == -1
    now += 10_000
    heard(one, LARGE, now)
    one.meeting(b"mine", 1, now, False)
    assert one.to_end(0, now) == -1  # without a host there is a place
    assert one.to_end(1, now) == 2


def test_no_link_is_ended_for_a_neighbour_that_failed_again_and_again():
    one = linked(2)
    heard(one, LARGE, 0)
    for _ in range(3):
        one.met(at(LARGE), 0, False)
    for now in range(0, 120_000, 1_000):
        heard(one, LARGE, now)
        one.meeting(b"mine", 1, now, False)
        assert one.to_end(1, now) == -1


def test_a_meeting_that_never_ends_leaves_its_place_to_who_waits():
    one = linked(3)
    for now in (50_000, 61_000):
        heard(one, LARGE, now)
        one.meeting(b"mine", 1, now, False)
    assert one.to_end(0, 59_999) == -1
    assert one.to_end(0, 61_000) == 3


def test_a_link_that_carries_takes_the_place_of_one_that_was_idle_for_long():
    one = linked(3)
    long = 11 * 60_000
    one.moved(1, long)
    one.moved(3, 1_000)
    assert not one.stays(3)
    one.moved(3, long)
    assert [one.stays(handle) for handle in (1, 2, 3)] == [True, False, True]


def test_a_link_over_which_two_boards_do_not_come_together_starts_anew():
    one = linked(1)
    for now in range(0, 299_000, 1_000):
        heard(one, b"\x09\x01" * 3, now)
        one.meeting(b"mine", 1, now)
        assert one.to_end(0, now) == -1
    one.meeting(b"mine", 1, 300_000)
    assert one.to_end(0, 300_000) == 1


def test_a_board_that_takes_another_address_is_known_by_it_over_an_open_link():
    one = linked(1)
    new = b"\x0a" * 6
    assert one.named(1, new, at(new)) == -1
    heard(one, new, 0)
    assert one.meeting(b"mine", 1, 0) is None and len(one.neighbours(0)) == 1
    heard(one, b"\x09\x01" * 3, 0)
    assert one.named(1, new, at(new)) == -1


def test_a_beacon_heard_before_the_name_came_is_no_second_neighbour():
    one = linked(1)
    new = b"\x0a" * 6
    heard(one, new, 0)
    one.named(1, new, at(new))
    assert len(one.neighbours(0)) == 1


def test_of_two_links_to_one_board_the_smaller_beacon_id_ends_the_older():
    one = linked(2)
    new = b"\x0a" * 6
    assert one.named(1, new, at(new)) == -1
    assert one.named(2, new, at(new)) == 1
    assert one.named(1, new, at(new)) == 1
    one.ended(1, 0, True)
    one.rotate(b"\xff" * 6)
    one.opened(3, at(new), 0)
    assert one.named(3, new, at(new)) == -1


def test_two_boards_with_one_address_end_only_their_own_link():
    one = Carrier(SMALL, 0)
    one.opened(1, at(LARGE), 0)
    one.opened(2, at(LARGE), 0)
    one.ended(2, 0, True)
    assert one.stays(1) and not one.stays(2)


def test_who_takes_no_calls_is_called_as_soon_as_it_does():
    one = Carrier(SMALL, 0)
    full = Beacon(LARGE, 1, b"diff", 0, MAC)
    one.heard(full, at(LARGE), -60, 0, False)
    for now in (0, 5_000, 10_000):
        assert one.again(MAC, at(LARGE), -60, now, False)
        assert one.meeting(b"mine", 1, now) is None
    assert one.again(MAC, at(LARGE), -60, 10_001, True)
    assert one.meeting(b"mine", 1, 10_001) == at(LARGE)


def test_a_link_that_turns_out_to_be_a_hosts_is_none_of_the_mesh_and_takes_no_part_in_its_turns():
    one = linked(2)
    one.opened(3, b"\x01laptop", 0)
    one.forget(3)
    assert [link[0] for link in one.links] == [1, 2] and not one.stays(3)
    assert one.to_end(1, 0) == -1
    one.moved(3, 0)
    one.ended(3, 0, False)
    assert [link[0] for link in one.links] == [1, 2]
    one.opened(4, at(LARGE), 0)
    assert one.to_end(1, 0) == 4
