"""Verification and introductions as whole nodes do them, over letters that take their time."""

import pytest
from node_support import DAY_MS, Village
from people_support import NOW

from hedgerow import errors
from hedgerow.events import DIFFERENT, DIGITS, INTRODUCED, Noticed
from hedgerow.log import entry as entries
from hedgerow.people import introduction, verification
from hedgerow.people.introduction import Flight

ALICE, BOB, CAROL = "Alice", "Bob", "Carol"


@pytest.fixture
def friends():
    with Village(ALICE, BOB, CAROL) as village:
        village.befriend(ALICE, BOB)
        yield village


@pytest.fixture
def circle(friends):
    """Alice knows Bob and Carol, and is sure of both; so are they of her. They do not know each other."""
    friends.befriend(ALICE, CAROL)
    for who in (BOB, CAROL):
        sure(friends, ALICE, who)
        sure(friends, who, ALICE)
    return friends


def desk(village, who):
    return village.nodes[who].people


def sure(village, who, of):
    desk(village, who).verifying.verified(desk(village, who).book.id_of(of), village.now)


def begin(village, who, of, anew=False):
    return desk(village, who).verifying.begin(desk(village, who).book.id_of(of), anew, village.now)


def digits(village, who, of):
    return desk(village, who).verifying.digits(desk(village, who).book.id_of(of), village.now)


def compare(village, who, of, typed):
    desk(village, who).verifying.compare(desk(village, who).book.id_of(of), typed, village.now)


def verified(village, who):
    return [contact.name for contact in village.nodes[who].contacts() if contact.verified]


def noticed(village, who, what):
    return [e.name for e in village.events[who] if isinstance(e, Noticed) and e.what == what]


def flight(village, who, to, kind, text):
    """What somebody with a changed program would send."""
    desk(village, who).seal(desk(village, who).book.id_of(to), kind, text, village.now)
    village.exchange()


def waiting(village, who):
    return desk(village, who).answers.waiting(village.now)


# Verification


def test_both_see_the_same_digits_and_each_is_sure_when_they_typed_what_they_heard(friends):
    assert begin(friends, ALICE, BOB) is None
    with pytest.raises(errors.NoDigits):
        compare(friends, ALICE, BOB, "123456")
    friends.exchange()
    seen = digits(friends, ALICE, BOB)
    assert seen == digits(friends, BOB, ALICE) == begin(friends, BOB, ALICE) and len(seen) == 6
    assert noticed(friends, ALICE, DIGITS) == [BOB] and noticed(friends, BOB, DIGITS) == [ALICE]
    compare(friends, ALICE, BOB, f" {seen[:3]}-{seen[3:]} ")
    assert verified(friends, ALICE) == [BOB] and verified(friends, BOB) == []
    assert digits(friends, ALICE, BOB) == seen  # Bob may still want to hear them
    compare(friends, BOB, ALICE, seen)
    assert verified(friends, BOB) == [ALICE]
    assert friends.nodes[ALICE].inbox() == [] == friends.nodes[BOB].inbox()  # nobody sees letters for that


def test_verified_stands_at_every_letter(friends):
    friends.send(BOB, ALICE, "hello")
    friends.exchange()
    assert not friends.nodes[ALICE].inbox()[0].verified
    sure(friends, ALICE, BOB)
    friends.reopen(ALICE)
    assert friends.nodes[ALICE].inbox()[0].verified


def test_digits_that_do_not_fit_verify_nobody_and_the_next_run_has_others(friends):
    begin(friends, ALICE, BOB)
    friends.exchange()
    seen = digits(friends, ALICE, BOB)
    with pytest.raises(errors.CodeDiffers):
        compare(friends, ALICE, BOB, f"{(int(seen) + 1) % 10**6:06}")
    assert verified(friends, ALICE) == [] and digits(friends, ALICE, BOB) is None
    with pytest.raises(errors.NoDigits):
        compare(friends, ALICE, BOB, seen)  # no second try
    assert begin(friends, ALICE, BOB) is None
    friends.exchange()
    assert digits(friends, ALICE, BOB) == digits(friends, BOB, ALICE) not in (None, seen)


def test_digits_that_do_not_fit_take_verified_away(friends):
    sure(friends, ALICE, BOB)
    begin(friends, ALICE, BOB)
    friends.exchange()
    with pytest.raises(errors.CodeDiffers):
        compare(friends, ALICE, BOB, f"{(int(digits(friends, ALICE, BOB)) + 1) % 10**6:06}")
    assert verified(friends, ALICE) == []


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "12 34 5x"])
def test_what_is_no_code_is_a_sentence_and_no_try(friends, typed):
    begin(friends, ALICE, BOB)
    friends.exchange()
    with pytest.raises(errors.BadCode):
        compare(friends, ALICE, BOB, typed)
    compare(friends, ALICE, BOB, digits(friends, BOB, ALICE))


def test_two_who_begin_at_once_see_the_same_digits(friends):
    begin(friends, ALICE, BOB)
    begin(friends, BOB, ALICE)
    friends.exchange()
    assert digits(friends, ALICE, BOB) == digits(friends, BOB, ALICE) is not None


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_flight_that_got_lost_comes_again(friends, lost):
    begin(friends, ALICE, BOB)
    for step in range(3):
        writer, reader = (ALICE, BOB) if step % 2 == 0 else (BOB, ALICE)
        if step == lost:
            friends.now += 4 * DAY_MS  # longer than a letter lives
            break
        friends.carry(writer, reader)
        friends.poll(reader)
    for _ in range(4):
        friends.exchange()
        friends.now += DAY_MS
    assert digits(friends, ALICE, BOB) == digits(friends, BOB, ALICE) is not None


def test_a_run_goes_on_after_both_computers_restarted(friends):
    begin(friends, ALICE, BOB)
    for who in (ALICE, BOB, ALICE):
        friends.reopen(who)
        friends.exchange()
    assert digits(friends, ALICE, BOB) == digits(friends, BOB, ALICE) is not None


def test_one_who_began_anew_while_the_other_still_showed_digits_is_answered(friends):
    begin(friends, ALICE, BOB)
    friends.exchange()
    first = digits(friends, ALICE, BOB)
    begin(friends, ALICE, BOB, anew=True)
    friends.exchange()
    assert digits(friends, ALICE, BOB) == digits(friends, BOB, ALICE) not in (None, first)


def test_beginning_again_and_again_ends_in_a_sentence(friends):
    for _ in range(verification.RUNS):
        begin(friends, ALICE, BOB, anew=True)
    with pytest.raises(errors.TooManyRuns):
        begin(friends, ALICE, BOB, anew=True)
    friends.exchange()
    assert digits(friends, ALICE, BOB) == digits(friends, BOB, ALICE) is not None


def test_an_altered_nonce_is_told_and_verifies_nobody(friends):
    begin(friends, ALICE, BOB)
    friends.carry(ALICE, BOB)
    friends.poll(BOB)
    run = desk(friends, BOB).verifying._run(1)
    flight(friends, ALICE, BOB, entries.VERIFY, (b"\x03" + run.commitment[:8] + bytes(32)).hex())
    assert noticed(friends, BOB, DIFFERENT) == [ALICE]
    assert digits(friends, BOB, ALICE) is None and verified(friends, BOB) == []


@pytest.mark.parametrize(
    "text", ["", "zz", "01", "01" + "AB" * 32, "04" + "00" * 32, "x" * 900, "02" + "00" * 40]
)
def test_flights_that_nobody_sends_change_nothing(friends, text):
    flight(friends, ALICE, BOB, entries.VERIFY, text)
    flight(friends, ALICE, BOB, entries.INTRODUCE, text)
    assert desk(friends, BOB).verifying._run(1) == verification.Run() and waiting(friends, BOB) == []
    friends.send(ALICE, BOB, "still here")
    friends.exchange()
    assert friends.read(BOB) == [(ALICE, "still here")]


def test_who_is_asked_all_the_time_answers_each_run_once(friends):
    for number in range(30):
        text = b"\x01" + bytes((number,)) * 32
        flight(friends, ALICE, BOB, entries.VERIFY, text.hex())
        flight(friends, ALICE, BOB, entries.VERIFY, text.hex())
    rows = desk(friends, BOB)._database.rows("SELECT count(*) AS n FROM entries WHERE mine = 1")
    assert rows[0]["n"] <= verification.RUNS + 1


def test_the_fingerprint_is_the_same_on_both_sides(friends):
    def seen(who, of):
        return desk(friends, who).verifying.fingerprint(desk(friends, who).book.id_of(of))

    assert seen(ALICE, BOB) == seen(BOB, ALICE)
    friends.befriend(ALICE, CAROL)
    assert seen(ALICE, CAROL) != seen(ALICE, BOB)


def test_who_has_not_answered_yet_cannot_be_verified(friends):
    friends.nodes[CAROL].add(friends.nodes[ALICE].invite(NOW), NOW)
    with pytest.raises(errors.NotConnected):
        begin(friends, CAROL, ALICE)


# Introductions


def introduce(village, who, name, to):
    book = desk(village, who).book
    desk(village, who).introducing.introduce(book.id_of(name), book.id_of(to), village.now)
    village.exchange()


def test_two_who_were_introduced_become_contacts_when_both_agreed(circle):
    introduce(circle, ALICE, BOB, CAROL)
    (one,) = waiting(circle, BOB)
    assert (one.name, one.introduced_by, one.vouched) == (CAROL, ALICE, True)
    assert noticed(circle, BOB, INTRODUCED) == [ALICE] and waiting(circle, CAROL) == []
    assert desk(circle, BOB).answers.accept(CAROL, False, circle.now) == (CAROL, False)
    circle.exchange()
    (other,) = waiting(circle, CAROL)
    assert (other.name, other.introduced_by) == (BOB, ALICE)
    desk(circle, CAROL).answers.accept(BOB, False, circle.now)
    circle.exchange()
    circle.send(BOB, CAROL, "we have not met")
    circle.send(CAROL, BOB, "now we have")
    circle.exchange()
    assert circle.read(CAROL) == [(BOB, "we have not met")] and circle.read(BOB) == [(CAROL, "now we have")]
    for who, met in ((BOB, CAROL), (CAROL, BOB)):
        (contact,) = [c for c in circle.nodes[who].contacts() if c.name == met]
        assert contact.introduced_by == ALICE and not contact.verified
    assert waiting(circle, BOB) == waiting(circle, CAROL) == []


@pytest.mark.parametrize("who", [BOB, CAROL])
def test_who_says_no_to_an_introduction_says_nothing(circle, who):
    introduce(circle, ALICE, BOB, CAROL)
    if who == CAROL:
        desk(circle, BOB).answers.accept(CAROL, False, circle.now)
        circle.exchange()
    before = len(desk(circle, who)._database.rows("SELECT 1 FROM entries WHERE mine = 1"))
    desk(circle, who).answers.refuse({BOB: CAROL, CAROL: BOB}[who], circle.now)
    circle.exchange()
    assert len(desk(circle, who)._database.rows("SELECT 1 FROM entries WHERE mine = 1")) == before
    assert len(circle.nodes[BOB].contacts()) == len(circle.nodes[CAROL].contacts()) == 1


def test_only_whom_one_is_sure_of_can_be_introduced(friends):
    friends.befriend(ALICE, CAROL)
    sure(friends, ALICE, BOB)
    with pytest.raises(errors.IntroduceUnverified, match=CAROL):
        introduce(friends, ALICE, BOB, CAROL)
    with pytest.raises(errors.IntroduceSelf):
        introduce(friends, ALICE, BOB, BOB)
    assert waiting(friends, BOB) == []


def test_the_introducer_cannot_use_the_invite_that_passes_through(circle):
    introduce(circle, ALICE, BOB, CAROL)
    taken = []
    passed = introduction.decode
    desk(circle, BOB).answers.accept(CAROL, False, circle.now)
    circle.carry(BOB, ALICE)
    original = desk(circle, ALICE).introducing.heard
    desk(circle, ALICE).introducing.heard = lambda contact, text, now: taken.append(passed(text).uri)
    circle.poll(ALICE)
    desk(circle, ALICE).introducing.heard = original
    (uri,) = taken
    # Alice makes herself another account and tries; so may anybody else to whom she gives it.
    circle.join("Mallory", CAROL)
    circle.nodes["Mallory"].add(uri, circle.now)
    circle.exchange()
    assert [contact.name for contact in circle.nodes[BOB].contacts()] == [ALICE]
    assert waiting(circle, BOB) == []


def test_an_answer_to_an_introduction_that_nobody_made_is_not_passed_on(circle):
    introduce(circle, ALICE, BOB, CAROL)
    uri = circle.nodes[BOB].invite(circle.now)
    text = introduction.encode(Flight(introduction.OFFER, bytes(8), uri=uri))
    flight(circle, BOB, ALICE, entries.INTRODUCE, text)
    assert waiting(circle, CAROL) == []


def test_an_answer_of_somebody_who_was_not_asked_is_not_passed_on(circle):
    introduce(circle, ALICE, BOB, CAROL)
    (row,) = desk(circle, ALICE)._database.rows("SELECT id FROM introductions")
    uri = circle.nodes[CAROL].invite(circle.now)
    text = introduction.encode(Flight(introduction.OFFER, bytes(row["id"]), uri=uri))
    flight(circle, CAROL, ALICE, entries.INTRODUCE, text)
    assert desk(circle, ALICE)._database.rows("SELECT 1 FROM introductions") != []
    assert [one.name for one in waiting(circle, BOB)] == [CAROL] and waiting(circle, CAROL) == []


def test_somebody_elses_invite_as_an_answer_is_not_passed_on(circle):
    circle.join("Dora")
    introduce(circle, ALICE, BOB, CAROL)
    (row,) = desk(circle, ALICE)._database.rows("SELECT id FROM introductions")
    uri = circle.nodes["Dora"].invite(circle.now)
    text = introduction.encode(Flight(introduction.OFFER, bytes(row["id"]), uri=uri))
    flight(circle, BOB, ALICE, entries.INTRODUCE, text)
    assert waiting(circle, CAROL) == []


def test_who_is_introduced_to_somebody_they_know_is_not_asked(circle):
    circle.befriend(BOB, CAROL)
    introduce(circle, ALICE, BOB, CAROL)
    assert waiting(circle, BOB) == []


def test_introductions_by_somebody_unsure_say_so(circle):
    row = desk(circle, BOB).book.id_of(ALICE)
    desk(circle, BOB)._database.run("UPDATE contacts SET verified_ms = NULL WHERE id = ?", row)
    introduce(circle, ALICE, BOB, CAROL)
    (one,) = waiting(circle, BOB)
    assert one.introduced_by == ALICE and not one.vouched


def test_a_flood_of_introductions_is_bounded(circle):
    for number in range(40):
        who = Flight(introduction.ASK, bytes(8), bytes((number,)) * 32, bytes(32), name=f"someone {number}")
        flight(circle, ALICE, BOB, entries.INTRODUCE, introduction.encode(who))
    assert len(waiting(circle, BOB)) == 16


def test_whom_a_blocked_contact_introduced_waits_no_more(circle):
    introduce(circle, ALICE, BOB, CAROL)
    desk(circle, BOB).book.block(ALICE, circle.now)
    assert waiting(circle, BOB) == []
    introduce(circle, ALICE, BOB, CAROL)
    assert waiting(circle, BOB) == []


def test_an_introduction_that_expired_on_its_way_comes_again(circle):
    """Carol is away for longer than a letter lives."""
    away = circle.nodes.pop(CAROL)
    introduce(circle, ALICE, CAROL, BOB)
    for _ in range(5):
        circle.now += DAY_MS
        circle.exchange()
    circle.nodes[CAROL] = away
    circle.exchange()
    assert [one.name for one in waiting(circle, CAROL)] == [BOB]


def test_who_did_not_answer_until_the_invite_was_over_is_shown_as_that(friends):
    friends.join("Dora")
    friends.nodes[ALICE].add(friends.nodes["Dora"].invite(friends.now), friends.now)
    assert not any(contact.expired for contact in friends.nodes[ALICE].contacts())
    friends.now += 15 * DAY_MS
    friends.poll(ALICE)
    assert [one.name for one in friends.nodes[ALICE].contacts() if one.expired] == ["Dora"]
