"""One person, several devices: each conversation reaches all of them, and one that is lost is taken out."""

from contextlib import suppress

import pytest
from devices_support import link, said, settle
from hypothesis import given, settings
from hypothesis import strategies as st
from node_support import DAY_MS, MINUTE_MS, Village
from people_support import NOW, flip, person, source

from hedgerow import errors
from hedgerow.devices import joining, listing, sync
from hedgerow.events import DEVICE_ADDED, DEVICE_REVOKED, REVOKED, Joined, Noticed
from hedgerow.log import entry as entries
from hedgerow_core.errors import PeerError

ALICE, BOB, CAROL = "Alice", "Bob", "Carol"
TABLET, PHONE = "Alice's tablet", "Bob's phone"


@pytest.fixture
def village():
    with Village(ALICE, BOB, CAROL) as found:
        found.befriend(ALICE, BOB)
        yield found


def revoke(village, who, wanted):
    desk = village.nodes[who].people
    with desk.changing(village.now):
        desk.devices.revoke(wanted, village.now)
    settle(village)


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
    with pytest.raises(errors.NoAccountKey):
        assert village.nodes[TABLET].entropy
    revoke(village, ALICE, TABLET)
    assert noticed(village, TABLET) == [REVOKED]
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


def recovered(village, who, first):
    """``who`` gets the account key of the phrase of ``first``."""
    village.nodes[who].recover(village.nodes[first].entropy, village.now)
    settle(village)


def test_the_first_device_is_lost_and_the_other_one_takes_its_place(village):
    village.send(BOB, ALICE, "to the first")
    link(village, ALICE, TABLET)
    with pytest.raises(errors.PhraseOther):
        recovered(village, TABLET, BOB)
    recovered(village, TABLET, ALICE)
    lost = village.nodes.pop(ALICE)
    revoke(village, TABLET, "2")
    village.send(BOB, ALICE, "to the tablet")
    settle(village)
    village.send(TABLET, BOB, "it has come")
    settle(village)
    assert said(village, TABLET, BOB)[-2:] == [(False, "to the tablet"), (True, "it has come")]
    assert said(village, BOB, ALICE)[-1] == (False, "it has come")
    assert village.states(BOB) == ["delivered"] * 2
    village.nodes[ALICE] = lost
    settle(village)
    assert (False, "to the tablet") not in said(village, ALICE)


def test_letters_that_waited_for_the_lost_device_go_to_the_one_that_is_left(village):
    link(village, ALICE, TABLET)
    recovered(village, TABLET, ALICE)
    lost = village.nodes.pop(ALICE)
    for count in range(3):
        village.send(BOB, ALICE, f"{count}")
    revoke(village, TABLET, "2")
    settle(village)
    assert said(village, TABLET, BOB) == [(False, f"{count}") for count in range(3)]
    village.nodes[ALICE] = lost


def test_a_device_joins_by_one_file_where_no_board_reaches(village):
    village.send(BOB, ALICE, "before")
    village.exchange()
    alice = village.nodes[ALICE]
    tablet = village.join(TABLET, "nobody yet")
    code = tablet.join_code("tablet", village.now)
    assert tablet.join_code("tablet", village.now) == code
    whole = alice.bundle_for(alice.add_device(code, 0, village.now))
    for end in (0, 10, len(whole) // 2, len(whole) - 1):
        with pytest.raises(errors.BundleDamaged):
            tablet.take_bundle(whole[:end], village.now)
    assert tablet.joined is None
    tablet.take_bundle(whole, village.now)
    assert tablet.joined == ALICE and said(village, TABLET) == [(False, "before")]


def test_a_long_history_comes_whole_and_packed(village):
    for count in range(150):
        village.send(BOB, ALICE, f"letter {count}")
    village.exchange()
    link(village, ALICE, TABLET)
    assert said(village, TABLET, BOB) == [(False, f"letter {count}") for count in range(150)]
    (sent,) = village.nodes[ALICE]._database.rows(
        "SELECT count(*) AS n FROM entries WHERE kind = ?", entries.SYNC
    )
    assert sent["n"] <= 10


@given(st.integers(0, 8 * 640 - 1))
@settings(max_examples=60, deadline=None)
def test_a_welcome_that_was_changed_on_its_way_welcomes_nobody(bit):
    ours, theirs = person("alice"), person("tablet")
    kept, code = joining.create(theirs, "tablet", source("code"), NOW)
    body, _ = joining.welcome(ours, "Alice", joining.parse(code, NOW), source("welcome"))
    found = joining.open_welcome(theirs, kept, body)
    assert found.card.account_key == ours.account_key
    with pytest.raises(PeerError):
        joining.open_welcome(theirs, kept, flip(body, bit % (8 * len(body))))
    with pytest.raises(PeerError):
        joining.open_welcome(person("thief"), kept, body)


@given(st.binary(max_size=300))
def test_no_bytes_are_a_list_of_devices_that_the_account_did_not_sign(data):
    with pytest.raises(PeerError):
        listing.read(person("alice").account_key, data)


@given(st.integers(1, 8), st.integers(0, 1 << 31), st.data())
@settings(max_examples=40, deadline=None)
def test_a_signed_list_says_what_was_signed_and_nothing_after_any_change(count, minute, data):
    account = person("alice")
    devices = [(person(f"{at}").device_key, person(f"{at}").device_dh) for at in range(count)]
    made = listing.make(account, devices, None, minute)
    whole = made.encode()
    assert listing.read(account.account_key, whole) == made
    assert listing.make(account, devices, made, minute).newer_than(made) and not made.newer_than(made)
    with pytest.raises(PeerError):
        listing.read(account.account_key, flip(whole, data.draw(st.integers(0, 8 * len(whole) - 1))))
    with pytest.raises(PeerError):
        listing.read(person("bob").account_key, whole)


@given(st.binary(max_size=200))
def test_whatever_an_own_device_sends_is_read_or_refused(data):
    with suppress(PeerError):
        assert sync.decode(data)


def test_a_new_device_gets_the_rest_where_a_contact_lost_a_phone_that_wrote():
    with Village("Alice", "Bob", "Carol") as village:
        village.befriend("Alice", "Bob")
        village.befriend("Alice", "Carol")
        link(village, "Bob", "Bob's phone")
        village.send("Bob's phone", "Alice", "from the phone")
        settle(village)
        village.nodes["Bob"].revoke_device("2", village.now)
        settle(village)
        village.send("Carol", "Alice", "from Carol")
        settle(village)
        link(village, "Alice", "Alice's tablet")
        settle(village)
        tablet = village.nodes["Alice's tablet"]
        assert {contact.name for contact in tablet.contacts()} == {"Bob", "Carol"}
        assert [found.text for found in tablet.inbox("Carol")] == ["from Carol"]
