"""What a board tells its host of the boards around it, and of what it counted."""

from hedgerow_core import counts, limits, survey
from hedgerow_core.beacon import Beacon
from hedgerow_core.carrier import Carrier
from hedgerow_core.service import CAUSES
from support import refuses

OURS = b"\x10ours!"


def address(number):
    return b"\1" + number.to_bytes(6, "big")


def hear(carrier, number, now, rssi=-60, load=9, known=5, takes_calls=True):
    beacon = Beacon(number.to_bytes(6, "little"), known, b"abcd", load, number.to_bytes(8, "big"))
    carrier.heard(beacon, address(number), rssi, now, takes_calls)


def asked(carrier, now):
    """All nodes, as a host gets them."""
    nodes = []
    page, pages = 0, 1
    while page < pages:
        message = survey.encode_nodes(carrier, page, now)
        assert len(message) <= limits.ANSWER_BYTES
        at, pages, found = survey.decode_nodes(message)
        assert at == page
        nodes += found
        page += 1
    return nodes


def test_a_neighbour_is_told_with_age_signal_load_and_what_it_knows():
    carrier = Carrier(OURS, 0)
    hear(carrier, 7, 1_000, rssi=-83, load=200, known=0x1234)
    hear(carrier, 9, 5_000, takes_calls=False)
    assert asked(carrier, 31_000) == [
        ((7).to_bytes(6, "little"), 30, -83, 200, 0x1234, 0, 0, survey.CONNECTABLE),
        ((9).to_bytes(6, "little"), 26, -60, 9, 5, 0, 0, 0),
    ]


def test_version_and_battery_are_told_of_who_named_itself_and_stay_over_a_new_beacon_id():
    carrier = Carrier(OURS, 0)
    hear(carrier, 7, 1_000)
    carrier.opened(3, address(7), 1_000)
    carrier.named(3, (7).to_bytes(6, "little"), address(7), bytes((0x21, 88)))
    (node,) = asked(carrier, 2_000)
    assert node[5:] == (0x21, 88, survey.LINKED | survey.CONNECTABLE)
    carrier.named(3, (8).to_bytes(6, "little"), address(8), bytes((0x21, 87)))
    hear(carrier, 8, 3_000)
    (node,) = asked(carrier, 4_000)
    assert (node[0], node[5], node[6]) == ((8).to_bytes(6, "little"), 0x21, 87)


def test_a_name_without_version_says_nothing_new_of_it():
    carrier = Carrier(OURS, 0)
    hear(carrier, 7, 1_000)
    carrier.opened(3, address(7), 1_000)
    carrier.named(3, (7).to_bytes(6, "little"), address(7), b"\x21\x58")
    carrier.named(3, (7).to_bytes(6, "little"), address(7))
    assert asked(carrier, 2_000)[0][5:7] == (0x21, 0x58)


def test_who_is_linked_and_was_not_heard_is_told_and_who_was_not_heard_for_a_minute_is_not():
    carrier = Carrier(OURS, 0)
    hear(carrier, 7, 0)
    carrier.opened(3, address(9), 1_000)
    now = limits.NEIGHBOUR_FORGET_MS + 1
    assert asked(carrier, now) == [(bytes(6), 0, -128, 0, 0, 0, 0, survey.LINKED)]


def test_all_neighbours_cross_in_pages():
    carrier = Carrier(OURS, 0)
    for number in range(1, limits.NEIGHBOURS + 1):
        hear(carrier, number, 1_000 + number)
    found = asked(carrier, 2_000)
    assert sorted(node[0] for node in found) == sorted(
        number.to_bytes(6, "little") for number in range(1, limits.NEIGHBOURS + 1)
    )


def test_a_page_that_is_not_there_is_no_page():
    carrier = Carrier(OURS, 0)
    assert survey.decode_nodes(survey.encode_nodes(carrier, 0, 0)) == (0, 1, [])
    for page in (1, 7, 255):
        assert refuses(survey.decode_nodes, survey.encode_nodes(carrier, page, 0))


def test_damaged_lists_of_nodes_are_told():
    carrier = Carrier(OURS, 0)
    hear(carrier, 7, 0)
    whole = survey.encode_nodes(carrier, 0, 0)
    for end in range(len(whole)):
        if end != 3:
            assert refuses(survey.decode_nodes, whole[:end])
    assert refuses(survey.decode_nodes, whole + b"\0")
    assert refuses(survey.decode_nodes, b"\x41" + whole[1:])
    assert refuses(survey.decode_nodes, whole[:3] + bytes(survey.NODE_BYTES * 17))


def test_counts_cross_and_what_does_not_fit_is_the_largest_that_does():
    counted = counts.made()
    counted[counts.KEPT] = 7
    starts = [0, 1, 2, 70_000, 4, 5]
    message = survey.encode_counts(3, starts, 101, counted)
    assert len(message) <= limits.ANSWER_BYTES
    cause, found, battery, numbers = survey.decode_counts(message)
    assert (cause, found, battery) == (3, [0, 1, 2, 0xFFFF, 4, 5], 101)
    assert numbers == list(counted)
    for end in range(len(message)):
        assert refuses(survey.decode_counts, message[:end])
    assert refuses(survey.decode_counts, message + b"\0")
    assert refuses(survey.decode_counts, message[:1] + bytes((CAUSES,)) + message[2:])


def test_beacons_and_meetings_in_vain_are_counted():
    carrier = Carrier(OURS, 0)
    hear(carrier, 7, 0)
    assert carrier.again((7).to_bytes(8, "big"), address(7), -50, 10)
    assert not carrier.again(bytes(8), address(7), -50, 10)
    carrier.opened(1, address(7), 20)
    carrier.ended(1, 30, True)
    carrier.met(address(7), 40, False)
    counted = carrier.counts
    assert (counted[counts.HEARD], counted[counts.VAIN]) == (2, 1)
    carrier.counts[counts.HEARD] = counts.WRAP
    hear(carrier, 7, 50)
    assert carrier.counts[counts.HEARD] == 0, "it must not grow into an object"


def test_who_passes_a_probe_on_calls_who_knows_the_same_and_only_for_a_while():
    carrier = Carrier(OURS, 0)
    hear(carrier, 7, 0)
    assert carrier.meeting(b"abcd", 5, 2_000) is None
    carrier.seek_until = 5_000
    carrier.meeting(b"abcd", 5, 2_000)
    assert carrier.meeting(b"abcd", 5, 4_000) == address(7)
    assert carrier.meeting(b"abcd", 5, 5_000) is None
