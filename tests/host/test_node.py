from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from node_support import DAY_MS, MINUTE_MS, Village
from people_support import NOW, flip, source

from hedgerow import errors
from hedgerow.events import Connected
from hedgerow.node import TEXT_BYTES, Node
from hedgerow.outbox import EXPIRED
from hedgerow.people import invite as invites
from hedgerow.people import request as requests
from hedgerow.people.names import clean_name
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet import kdf
from hedgerow.ratchet.state import State
from hedgerow_core import envelope as envelopes
from hedgerow_core.clock import Clock
from hedgerow_core.link import Link, Stream
from hedgerow_core.session import PAIR, RESPONDER, Session
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore

ALICE, BOB, CAROL = "Alice", "Bob", "Carol"


@pytest.fixture
def village():
    """Alice and Bob, who are contacts."""
    with Village(ALICE, BOB) as found:
        found.befriend(ALICE, BOB)
        yield found


@pytest.fixture
def strangers():
    """Alice and Bob, who are not."""
    with Village(ALICE, BOB) as found:
        yield found


def forged(envelope, body):
    """Another envelope under the same lock."""
    return envelopes.make(envelopes.NORMAL, envelopes.TTL_DEFAULT, envelope.lock, body)


# Letters

PEOPLE = (ALICE, BOB, CAROL)
WAYS = [(giver, taker) for giver in PEOPLE for taker in PEOPLE if giver != taker]
STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "write", "hand over", "look", "restart"]), st.sampled_from(WAYS))
    | st.tuples(st.just("one"), st.sampled_from(WAYS), st.integers(0, 100)),
    min_size=5,
    max_size=30,
)


@given(STEPS)
@settings(max_examples=15, deadline=None)
def test_each_letter_arrives_once_in_its_conversation_and_in_order(steps):
    """Late, doubled, overtaken, handed on by somebody else, with restarts between."""
    with Village(*PEOPLE) as village:
        village.befriend(ALICE, BOB)
        village.befriend(BOB, CAROL)
        village.befriend(CAROL, ALICE)
        written = {way: [] for way in WAYS}
        for what, (giver, taker), *pick in steps:
            village.now += MINUTE_MS
            if what == "write":
                text = f"letter {len(written[giver, taker])} of {giver} to {taker}"
                written[giver, taker].append(text)
                village.send(giver, taker, text)
            elif what == "hand over":
                village.carry(giver, taker)
            elif what == "one" and village.envelopes(giver):
                found = village.envelopes(giver)
                village.put(found[pick[0] % len(found)], taker)
            elif what == "restart":
                village.reopen(taker)
            village.poll(taker)
        village.exchange()
        village.exchange()
        for who in PEOPLE:
            told = village.received(who)
            assert len(told) == len(set(told))
            for other in PEOPLE:
                if other != who:
                    assert village.read(who, other) == [(other, text) for text in written[other, who]]
                    assert sorted(told) == sorted(village.read(who))
                    mine = [letter.text for letter in village.nodes[who].inbox(other) if letter.mine]
                    assert mine == written[who, other]


def test_an_answer_stands_behind_the_letter_that_it_answers(village):
    for number in range(3):
        village.send(ALICE, BOB, f"question {number}")
        village.exchange()
        village.send(BOB, ALICE, f"answer {number}")
        village.exchange()
    shown = [f"{word} {number}" for number in range(3) for word in ("question", "answer")]
    for who in (ALICE, BOB):
        assert [letter.text for letter in village.nodes[who].inbox()] == shown


def test_letters_in_any_order_stand_in_the_senders_order(village):
    for number in range(6):
        village.send(ALICE, BOB, f"{number}")
    sent = village.envelopes(ALICE)
    for index in (5, 0, 3, 1, 4, 2):
        village.put(sent[index + len(sent) - 6], BOB)
        village.poll(BOB)
    assert [text for _, text in village.read(BOB)] == ["0", "1", "2", "3", "4", "5"]
    assert [text for _, text in village.received(BOB)] == ["5", "0", "3", "1", "4", "2"]


def test_a_letter_tells_who_wrote_it_when_and_over_how_many_boards(village):
    envelope = village.send(ALICE, BOB, "over the hill")
    village.put(envelope.carried(7, 90), BOB)
    village.now += 90 * MINUTE_MS
    (event,) = village.poll(BOB)
    assert (event.name, event.text, event.hops, event.envelope) == (ALICE, "over the hill", 7, envelope.id)
    assert event.written_ms == NOW
    (letter,) = village.nodes[BOB].inbox()
    assert (letter.written_ms, letter.received_ms, letter.sent) == (NOW, village.now, True)


def test_a_letter_of_20_characters_travels_in_96_bytes(village):
    assert len(village.send(ALICE, BOB, "x" * 20).encode()) == 96
    village.exchange()
    assert len(village.send(BOB, ALICE, "x" * 20).encode()) == 96


@pytest.mark.parametrize("character", ["a", "ä", "😀"])
def test_a_text_of_exactly_the_limit_arrives_and_one_byte_more_is_refused(village, character):
    text = character * (TEXT_BYTES // len(character.encode()))
    text += "." * (TEXT_BYTES - len(text.encode()))
    village.send(ALICE, BOB, text)
    with pytest.raises(errors.TextTooLong):
        village.send(ALICE, BOB, text + ".")
    village.exchange()
    assert village.read(BOB) == [(ALICE, text)]


def test_the_longest_text_still_fits_after_very_many_letters(village):
    """Numbers of an entry and the header of the ratchet grow with a conversation."""
    node = village.nodes[ALICE]
    row = node._database.rows("SELECT unseal(ratchet) AS ratchet FROM contacts")[0]
    state = replace(State.from_cbor(row["ratchet"]), pn=24_999)
    node._database.run(
        "UPDATE contacts SET ratchet = seal_hour(?), sequence = ?, clock = ?, seen = ?",
        state.to_cbor(),
        (1 << 27) - 2,
        (1 << 28) - 3,
        1 << 27,
    )
    village.send(ALICE, BOB, "x" * TEXT_BYTES)
    village.exchange()
    assert village.read(BOB) == [(ALICE, "x" * TEXT_BYTES)]


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_an_empty_letter_is_not_sent(village, text):
    with pytest.raises(errors.EmptyText):
        village.send(ALICE, BOB, text)
    assert village.nodes[ALICE].inbox() == []


def test_a_text_with_half_a_character_is_sent_readable(village):
    village.send(ALICE, BOB, "caf\udcc3")
    village.exchange()
    assert village.read(BOB) == [(ALICE, "caf?")]


@pytest.mark.parametrize("name", ["Dave", "", "Al", "Bob\udcff"])
def test_a_letter_to_nobody_known_is_refused(village, name):
    with pytest.raises(errors.UnknownContact):
        village.send(ALICE, name, "text")
    with pytest.raises(errors.UnknownContact):
        village.nodes[ALICE].inbox(name)


def test_upper_and_lower_case_of_a_name_do_not_matter(village):
    village.send(ALICE, "bOB", "text")
    assert len(village.nodes[ALICE].inbox("BOB")) == 1


@given(st.integers(0, 76 * 8 - 1), st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_forgery_under_the_right_lock_does_not_stop_the_letter(bit, forgery_first):
    with Village(ALICE, BOB) as village:
        village.befriend(ALICE, BOB)
        letter = village.send(ALICE, BOB, "genuine")
        forgery = forged(letter, flip(letter.body, bit))
        for envelope in (forgery, letter) if forgery_first else (letter, forgery):
            village.put(envelope, BOB)
            village.poll(BOB)
        village.send(ALICE, BOB, "next")
        village.exchange()
        assert village.read(BOB) == [(ALICE, "genuine"), (ALICE, "next")]
        assert len(village.received(BOB)) == 2


def test_many_forgeries_at_once_do_not_stop_the_letter(village):
    letter = village.send(ALICE, BOB, "genuine")
    for number in range(20):
        village.put(forged(letter, source("noise")(number)), BOB)
    village.put(letter, BOB)
    for number in range(20, 40):
        village.put(forged(letter, source("more")(number)), BOB)
    village.poll(BOB)
    assert village.read(BOB) == [(ALICE, "genuine")]


# Behind the window, but not so many that each scan takes a second.
quick_scan = patch.object(ratchet, "JUMP", 1_000)


def lose(village, count):
    """So many letters from Alice to Bob that never arrive."""
    node = village.nodes[ALICE]
    state = State.from_cbor(
        node._database.rows("SELECT unseal(ratchet) AS ratchet FROM contacts")[0]["ratchet"]
    )
    for _ in range(count):
        state = ratchet.encrypt(state, b"lost")[0]
    node._database.run(
        "UPDATE contacts SET ratchet = seal_hour(?), sequence = sequence + ?, clock = clock + ?",
        state.to_cbor(),
        count,
        count,
    )


@quick_scan
def test_a_letter_behind_a_great_gap_arrives_within_a_day(village):
    lose(village, 300)
    village.send(ALICE, BOB, "after the gap")
    village.exchange()
    assert village.read(BOB) == []
    village.now += DAY_MS
    village.exchange()
    assert village.read(BOB) == [(ALICE, "after the gap")]
    village.send(ALICE, BOB, "and on")
    village.send(BOB, ALICE, "answer")
    village.exchange()
    assert village.read(BOB) == [(ALICE, "after the gap"), (ALICE, "and on")]
    assert village.read(ALICE) == [(BOB, "answer")]


@quick_scan
def test_two_letters_behind_a_great_gap_arrive_and_those_that_follow_too(village):
    """What the deep scan found lies within the window after the first: no lock may get lost on the way."""
    lose(village, 300)
    first, second, third = (village.send(ALICE, BOB, f"{number}") for number in range(3))
    village.put(first, BOB)
    village.put(third, BOB)
    village.now += DAY_MS
    village.poll(BOB)
    village.now += DAY_MS
    village.put(forged(second, b"somebody's" * 8), BOB)
    village.poll(BOB)
    village.put(second, BOB)
    village.poll(BOB)
    assert village.read(BOB) == [(ALICE, "0"), (ALICE, "1"), (ALICE, "2")]


@quick_scan
def test_forgeries_behind_a_gap_are_forgotten_at_the_next_scan(village):
    node = village.nodes[BOB]
    state = State.from_cbor(
        node._database.rows("SELECT unseal(ratchet) AS ratchet FROM contacts")[0]["ratchet"]
    )
    watched = len(node._desk.mailbox._locks)
    for lock in list(ratchet.deep_locks(state))[:50]:
        village.put(envelopes.make(envelopes.NORMAL, 8, lock, bytes(77)), BOB)
    village.now += DAY_MS
    village.poll(BOB)
    assert len(node._desk.mailbox._locks) == watched + 50
    village.now += DAY_MS
    village.poll(BOB)
    village.put(envelopes.make(envelopes.NORMAL, 8, bytes(12), bytes(77)), BOB)
    village.now += DAY_MS
    village.poll(BOB)
    assert len(node._desk.mailbox._locks) == watched
    assert len(node._desk.mailbox._by_lock) < 10


def test_so_many_letters_without_an_answer_that_nobody_could_read_them_are_refused(village):
    node = village.nodes[ALICE]
    row = node._database.rows("SELECT unseal(ratchet) AS ratchet FROM contacts")[0]
    last = replace(State.from_cbor(row["ratchet"]), ns=24_999)
    for _ in range(last.ns - 1):
        last = replace(last, cks=kdf.chain_step(last.cks)[0])
    node._database.run("UPDATE contacts SET ratchet = seal_hour(?)", last.to_cbor())
    village.send(ALICE, BOB, "the last one")
    with pytest.raises(errors.Unanswered, match="Bob has answered none of 25000 letters"):
        village.send(ALICE, BOB, "too many")
    village.now += DAY_MS
    village.exchange()
    assert village.read(BOB) == [(ALICE, "the last one")]
    village.send(BOB, ALICE, "an answer at last")
    village.exchange()
    village.send(ALICE, BOB, "now it goes")
    village.exchange()
    assert village.read(BOB)[-1] == (ALICE, "now it goes")


# Contacts


def test_an_invite_makes_two_contacts(strangers):
    uri = strangers.nodes[ALICE].invite(strangers.now)
    assert strangers.nodes[BOB].add(uri, strangers.now) == ALICE
    assert not strangers.nodes[BOB].contacts()[0].connected
    strangers.exchange()
    assert strangers.connected(ALICE) == [BOB] and strangers.connected(BOB) == [ALICE]
    for who, other in ((ALICE, BOB), (BOB, ALICE)):
        (contact,) = strangers.nodes[who].contacts()
        assert contact.name == other and contact.connected
        assert contact.account_key == strangers.nodes[other]._desk.account.account_key


def test_letters_written_before_the_answer_wait_and_go_in_order(strangers):
    strangers.nodes[BOB].add(strangers.nodes[ALICE].invite(NOW), NOW)
    for number in range(3):
        assert strangers.send(BOB, ALICE, f"early {number}") is None
    assert [letter.sent for letter in strangers.nodes[BOB].inbox()] == [False] * 3
    strangers.reopen(BOB)
    strangers.now += 60 * MINUTE_MS
    strangers.exchange()
    strangers.send(BOB, ALICE, "late")
    strangers.exchange()
    texts = ["early 0", "early 1", "early 2", "late"]
    assert [text for _, text in strangers.read(ALICE)] == texts
    shown = strangers.nodes[BOB].inbox()
    assert [letter.text for letter in shown] == texts and all(letter.sent for letter in shown)
    # Both sides see when it was written, not when it could leave.
    assert shown[0].written_ms == strangers.nodes[ALICE].inbox()[0].written_ms == NOW


def test_letters_that_waited_go_even_if_the_computer_died_when_the_answer_came(strangers):
    strangers.nodes[BOB].add(strangers.nodes[ALICE].invite(NOW), NOW)
    strangers.send(BOB, ALICE, "early")
    strangers.carry(BOB, ALICE)
    strangers.poll(ALICE)
    strangers.carry(ALICE, BOB)
    strangers.nodes[BOB]._desk.send_waiting = lambda now: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        strangers.poll(BOB)
    strangers.reopen(BOB)
    strangers.exchange()
    assert strangers.read(ALICE) == [(BOB, "early")]


@given(st.lists(st.sampled_from(["to", "fro", "alice", "bob", "day", "restart"]), max_size=20))
@settings(max_examples=20, deadline=None)
def test_a_request_that_is_late_repeated_or_overtaken_still_makes_one_contact(steps):
    # Deep scans are another matter, and slow.
    with Village(ALICE, BOB) as village, patch.object(ratchet, "JUMP", 300):
        village.nodes[BOB].add(village.nodes[ALICE].invite(village.now), village.now)
        village.send(BOB, ALICE, "early")
        days = 0
        for step in steps:
            if step == "day" and days < 11:
                village.now += DAY_MS
                days += 1
            elif step == "restart":
                village.reopen(ALICE)
                village.reopen(BOB)
            elif step == "to":
                village.carry(BOB, ALICE)
            elif step == "fro":
                village.carry(ALICE, BOB)
            else:
                village.poll({"alice": ALICE, "bob": BOB}.get(step, ALICE))
        village.exchange()
        # By the next day what was lost is repeated.
        village.now += DAY_MS
        for _ in range(3):
            village.exchange()
        assert village.connected(ALICE) == [BOB] and village.connected(BOB) == [ALICE]
        (letter,) = village.nodes[BOB].sent()
        if letter.state == EXPIRED:
            # It left on the first day, and nobody fetched it within its lifetime.
            village.nodes[BOB].send_again(letter.id, village.now)
            village.exchange()
        assert village.read(ALICE) == [(BOB, "early")]


def test_an_answer_that_was_lost_comes_again(strangers):
    """Bob is away for so long that Alice's answer is past its lifetime."""
    strangers.nodes[BOB].add(strangers.nodes[ALICE].invite(NOW), NOW)
    strangers.carry(BOB, ALICE)
    strangers.poll(ALICE)
    first = strangers.nodes[ALICE].shelf.ids()
    strangers.now += 5 * DAY_MS
    strangers.poll(ALICE)
    assert not set(first) & set(strangers.nodes[ALICE].shelf.ids())
    strangers.exchange()
    assert strangers.connected(BOB) == [ALICE]


def test_a_request_on_the_shelf_is_not_answered_at_each_start(strangers):
    strangers.nodes[BOB].add(strangers.nodes[ALICE].invite(NOW), NOW)
    strangers.exchange()
    before = strangers.nodes[ALICE].shelf.count()
    for _ in range(5):
        strangers.reopen(ALICE)
        strangers.poll(ALICE)
    assert strangers.nodes[ALICE].shelf.count() == before


def test_two_people_who_add_each_others_invite_become_contacts(strangers):
    one, other = (strangers.nodes[who].invite(NOW) for who in (ALICE, BOB))
    strangers.nodes[ALICE].add(other, NOW)
    strangers.nodes[BOB].add(one, NOW)
    strangers.send(ALICE, BOB, "from Alice")
    strangers.send(BOB, ALICE, "from Bob")
    strangers.exchange()
    assert strangers.connected(ALICE) == [BOB] and strangers.connected(BOB) == [ALICE]
    assert strangers.read(ALICE) == [(BOB, "from Bob")]
    assert strangers.read(BOB) == [(ALICE, "from Alice")]
    strangers.now += DAY_MS
    strangers.exchange()
    assert len(strangers.nodes[ALICE].contacts()) == len(strangers.nodes[BOB].contacts()) == 1


def test_a_second_person_with_an_invite_for_many_is_a_second_contact():
    with Village(*PEOPLE) as village:
        uri = village.nodes[ALICE].invite(NOW, many=True)
        for who in (BOB, CAROL):
            village.nodes[who].add(uri, NOW)
            village.exchange()
            village.nodes[ALICE].people.answers.accept(who, False, NOW)
            village.exchange()
        assert [contact.name for contact in village.nodes[ALICE].contacts()] == [BOB, CAROL]
        village.send(ALICE, BOB, "for Bob")
        village.send(ALICE, CAROL, "for Carol")
        village.exchange()
        assert village.read(BOB) == [(ALICE, "for Bob")]
        assert village.read(CAROL) == [(ALICE, "for Carol")]


def test_two_contacts_of_one_name_can_be_told_apart():
    with Village(ALICE) as village:
        for who, name in (("one", "Sam"), ("two", "Sam"), ("three", "sam")):
            village.join(who, name)
            village.befriend(ALICE, who)
            if who != "one":
                village.nodes[ALICE].people.answers.accept(name, False, NOW)
                village.exchange()
        assert [contact.name for contact in village.nodes[ALICE].contacts()] == ["Sam", "Sam 2", "sam 3"]
        for name, who in (("Sam", "one"), ("Sam 2", "two"), ("sam 3", "three")):
            village.send(ALICE, name, f"for {who}")
            village.send(who, ALICE, f"from {who}")
        village.exchange()
        assert village.read(ALICE) == [("Sam", "from one"), ("Sam 2", "from two"), ("sam 3", "from three")]
        for who in ("one", "two", "three"):
            assert village.read(who) == [(ALICE, f"for {who}")]


def test_a_request_to_an_invite_that_expired_on_the_way_is_ignored(strangers):
    strangers.nodes[BOB].add(strangers.nodes[ALICE].invite(NOW), NOW)
    strangers.now += invites.LIFETIME_MS - DAY_MS
    strangers.poll(BOB)
    strangers.now += 2 * DAY_MS
    strangers.carry(BOB, ALICE)
    assert strangers.poll(ALICE) == []
    strangers.reopen(ALICE)
    assert strangers.poll(ALICE) == []
    assert strangers.nodes[ALICE].contacts() == []


def test_a_request_to_somebody_elses_invite_is_ignored():
    with Village(*PEOPLE) as village:
        village.nodes[ALICE].invite(NOW)
        village.nodes[BOB].add(village.nodes[CAROL].invite(NOW), NOW)
        village.carry(BOB, ALICE)
        assert village.poll(ALICE) == []
        assert village.nodes[ALICE].contacts() == []


def test_noise_under_the_locks_of_an_invite_does_not_stop_a_request(strangers):
    uri = strangers.nodes[ALICE].invite(NOW)
    secret = invites.parse(uri, NOW).secret
    for slot in range(256):
        strangers.put(
            envelopes.make(envelopes.NORMAL, 10, invites.lock(secret, slot), source("noise")(slot)), ALICE
        )
    strangers.nodes[BOB].add(uri, NOW)
    strangers.exchange()
    assert strangers.connected(ALICE) == [BOB]


@pytest.mark.parametrize("day", [0, 14, 20])
def test_an_invite_can_be_added_for_14_days(strangers, day):
    uri = strangers.nodes[ALICE].invite(NOW)
    if day < 14:
        strangers.nodes[BOB].add(uri, NOW + day * DAY_MS)
    else:
        with pytest.raises(errors.InviteExpired):
            strangers.nodes[BOB].add(uri, NOW + day * DAY_MS)
        assert strangers.nodes[BOB].contacts() == []


def test_ones_own_invite_and_a_second_one_of_the_same_person_are_refused(village):
    uri = village.nodes[ALICE].invite(NOW)
    with pytest.raises(errors.InviteOwn):
        village.nodes[ALICE].add(uri, NOW)
    with pytest.raises(errors.AlreadyContact, match="Alice is a contact of yours already"):
        village.nodes[BOB].add(uri, NOW)


BAD_NAMES = [
    ("\x1b[31mred\x07", "[31mred"),
    ("a\nb\r\nc", "abc"),
    ("\u202eevil\u2066", "evil"),
    ("x" * 1_000, "x" * 32),
    ("\x00\u200b", "someone"),
    ("  two   words ", "two words"),
    ("", "someone"),
]


@pytest.mark.parametrize("name,shown", BAD_NAMES)
def test_a_strange_name_in_an_invite_is_cleaned(strangers, name, shown):
    strangers.nodes[ALICE].people.name = name
    uri = strangers.nodes[ALICE].invite(NOW)
    assert strangers.nodes[BOB].add(uri, NOW) == shown
    assert strangers.nodes[BOB].contacts()[0].name == shown


@pytest.mark.parametrize("name,shown", [(name[:300], shown) for name, shown in BAD_NAMES])
def test_a_strange_name_in_a_request_is_cleaned(strangers, name, shown):
    alice, bob = strangers.nodes[ALICE], strangers.nodes[BOB]
    invite = invites.parse(alice.invite(NOW), NOW)
    sent = requests.create(bob._desk.account, name, invite, source("mallory"))
    lock = invites.lock(invite.secret, 3)
    strangers.put(envelopes.make(envelopes.NORMAL, 10, lock, requests.body_for_slot(sent, 3)), ALICE)
    assert strangers.poll(ALICE) == [Connected(shown)]


@given(st.text())
def test_whatever_somebody_calls_themselves_fits_on_one_line(name):
    shown = clean_name(name)
    assert 1 <= len(shown) <= 32 and shown.isprintable() and shown == shown.strip()
    assert clean_name(shown) == shown


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 33, "\x1b[1m", "\udcff", "a\u202eb"])
def test_a_name_that_others_could_not_read_is_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(errors.BadName):
        Node.create(tmp_path / "home", name, source(), NOW)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    "name,kept", [(" Zoë ", "Zoë"), ("Zoe\u0308", "Zoë"), ("李雷", "李雷"), ("x" * 32, "x" * 32)]
)
def test_a_name_in_any_script_is_taken(tmp_path, name, kept):
    node = Node.create(tmp_path / "home", name, source(), NOW)
    assert node.name == kept
    node.close()


# Homes


def test_after_a_restart_everything_is_there_and_letters_still_arrive(village):
    village.send(ALICE, BOB, "before")
    village.exchange()
    on_the_way = village.send(ALICE, BOB, "on the way")
    before = {who: (village.nodes[who].contacts(), village.nodes[who].inbox()) for who in (ALICE, BOB)}
    for who in (ALICE, BOB):
        village.reopen(who)
        assert (village.nodes[who].contacts(), village.nodes[who].inbox()) == before[who]
    assert on_the_way.id in village.nodes[ALICE].shelf.ids()
    village.exchange()
    village.send(BOB, ALICE, "answer")
    village.exchange()
    assert village.read(BOB) == [(ALICE, "before"), (ALICE, "on the way")]
    assert village.read(ALICE) == [(BOB, "answer")]


def test_letters_that_were_read_are_not_told_again_after_a_restart(village):
    village.send(ALICE, BOB, "once")
    village.exchange()
    village.reopen(BOB)
    village.exchange()
    assert village.received(BOB) == [(ALICE, "once")]


def test_a_copy_of_the_home_from_before_a_letter_lacks_it_and_goes_on(village):
    """Once it was read, carriers let it go."""
    copy = village.copy(BOB)
    village.send(ALICE, BOB, "read and lost")
    village.exchange()
    village.restore(BOB, copy)
    village.exchange()
    assert village.read(BOB) == []
    village.send(ALICE, BOB, "and on")
    village.exchange()
    assert village.read(BOB) == [(ALICE, "and on")]


def test_somebody_who_went_back_to_a_copy_does_not_break_the_other_side(village):
    """Their numbers come a second time."""
    copy = village.copy(ALICE)
    village.send(ALICE, BOB, "will be forgotten")
    village.exchange()
    village.send(BOB, ALICE, "turn")
    village.carry(BOB, ALICE)
    turn = village.envelopes(BOB)
    village.restore(ALICE, copy)
    for envelope in turn:
        village.put(envelope, ALICE)
    village.poll(ALICE)
    village.send(ALICE, BOB, "after the copy")
    village.exchange()
    assert (ALICE, "after the copy") in village.read(BOB)
    village.send(BOB, ALICE, "still here")
    village.exchange()
    assert (BOB, "still here") in village.read(ALICE)


def test_two_programs_on_one_home_never_seal_with_the_same_key(village):
    """A link may stay open while letters are written on the command line."""
    first = village.nodes[ALICE]
    second = Node.open(village.home(ALICE), source("second"), village.now)
    sent = [first.send(BOB, "one", NOW), second.send(BOB, "two", NOW), first.send(BOB, "three", NOW)]
    second.close()
    assert len({envelope.lock for envelope in sent}) == 3
    for envelope in sent:
        village.put(envelope, BOB)
    village.poll(BOB)
    assert village.read(BOB) == [(ALICE, "one"), (ALICE, "two"), (ALICE, "three")]


def test_two_programs_on_one_home_read_each_letter_once(village):
    first = village.nodes[BOB]
    second = Node.open(village.home(BOB), source("second"), village.now)
    village.send(ALICE, BOB, "once")
    for envelope in village.envelopes(ALICE):
        first.shelf.put(envelope, NOW)
        second.shelf.put(envelope, NOW)
    assert len(first.poll(NOW)) + len(second.poll(NOW)) == 1
    second.close()
    assert village.read(BOB) == [(ALICE, "once")]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE account SET keys = x'80'",
        "UPDATE account SET keys = 'text'",
        "UPDATE account SET keys = x'83414041404140'",
        "DELETE FROM account",
        "UPDATE contacts SET ratchet = x''",
        "UPDATE contacts SET ratchet = x'83808080'",
        "UPDATE contacts SET ratchet = x'8301f6f6'",
        "UPDATE contacts SET ratchet = NULL",
        "UPDATE invites SET secret = x'ff'",
        "UPDATE invites SET secret = x'83010203'",
        "PRAGMA foreign_keys = OFF; DROP TABLE entries",
    ],
)
def test_damaged_rows_are_told_as_such(village, damage):
    node = village.nodes[ALICE]
    node._database._connection.executescript(damage.replace("NULL", "x'f6'"))
    with pytest.raises(errors.HomeDamaged):
        village.reopen(ALICE)
        village.nodes[ALICE].inbox()


def test_a_damaged_request_is_told_as_such(strangers):
    strangers.nodes[BOB].add(strangers.nodes[ALICE].invite(NOW), NOW)
    strangers.nodes[BOB]._database.run("UPDATE contacts SET request = x'80'")
    strangers.now += DAY_MS
    with pytest.raises(errors.HomeDamaged):
        strangers.poll(BOB)


def test_a_damaged_envelope_on_the_shelf_costs_nothing_but_itself(village):
    village.send(ALICE, BOB, "one")
    village.nodes[ALICE]._database.run("UPDATE shelf SET record = x'00' WHERE place = 1")
    village.reopen(ALICE)
    village.exchange()
    assert village.read(BOB) == [(ALICE, "one")]


def test_no_private_key_is_printed_by_accident(village):
    node = village.nodes[ALICE]
    state = State.from_cbor(
        node._database.rows("SELECT unseal(ratchet) AS ratchet FROM contacts")[0]["ratchet"]
    )
    uri = village.nodes[BOB].invite(NOW)
    invite = invites.parse(uri, NOW)
    kept = village.nodes[BOB]._database.rows("SELECT unseal(secret) AS secret FROM invites")[0]["secret"]
    secret = invites.InviteSecret.from_cbor(kept)
    sent = requests.create(person := node._desk.account, ALICE, invite, source("request"))
    asked = requests.open(village.nodes[BOB]._desk.account, secret, 0, requests.body_for_slot(sent, 0))
    place = next(iter(ratchet.locks(state).values()))
    private = [
        *(state.rk, state.dhs, state.cks, state.ckr, state.hks, state.hkr, state.nhks, state.nhkr),
        *(person.account_seed, person.device_seed, person.device_dh_private),
        *(secret.secret, secret.prekey_private),
        *(sent.root, sent.ephemeral_private, sent.stop, asked.root, asked.stop, place.header_key),
    ]
    for thing in (state, person, invite, secret, sent, asked, place):
        shown = repr(thing)
        assert not any(repr(key)[2:-1] in shown for key in private if key)


# What others see


def test_nothing_but_ciphertext_and_locks_is_on_the_way():
    names = ["Alice Cooper", "Robert Tables", "Carol Singer"]
    with Village(*names) as village:
        village.befriend(names[0], names[1])
        village.befriend(names[2], names[0])
        texts = []
        for number, (writer, reader) in enumerate([(0, 1), (1, 0), (0, 2), (2, 0)] * 3):
            texts.append(f"the well is frozen, number {number}" * (number + 1))
            village.send(names[writer], names[reader], texts[-1])
            village.exchange()
        on_air = b"".join(village.on_air)
        public = [
            key
            for node in village.nodes.values()
            for account in (node._desk.account,)
            for key in (account.account_key, account.device_key, account.device_dh)
        ]
        assert len(on_air) > 5_000
        for text in (*names, *texts, "Alice", "Robert", "frozen", "well"):
            assert text.encode() not in on_air
        for key in public:
            assert key not in on_air and key[:8] not in on_air


def test_no_lock_is_used_for_two_letters():
    with Village(ALICE, BOB) as village:
        village.befriend(ALICE, BOB)
        for _ in range(10):
            village.send(ALICE, BOB, "the same")
            village.send(BOB, ALICE, "the same")
            village.exchange()
        sent = {prefix for prefix in village.on_air if len(prefix) > 16}
        # flags, ttl, head of the lock, lock
        assert len({prefix[3:15] for prefix in sent}) == len(sent) == 22


def test_a_new_letter_does_not_show_whose_shelf_it_started_on(village):
    """Its first holder is not the only one with hops 0."""
    hops = {village.send(ALICE, BOB, "text").hops for _ in range(60)}
    assert hops == {0, 1, 2, 3}


# Links

KEY = b"k" * 32


def run_link(node, board, now):
    """Bytes to and fro until both are quiet; the events of the node's side."""
    link = node.attach(KEY, now)
    happened = []
    for step in range(200):
        out, back = link.outgoing(now), board.outgoing(now)
        for data in out:
            board.receive(data, now)
        for data in back:
            happened += link.receive(data, now)
        if link.closed or (step > 20 and not out and not back):
            break
        now += 50
        happened += link.tick(now)
        board.tick(now)
    return link, happened


def board_link(shelf, now, key=KEY):
    return Link(Stream(), Session(RESPONDER, {PAIR: key}, bytes(32), now), shelf, now)


def test_letters_go_over_a_board_that_both_visit(village):
    board = Shelf(MemoryStore(), Clock(), NOW)
    village.send(ALICE, BOB, "over the board")
    for who in (ALICE, BOB):
        link, happened = run_link(village.nodes[who], board_link(board, NOW), NOW)
        assert link.established and ("up", PAIR) in happened
        village.poll(who)
    assert village.read(BOB) == [(ALICE, "over the board")]


def test_a_wrong_pairing_key_is_told_and_the_right_one_works_afterwards(village):
    board = Shelf(MemoryStore(), Clock(), NOW)
    link, happened = run_link(village.nodes[ALICE], board_link(board, NOW, b"other key" + bytes(23)), NOW)
    assert happened[-1] == ("down", "wrong key")
    assert isinstance(errors.of_link(link.reason), errors.WrongPairingKey)
    assert "refuses the pairing key" in str(errors.of_link(link.reason))
    assert run_link(village.nodes[ALICE], board_link(board, NOW), NOW)[0].established


def test_a_board_of_another_version_is_told(village, monkeypatch):
    class Newer:
        """A board whose firmware speaks version 2: it refuses our hello."""

        def __init__(self):
            self.stream = Stream()
            self.out = []

        def receive(self, data, now):
            for frame in self.stream.receive(data):
                if frame[1] != 2:
                    self.out += self.stream.send(b"\x05\x02" + frame[3:11])

        def outgoing(self, now):
            out, self.out = self.out, []
            return out

        def tick(self, now):
            pass

    link, happened = run_link(village.nodes[ALICE], Newer(), NOW)
    assert happened[-1] == ("down", "version")
    assert isinstance(errors.of_link(link.reason), errors.OtherVersion)
    assert "another version of the protocol" in str(errors.of_link(link.reason))


def test_our_side_refuses_a_hello_of_another_version():
    board = board_link(Shelf(MemoryStore(), Clock(), NOW), NOW)
    stream = Stream()
    for data in stream.send(b"\x01\x02\x02" + bytes(16)):
        board.receive(data, NOW)
    assert stream.receive(b"".join(board.outgoing(NOW))) == [b"\x05\x02" + bytes(8)]


def test_a_board_that_does_not_answer_is_told(village):
    link = village.nodes[ALICE].attach(KEY, NOW)
    assert link.tick(NOW + 3_000) == [("down", "timeout")]
    assert isinstance(errors.of_link(link.reason), errors.BoardSilent)


@given(st.binary(min_size=1, max_size=600), st.integers(0, 30))
@settings(max_examples=12, deadline=None)
def test_noise_on_the_line_and_a_cut_frame_do_not_lose_a_letter(noise, cut):
    with Village(ALICE, BOB) as village:
        village.befriend(ALICE, BOB)
        letter = village.send(ALICE, BOB, "through the noise")
        board = Shelf(MemoryStore(), Clock(), NOW)
        broken, other = village.nodes[ALICE].attach(KEY, NOW), board_link(board, NOW)
        other.receive(noise, NOW)
        broken.receive(noise, NOW)
        for data in broken.outgoing(NOW):
            other.receive(data[:cut], NOW)
        link, _ = run_link(village.nodes[ALICE], board_link(board, NOW), NOW)
        assert link.established and board.has(letter.id)
