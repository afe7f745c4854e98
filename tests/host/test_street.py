"""The street as its people meet it: who hears what, from whom, once, and how much of it."""

import pytest
from node_support import DAY_MS, MINUTE_MS, Village
from people_support import flip, person, source

from hedgerow import errors
from hedgerow.events import Heard
from hedgerow.identity import keys
from hedgerow.node import Node
from hedgerow.street import keys as street_keys
from hedgerow.street import letter, rates
from hedgerow.street.channel import KEPT_MS, SHOWN_MS
from hedgerow_core import envelope as envelopes
from hedgerow_core.envelope import URGENT
from hedgerow_core.errors import PeerError
from hedgerow_core.shelf import REFUSED

ALICE, BOB, CAROL = "Alice", "Bob", "Carol"
STREET = street_keys.of_mesh(bytes(32))
OTHER = street_keys.of_mesh(bytes(31) + b"\1")
HOUR_MS = 60 * MINUTE_MS


@pytest.fixture
def village():
    """Alice and Bob are contacts; Carol only lives in the same street."""
    with Village(ALICE, BOB, CAROL) as found:
        found.befriend(ALICE, BOB)
        for node in found.nodes.values():
            node.street.learn(STREET, found.now)
        yield found


def heard(village, who):
    """What they are shown, oldest first, but for what they said themselves."""
    return [one for one in village.nodes[who].street.heard(0) if not one.mine]


def texts(village, who):
    return [one.text for one in heard(village, who)]


def told(village, who):
    """What they were told of as it came."""
    return [event.text for event in village.events[who] if isinstance(event, Heard)]


def say(village, who, text, sos=False):
    return village.nodes[who].say(text, sos, village.now)


def stranger(village, text, who="Eve", sos=False, at=None, name=None, seed=0):
    """A letter of somebody without a home here, who keeps to no limit."""
    at = village.now if at is None else at
    device_seed = person(who).device_seed
    writer = street_keys.pseudonym(device_seed, STREET, letter.day_of(at))
    return letter.seal(STREET, writer, who if name is None else name, text, sos, at, source(f"{text} {seed}"))


def bring(village, who, *found):
    for one in found:
        village.put(one.carried(one.hops, one.age), who)
    village.poll(who)


def test_everybody_hears_it_contacts_by_their_name_and_strangers_as_they_call_themselves(village):
    said = say(village, ALICE, "Is anyone there?")
    assert (said.mine, said.text, said.carried) == (True, "Is anyone there?", False)
    village.exchange()
    (bobs,), (carols,) = heard(village, BOB), heard(village, CAROL)
    assert (bobs.name, bobs.contact, bobs.sos, bobs.late) == (ALICE, True, False, False)
    assert (carols.name, carols.contact, carols.text) == (ALICE, False, "Is anyone there?")
    assert carols.written_ms == village.now // MINUTE_MS * MINUTE_MS
    assert told(village, CAROL) == ["Is anyone there?"] and told(village, ALICE) == []
    # What comes back is ours.
    assert [one.mine for one in village.nodes[ALICE].street.heard(0)] == [True]


def test_a_contact_is_shown_by_our_name_whatever_they_call_themselves_and_no_other_can_take_it(village):
    fake = stranger(village, "I am Alice", name=ALICE)
    bring(village, BOB, fake)
    say(village, ALICE, "No, I am")
    village.exchange()
    assert [(one.name, one.contact) for one in heard(village, BOB)] == [(ALICE, False), (ALICE, True)]
    assert len({one.mark for one in heard(village, BOB)}) == 2


def test_duplicates_restarts_and_other_copies_tell_nothing_twice(village):
    say(village, ALICE, "once")
    for _ in range(3):
        village.exchange()
        for who in (BOB, CAROL, ALICE):
            village.reopen(who)
        village.now += MINUTE_MS
    assert texts(village, BOB) == texts(village, CAROL) == told(village, BOB) == ["once"]
    (sent,) = [one for one in village.envelopes(ALICE) if letter.is_for(one, STREET)]
    # A member seals the same letter anew, with another padding: another envelope, but nothing new.
    lock, key = street_keys.of_letter(STREET, sent.proof_hash())
    outer = bytes((sent.flags, sent.ttl))
    plain = keys.unpad(keys.unseal(key, sent.body[16:], outer))
    body = sent.body[:16] + keys.seal(key, keys.pad(plain, len(plain) + 40), outer)
    copy = envelopes.make(sent.priority, sent.ttl, lock, body, shared=True)
    assert copy.id != sent.id
    bring(village, BOB, copy)
    assert texts(village, BOB) == told(village, BOB) == ["once"]


def test_who_learns_of_a_street_later_hears_what_lies_on_the_shelf(village):
    village.join("Dora")
    say(village, ALICE, "before")
    village.exchange()
    dora = village.nodes["Dora"]
    assert dora.street.heard(0) == [] and not dora.street.known
    dora.street.learn(STREET, village.now)
    village.poll("Dora")
    assert texts(village, "Dora") == told(village, "Dora") == ["before"]


def test_another_process_of_the_same_home_hears_too_and_each_letter_is_kept_once(village):
    beside = Node.open(village.home(BOB), source("beside"), village.now)
    say(village, ALICE, "twice?")
    village.exchange()
    beside.poll(village.now)
    assert [one.text for one in beside.street.heard(0)] == ["twice?"]
    beside.street.learn(OTHER, village.now + 1)
    beside.close()
    village.poll(BOB)
    assert texts(village, BOB) == ["twice?"]


def test_another_mesh_hears_nothing(village):
    village.join("Dora")
    village.nodes["Dora"].street.learn(OTHER, village.now)
    say(village, ALICE, "only here")
    say(village, "Dora", "only there")
    village.exchange()
    assert texts(village, "Dora") == []
    assert texts(village, BOB) == ["only here"]


def test_who_is_in_two_meshes_hears_both_and_speaks_where_the_last_board_was(village):
    village.nodes[BOB].street.learn(OTHER, village.now + 1)
    village.join("Dora")
    village.nodes["Dora"].street.learn(OTHER, village.now)
    say(village, ALICE, "here")
    say(village, "Dora", "there")
    village.exchange()
    assert sorted(texts(village, BOB)) == ["here", "there"]
    say(village, BOB, "to there")
    village.exchange()
    assert texts(village, "Dora") == ["to there"] and texts(village, CAROL) == ["here"]
    # Whatever the clock said when the other was met.
    village.nodes[BOB].street.learn(STREET, village.now - DAY_MS)
    say(village, BOB, "to here")
    village.exchange()
    assert texts(village, "Dora") == ["to there"] and texts(village, CAROL) == ["here", "to here"]


def test_without_a_board_there_is_no_street_to_speak_on(village):
    village.join("Dora")
    with pytest.raises(errors.NoStreet, match="--board"):
        village.nodes["Dora"].say("hello?", False, village.now)


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_nothing_is_not_said(village, text):
    with pytest.raises(errors.NothingToSay):
        say(village, ALICE, text)


def test_what_is_too_long_is_refused_and_nothing_is_counted(village):
    for _ in range(5):
        with pytest.raises(errors.TextTooLong, match="401 bytes, 400 fit"):
            say(village, ALICE, "x" * 401)
    say(village, ALICE, "x" * 400)
    village.exchange()
    assert texts(village, BOB) == ["x" * 400]


def test_three_at_once_then_a_sentence_that_says_how_long_to_wait(village):
    for number in range(3):
        say(village, ALICE, f"number {number}")
    village.now += MINUTE_MS
    with pytest.raises(errors.SaidTooMuch, match="wait 4 minutes before"):
        say(village, ALICE, "number 3")
    village.reopen(ALICE)
    village.now += 3 * MINUTE_MS
    with pytest.raises(errors.SaidTooMuch, match="wait 60 s before"):
        say(village, ALICE, "number 3")
    # Danger does not wait for that.
    say(village, ALICE, "help", sos=True)
    with pytest.raises(errors.SosTooOften, match="in 10 minutes"):
        say(village, ALICE, "help again", sos=True)
    village.now += MINUTE_MS
    say(village, ALICE, "number 3")
    village.exchange()
    assert len(heard(village, BOB)) == 5


def test_only_an_sos_is_urgent(village):
    say(village, ALICE, "calm")
    say(village, ALICE, "help", sos=True)
    found = {
        letter.open(STREET, one).text: one for one in village.envelopes(ALICE) if letter.is_for(one, STREET)
    }
    assert found["help"].priority == URGENT != found["calm"].priority


def test_no_proof_takes_a_street_letter_away_and_it_ends_after_its_day(village):
    say(village, ALICE, "stays")
    village.exchange()
    (sent,) = [one for one in village.envelopes(BOB) if letter.is_for(one, STREET)]
    said = letter.open(STREET, sent)
    for guess in (sent.body[:16], STREET[:16], said.id, said.key[:16], bytes(16)):
        village.prove(guess, BOB)
    assert [one for one in village.envelopes(BOB) if letter.is_for(one, STREET)]
    # Nobody who read it gives a proof.
    assert village.proofs(BOB) == village.proofs(CAROL) == village.proofs(ALICE)
    village.now += DAY_MS + MINUTE_MS
    for who in (BOB, CAROL):
        village.poll(who)
        assert not [one for one in village.envelopes(who) if letter.is_for(one, STREET)]
        assert texts(village, who) == ["stays"]


def test_a_flood_of_one_member_shows_no_more_than_a_bounded_share_of_each_hour(village):
    flood = [stranger(village, f"flood {number}") for number in range(200)]
    bring(village, BOB, *flood)
    assert len(heard(village, BOB)) == len(told(village, BOB)) == rates.most_an_hour(False)
    left_out = village.nodes[BOB].street.left_out(0)
    assert left_out == 200 - rates.most_an_hour(False)
    # Others are heard all the same, and a restart counts nothing twice.
    say(village, ALICE, "still here")
    say(village, CAROL, "me too")
    village.exchange()
    village.reopen(BOB)
    village.poll(BOB)
    assert texts(village, BOB)[-2:] == ["still here", "me too"]
    assert village.nodes[BOB].street.left_out(0) == left_out
    # No dates help: each hour has its share, and what is dated elsewhere counts where it comes.
    more = [stranger(village, f"more {n}", at=village.now - 40 * DAY_MS + n * HOUR_MS) for n in range(60)]
    before = len(heard(village, BOB))
    bring(village, BOB, *more)
    # A new day is a new pseudonym, but strangers together have a bound as well.
    assert len(heard(village, BOB)) - before <= rates.most_of_strangers(False)


def test_a_flood_under_ever_new_names_is_bounded_and_drowns_no_contact(village):
    flood = [stranger(village, f"flood {n}", who=f"Eve {n}", sos=n % 2 == 0) for n in range(200)]
    bring(village, BOB, *flood)
    shown = heard(village, BOB)
    assert sum(one.sos for one in shown) == rates.most_of_strangers(True)
    assert sum(not one.sos for one in shown) == rates.most_of_strangers(False)
    say(village, ALICE, "help", sos=True)
    say(village, ALICE, "anyone?")
    village.exchange()
    assert {"help", "anyone?"} <= set(texts(village, BOB))


def test_what_is_kept_stays_bounded_and_contacts_go_last(village, monkeypatch):
    monkeypatch.setattr("hedgerow.street.channel._KEPT", 20)
    monkeypatch.setattr("hedgerow.street.channel._LEFT_OUT", 30)
    say(village, ALICE, "of a contact")
    say(village, BOB, "of ourselves")
    village.exchange()
    bring(village, BOB, *[stranger(village, f"flood {n}", who=f"Eve {n}") for n in range(60)])
    bring(village, BOB, *[stranger(village, f"flood {n}") for n in range(100)])
    shown = village.nodes[BOB].street.heard(0)
    assert len(shown) == 20
    assert {"of a contact", "of ourselves"} < {one.text for one in shown}
    assert village.nodes[BOB].street.left_out(0) <= 30


def test_old_ones_are_forgotten(village):
    say(village, ALICE, "long ago")
    village.exchange()
    village.now += KEPT_MS + DAY_MS
    bring(village, BOB, stranger(village, "new"))
    assert texts(village, BOB) == ["new"]


def test_what_is_replayed_weeks_later_is_not_told_as_new_and_shows_its_date(village):
    then = village.now
    say(village, ALICE, "soup at seven")
    village.exchange()
    kept = [one for one in village.envelopes(BOB) if letter.is_for(one, STREET)]
    village.now += KEPT_MS + DAY_MS
    bring(village, BOB, stranger(village, "new"))
    assert texts(village, BOB) == ["new"]
    village.events[BOB].clear()
    bring(village, BOB, *[one.carried(0, 0) for one in kept])
    assert told(village, BOB) == []
    old = heard(village, BOB)[-1]
    assert (old.text, old.late, old.written_ms, old.at_ms) == (
        "soup at seven",
        True,
        then // MINUTE_MS * MINUTE_MS,
        village.now,
    )


@pytest.mark.parametrize("off_ms", [-400 * DAY_MS, -26 * HOUR_MS, 2 * HOUR_MS, 400 * DAY_MS])
def test_an_sos_from_a_computer_whose_clock_is_wrong_is_among_the_newest(village, off_ms):
    bring(village, BOB, stranger(village, "before", at=village.now - HOUR_MS))
    bring(village, BOB, stranger(village, "help", sos=True, at=village.now + off_ms))
    found = heard(village, BOB)
    assert [one.text for one in found] == ["before", "help"]
    assert found[1].late and found[1].at_ms == village.now
    assert told(village, BOB) == ["before", "help"]
    assert [one.text for one in village.nodes[BOB].street.heard(village.now - SHOWN_MS)] == ["before", "help"]


def test_letters_stand_by_their_time_whatever_order_they_come_in(village):
    hours = (3, 1, 2)
    bring(village, BOB, *[stranger(village, f"{h} h", at=village.now - h * HOUR_MS) for h in hours])
    assert texts(village, BOB) == ["3 h", "2 h", "1 h"]


def test_what_one_person_says_within_a_minute_stands_in_order(village):
    for text in ("one", "two", "three"):
        say(village, ALICE, text)
    say(village, ALICE, "four", sos=True)
    sent = {
        letter.open(STREET, one).text: one for one in village.envelopes(ALICE) if letter.is_for(one, STREET)
    }
    bring(village, BOB, *[sent[text] for text in ("three", "four", "one", "two")])
    assert texts(village, BOB) == ["one", "two", "three", "four"]
    assert not any(one.late for one in heard(village, BOB))


def test_forged_and_damaged_letters_change_nothing_and_the_rest_is_heard(village):
    good = stranger(village, "good")
    bad = []
    for bit in range(0, len(good.encode()) * 8 - 16, 7):
        try:
            bad.append(envelopes.decode(flip(good.encode(), bit)))
        except PeerError:
            continue
    assert len(bad) > 200
    bring(village, BOB, *bad, good)
    assert texts(village, BOB) == told(village, BOB) == ["good"]
    assert village.nodes[BOB].street.left_out(0) == 0


@pytest.mark.parametrize(
    "sent, kept",
    [
        ("\x1b[2J\x1b[31mred", "\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}[31mred"),
        ("\x9b2J", "\N{REPLACEMENT CHARACTER}2J"),
        ("a\r\nb\n\n\nc", "a\N{REPLACEMENT CHARACTER}\nb\nc"),
        ("\u202etxet", "\N{REPLACEMENT CHARACTER}txet"),
        ("\n\n", "\N{REPLACEMENT CHARACTER}"),
        ("\N{SNOWMAN} Grüße", "\N{SNOWMAN} Grüße"),
    ],
)
def test_nothing_in_a_text_moves_the_cursor_of_who_reads(village, sent, kept):
    bring(village, BOB, stranger(village, sent))
    assert texts(village, BOB) == [kept]


def test_nothing_in_a_name_moves_the_cursor_and_none_is_empty(village):
    bring(
        village,
        BOB,
        stranger(village, "one", name="\x1b[2JEve\n\r"),
        stranger(village, "two", name="\u202e \x07"),
    )
    assert sorted(one.name for one in heard(village, BOB)) == ["[2JEve", "someone"]


def test_what_a_board_has_is_told_and_survives_a_restart(village):
    said = say(village, ALICE, "carried?")
    (sent,) = [one for one in village.envelopes(ALICE) if letter.is_for(one, STREET)]
    village.nodes[ALICE].acked(bytes(8), village.now)
    assert not village.nodes[ALICE].street.heard(0)[0].carried
    village.nodes[ALICE].acked(sent.id, village.now)
    village.reopen(ALICE)
    (found,) = village.nodes[ALICE].street.heard(0)
    assert found.id == said.id and found.carried


def test_a_computer_without_room_says_so_and_the_try_counts_for_nothing(village, monkeypatch):
    village.join("Dora")
    dora = village.nodes["Dora"]
    dora.street.learn(STREET, village.now)
    with monkeypatch.context() as full:
        full.setattr(dora.shelf, "put", lambda *rest: REFUSED)
        for _ in range(4):
            with pytest.raises(errors.NoRoomToSay):
                dora.say("no room", False, village.now)
    assert dora.street.heard(0) == []
    assert dora.say("room", False, village.now).text == "room"


def test_what_is_said_is_nowhere_in_clear_on_the_way(village):
    say(village, ALICE, "Is anyone there?")
    village.exchange()
    for data in village.on_air:
        for secret in (b"anyone", ALICE.encode(), STREET):
            assert secret not in data
