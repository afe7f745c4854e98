"""Whatever a board says of its surroundings, and whatever a probe brings, is read as meant or refused."""

from hypothesis import given
from hypothesis import strategies as st

from hedgerow_core import counts, limits, probe, survey
from hedgerow_core.beacon import Beacon
from hedgerow_core.carrier import Carrier
from hedgerow_core.errors import PeerError
from hedgerow_core.service import CAUSES, ECHO, NODES_IS, PROBE

NAMES = st.text(min_size=1, max_size=32)
NEIGHBOURS = st.lists(
    st.tuples(
        st.binary(min_size=6, max_size=6).filter(any),
        st.integers(-128, 127),
        st.integers(0, 255),
        st.integers(0, 70_000),
        st.integers(0, 59_999),
        st.booleans(),
    ),
    max_size=limits.NEIGHBOURS,
    unique_by=lambda node: node[0],
)


@given(NEIGHBOURS)
def test_every_neighbour_is_told_as_it_was_heard(neighbours):
    carrier = Carrier(bytes(6), 0)
    now = 60_000
    for number, (beacon_id, rssi, load, known, ago, takes_calls) in enumerate(neighbours):
        one = Beacon(beacon_id, known, bytes(4), load, number.to_bytes(8, "big"))
        carrier.heard(one, number.to_bytes(7, "big"), rssi, now - ago, takes_calls)
    found = []
    page, pages = 0, 1
    while page < pages:
        _, pages, nodes = survey.decode_nodes(survey.encode_nodes(carrier, page, now))
        found += nodes
        page += 1
    assert sorted(found) == sorted(
        (beacon_id, ago // 1000, rssi, load, min(known, 0xFFFF), 0, 0, takes_calls * survey.CONNECTABLE)
        for beacon_id, rssi, load, known, ago, takes_calls in neighbours
    )


@given(
    st.integers(0, CAUSES - 1),
    st.lists(st.integers(0, 0xFFFF), min_size=CAUSES, max_size=CAUSES),
    st.integers(0, 255),
    st.lists(st.integers(0, 0xFFFFFFFF), min_size=counts.COUNTERS, max_size=counts.COUNTERS),
)
def test_counts_come_as_they_were_told(cause, starts, battery, counted):
    message = survey.encode_counts(cause, starts, battery, counted)
    assert survey.decode_counts(message) == (cause, starts, battery, counted)


@given(st.binary(max_size=300), st.sampled_from([survey.decode_nodes, survey.decode_counts, probe.hops_of]))
def test_any_bytes_are_an_answer_or_refused(data, decode):
    for message in (data, bytes((NODES_IS,)) + data, bytes((ECHO,)) + data):
        try:
            decode(message)
        except PeerError:
            pass


@given(st.lists(NAMES, min_size=2, max_size=limits.TRACE_HOPS + 1, unique=True), st.data())
def test_an_echo_names_every_board_on_the_way_and_adds_up(names, data):
    times = [data.draw(st.integers(0, 9_000)) for _ in names]
    memories = [[] for _ in names]
    message = bytes((PROBE,)) + probe.question(b"12345678", names[-1])[1:]
    reply = b""
    for number, name in enumerate(names):
        reply, message = probe.take(memories[number], message, "before", name, 0)
        assert bool(reply) == (name == names[-1])
    for number in range(len(names) - 2, -1, -1):
        to, reply = probe.back(memories[number], reply, "behind", names[number], times[number])
        assert to == "before" and len(reply) <= limits.ANSWER_BYTES
    nonce, hops = probe.hops_of(reply)
    assert nonce == b"12345678"
    assert [waited for waited, _ in hops] == [0, *times[-2::-1]]
    assert all(name.startswith(found) for name, (_, found) in zip(reversed(names), hops, strict=True))


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.binary(max_size=260)), max_size=30), NAMES)
def test_no_messages_of_neighbours_make_a_board_say_more_than_a_few_short_ones(messages, name):
    memory = []
    for now, (source, body) in enumerate(messages):
        reply, onward = probe.take(memory, bytes((PROBE,)) + body, source, name, now)
        to, echo = probe.back(memory, bytes((ECHO,)) + body, source, name, now)
        assert max(len(reply), len(onward), len(echo)) <= limits.ANSWER_BYTES
        assert to != source or to is None
        assert len(memory) < limits.PROBES
