"""Replies, edits, reactions, pins, polls, names, search: alike on all devices, in whatever order it came."""

import random

import pytest
from devices_support import link, settle
from hypothesis import given
from hypothesis import strategies as st
from node_support import MINUTE_MS, Village

from hedgerow import errors
from hedgerow.chat import fold
from hedgerow.chat import operation as operations
from hedgerow.chat.operation import Operation
from hedgerow.chat.search import search
from hedgerow_core.errors import PeerError

ALICE, BOB, CAROL = "Alice", "Bob", "Carol"
TABLET = "Alice's tablet"

targets = st.tuples(st.binary(min_size=4, max_size=4), st.integers(1, 999_999_999))
symbols = st.text(max_size=operations.REACTION_CHARACTERS).filter(lambda text: not text or not text.isspace())
lines = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1).filter(
    str.strip
)
values = {
    operations.REPLY: st.text(min_size=1),
    operations.EDIT: st.text(min_size=1),
    operations.REACT: symbols,
    operations.PIN: st.sampled_from(["0", "1"]),
    operations.VOTE: st.lists(st.integers(0, 11), unique=True).map(lambda found: ",".join(map(str, found))),
}
made = st.sampled_from(sorted(values)).flatmap(
    lambda mark: st.builds(Operation, st.just(mark), targets, values[mark])
) | st.lists(lines, min_size=3, max_size=13).map(lambda found: Operation("?", None, "\n".join(found)))


@pytest.fixture
def village():
    with Village(ALICE, BOB) as found:
        found.befriend(ALICE, BOB)
        yield found


def letters(village, who, name=None):
    return village.nodes[who].inbox(name)


def number(village, who, text):
    (found,) = [letter.id for letter in letters(village, who) if letter.text == text]
    return found


def seen(village, who, name=None):
    """What all are to see alike: texts with their marks, replies by the text that they answer."""
    texts = {letter.id: letter.text for letter in letters(village, who, name)}
    found = []
    for letter in letters(village, who, name):
        marks = letter.marks
        poll = tuple((choice.text, choice.votes) for choice in marks.poll)
        found.append(
            (letter.text, texts.get(marks.reply_to), marks.edited, marks.pinned, marks.reactions, poll)
        )
    return found


# The codec and the fold


@given(made)
def test_every_operation_is_read_as_it_was_written(operation):
    assert operations.decode(operations.encode(operation)) == operation


@given(st.text())
def test_a_text_from_outside_is_an_operation_or_is_refused(text):
    try:
        found = operations.decode(text)
    except PeerError:
        return
    assert operations.decode(operations.encode(found)) == found


@pytest.mark.parametrize(
    "text",
    ["", "x", "r", "r1234.1 no", "e00000000.0 no", "p00000000.1 2", "v00000000.1 1;2", "?one\ntwo", "n"],
)
def test_a_damaged_operation_is_refused(text):
    with pytest.raises(PeerError):
        operations.decode(text)


@given(st.lists(made, max_size=30), st.integers())
def test_what_a_conversation_looks_like_depends_on_the_order_of_the_log_alone(found, seed):
    done = [fold.Done((bytes(4), at + 1), bytes([at % 3]), one) for at, one in enumerate(found)]
    authors = {one.place: one.person for one in done}
    shuffled = list(done)
    random.Random(seed).shuffle(shuffled)
    again = sorted(shuffled, key=lambda one: one.place)
    assert fold.fold(authors, again) == fold.fold(authors, done)


def test_somebody_else_cannot_change_what_was_said():
    place = (b"abcd", 1)
    edit = fold.Done((b"efgh", 1), b"eve", Operation(operations.EDIT, place, "lies"))
    assert fold.fold({place: b"ann"}, [edit]).of(place).text is None


# Between two people


def test_a_reply_names_what_it_answers_on_both_sides(village):
    village.send(ALICE, BOB, "at seven?")
    village.exchange()
    village.nodes[BOB].chat.reply(number(village, BOB, "at seven?"), "at eight", village.now)
    village.exchange()
    assert seen(village, ALICE) == seen(village, BOB)
    assert seen(village, ALICE)[1][:2] == ("at eight", "at seven?")
    assert [event.text for event in village.events[ALICE] if hasattr(event, "hops")] == ["at eight"]


def test_an_edit_stands_in_the_place_of_the_letter_and_only_the_author_can_make_it(village):
    village.send(ALICE, BOB, "at seven")
    village.exchange()
    village.nodes[ALICE].chat.edit(number(village, ALICE, "at seven"), "at nine", village.now)
    with pytest.raises(errors.NotOurs):
        village.nodes[BOB].chat.edit(number(village, BOB, "at seven"), "never", village.now)
    village.exchange()
    for who in (ALICE, BOB):
        assert [(letter.text, letter.marks.edited) for letter in letters(village, who)] == [("at nine", True)]


def test_reactions_replace_each_other_and_are_taken_back(village):
    village.send(ALICE, BOB, "hello")
    village.exchange()
    chat = village.nodes[BOB].chat
    for symbol, reactions in (("👍", (("👍", (BOB,)),)), ("🌻", (("🌻", (BOB,)),)), ("", ())):
        chat.react(number(village, BOB, "hello"), symbol, village.now)
        village.exchange()
        assert letters(village, ALICE)[0].marks.reactions == reactions
    with pytest.raises(errors.BadReaction):
        chat.react(number(village, BOB, "hello"), "far too long", village.now)


def test_a_reaction_is_no_new_letter(village):
    village.send(ALICE, BOB, "hello")
    village.exchange()
    village.nodes[BOB].chat.react(number(village, BOB, "hello"), "👍", village.now)
    village.exchange()
    assert village.nodes[ALICE].read(None, village.now) == 0
    assert not [event for event in village.events[ALICE] if hasattr(event, "hops")]


def test_what_was_done_is_repeated_until_it_arrived(village):
    village.send(ALICE, BOB, "hello")
    village.exchange()
    village.nodes[BOB].chat.pin(number(village, BOB, "hello"), True, village.now)
    village.nodes[BOB].poll(village.now)
    for identity in village.nodes[BOB].shelf.ids():
        village.nodes[BOB].shelf.drop(identity)
    village.now += 15 * 24 * 60 * MINUTE_MS
    village.poll(BOB)
    village.exchange()
    assert letters(village, ALICE)[0].marks.pinned


def test_deleting_a_letter_takes_its_edits_with_it(village):
    village.send(ALICE, BOB, "secret one")
    village.exchange()
    village.nodes[ALICE].chat.edit(number(village, ALICE, "secret one"), "secret two", village.now)
    village.exchange()
    village.nodes[ALICE].remove(number(village, ALICE, "secret two"), False, village.now)
    village.exchange()
    for who in (ALICE, BOB):
        assert letters(village, who) == []
        texts = village.nodes[who]._database.rows("SELECT unseal(text) AS text FROM entries")
        assert not [row["text"] for row in texts if "secret" in row["text"]]


def test_a_poll_counts_the_last_choice_of_each(village):
    village.nodes[ALICE].chat.poll(BOB, "When?", ["today", "tomorrow"], False, village.now)
    village.exchange()
    asked = number(village, BOB, "When?")
    village.nodes[BOB].chat.vote(asked, [1], village.now)
    village.nodes[BOB].chat.vote(asked, [2], village.now)
    village.nodes[ALICE].chat.vote(number(village, ALICE, "When?"), [2], village.now)
    village.exchange()
    for who in (ALICE, BOB):
        (letter,) = letters(village, who)
        assert [(choice.text, choice.votes, choice.ours) for choice in letter.marks.poll] == [
            ("today", 0, False),
            ("tomorrow", 2, True),
        ]
    for wrong in ([3], [1, 2], [0]):
        with pytest.raises(errors.BadVote):
            village.nodes[BOB].chat.vote(asked, wrong, village.now)
    with pytest.raises(errors.BadPoll):
        village.nodes[ALICE].chat.poll(BOB, "When?", ["today"], False, village.now)
    village.send(ALICE, BOB, "no poll")
    with pytest.raises(errors.NoPoll):
        village.nodes[ALICE].chat.vote(number(village, ALICE, "no poll"), [1], village.now)


def test_contacts_hear_of_another_name_and_keep_theirs(village):
    village.nodes[ALICE].chat.call("Ann", village.now)
    village.exchange()
    assert village.nodes[ALICE].name == "Ann"
    (contact,) = village.nodes[BOB].contacts()
    assert (contact.name, contact.called) == (ALICE, "Ann")


# With several devices, and in groups


def test_a_further_device_sees_what_was_done_and_does_it_too(village):
    link(village, ALICE, TABLET)
    village.send(BOB, ALICE, "hello")
    settle(village)
    village.nodes[TABLET].chat.reply(number(village, TABLET, "hello"), "hi", village.now)
    settle(village)
    village.nodes[ALICE].chat.react(number(village, ALICE, "hello"), "👍", village.now)
    village.nodes[ALICE].chat.edit(number(village, ALICE, "hi"), "hi Bob", village.now)
    settle(village)
    assert seen(village, TABLET) == seen(village, BOB) == seen(village, ALICE)
    assert [text for text, *_ in seen(village, BOB)] == ["hello", "hi Bob"]


def test_a_group_sees_one_conversation():
    with Village(ALICE, BOB, CAROL) as village:
        name = "Lane"
        for other in (BOB, CAROL):
            village.befriend(ALICE, other)
        village.nodes[ALICE].groups.create(name, [BOB, CAROL], village.now)
        settle(village)
        village.nodes[ALICE].send(name, "at seven?", village.now)
        settle(village)
        village.nodes[BOB].chat.reply(number(village, BOB, "at seven?"), "yes", village.now)
        village.nodes[CAROL].chat.react(number(village, CAROL, "at seven?"), "👍", village.now)
        village.nodes[BOB].chat.react(number(village, BOB, "at seven?"), "👍", village.now)
        village.nodes[CAROL].chat.poll(name, "Who?", ["I", "you"], True, village.now)
        settle(village)
        village.nodes[ALICE].chat.vote(number(village, ALICE, "Who?"), [1, 2], village.now)
        village.nodes[ALICE].chat.pin(number(village, ALICE, "yes"), True, village.now)
        settle(village)
        assert seen(village, ALICE, name) == seen(village, BOB, name) == seen(village, CAROL, name)
        first = seen(village, ALICE, name)[0]
        assert first[0] == "at seven?" and first[4] == (("👍", (BOB, CAROL)),)


# Search


def test_search_finds_beginnings_of_words_without_accents_and_nothing_else(village):
    for text in ("The well is frozen", "Caf\u00e9 at the WELL", 'a "quoted" AND odd* text', "nothing"):
        village.send(ALICE, BOB, text)
    found = letters(village, ALICE)
    assert {letter.text for letter in search(found, "well")} == {
        "The well is frozen",
        "Caf\u00e9 at the WELL",
    }
    assert [letter.text for letter in search(found, "cafe we")] == ["Caf\u00e9 at the WELL"]
    assert [letter.text for letter in search(found, 'AND "quoted')] == ['a "quoted" AND odd* text']
    assert search(found, "missing") == [] and search(found, "  ") == [] and search(found, '"') == []


def test_search_leaves_no_text_on_the_disk(village):
    village.send(ALICE, BOB, "xylophone")
    search(letters(village, ALICE), "xylophone")
    for path in village.home(ALICE).rglob("*"):
        assert path.is_dir() or b"xylophone" not in path.read_bytes()


# Keeping


def test_old_letters_are_erased_here_and_come_not_back_and_pinned_ones_stay(village):
    for text in ("old", "pinned"):
        village.send(ALICE, BOB, text)
    village.exchange()
    village.nodes[BOB].chat.pin(number(village, BOB, "pinned"), True, village.now)
    village.exchange()
    village.nodes[BOB].keep(ALICE, 30, village.now)
    village.now += 29 * 24 * 60 * MINUTE_MS
    village.send(ALICE, BOB, "new")
    village.exchange()
    assert [letter.text for letter in letters(village, BOB)] == ["old", "pinned", "new"]
    village.now += 2 * 24 * 60 * MINUTE_MS
    village.exchange()
    assert [letter.text for letter in letters(village, BOB)] == ["pinned", "new"]
    assert [letter.text for letter in letters(village, ALICE)] == ["old", "pinned", "new"]
    village.nodes[ALICE].chat.react(number(village, ALICE, "old"), "👍", village.now)
    village.exchange()
    assert [letter.text for letter in letters(village, BOB)] == ["pinned", "new"]
    assert village.nodes[BOB].kept_days(ALICE) == 30 and village.nodes[BOB].gaps(ALICE) == []
