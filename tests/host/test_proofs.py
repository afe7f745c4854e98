"""Proofs end to end: what a writer is told of a letter is true, and what was read is let go everywhere."""

import hashlib
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from node_support import DAY_MS, MINUTE_MS, Village
from people_support import NOW, flip, source

from hedgerow import errors, proofs
from hedgerow.node import Node
from hedgerow.outbox import CARRIED, DELIVERED, EXPIRED, QUEUED
from hedgerow_core import envelope as envelopes
from hedgerow_core import limits
from hedgerow_core.clock import Clock
from hedgerow_core.envelope import Envelope
from hedgerow_core.link import Link, Stream
from hedgerow_core.session import PAIR, RESPONDER, Session
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore

ALICE, BOB, CAROL = "Alice", "Bob", "Carol"
KEY = b"k" * 32
LIFETIME_MS = 3 * DAY_MS
HOUR_MS = 60 * MINUTE_MS
ORDER = [QUEUED, CARRIED, EXPIRED, DELIVERED]


@pytest.fixture
def village():
    """Alice and Bob, who are contacts."""
    with Village(ALICE, BOB) as found:
        found.befriend(ALICE, BOB)
        yield found


def proof_of(village, who=BOB):
    """The proof that they published last."""
    return village.proofs(who)[-1]


class Carrier:
    """A board of one shelf, which a test visits with real links."""

    def __init__(self, now, count=100):
        self.shelf = Shelf(MemoryStore(), Clock(), now, count)
        self.acked = set()  # ids that somebody heard it acknowledge

    def visit(self, village, who, lose=None):
        """Plug in until both are quiet; ``lose`` says which writes get lost on the cable."""
        node, now = village.nodes[who], village.now
        link = node.attach(KEY, now)
        board = Link(Stream(), Session(RESPONDER, {PAIR: KEY}, bytes(32), now), self.shelf, now)
        quiet = 0
        while quiet < 5 and not link.closed and now < village.now + 15_000:
            out, back = link.outgoing(now), board.outgoing(now)
            for data in out:
                if lose is None or not lose(data):
                    board.receive(data, now)
            for data in back:
                if lose is None or not lose(data):
                    self._take(node, link, data, now)
            village.events[who] += node.poll(now)
            link.push(now)
            quiet = 0 if out or back else quiet + 1
            now += 1_000
            link.tick(now)
            board.tick(now)

    def _take(self, node, link, data, now):
        for name, value in link.receive(data, now):
            if name in ("acked", "declined", "proof"):
                getattr(node, name)(value, now)
            if name == "acked":
                self.acked.add(value)


# What the writer is told


def test_a_letter_is_queued_then_carried_then_delivered(village):
    board = Carrier(NOW)
    village.send(ALICE, BOB, "over the board")
    assert village.states(ALICE) == [QUEUED]
    board.visit(village, ALICE)
    assert village.states(ALICE) == [CARRIED]
    board.visit(village, BOB)
    assert village.read(BOB) == [(ALICE, "over the board")] and village.states(ALICE) == [CARRIED]
    board.visit(village, ALICE)
    assert village.states(ALICE) == [DELIVERED]
    for shelf in (board.shelf, village.nodes[ALICE].shelf, village.nodes[BOB].shelf):
        assert [shelf.get(identity, NOW) for identity in shelf.ids()] == [None] * shelf.count()
    village.reopen(ALICE)
    assert village.states(ALICE) == [DELIVERED]
    assert village.nodes[ALICE].inbox()[0].state == DELIVERED


def test_a_letter_that_nobody_proved_is_expired_when_its_lifetime_is_over_and_not_before(village):
    village.send(ALICE, BOB, "nobody comes by")
    village.now += LIFETIME_MS - 1
    village.poll(ALICE)
    assert village.states(ALICE) == [QUEUED]
    village.now += 1
    village.poll(ALICE)
    assert village.states(ALICE) == [EXPIRED]


def test_a_proof_that_comes_after_the_lifetime_still_tells_that_the_letter_arrived(village):
    village.send(ALICE, BOB, "late thanks")
    village.carry(ALICE, BOB)
    village.poll(BOB)
    village.now += LIFETIME_MS
    village.poll(ALICE)
    assert village.states(ALICE) == [EXPIRED]
    village.prove(proof_of(village), ALICE)
    assert village.states(ALICE) == [DELIVERED]


def test_a_letter_that_waits_for_an_answer_is_queued_and_keeps_its_number():
    with Village(ALICE, BOB) as village:
        village.nodes[BOB].add(village.nodes[ALICE].invite(NOW), NOW)
        village.send(BOB, ALICE, "early")
        village.now += 2 * LIFETIME_MS
        village.poll(BOB)
        before = village.nodes[BOB].sent()[0]
        assert (before.state, before.sent) == (QUEUED, False)
        village.exchange()
        after = village.nodes[BOB].sent()[0]
        assert (after.state, after.sent, after.id) == (DELIVERED, True, before.id)
        # It was written long ago, but its lifetime began when it left.
        assert [event.late for event in village.events[ALICE] if hasattr(event, "late")] == [False]


def test_a_letter_is_carried_even_if_the_proof_of_another_came(village):
    board = Carrier(NOW)
    village.send(ALICE, BOB, "first")
    village.carry(ALICE, BOB)
    village.send(ALICE, BOB, "second")
    board.visit(village, ALICE)
    village.poll(BOB)
    village.carry(BOB, ALICE)
    assert village.states(ALICE) == [DELIVERED, CARRIED]


def test_a_board_without_room_does_not_count_as_carrying(village):
    board = Carrier(NOW, count=0)
    village.send(ALICE, BOB, "no room at the mill")
    board.visit(village, ALICE)
    (letter,) = village.nodes[ALICE].sent()
    assert letter.state == QUEUED and letter.declined
    Carrier(NOW).visit(village, ALICE)
    (letter,) = village.nodes[ALICE].sent()
    assert letter.state == CARRIED and not letter.declined


def test_a_letter_that_waited_until_a_full_board_had_only_younger_ones_is_sealed_anew_and_taken(village):
    old = village.send(ALICE, BOB, "waiting for a board").id
    village.now += 2 * HOUR_MS
    board = Carrier(village.now, count=3)
    for number in range(3):
        lock = number.to_bytes(limits.LOCK_BYTES, "big")
        board.shelf.put(envelopes.make(envelopes.NORMAL, envelopes.TTL_DEFAULT, lock, bytes(40)), village.now)
    for _ in range(2):
        village.now += MINUTE_MS
        board.visit(village, ALICE)
    assert village.states(ALICE) == [CARRIED]
    assert not board.shelf.has(old) and not village.nodes[ALICE].shelf.has(old)
    board.visit(village, BOB)
    assert village.read(BOB) == [(ALICE, "waiting for a board")]


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=5))
@settings(max_examples=20, deadline=None)
def test_false_proofs_change_nothing(noise):
    with Village(ALICE, BOB, CAROL) as village:
        village.befriend(ALICE, BOB)
        village.befriend(ALICE, CAROL)
        village.send(ALICE, CAROL, "for Carol")
        village.carry(ALICE, CAROL)
        village.poll(CAROL)
        others = village.proofs(ALICE) + village.proofs(BOB)  # replayed: those of the requests
        letter = village.send(ALICE, BOB, "for Bob")
        for proof in [*noise, *others, proof_of(village, CAROL), letter.lock + bytes(4), letter.body[:16]]:
            village.prove(proof, ALICE)
            village.prove(proof, BOB)
        assert village.states(ALICE) == [DELIVERED, QUEUED]
        assert village.nodes[ALICE].shelf.has(letter.id)
        village.exchange()
        assert village.read(BOB) == [(ALICE, "for Bob")]
        assert village.states(ALICE) == [DELIVERED, DELIVERED]


def test_who_asked_learns_that_the_request_arrived_though_the_answer_was_lost():
    with Village(ALICE, BOB) as village:
        village.nodes[BOB].add(village.nodes[ALICE].invite(NOW), NOW)
        assert not village.nodes[BOB].contacts()[0].asked
        village.carry(BOB, ALICE)
        village.poll(ALICE)
        for proof in village.proofs(ALICE):
            village.prove(proof, BOB)
        (contact,) = village.nodes[BOB].contacts()
        assert contact.asked and not contact.connected
        assert village.envelopes(BOB) == []
        # The answer got lost; a repetition is not stopped by the proof of the first.
        village.now += LIFETIME_MS + DAY_MS
        for who in (ALICE, BOB):
            village.poll(who)
        village.exchange()
        (contact,) = village.nodes[BOB].contacts()
        assert contact.connected and not contact.asked


# The reader


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(
    "alter",
    [
        lambda e: Envelope(e.flags, e.ttl, e.lock, flip(e.body, 300), e.hops, e.age),
        lambda e: Envelope(e.flags, e.ttl, e.lock, flip(e.body, 5), e.hops, e.age),
        lambda e: Envelope(e.flags | 4, e.ttl, e.lock, e.body, e.hops, e.age),
        lambda e: Envelope(e.flags ^ 1, e.ttl ^ 1, e.lock, e.body, e.hops, e.age),
        lambda e: Envelope(e.flags, e.ttl, e.lock, e.body[:20], e.hops, e.age),
    ],
    ids=["body", "header", "shared bit", "priority and lifetime", "cut"],
)
def test_an_altered_copy_causes_no_loss_and_no_false_proof(village, alter, order):
    letter = village.send(ALICE, BOB, "genuine")
    copies = [letter, alter(letter)]
    village.put(copies[order[0]], BOB)
    village.poll(BOB)
    if village.read(BOB) == []:
        assert not any(hashlib.sha256(p).digest()[:12] == letter.lock for p in village.proofs(BOB))
    village.put(copies[order[1]], BOB)
    village.poll(BOB)
    assert village.read(BOB) == [(ALICE, "genuine")]
    assert len(village.received(BOB)) == 1
    village.carry(BOB, ALICE)
    assert village.states(ALICE) == [DELIVERED]


def test_a_copy_that_comes_to_light_again_is_proved_again_for_28_days(village):
    letter = village.send(ALICE, BOB, "once")
    village.exchange()
    for day in (5, 27):
        village.now = NOW + day * DAY_MS
        village.poll(BOB)
        assert village.nodes[BOB].shelf.count() == 0
        village.reopen(BOB)
        village.put(letter.carried(3, 0), BOB)  # somebody held it back, and set its age to nothing
        assert village.poll(BOB) == []
        assert village.proofs(BOB) and village.envelopes(BOB) == []
    village.now = NOW + 57 * DAY_MS
    village.poll(BOB)
    assert village.nodes[BOB]._database.rows("SELECT * FROM proofs") == []


def test_a_copy_of_a_request_is_proved_again_too(village):
    request = next(prefix for prefix in village.on_air if len(prefix) > 16 and prefix[0] & 4)
    envelope = envelopes.decode(request + bytes(2))
    village.send(BOB, ALICE, "hello")
    village.exchange()
    village.now += 5 * DAY_MS
    village.poll(ALICE)
    assert village.nodes[ALICE].shelf.count() == 0
    village.put(envelope, ALICE)
    assert village.poll(ALICE) == []
    (proof,) = village.proofs(ALICE)
    assert hashlib.sha256(proof).digest()[:16] == envelope.body[:16]


def test_the_proof_comes_even_if_the_computer_died_behind_the_letter(village):
    village.send(ALICE, BOB, "read in time")
    village.carry(ALICE, BOB)
    dying = patch.object(proofs.Proofs, "publish", side_effect=KeyboardInterrupt)
    with dying, pytest.raises(KeyboardInterrupt):
        village.poll(BOB)
    assert village.read(BOB) == [(ALICE, "read in time")]
    before = village.proofs(BOB)
    village.reopen(BOB)
    village.poll(BOB)
    assert len(village.proofs(BOB)) == len(before) + 1
    village.carry(BOB, ALICE)
    assert village.states(ALICE) == [DELIVERED]


def test_no_proof_is_given_for_a_letter_that_was_not_stored(village):
    letter = village.send(ALICE, BOB, "the disk is full")
    village.carry(ALICE, BOB)
    node = village.nodes[BOB]
    full = patch.object(node._database, "run", side_effect=errors.CannotWrite(home="x", reason="full"))
    with full, pytest.raises(errors.CannotWrite):
        village.poll(BOB)
    assert village.read(BOB) == []
    assert not any(hashlib.sha256(p).digest()[:12] == letter.lock for p in village.proofs(BOB))
    village.poll(BOB)
    assert village.read(BOB) == [(ALICE, "the disk is full")]
    village.carry(BOB, ALICE)
    assert village.states(ALICE) == [DELIVERED]


def test_a_proof_that_one_program_gives_is_offered_by_the_other(village):
    """One keeps the link, the other opens the letter."""
    board = Carrier(NOW)
    village.send(ALICE, BOB, "for two programs")
    board.visit(village, ALICE)
    keeper = village.nodes[BOB]
    with patch.object(keeper, "poll", lambda now: keeper.refresh(now) or []):
        board.visit(village, BOB)
        reader = Node.open(village.home(BOB), source("reader"), NOW)
        assert len(reader.poll(NOW)) == 1
        board.visit(village, BOB)
        assert reader.poll(NOW) == []
    reader.close()
    board.visit(village, ALICE)
    assert village.states(ALICE) == [DELIVERED]


def test_a_proof_that_one_program_saw_is_shown_by_the_other(village):
    village.send(ALICE, BOB, "text")
    village.carry(ALICE, BOB)
    village.poll(BOB)
    other = Node.open(village.home(ALICE), source("other"), NOW)
    village.carry(BOB, ALICE)
    assert [letter.state for letter in other.sent()] == [DELIVERED]
    other.close()


def test_a_proof_is_noticed_at_the_next_start_where_the_computer_died_with_it(village):
    village.send(ALICE, BOB, "text")
    village.carry(ALICE, BOB)
    village.poll(BOB)
    for proof in village.proofs(BOB):
        village.nodes[ALICE].shelf.prove(proof, NOW)  # and then the power goes
    assert village.states(ALICE) == [QUEUED]
    village.reopen(ALICE)
    village.poll(ALICE)
    assert village.states(ALICE) == [DELIVERED]


# Sending again


def expired(village, text="try again"):
    """A letter of Alice's that got lost."""
    village.send(ALICE, BOB, text)
    lost = village.envelopes(ALICE)[-1]
    village.now += LIFETIME_MS
    village.poll(ALICE)
    return village.nodes[ALICE].sent()[-1], lost


def test_an_expired_letter_can_be_sent_again_and_keeps_its_place(village):
    letter, lost = expired(village)
    village.send(ALICE, BOB, "the next one")
    village.exchange()
    again = village.nodes[ALICE].send_again(letter.id, village.now)
    assert again.lock != lost.lock
    assert village.states(ALICE) == [QUEUED, DELIVERED]
    village.exchange()
    assert village.states(ALICE) == [DELIVERED, DELIVERED]
    assert village.read(BOB) == [(ALICE, "try again"), (ALICE, "the next one")]
    assert not any(letter.late for letter in village.nodes[BOB].inbox())
    (shown, _) = village.nodes[BOB].inbox()
    assert shown.written_ms == letter.written_ms == NOW


@pytest.mark.parametrize("order", ["before", "after", "never"])
def test_a_letter_sent_again_is_shown_once(village, order):
    """The first try may have arrived, only its proof did not, or it comes late."""
    letter, lost = expired(village)
    if order == "before":
        village.put(lost, BOB)
        village.poll(BOB)
    village.put(village.nodes[ALICE].send_again(letter.id, village.now), BOB)
    village.poll(BOB)
    if order == "after":
        village.put(lost, BOB)
        village.poll(BOB)
    assert village.read(BOB) == [(ALICE, "try again")] == village.received(BOB)
    village.exchange()
    assert village.states(ALICE) == [DELIVERED]


def test_the_proof_of_the_first_try_counts_for_the_second(village):
    letter, lost = expired(village)
    village.put(lost, BOB)
    village.poll(BOB)
    village.nodes[ALICE].send_again(letter.id, village.now)
    assert village.states(ALICE) == [QUEUED]
    for proof in village.proofs(BOB):
        village.prove(proof, ALICE)
    assert village.states(ALICE) == [DELIVERED]


def test_only_what_expired_is_sent_again(village):
    letter, _ = expired(village)
    village.send(ALICE, BOB, "fresh")
    fresh = village.nodes[ALICE].sent()[-1]
    with pytest.raises(errors.NotExpired, match=f"Letter {fresh.id} is queued"):
        village.nodes[ALICE].send_again(fresh.id, village.now)
    village.exchange()
    with pytest.raises(errors.NotExpired, match="is delivered"):
        village.nodes[ALICE].send_again(fresh.id, village.now)
    theirs = village.nodes[BOB].inbox()[0].id
    for who, number in ((ALICE, 999), (ALICE, -1), (BOB, theirs)):
        with pytest.raises(errors.UnknownLetter):
            village.nodes[who].send_again(number, village.now)
    village.nodes[ALICE].send_again(letter.id, village.now)
    with pytest.raises(errors.NotExpired):
        village.nodes[ALICE].send_again(letter.id, village.now)


# The date inside


@pytest.mark.parametrize(
    "age_ms,late", [(LIFETIME_MS, False), (LIFETIME_MS + DAY_MS, True), (100 * DAY_MS, True)]
)
def test_a_letter_that_was_held_back_is_shown_but_not_as_new(village, age_ms, late):
    """A carrier set its age to nothing, and kept it for long."""
    letter = village.send(ALICE, BOB, "meet me at the bridge now")
    village.now += age_ms
    village.put(letter.carried(3, 0), BOB)
    (event,) = village.poll(BOB)
    assert (event.text, event.late) == ("meet me at the bridge now", late)
    (shown,) = village.nodes[BOB].inbox()
    assert (shown.late, shown.written_ms) == (late, NOW)


# A full shelf


def urgent(number):
    return envelopes.make(envelopes.URGENT, 15, bytes((number,)) * 12, bytes(60))


def test_a_letter_that_finds_the_shelf_full_waits_and_leaves_when_there_is_room(village):
    with patch("hedgerow.node._SHELF_COUNT", 10):
        village.reopen(ALICE)
        shelf = village.nodes[ALICE].shelf
        fillers = [urgent(number) for number in range(10)]
        for filler in fillers:
            shelf.put(filler, NOW)
        letter = village.send(ALICE, BOB, "patience")
        assert not shelf.has(letter.id) and not village.nodes[ALICE].has_room
        assert village.states(ALICE) == [QUEUED]
        village.reopen(ALICE)
        village.poll(ALICE)
        shelf = village.nodes[ALICE].shelf
        assert not shelf.has(letter.id)
        shelf.drop(fillers[0].id)
        village.now += MINUTE_MS
        village.poll(ALICE)
        assert shelf.has(letter.id) and village.nodes[ALICE].has_room
        assert shelf.get(letter.id, village.now).age == 1
        village.exchange()
        assert village.read(BOB) == [(ALICE, "patience")] and village.states(ALICE) == [DELIVERED]


def test_a_shelf_full_of_letters_of_others_that_live_longer_has_room_for_ours(village):
    with patch("hedgerow.node._SHELF_COUNT", 20):
        village.reopen(ALICE)
        sent = [village.send(ALICE, BOB, f"{number}") for number in range(8)]
        for number in range(40):
            other = envelopes.make(envelopes.NORMAL, 15, bytes((number,)) * 12, bytes(60))
            village.nodes[ALICE].shelf.put(other, NOW)
            village.poll(ALICE)
        assert all(village.nodes[ALICE].shelf.has(envelope.id) for envelope in sent)


def test_letters_of_others_cannot_push_out_ours_before_a_board_has_them(village):
    with patch("hedgerow.node._SHELF_COUNT", 10):
        village.reopen(ALICE)
        letter = village.send(ALICE, BOB, "pushed out")
        for number in range(10):
            village.nodes[ALICE].shelf.put(urgent(number), NOW)
        assert not village.nodes[ALICE].shelf.has(letter.id)
        for number in range(10):
            village.nodes[ALICE].shelf.drop(urgent(number).id)
        village.poll(ALICE)
        assert village.states(ALICE) == [QUEUED]
        village.exchange()
        assert village.read(BOB) == [(ALICE, "pushed out")] and village.states(ALICE) == [DELIVERED]


def test_what_a_failed_write_took_back_is_not_on_the_shelf_and_costs_nobody_else(village):
    node = village.nodes[ALICE]
    before = node.shelf.count()
    full = patch.object(node._desk, "adopt", side_effect=errors.CannotWrite(home="x", reason="full"))
    with full, pytest.raises(errors.CannotWrite):
        village.send(ALICE, BOB, "in vain")
    assert node.shelf.count() == before
    kept = village.send(ALICE, BOB, "kept")
    assert [e.id for e in village.envelopes(ALICE)] == [kept.id]
    village.exchange()
    assert village.read(BOB) == [(ALICE, "kept")]


# Everything at once

ALTER = st.sampled_from(["body", "flags", "ttl", "age"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from([ALICE, BOB])),
        st.tuples(st.just("visit"), st.sampled_from([ALICE, BOB]), st.integers(0, 1 << 30)),
        st.tuples(st.just("visit"), st.sampled_from([ALICE, BOB]), st.just(0)),
        st.tuples(st.just("alter"), st.integers(0, 1 << 20), ALTER),
        st.tuples(st.just("copy back"), st.integers(0, 1 << 20)),
        st.tuples(st.just("false proof"), st.binary(min_size=16, max_size=16)),
        st.tuples(st.just("restart"), st.sampled_from([ALICE, BOB])),
        st.tuples(st.just("wait"), st.sampled_from([MINUTE_MS, 7 * 3_600_000, DAY_MS, LIFETIME_MS])),
        st.tuples(st.just("again"), st.sampled_from([ALICE, BOB])),
    ),
    min_size=5,
    max_size=25,
)


def altered(envelope, bit, how):
    flags, ttl, body, age = envelope.flags, envelope.ttl, envelope.body, envelope.age
    if how == "body":
        body = flip(body, bit % (8 * len(body)))
    elif how == "flags":
        flags ^= 4 if bit % 2 else 1
    elif how == "ttl":
        ttl ^= 1 + bit % 15
    else:
        age = bit % 3_000
    return Envelope(flags, ttl, envelope.lock, body, envelope.hops, age)


def lossy(seed):
    """A cable that loses each fourth write."""
    dice = source(seed)
    return lambda data: dice(1)[0] < 64


class Watch:
    """Compares what people are told with what really happened."""

    def __init__(self, village):
        self.village = village
        self.last = {}
        self.tried = {}
        self.acked = set()

    def look(self, board):
        for who, other in ((ALICE, BOB), (BOB, ALICE)):
            arrived = [text for _, text in self.village.read(other)]
            assert len(arrived) == len(set(arrived))
            told = self.village.received(other)
            assert len(told) == len(set(told))
            for letter in self.village.nodes[who].sent():
                tries = self.village.nodes[who]._database.rows(
                    "SELECT max(expires_ms) AS over, envelope FROM sendings WHERE entry = ?", letter.id
                )[0]
                acked = tries["envelope"] in self.acked | board.acked
                before = self.last.get((who, letter.id), QUEUED)
                if self.tried.setdefault((who, letter.id), tries["over"]) != tries["over"]:
                    self.tried[who, letter.id] = tries["over"]
                    before = QUEUED if before == EXPIRED else before
                assert ORDER.index(letter.state) >= ORDER.index(before)
                assert letter.state != DELIVERED or letter.text in arrived
                assert letter.state != CARRIED or acked
                assert letter.state != QUEUED or not acked
                assert (letter.state == EXPIRED) <= (tries["over"] <= self.village.now)
                self.last[who, letter.id] = letter.state


@given(STEPS)
@settings(max_examples=25, deadline=None)
def test_nothing_is_lost_nothing_comes_twice_and_states_are_true(steps):
    """Two people and a board, on cables that lose writes; copies, altered copies, false proofs, restarts."""
    with Village(ALICE, BOB) as village:
        village.befriend(ALICE, BOB)
        board = Carrier(NOW, count=4)  # so it declines and lets go, too
        watch = Watch(village)
        seen = []
        count = 0
        for what, *how in steps:
            if what == "write":
                count += 1
                village.send(how[0], BOB if how[0] == ALICE else ALICE, f"letter {count}")
            elif what == "visit":
                board.visit(village, how[0], lossy(how[1]) if how[1] else None)
                seen += [found for i in board.shelf.ids() if (found := board.shelf.get(i, village.now))]
            elif what == "alter" and seen:
                board.shelf.put(altered(seen[how[0] % len(seen)], how[0], how[1]), village.now)
            elif what == "copy back" and seen:
                board.shelf = Shelf(MemoryStore(), Clock(), village.now, 100)
                board.shelf.put(seen[how[0] % len(seen)], village.now)
            elif what == "false proof":
                board.shelf.prove(how[0], village.now)
            elif what == "restart":
                village.reopen(how[0])
            elif what == "wait":
                village.now += how[0]
            elif what == "again":
                for letter in village.nodes[how[0]].sent():
                    if letter.state == EXPIRED:
                        village.nodes[how[0]].send_again(letter.id, village.now)
            for who in (ALICE, BOB):
                village.poll(who)
            watch.look(board)
        for _ in range(3):
            for who in (ALICE, BOB):
                for letter in village.nodes[who].sent():
                    if letter.state == EXPIRED:
                        village.nodes[who].send_again(letter.id, village.now)
            watch.acked |= board.acked
            board = Carrier(village.now)
            for who in (ALICE, BOB, ALICE, BOB):
                board.visit(village, who)
                watch.look(board)
        # What a board took and lost is not lost for good: it expires, and is sent again.
        village.now += LIFETIME_MS
        for who in (ALICE, BOB):
            village.poll(who)
            for letter in village.nodes[who].sent():
                if letter.state == EXPIRED:
                    village.nodes[who].send_again(letter.id, village.now)
        watch.acked |= board.acked
        board = Carrier(village.now)
        for who in (ALICE, BOB, ALICE, BOB):
            board.visit(village, who)
            watch.look(board)
        assert village.states(ALICE) + village.states(BOB) == [DELIVERED] * count
        assert len(village.received(ALICE) + village.received(BOB)) == count
