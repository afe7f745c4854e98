"""One person, several devices: each conversation reaches all of them, and one that is lost is taken out."""

import pytest
from node_support import DAY_MS, MINUTE_MS, Village
from people_support import NOW

from hedgerow import errors
from hedgerow.events import DEVICE_ADDED, DEVICE_REVOKED, Joined, Noticed

ALICE, BOB, CAROL = "Alice", "Bob", "Carol"
TABLET, PHONE = "Alice's tablet", "Bob's phone"


@pytest.fixture
def village():
    with Village(ALICE, BOB, CAROL) as found:
        found.befriend(ALICE, BOB)
        yield found


def link(village, first, further, history_ms=0):
    """``further`` becomes a device of the account of ``first``."""
    village.join(further, "nobody yet")
    desk = village.nodes[further].people
    with desk.changing(village.now):
        code = desk.devices.code(further, village.now)
    desk = village.nodes[first].people
    with desk.changing(village.now):
        desk.devices.add(code, history_ms, village.now)
    settle(village)


def settle(village):
    """Time for every answer to an answer."""
    for _ in range(3):
        village.now += MINUTE_MS
        village.exchange()


def revoke(village, who, wanted):
    desk = village.nodes[who].people
    with desk.changing(village.now):
        desk.devices.revoke(wanted, village.now)
    settle(village)


def said(village, who, name=None):
    """(from us, text) of a conversation as a device shows it."""
    return [(letter.mine, letter.text) for letter in village.nodes[who].inbox(name)]


def noticed(village, who):
    return [event.what for event in village.events[who] if isinstance(event, Noticed)]


def test_a_second_device_has_the_account_its_contacts_and_what_was_said(village):
    village.send(ALICE, BOB, "before")
    village.exchange()
    village.send(BOB, ALICE, "an answer")
    village.exchange()
    link(village, ALICE, TABLET)
    tablet = village.nodes[TABLET]
    assert tablet.name == ALICE and Joined(ALICE) in village.events[TABLET]
    assert [(contact.name, contact.connected) for contact in tablet.contacts()] == [(BOB, True)]
    assert said(village, TABLET, BOB) == [(True, "before"), (False, "an answer")]


def test_what_is_written_to_somebody_comes_to_all_devices_and_what_one_writes_shows_on_the_others(village):
    link(village, ALICE, TABLET)
    village.send(BOB, ALICE, "to both")
    village.exchange()
    assert said(village, ALICE, BOB) == said(village, TABLET, BOB) == [(False, "to both")]
    village.send(TABLET, BOB, "from the tablet")
    village.exchange()
    expected = [(False, "to both"), (True, "from the tablet")]
    assert said(village, ALICE, BOB) == said(village, TABLET, BOB) == expected
    assert said(village, BOB, ALICE) == [(True, "to both"), (False, "from the tablet")]
    assert village.received(BOB) == [(ALICE, "from the tablet")]


def test_both_have_two_devices_and_everything_reaches_all_four_once(village):
    link(village, ALICE, TABLET)
    link(village, BOB, PHONE)
    writers = [(ALICE, BOB), (TABLET, BOB), (BOB, ALICE), (PHONE, ALICE)]
    for number, (writer, reader) in enumerate(writers):
        village.now += MINUTE_MS
        village.send(writer, reader, f"{number}")
        settle(village)
    for who, mine in ((ALICE, 2), (TABLET, 2), (BOB, 2), (PHONE, 2)):
        found = village.nodes[who].inbox()
        assert sorted(letter.text for letter in found) == ["0", "1", "2", "3"], who
        assert sum(letter.mine for letter in found) == mine
    # In one order everywhere.
    assert (
        len(
            {
                tuple(letter.text for letter in village.nodes[who].inbox())
                for who in village.nodes
                if who != CAROL
            }
        )
        == 1
    )


def test_a_letter_is_delivered_when_one_device_of_theirs_has_it(village):
    link(village, BOB, PHONE)
    away = village.nodes.pop(BOB)
    village.send(ALICE, BOB, "hello")
    village.exchange()
    assert village.states(ALICE) == ["delivered"]
    village.nodes[BOB] = away
    village.exchange()
    assert said(village, BOB, ALICE) == said(village, PHONE, ALICE) == [(False, "hello")]


def test_history_can_be_left_out_for_a_new_device(village):
    village.send(ALICE, BOB, "old")
    village.exchange()
    village.now += DAY_MS
    link(village, ALICE, TABLET, history_ms=village.now)
    assert said(village, TABLET) == []


def test_letters_of_those_who_do_not_know_the_new_device_yet_come_by_the_other_one(village):
    away = village.nodes.pop(BOB)
    village.nodes[ALICE].poll(village.now)
    link(village, ALICE, TABLET)
    # Bob writes before he hears of the tablet.
    away.send(ALICE, "early", village.now)
    village.nodes[BOB] = away
    settle(village)
    assert said(village, ALICE, BOB) == said(village, TABLET, BOB) == [(False, "early")]


def test_contacts_learn_of_added_and_revoked_devices(village):
    link(village, ALICE, TABLET)
    assert noticed(village, BOB) == [DEVICE_ADDED]
    revoke(village, ALICE, TABLET)
    assert noticed(village, BOB) == [DEVICE_ADDED, DEVICE_REVOKED]


def test_a_revoked_device_gets_nothing_more_and_is_not_heard(village):
    link(village, ALICE, TABLET)
    revoke(village, ALICE, TABLET)
    village.send(BOB, ALICE, "not for thieves")
    village.send(TABLET, BOB, "from a thief")
    settle(village)
    assert said(village, ALICE, BOB) == [(False, "not for thieves")]
    assert said(village, TABLET) == [(True, "from a thief")]
    assert said(village, BOB) == [(True, "not for thieves")]


def test_whom_one_device_meets_all_devices_know(village):
    link(village, ALICE, TABLET)
    village.befriend(TABLET, CAROL)
    settle(village)
    assert [contact.name for contact in village.nodes[ALICE].contacts()] == [BOB, CAROL]


def test_a_further_device_cannot_add_devices_nor_revoke_them(village):
    link(village, ALICE, TABLET)
    desk = village.nodes[TABLET].people
    village.join("thief", "nobody")
    other = village.nodes["thief"].people
    with other.changing(village.now):
        code = other.devices.code("x", village.now)
    with pytest.raises(errors.NoAccountKey), desk.changing(village.now):
        desk.devices.add(code, 0, village.now)
    with pytest.raises(errors.NoAccountKey):
        revoke(village, TABLET, "2")
    assert village.nodes[TABLET].people.account.account_seed == b""


def test_restarts_on_the_way_lose_nothing(village):
    link(village, ALICE, TABLET)
    for step in range(4):
        village.send((ALICE, TABLET, BOB, BOB)[step], BOB if step < 2 else ALICE, f"{step}")
        for who in (ALICE, TABLET, BOB):
            village.reopen(who)
        settle(village)
    for who in (ALICE, TABLET, BOB):
        assert sorted(letter.text for letter in village.nodes[who].inbox()) == ["0", "1", "2", "3"]


def test_codes_that_are_damaged_old_or_used_are_refused(village):
    village.join(TABLET, "nobody")
    tablet, alice = village.nodes[TABLET].people, village.nodes[ALICE].people
    with tablet.changing(village.now):
        code = tablet.devices.code("tablet", village.now)

    def add(text, now=NOW):
        with alice.changing(now):
            alice.devices.add(text, 0, now)

    for damaged in (code[:-2], code.replace("device", "invite"), "", code + "A"):
        with pytest.raises(errors.CodeDamaged):
            add(damaged)
    with pytest.raises(errors.CodeVersion):
        add(code.replace("/1/", "/2/"))
    with pytest.raises(errors.CodeExpired):
        add(code, NOW + 2 * DAY_MS)
    add(code)
    with pytest.raises(errors.DeviceKnown):
        add(code)


def test_a_home_with_contacts_does_not_join_another_account(village):
    desk = village.nodes[BOB].people
    with pytest.raises(errors.HomeInUse), desk.changing(village.now):
        desk.devices.code("x", village.now)
