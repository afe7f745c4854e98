"""What people say about what was said: that they read it, that it shall disappear, that it be deleted."""

import pytest
from devices_support import link, said, settle
from node_support import DAY_MS, MINUTE_MS, Village

from hedgerow import errors
from hedgerow.log import entry as entries

ALICE, BOB = "Alice", "Bob"
TABLET, PHONE = "Alice's tablet", "Bob's phone"


@pytest.fixture
def village():
    with Village(ALICE, BOB) as found:
        found.befriend(ALICE, BOB)
        yield found


def number(village, who, text):
    (found,) = [letter.id for letter in village.nodes[who].inbox() if letter.text == text]
    return found


def read_by_them(village, who):
    return [letter.read for letter in village.nodes[who].sent()]


# Receipts


def test_nobody_is_told_what_was_read_unless_the_reader_wants_that(village):
    village.send(ALICE, BOB, "hello")
    village.exchange()
    assert village.nodes[BOB].read(ALICE, village.now) == 1
    village.exchange()
    assert village.states(ALICE) == ["delivered"] and read_by_them(village, ALICE) == [False]


def test_with_receipts_the_writer_learns_what_was_read_and_what_was_not(village):
    village.nodes[BOB].choose_receipts(True)
    village.send(ALICE, BOB, "read")
    village.exchange()
    assert village.nodes[BOB].read(None, village.now) == 1
    village.send(ALICE, BOB, "not yet")
    village.exchange()
    assert read_by_them(village, ALICE) == [True, False]
    assert village.nodes[BOB].read(None, village.now) == 1
    assert village.nodes[BOB].read(None, village.now) == 0
    village.exchange()
    assert read_by_them(village, ALICE) == [True, True]


def test_what_is_read_on_one_device_is_read_on_the_others(village):
    link(village, BOB, PHONE)
    for who in (BOB, PHONE):
        village.nodes[who].choose_receipts(True)
    village.send(ALICE, BOB, "hello")
    settle(village)
    assert village.nodes[PHONE].read(ALICE, village.now) == 1
    settle(village)
    assert read_by_them(village, ALICE) == [True]
    assert village.nodes[BOB].read(ALICE, village.now) == 0


def test_hundreds_of_letters_are_read_with_one_receipt_a_hundred(village):
    village.nodes[BOB].choose_receipts(True)
    for count in range(120):
        village.send(ALICE, BOB, f"{count}")
    village.exchange()
    assert village.nodes[BOB].read(None, village.now) == 120
    village.exchange()
    assert all(read_by_them(village, ALICE))
    sent = village.nodes[BOB]._database.rows("SELECT count(*) AS n FROM entries WHERE kind = ?", entries.READ)
    assert sent[0]["n"] == 2


# Disappearing


def test_letters_disappear_on_both_sides_and_the_timer_is_the_conversations(village):
    village.nodes[ALICE].set_timer(BOB, 60, village.now)
    village.exchange()
    assert village.nodes[BOB].timer(ALICE) == 60
    village.send(ALICE, BOB, "a secret")
    village.send(BOB, ALICE, "another")
    village.exchange()
    for who in (ALICE, BOB):
        village.nodes[who].read(None, village.now)
    village.now += 59 * MINUTE_MS
    village.exchange()
    assert len(village.nodes[ALICE].inbox()) == len(village.nodes[BOB].inbox()) == 2
    village.now += 2 * MINUTE_MS
    village.exchange()
    assert village.nodes[ALICE].inbox() == village.nodes[BOB].inbox() == []


def test_a_letter_that_was_not_read_waits_and_its_time_runs_from_then(village):
    village.nodes[ALICE].set_timer(BOB, 60, village.now)
    village.send(ALICE, BOB, "a secret")
    village.exchange()
    village.now += DAY_MS
    village.exchange()
    assert village.read(BOB) == [(ALICE, "a secret")] and said(village, ALICE) == []
    village.nodes[BOB].read(None, village.now)
    village.now += 61 * MINUTE_MS
    village.exchange()
    assert village.read(BOB) == []


def test_what_disappeared_does_not_come_back_with_a_copy_of_the_letter(village):
    village.nodes[ALICE].set_timer(BOB, 10, village.now)
    envelope = village.send(ALICE, BOB, "a secret")
    village.exchange()
    village.nodes[BOB].read(None, village.now)
    village.now += 11 * MINUTE_MS
    village.exchange()
    village.put(envelope, BOB)
    village.exchange()
    assert village.read(BOB) == []


def test_two_timers_at_once_end_alike_and_off_is_off(village):
    village.nodes[ALICE].set_timer(BOB, 60, village.now)
    village.nodes[BOB].set_timer(ALICE, 30, village.now)
    village.exchange()
    assert village.nodes[ALICE].timer(BOB) == village.nodes[BOB].timer(ALICE) == 60
    village.nodes[BOB].set_timer(ALICE, 0, village.now)
    village.exchange()
    assert village.nodes[ALICE].timer(BOB) == village.nodes[BOB].timer(ALICE) == 0
    village.send(ALICE, BOB, "stays")
    village.exchange()
    village.nodes[BOB].read(None, village.now)
    village.now += 400 * DAY_MS
    village.poll(BOB)
    assert village.read(BOB) == [(ALICE, "stays")]


def test_a_disappearing_text_is_gone_from_the_disk_of_who_steals_the_computer(village):
    village.nodes[ALICE].set_timer(BOB, 10, village.now)
    village.send(ALICE, BOB, "the last words")
    village.exchange()
    village.nodes[BOB].read(None, village.now)
    village.now += 11 * MINUTE_MS
    village.exchange()
    assert b"the last words" not in village.nodes[BOB].secrets()
    assert b"the last words" not in village.nodes[ALICE].secrets()


# Deleting


def test_a_letter_is_deleted_on_all_devices_of_both(village):
    link(village, ALICE, TABLET)
    link(village, BOB, PHONE)
    village.send(TABLET, BOB, "a mistake")
    settle(village)
    assert all((who in (ALICE, TABLET), "a mistake") in said(village, who) for who in village.nodes)
    village.nodes[ALICE].remove(number(village, ALICE, "a mistake"), False, village.now)
    settle(village)
    assert all(said(village, who) == [] for who in village.nodes)


def test_a_wish_to_delete_that_overtakes_its_letter_still_deletes_it(village):
    envelope = village.send(ALICE, BOB, "a mistake")
    held = village.nodes[ALICE].shelf.get(envelope.id, village.now)
    village.nodes[ALICE].remove(number(village, ALICE, "a mistake"), False, village.now)
    village.exchange()
    village.put(held, BOB)
    village.exchange()
    assert village.read(BOB) == [] and (ALICE, "a mistake") not in [
        (letter.name, letter.text) for letter in village.nodes[BOB].inbox()
    ]


def test_what_others_wrote_is_forgotten_here_only(village):
    village.send(ALICE, BOB, "mine to keep")
    village.exchange()
    with pytest.raises(errors.NotOurs):
        village.nodes[BOB].remove(number(village, BOB, "mine to keep"), False, village.now)
    village.nodes[BOB].remove(number(village, BOB, "mine to keep"), True, village.now)
    village.exchange()
    assert said(village, BOB) == [] and said(village, ALICE) == [(True, "mine to keep")]


def test_nobody_can_delete_what_the_other_side_wrote(village):
    village.send(ALICE, BOB, "a promise")
    village.exchange()
    row = village.nodes[BOB]._database.rows("SELECT id, sequence FROM entries WHERE text != ''")[0]
    desk = village.nodes[BOB].people
    (alice,) = [one["id"] for one in village.nodes[BOB]._database.rows("SELECT id FROM contacts")]
    # As a changed program would ask for it.
    target = desk.conversations.author_tag(alice, False, None) + entries.encode_number(row["sequence"])
    desk.say(alice, entries.REMOVE, "", village.now, target)
    village.exchange()
    assert said(village, ALICE) == [(True, "a promise")]


def test_a_letter_that_has_not_left_yet_is_deleted_before_it_does(village):
    village.send(ALICE, BOB, "never mind")
    village.nodes[ALICE].remove(number(village, ALICE, "never mind"), False, village.now)
    village.exchange()
    assert village.read(BOB) == [] and village.received(BOB) == []
