import shelf_model
from hedgerow_core import limits
from hedgerow_core.admission import Admission
from hedgerow_core.clock import encode_clock
from hedgerow_core.errors import PeerError
from hedgerow_core.link import Link, Packets, Stream
from hedgerow_core.mesh_clock import MeshClock
from hedgerow_core.peer import SERVICE, Peer
from hedgerow_core.session import INITIATOR, MESH, PAIR, RESPONDER, Session
from hedgerow_core.shelf import SOURCE_HOST, Shelf
from hedgerow_core.sketch import Sketch
from hedgerow_core.store import MemoryStore
from support import KEY, letter, links, run, sessions, shelf

CLOCK = b"\x09" + encode_clock(0, True)


def framings():
    return (Stream, lambda: Packets(244), lambda: Packets(20))


def test_two_shelves_become_equal_over_every_kind_of_line():
    for framing in framings():
        a, b = shelf(60), shelf(70, start=40)
        run(*links(a, b, framing))
        assert a.summary() == b.summary() and a.count() == b.count() == 110


def test_equal_shelves_exchange_no_envelope():
    a, b = shelf(40), shelf(40)
    one, two = links(a, b)
    run(one, two)
    assert one.peer.put_count == two.peer.put_count == 0


def test_the_largest_envelope_crosses():
    a, b = shelf(), shelf()
    big = letter(1, limits.ENVELOPE_BYTES - 20)
    assert len(big.encode()) == limits.ENVELOPE_BYTES
    a.put(big, 0)
    run(*links(a, b, lambda: Packets(20)))
    assert b.get(big.id, 0).body == big.body


def test_a_hop_is_counted_on_every_link_and_the_age_goes_on():
    a, b = shelf(), shelf()
    a.put(letter(1).carried(3, 10), 0)
    run(*links(a, b))
    assert (b.get(letter(1).id, 0).hops, b.get(letter(1).id, 0).age) == (4, 10)


def test_a_letter_at_its_last_hop_is_kept_but_not_handed_on():
    a, b = shelf(), shelf()
    a.put(letter(1).carried(limits.HOPS, 0), 0)
    a.put(letter(2), 0)
    run(*links(a, b))
    assert b.has(letter(2).id) and not b.has(letter(1).id) and a.has(letter(1).id)


def test_many_letters_at_their_last_hop_do_not_hide_what_is_behind_them():
    for swap in (False, True):
        a, b = shelf(), shelf()
        for number in range(3 * limits.ASK_IDS):
            a.put(letter(number).carried(limits.HOPS, 0), 0)
        a.put(letter(999), 0)
        run(*links(b, a) if swap else links(a, b))
        assert b.has(letter(999).id) and b.count() == 1
        assert len(a.ids()) == a.count(), "a host reads them"


def test_a_new_letter_is_pushed_at_once_on_an_open_link():
    a, b = shelf(5), shelf(5)
    one, two = links(a, b)
    now = run(one, two)
    a.put(letter(99), now)
    one.push(now)
    for data in one.outgoing(now):
        two.receive(data, now)
    assert b.has(letter(99).id)
    two.push(now)
    run(one, two, now)
    assert two.peer.put_count == 0, "it must not come back"


def dice(seed):
    """Random numbers below 2^15, the same on every interpreter."""
    state = [seed]

    def throw():
        state[0] = (state[0] * 1103515245 + 12345) & 0x7FFFFFFF
        return state[0] >> 16

    return throw


def test_lost_packets_cost_time_and_no_letter():
    for seed in range(12):
        a, b = shelf(30), shelf(30, start=25)
        one, two = links(a, b, lambda: Packets(60))
        throw = dice(seed)
        run(one, two, line=lambda data, throw=throw: b"" if throw() % 7 == 0 else data, rounds=4000)
        assert a.summary() == b.summary(), seed
        assert one.session.gaps + two.session.gaps > 0


def test_a_lost_part_of_an_offer_is_asked_for_again():
    a, b = shelf(limits.OFFER_IDS * 3), shelf()
    one, two = links(a, b)
    offers = [0]

    def line(data):
        # Of the first three long frames, which are a's offer, the second is lost.
        if len(data) > 200 and offers[0] < 3:
            offers[0] += 1
            return b"" if offers[0] == 2 else data
        return data

    run(one, two, line=line, rounds=4000)
    assert offers[0] == 3
    assert a.summary() == b.summary()


def test_who_asks_the_same_again_and_again_does_not_keep_us_from_putting_again_what_was_lost():
    kept = shelf(limits.IN_FLIGHT + 2)
    peer = Peer(kept, 0, 10_000)
    peer.receive(CLOCK, 0)
    everything = b"".join(kept.ids())
    peer.receive(b"\x02" + everything, 0)
    while peer.outgoing(0):
        pass
    assert peer.put_count == limits.IN_FLIGHT
    # None of it arrives, and the other side asks just when we would put it again.
    now = 0
    while peer.put_count == limits.IN_FLIGHT:
        now += limits.RETRY_MS - 1
        peer.receive(b"\x02" + everything, now)
        peer.tick(now)
        while peer.outgoing(now):
            pass
        assert now < 3 * limits.RETRY_MS


def test_noise_on_a_serial_line_costs_no_letter():
    a, b = shelf(30), shelf(30, start=25)
    one, two = links(a, b)
    count = [0]

    def line(data):
        count[0] += 1
        if count[0] % 6 == 0:
            data = data[: len(data) // 2] + b"noise"
        return data

    run(one, two, line=line, rounds=4000)
    assert a.summary() == b.summary()
    assert one.framing.noise + two.framing.noise > 0


def test_an_ack_is_sent_only_after_the_shelf_was_flushed():
    a, b = shelf(1), shelf()
    one, two = links(a, b)
    order = []
    b.flush = lambda now: order.append("flush")
    acked = []
    for _ in range(20):
        for data in one.outgoing(0):
            two.receive(data, 0)
        for data in two.outgoing(0):
            events = one.receive(data, 0)
            if ("acked", letter(0).id) in events:
                order.append("ack")
                acked.append(letter(0).id)
    assert order[-2:] == ["flush", "ack"] and len(acked) == 1


def test_a_shelf_that_cannot_be_written_acknowledges_nothing_and_ends_no_link():
    for verb in ("flush", "append"):
        a, b = shelf(3), shelf()
        usual = getattr(b._store, verb)

        def full(value):
            raise OSError(28)

        setattr(b._store, verb, full)
        one, two = links(a, b)
        run(one, two, rounds=50)
        assert one.established and two.established, (one.reason, two.reason)
        assert b.count() == 0 and not bytes(one.peer._in_flight)
        # With room again what comes is kept, and on the next link all the rest.
        setattr(b._store, verb, usual)
        a.put(letter(7), 0)
        one.push(0)
        run(one, two, rounds=50)
        assert b.has(letter(7).id) and one.established and two.established
        run(*links(a, b), rounds=50)
        assert b.count() == 4


def test_a_peer_that_stops_answering_is_given_up():
    a, b = shelf(3), shelf()
    one, two = links(a, b)
    for _ in range(4):
        for data in one.outgoing(0):
            two.receive(data, 0)
        for data in two.outgoing(0):
            one.receive(data, 0)
    now = 0
    assert not one.settled
    while not one.closed and now < 10 * limits.STALL_MS:
        now += 1000
        one.tick(now)
        one.outgoing(now)
    assert one.closed and one.reason == "stalled"


def test_a_peer_cannot_make_us_ask_for_endless_ids():
    exchange = Peer(shelf(), 0)
    exchange.receive(CLOCK, 0)
    refused = 0
    for number in range(100_000 // limits.OFFER_IDS):
        ids = b"".join((number * 64 + i).to_bytes(8, "big") for i in range(limits.OFFER_IDS))
        try:
            exchange.receive(b"\1\0" + ids, 0)
        except PeerError:
            refused += 1
        if number > 100 and refused:
            break
    assert refused
    assert 0 < len(exchange._ask) <= limits.ASK_IDS * limits.ID_BYTES


def test_more_letters_than_are_asked_for_at_once_all_arrive():
    a, b = shelf(limits.ASK_IDS + 40), shelf()
    run(*links(a, b), rounds=2000)
    assert a.summary() == b.summary()


def test_what_a_board_offers_a_host_is_safe_or_is_not_taken_for_acknowledged():
    for durable in (True, False):
        host, board = shelf(1), shelf()
        board.durable = durable
        board.put(host.get(host.ids()[0], 0), 0)  # it came over a link that ended before the acknowledgement
        flushed = []
        board._store.flush = flushed.append
        ours, theirs = Peer(host, 0, tell_held=True), Peer(board, 0)
        events = []
        for now in range(0, 3_000, 500):
            for message in theirs.outgoing(now):
                events += ours.receive(message, now)
            for message in ours.outgoing(now):
                theirs.receive(message, now)
        assert flushed
        assert ("held" in [name for name, _ in events]) is durable


def test_damaged_messages_are_refused():
    exchange = Peer(shelf(3), 0)
    exchange.receive(CLOCK, 0)
    for message in (
        b"",
        b"\0",
        b"\1",
        b"\1\4",
        b"\1\1short",
        b"\2abc",
        b"\3",
        b"\3\5x",
        b"\3\x80bad",
        b"\4a",
        b"\x09\0\0\0\0",
        b"\x20",
    ):
        try:
            exchange.receive(message, 0)
        except PeerError:
            continue
        raise AssertionError(message)


def clocks(a: MeshClock, b: MeshClock) -> "tuple[Link, Link]":
    shelves = [Shelf(MemoryStore(), clock, 0) for clock in (a, b)]
    for number, one in enumerate(shelves):
        one.put(letter(number), 0)
    return links(*shelves)


def test_a_board_that_does_not_know_the_time_neither_gives_nor_takes_letters():
    for a, b in (
        (MeshClock(0, 5_000), MeshClock(0, 90_000, certain=True)),
        (MeshClock(0, 5_000), MeshClock(0, 5_000)),
    ):
        one, two = clocks(a, b)
        run(one, two)
        assert one.settled and two.settled
        assert one._shelf.count() == two._shelf.count() == 1


def test_a_board_that_learns_the_time_goes_on_with_letters_on_the_same_link():
    late = MeshClock(0, 5_000)
    one, two = clocks(late, MeshClock(0, 6_000, certain=True))
    now = run(one, two)
    assert one._shelf.count() == 1
    late.learn_from_host(6_000, now)
    now = run(one, two, now)
    assert one._shelf.count() == two._shelf.count() == 2


def test_a_new_board_takes_the_time_of_the_first_who_knows_and_letters_with_it():
    one, two = clocks(MeshClock(0), MeshClock(0, 90_000, certain=True))
    run(one, two)
    assert 89_999 <= one._shelf.clock.minute(0) <= 90_000
    # What it had before is from another time, and over.
    assert one._shelf.ids() == two._shelf.ids() == [letter(1).id]


def test_a_lost_clock_is_asked_for_again():
    a, b = shelf(1), shelf()
    one, two = links(a, b)
    frames = []

    def line(data):
        frames.append(data)
        # The first frames after the handshake carry the clocks.
        return b"" if 4 <= len(frames) <= 7 else data

    run(one, two, line=line)
    assert a.summary() == b.summary() and b.count() == 1


def test_a_host_whose_acknowledgement_got_lost_hears_of_its_letter_in_the_next_offer():
    a, b = shelf(2), shelf()
    run(*links(a, b))
    keys = sessions()
    host = Link(Stream(), keys[0], a, 0, ask_ms=1_000_000)
    board = Link(Stream(), keys[1], b, 0)
    events = []
    for _ in range(20):
        for data in host.outgoing(0):
            board.receive(data, 0)
        for data in board.outgoing(0):
            events += host.receive(data, 0)
    assert sorted(value for name, value in events if name == "held") == sorted(a.ids())


def test_a_letter_that_is_read_before_it_is_acknowledged_does_not_hold_up_the_next():
    a, b = shelf(), shelf()
    for number in (1, 2, 4, 5):
        a.put(shelf_model.envelope(number), 0)
    one, two = links(a, b)
    now = 0
    for _ in range(200):
        now += 10
        for giver, taker in ((one, two), (two, one)):
            for data in giver.outgoing(now):
                for name, _ in taker.receive(data, now):
                    if name == "stored" and taker is two:
                        for number in (1, 2, 4, 5):
                            if b.has(shelf_model.envelope(number).id):
                                b.prove(shelf_model.token(number), now)
        if one.settled and two.settled and b.proof_count() == 4:
            break
    assert now < 1_000, "it waited for a retry"


def test_service_messages_pass_beside_the_exchange():
    one, two = links(shelf(3), shelf())
    run(one, two)
    one.service(bytes((SERVICE,)) + b"status?")
    events = []
    for data in one.outgoing(0):
        events.extend(two.receive(data, 0))
    assert events == [("service", bytes((SERVICE,)) + b"status?")]


def test_a_link_whose_other_end_restarts_goes_on():
    a, b = shelf(5), shelf()
    one, two = links(a, b)
    now = run(one, two)
    _, session = sessions()
    session._seed = b"after the restart"
    two = Link(Stream(), session, b, now)
    a.put(letter(77), now)
    one.push(now)
    run(one, two, now)
    assert b.has(letter(77).id)
    assert one.session.generation == 2


def test_the_limits_of_messages_fit_into_frames():
    assert 1 + 1 + limits.OFFER_IDS * limits.ID_BYTES <= limits.FRAME_BYTES - 11
    assert 2 + limits.PUT_BYTES <= limits.FRAME_BYTES - 11
    assert KEY


def test_a_full_board_is_not_given_again_and_again_what_it_would_not_keep():
    for sketches in (False, True):
        now = 300 * 60_000
        large = shelf(max_count=400, sketch=Sketch(KEY[:16], 80) if sketches else None)
        small = shelf(max_count=60, max_tombstones=20, sketch=Sketch(KEY[:16], 80) if sketches else None)
        for number in range(300):
            large.put(letter(number).carried(0, number % 250), now)
        for number in range(1_000, 1_060):
            small.put(letter(number).carried(0, 100), now)
        small.admission = Admission(1_000 * limits.ENVELOPE_BYTES)
        put = []
        for _ in range(3):
            a, b = links(large, small)
            now = run(a, b, now)
            assert a.settled and b.settled
            put.append(a.peer.put_count)
        # At first what is younger than the oldest there, of which some has to go for the rest.
        assert 60 <= put[0] < 160 and put[1:] == [0, 0]
        assert max([small.get(each, now).age for each in small.ids()]) < 60


def test_only_an_owner_sets_the_clock_of_a_board_and_brings_letters_without_a_bound():
    host = b"owner or guest" * 2 + b"____"
    for guests in ([], [host]):
        clock = MeshClock(0, 1_000, True)
        board = Shelf(MemoryStore(), clock, 0)
        board.admission = Admission(board.max_bytes)
        ahead = Shelf(MemoryStore(), MeshClock(0, 1 << 20, True), 0)
        one = Link(Stream(), Session(INITIATOR, {PAIR: host}, b"seed of a", 0), ahead, 0)
        keys = {MESH: KEY, PAIR: [host]}
        two = Link(Stream(), Session(RESPONDER, keys, b"seed of b", 0, guests), board, 0)
        run(one, two)
        assert two.established and two.kind == PAIR
        assert (clock.minute(0) > 1_010) is (not guests)
        assert (two.peer._source == SOURCE_HOST) is (not guests)


def test_packets_have_the_size_that_the_other_end_takes_from_the_moment_it_is_known():
    packets = Packets(20)
    short = packets.send(bytes(100))
    packets.resize(100)
    assert max(map(len, short)) == 20
    assert [len(packet) for packet in packets.send(bytes(199))] == [100, 100, 2]
    other = Packets(20)
    assert [frame for packet in short for frame in other.receive(packet)] == [bytes(100)]
