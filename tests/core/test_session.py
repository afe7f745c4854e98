from hedgerow_core import limits
from hedgerow_core.errors import LimitError, PeerError, VersionError
from hedgerow_core.mac import aes_ctr, hmac_sha256
from hedgerow_core.session import INITIATOR, MESH, PAIR, PLAINTEXT_BYTES, RESPONDER, Session
from support import KEY, refuses, sessions, unhex, vectors


def deliver(giver, taker, now=0):
    """Carry all frames one way; the plaintexts."""
    found = []
    for frame in giver.outgoing():
        found.extend(taker.receive(frame, now))
    return found


def handshake(a, b, now=0):
    deliver(a, b, now)
    deliver(b, a, now)
    deliver(a, b, now)


def established():
    a, b = sessions()
    handshake(a, b)
    assert a.established and b.established
    return a, b


def test_messages_pass_both_ways_and_are_not_readable_on_the_line():
    a, b = established()
    for size in (0, 1, 16, PLAINTEXT_BYTES):
        a.send(b"m" * size)
        frames = a.outgoing()
        assert len(frames[0]) <= limits.FRAME_BYTES
        assert size < 8 or b"mmmm" not in frames[0]
        assert b.receive(frames[0], 0) == [b"m" * size]
        b.send(b"n" * size)
        assert deliver(b, a) == [b"n" * size]


def test_a_wrong_key_ends_both_ends_with_a_reason_and_no_message():
    a, b = sessions(key_b=b"other" * 6)
    deliver(a, b)
    for frame in b.outgoing():
        assert refuses(a.receive, frame, 0)
    assert a.closed and a.reason == "wrong key"
    assert not b.established


def test_a_responder_without_that_kind_of_key_says_so():
    a = Session(INITIATOR, {MESH: KEY}, b"a", 0)
    b = Session(RESPONDER, {PAIR: KEY}, b"b", 0)
    for frame in a.outgoing():
        assert refuses(b.receive, frame, 0)
    deliver(b, a)
    assert a.closed and a.reason == "wrong key"


HOSTS = [b"alice" * 6 + b"__", b"bob" * 10 + b"__", b"carol" * 6 + b"__"]


def shake(a, b):
    """Hand frames over until nobody says any more; what is refused is."""
    said = True
    while said:
        said = False
        for one, other in ((a, b), (b, a)):
            for frame in one.outgoing():
                said = True
                try:
                    other.receive(frame, 0)
                except PeerError:
                    pass


def paired(host, keys, seed=b"host", guests=None):
    """A host with the key ``host`` and a board with ``keys``, after the handshake."""
    a = Session(INITIATOR, {PAIR: host}, seed, 0)
    b = Session(RESPONDER, {MESH: KEY, PAIR: keys}, b"board", 0, guests)
    shake(a, b)
    return a, b


def test_a_board_finds_the_key_of_each_of_its_hosts():
    for host in HOSTS:
        a, b = paired(host, list(HOSTS))
        assert a.established and b.established
        assert a.pairing == b.pairing == host
        b.send(b"for " + host)
        assert deliver(b, a) == [b"for " + host]


def test_a_host_that_is_not_among_them_hears_at_once_that_its_key_is_wrong():
    for keys in ([], HOSTS[1:], [b""], b""):
        a, b = paired(HOSTS[0], keys)
        assert a.closed and a.reason == "wrong key" and not b.established


def test_a_pairing_that_comes_or_goes_counts_at_the_next_hello():
    keys = HOSTS[:1]
    _, b = paired(HOSTS[0], keys)
    late = Session(INITIATOR, {PAIR: HOSTS[1]}, b"late", 0)
    shake(late, b)
    assert late.reason == "wrong key"
    keys.append(HOSTS[1])
    again = Session(INITIATOR, {PAIR: HOSTS[1]}, b"again", 0)
    handshake(again, b)
    assert again.established and b.pairing == HOSTS[1]
    keys.remove(HOSTS[1])
    gone = Session(INITIATOR, {PAIR: HOSTS[1]}, b"gone", 0)
    shake(gone, b)
    assert gone.reason == "wrong key"
    # What runs is not touched by that.
    again.send(b"still here")
    assert deliver(again, b) == [b"still here"]


def test_a_hello_names_nobody_and_no_two_of_a_host_look_alike():
    hellos = [Session(INITIATOR, {PAIR: HOSTS[0]}, b"seed%d" % n, 0).outgoing()[0] for n in range(2)]
    assert hellos[0][19:] != hellos[1][19:] and len(hellos[0]) == 27
    for hello in hellos:
        assert hello[19:] == hmac_sha256(HOSTS[0], b"hedgerow hello" + hello[3:19])[:8]
    assert len(Session(INITIATOR, {MESH: HOSTS[0]}, b"seed", 0).outgoing()[0]) == 19


def test_who_repeats_or_forges_a_hello_does_not_learn_whether_the_board_knows_the_pairing():
    first, second = (
        Session(INITIATOR, {PAIR: HOSTS[0]}, seed, 0).outgoing()[0] for seed in (b"first", b"second")
    )
    forged = [first[:19] + second[19:]]
    for at in range(3, 27):
        bad = bytearray(first)
        bad[at] ^= 1
        forged.append(bytes(bad))
    known = Session(RESPONDER, {PAIR: HOSTS}, b"board", 0)
    known.receive(first, 0)
    answer = known.outgoing()[0]
    forged.append(first)
    for hello in forged:
        board = Session(RESPONDER, {PAIR: HOSTS[1:]}, b"board", 0)
        board.receive(hello, 0)
        (reply,) = board.outgoing()
        assert reply[:2] == answer[:2] and len(reply) == len(answer) and reply != answer
        assert not board.established


def test_a_hello_of_the_wrong_length_is_refused():
    board = Session(RESPONDER, {PAIR: HOSTS}, b"board", 0)
    hello = Session(INITIATOR, {PAIR: HOSTS[0]}, b"first", 0).outgoing()[0]
    for bad in (hello[:19], hello[:-1], hello + b"x"):
        assert refuses(board.receive, bad, 0)
    assert not board._pending


def test_answers_to_somebody_who_called_before_do_not_end_a_call():
    before = Session(INITIATOR, {PAIR: HOSTS[1]}, b"before", 0)
    board = Session(RESPONDER, {PAIR: HOSTS}, b"board", 0)
    deliver(before, board)
    stale = board.outgoing() * 2
    a = Session(INITIATOR, {PAIR: HOSTS[0]}, b"host", 0)
    for reply in stale:
        assert refuses(a.receive, reply, 0)
    shake(a, board)
    assert a.established and board.pairing == HOSTS[0]


def test_a_link_that_becomes_one_of_the_mesh_has_no_pairing_any_more():
    a, b = paired(HOSTS[0], HOSTS)
    shake(a, b)
    assert b.pairing == HOSTS[0]
    member = Session(INITIATOR, {MESH: KEY}, b"member", 0)
    shake(member, b)
    assert b.kind == MESH and b.pairing == b""


def test_a_guest_is_told_from_an_owner():
    for host, guest in ((HOSTS[0], False), (HOSTS[1], True)):
        _, board = paired(host, HOSTS, guests=HOSTS[1:])
        assert board.established and board.guest is guest


def test_a_guest_who_comes_after_the_line_was_opened_is_no_owner():
    guests = []
    board = Session(RESPONDER, {PAIR: HOSTS}, b"board", 0, guests)
    guests.append(HOSTS[1])
    shake(Session(INITIATOR, {PAIR: HOSTS[1]}, b"host", 0), board)
    assert board.established and board.guest


def test_vectors_of_both_kinds_of_handshake():
    for vector in vectors("session"):
        kind, key = vector["kind"], unhex(vector["key"])
        others = [unhex(other) for other in vector["others"]]
        a = Session(INITIATOR, {kind: key}, unhex(vector["seed_initiator"]), 0)
        others.append(key)
        keys = {PAIR: others} if kind == PAIR else {MESH: key}
        b = Session(RESPONDER, keys, unhex(vector["seed_responder"]), 0)
        frames = []
        for giver, taker in ((a, b), (b, a), (a, b)):
            for frame in giver.outgoing():
                frames.append(frame)
                taker.receive(frame, 0)
        a.send(unhex(vector["plaintext"]))
        frames.extend(a.outgoing())
        assert frames == [unhex(frame) for frame in vector["frames"]]
        assert b.receive(frames[-1], 0) == [unhex(vector["plaintext"])]


def test_another_version_is_named_on_both_ends():
    a, b = sessions()
    hello = bytearray(a.outgoing()[0])
    hello[1] = 2
    try:
        b.receive(bytes(hello), 0)
    except VersionError:
        deliver(b, a)
        assert a.closed and a.reason == "version"
        return
    raise AssertionError


def test_a_recorded_frame_is_refused_the_second_time():
    a, b = established()
    a.send(b"once")
    frame = a.outgoing()[0]
    assert b.receive(frame, 0) == [b"once"]
    assert refuses(b.receive, frame, 0)


def test_a_frame_sent_back_to_its_sender_is_refused():
    a, b = established()
    a.send(b"mine")
    assert refuses(a.receive, a.outgoing()[0], 0)


def test_every_flipped_bit_is_refused_and_the_true_frame_still_arrives():
    a, b = established()
    a.send(b"a message")
    frame = a.outgoing()[0]
    for at in range(len(frame)):
        for bit in range(8):
            bad = bytearray(frame)
            bad[at] ^= 1 << bit
            assert refuses(b.receive, bytes(bad), 0), (at, bit)
    assert b.receive(frame, 0) == [b"a message"]


def test_lost_frames_do_not_end_the_session():
    a, b = established()
    for number in range(300):
        a.send(bytes((number & 0xFF,)))
        frame = a.outgoing()[0]
        if number % 7 == 0:
            assert b.receive(frame, 0) == [bytes((number & 0xFF,))]


def test_the_counter_passes_two_to_the_sixteen():
    a, b = established()
    a._sent, b._received = 0xFFFE, 0xFFFD
    for number in range(5):
        a.send(bytes((number,)))
        assert deliver(a, b) == [bytes((number,))]
    assert b._received > 0xFFFF


def test_who_lets_the_counter_run_as_fast_as_gaps_allow_is_refused_and_crashes_nobody():
    a, b = established()
    for _ in range(limits.SESSION_FRAMES >> 16):
        a.send(b"on")
        assert deliver(a, b) == [b"on"]
        a._sent += 0xFFFF
    a._sent -= 0xFFFF
    b._received = limits.SESSION_FRAMES - 2
    a._sent = limits.SESSION_FRAMES - 1
    a.send(b"the last")
    assert deliver(a, b) == [b"the last"]
    for number in (limits.SESSION_FRAMES, 1 << 32):
        b._received = number - 1
        counter = (number & 0xFFFFFFFF).to_bytes(4, "big")
        content = aes_ctr(a._keys[:32], bytes(8) + counter + bytes(4), b"one more")
        tag = hmac_sha256(a._keys[32:64], counter + content)[: limits.TAG_BYTES]
        assert refuses(b.receive, b"\4" + counter[2:] + content + tag, 0)


def test_every_handshake_frame_may_be_lost_once():
    for lost in range(3):
        a, b = sessions()
        now = sent = 0
        while not (a.established and b.established) and now < limits.HANDSHAKE_MS:
            for giver, taker in ((a, b), (b, a)):
                for frame in giver.outgoing():
                    if sent != lost:
                        taker.receive(frame, now)
                    sent += 1
            now += 100
            a.tick(now)
            b.tick(now)
        assert a.established and b.established, lost
        a.send(b"x")
        assert deliver(a, b, now) == [b"x"]


def test_who_does_not_authenticate_in_time_is_given_up():
    a, b = sessions()
    assert b.deadline() == limits.HANDSHAKE_MS
    deliver(a, b)
    b.tick(limits.HANDSHAKE_MS)
    assert b.closed and b.reason == "timeout"
    # However many hellos come.
    b = Session(RESPONDER, {MESH: KEY}, b"b", 0)
    for now in range(0, 6000, 500):
        for frame in Session(INITIATOR, {MESH: KEY}, b"n%d" % now, now).outgoing():
            b.receive(frame, now)
        b.tick(now)
    assert b.closed


def test_a_host_that_restarts_is_let_in_again_and_forged_hellos_change_nothing():
    a, b = established()
    generation = b.generation
    stranger = Session(INITIATOR, {MESH: b"other" * 6}, b"stranger", 0)
    deliver(stranger, b)
    b.outgoing()
    a.send(b"still here")
    assert deliver(a, b) == [b"still here"]
    again = Session(INITIATOR, {MESH: KEY}, b"again", 0)
    handshake(again, b)
    assert b.generation == generation + 1
    again.send(b"back")
    assert deliver(again, b) == [b"back"]


def test_a_board_that_restarts_is_shaken_hands_with_again():
    a, b = established()
    fresh = Session(RESPONDER, {MESH: KEY}, b"after the restart", 0)
    a.send(b"lost")
    for frame in a.outgoing():
        assert refuses(fresh.receive, frame, 0)
    deliver(fresh, a)
    handshake(a, fresh)
    assert a.generation == 2 and fresh.established
    a.send(b"found")
    assert deliver(a, fresh) == [b"found"]


def test_a_reflected_handshake_is_refused():
    a, b = sessions()
    hello = a.outgoing()[0]
    assert refuses(a.receive, hello, 0)
    assert refuses(a.receive, b"\2\1" + hello[3:] + bytes(16), 0)
    assert not a.established


def test_every_byte_string_is_refused_or_ignored():
    for make in (
        lambda: sessions()[0],
        lambda: sessions()[1],
        lambda: established()[0],
        lambda: established()[1],
    ):
        end = make()
        for first in range(256):
            for size in (0, 1, 2, 10, 18, 19, 34, 40):
                try:
                    assert end.receive((bytes((first, 1)) + bytes(40))[:size], 0) == []
                except PeerError:
                    pass


def test_messages_above_the_limit_or_too_early_are_our_own_mistakes():
    a, _ = sessions()
    for message, end in ((b"x", a), (bytes(PLAINTEXT_BYTES + 1), established()[0])):
        try:
            end.send(message)
        except LimitError:
            continue
        raise AssertionError


def test_equal_keys_and_new_seeds_give_new_nonces_and_new_keys():
    a, b = established()
    c = Session(INITIATOR, {MESH: KEY}, b"another seed", 0)
    d = Session(RESPONDER, {MESH: KEY}, b"yet another", 0)
    handshake(c, d)
    a.send(b"same")
    c.send(b"same")
    assert a.outgoing() != c.outgoing()
