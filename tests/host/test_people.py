"""Contacts as people have them: invites for one or many, requests that wait, changed keys, block, rename."""

import pytest
from node_support import DAY_MS, MINUTE_MS, Village
from people_support import NOW, source

from hedgerow import errors
from hedgerow.events import ASKED, CHANGED, Noticed
from hedgerow.node import Node
from hedgerow.people import invite as invites
from hedgerow.people.inviting import MOST

ALICE, BOB, CAROL, DORA = "Alice", "Bob", "Carol", "Dora"


@pytest.fixture
def village():
    with Village(ALICE, BOB, CAROL) as found:
        yield found


@pytest.fixture
def friends(village):
    village.befriend(ALICE, BOB)
    return village


def desk(village, who):
    return village.nodes[who].people


def ask(village, who, uri):
    """They add an invite, and everything is carried."""
    name = village.nodes[who].add(uri, village.now)
    village.exchange()
    return name


def waiting(village, who):
    return [one.name for one in desk(village, who).answers.waiting(village.now)]


def names(village, who):
    return [contact.name for contact in village.nodes[who].contacts() if contact.connected]


def noticed(village, who):
    return [(event.what, event.name) for event in village.events[who] if isinstance(event, Noticed)]


def recover(village, who):
    """They lost their computer, and make the account of their phrase anew."""
    entropy = village.nodes[who].entropy
    village.nodes[who].close()
    number = len(list(village.folder.iterdir()))
    village.nodes[who] = Node.create(
        village.folder / f"{who} {number}", who, source(f"{who} {number}"), village.now, entropy
    )


def state(village, who, name):
    (found,) = [contact for contact in village.nodes[who].contacts() if contact.name == name]
    return found


# Invites


def test_an_invite_for_one_makes_one_contact_and_no_second(village):
    uri = village.nodes[ALICE].invite(NOW)
    ask(village, BOB, uri)
    ask(village, CAROL, uri)
    assert names(village, ALICE) == [BOB] and waiting(village, ALICE) == []
    assert names(village, CAROL) == []
    for _ in range(3):
        village.now += DAY_MS
        village.exchange()
    assert names(village, ALICE) == [BOB] and names(village, CAROL) == []


def test_the_keys_of_an_invite_that_was_used_are_erased_once_the_answer_came(village):
    uri = village.nodes[ALICE].invite(NOW)
    village.nodes[BOB].add(uri, NOW)
    village.carry(BOB, ALICE)
    village.poll(ALICE)
    rows = lambda: desk(village, ALICE)._database.rows("SELECT * FROM invites")  # noqa: E731
    assert len(rows()) == 1  # the answer may get lost: Bob's request will want it again
    village.now += 2 * MINUTE_MS
    village.exchange()
    village.now += 2 * MINUTE_MS
    village.exchange()
    assert rows() == [] and desk(village, ALICE).inviting.open(village.now) == []


def test_an_answer_to_an_invite_for_one_that_got_lost_is_given_again(village):
    village.nodes[BOB].add(village.nodes[ALICE].invite(NOW), NOW)
    village.carry(BOB, ALICE)
    village.poll(ALICE)
    village.now += 4 * DAY_MS  # nobody ever came by for the answer
    village.poll(ALICE)
    village.poll(BOB)
    village.exchange()
    village.exchange()
    assert names(village, BOB) == [ALICE]


def test_an_invite_for_many_lets_each_of_them_wait_for_a_yes(village):
    uri = village.nodes[ALICE].invite(NOW, many=True)
    for who in (BOB, CAROL):
        ask(village, who, uri)
    assert waiting(village, ALICE) == [BOB, CAROL] and names(village, ALICE) == []
    assert noticed(village, ALICE) == [(ASKED, BOB), (ASKED, CAROL)]
    assert desk(village, ALICE).answers.accept(CAROL, False, village.now) == (CAROL, True)
    assert desk(village, ALICE).answers.refuse(BOB, village.now) == BOB
    village.exchange()
    assert names(village, ALICE) == [CAROL] and names(village, CAROL) == [ALICE]
    assert names(village, BOB) == [] and waiting(village, ALICE) == []


def test_an_invite_for_one_waits_too_where_it_was_made_so(village):
    ask(village, BOB, village.nodes[ALICE].invite(NOW, ask=True))
    assert waiting(village, ALICE) == [BOB]
    desk(village, ALICE).answers.accept("1", False, village.now)
    village.exchange()
    assert names(village, BOB) == [ALICE]


def test_letters_written_while_somebody_waits_arrive_after_the_yes(village):
    uri = village.nodes[ALICE].invite(NOW, many=True)
    village.nodes[BOB].add(uri, NOW)
    village.send(BOB, ALICE, "may I?")
    village.exchange()
    village.reopen(ALICE)
    village.now += 2 * DAY_MS
    desk(village, ALICE).answers.accept(BOB, False, village.now)
    village.exchange()
    assert village.read(ALICE) == [(BOB, "may I?")]


def test_who_was_refused_is_not_asked_about_again_when_the_request_is_repeated(village):
    uri = village.nodes[ALICE].invite(NOW, many=True)
    ask(village, BOB, uri)
    desk(village, ALICE).answers.refuse(BOB, village.now)
    for _ in range(3):
        village.now += DAY_MS
        village.exchange()
    assert waiting(village, ALICE) == [] and names(village, BOB) == []


def test_refusing_who_used_an_invite_for_one_erases_its_keys(village):
    ask(village, BOB, village.nodes[ALICE].invite(NOW, ask=True))
    desk(village, ALICE).answers.refuse(BOB, village.now)
    assert desk(village, ALICE).inviting.open(village.now) == []


def test_a_withdrawn_invite_is_refused_and_its_keys_are_gone(village):
    uri = village.nodes[ALICE].invite(NOW)
    secret = invites.parse(uri, NOW).secret
    (made,) = desk(village, ALICE).inviting.open(NOW)
    before = desk(village, ALICE)._database.vault.data_keys
    desk(village, ALICE).inviting.withdraw(made.id, NOW)
    after = desk(village, ALICE)._database.vault.data_keys
    assert not set(before) & set(after)  # what it was sealed under is erased, too
    assert secret not in b"".join(village.nodes[ALICE].secrets())
    ask(village, BOB, uri)
    village.reopen(ALICE)
    village.exchange()
    assert names(village, ALICE) == waiting(village, ALICE) == names(village, BOB) == []


def test_who_asked_with_an_invite_before_it_was_withdrawn_still_waits(village):
    uri = village.nodes[ALICE].invite(NOW, many=True)
    ask(village, BOB, uri)
    (made,) = desk(village, ALICE).inviting.open(village.now)
    assert made.used == 1
    desk(village, ALICE).inviting.withdraw(made.id[:4], village.now)
    desk(village, ALICE).answers.accept(BOB, False, village.now)
    village.exchange()
    assert names(village, BOB) == [ALICE]


@pytest.mark.parametrize("wanted", ["", "zz", "ffffffffff", "'; --"])
def test_withdrawing_what_is_no_invite_changes_nothing(village, wanted):
    village.nodes[ALICE].invite(NOW)
    with pytest.raises(errors.UnknownInvite):
        desk(village, ALICE).inviting.withdraw(wanted, NOW)
    assert len(desk(village, ALICE).inviting.open(NOW)) == 1


@pytest.mark.parametrize("days,held", [(1, 1), (365, 365)])
def test_an_invite_holds_as_long_as_it_was_made_for(village, days, held):
    uri = village.nodes[ALICE].invite(NOW, days=days)
    invites.parse(uri, NOW + held * DAY_MS - 2 * MINUTE_MS)
    with pytest.raises(invites.Expired):
        invites.parse(uri, NOW + held * DAY_MS)
    assert desk(village, ALICE).inviting.open(NOW + held * DAY_MS) == []


@pytest.mark.parametrize("days", [0, -1, 366])
def test_an_invite_for_no_time_or_for_ever_is_refused(village, days):
    with pytest.raises(errors.BadDays):
        village.nodes[ALICE].invite(NOW, days=days)


def test_so_many_invites_and_no_more_hold_at_once(village):
    for _ in range(MOST):
        village.nodes[ALICE].invite(NOW)
    with pytest.raises(errors.TooManyInvites):
        village.nodes[ALICE].invite(NOW)


def test_a_hundred_people_who_use_one_invite_at_once_all_wait():
    with Village(ALICE) as village:
        uri = village.nodes[ALICE].invite(NOW, many=True)
        askers = [village.join(f"asker {number}") for number in range(100)]
        for node in askers:
            node.add(uri, NOW)
        for who in list(village.nodes):
            if who != ALICE:
                village.carry(who, ALICE)
        village.poll(ALICE)
        assert sorted(waiting(village, ALICE)) == sorted(node.name for node in askers)
        for one in desk(village, ALICE).answers.waiting(village.now):
            desk(village, ALICE).answers.accept(str(one.id), False, village.now)
        for who in ("asker 0", "asker 57", "asker 99"):
            village.carry(ALICE, who)
            village.poll(who)
            assert names(village, who) == [ALICE]
        assert len(names(village, ALICE)) == 100


def test_who_waits_for_an_answer_to_a_withdrawn_invite_can_use_another_one(village):
    uri = village.nodes[ALICE].invite(NOW)
    desk(village, ALICE).inviting.withdraw(desk(village, ALICE).inviting.open(NOW)[0].id, NOW)
    ask(village, BOB, uri)
    with pytest.raises(errors.AlreadyContact):
        village.nodes[BOB].add(uri, NOW)
    village.send(BOB, ALICE, "hello")
    ask(village, BOB, village.nodes[ALICE].invite(village.now))
    village.exchange()
    assert names(village, BOB) == [ALICE] and village.read(ALICE) == [(BOB, "hello")]


def test_a_request_is_not_repeated_when_its_invite_is_over(village):
    village.nodes[BOB].add(village.nodes[ALICE].invite(NOW, days=2), NOW)
    for day in range(6):
        village.now = NOW + day * DAY_MS + DAY_MS
        village.poll(BOB)
    rows = desk(village, BOB)._database.rows("SELECT max(sealed_ms) AS last FROM sendings")
    assert rows[0]["last"] <= NOW + 2 * DAY_MS


@pytest.mark.parametrize("wanted", ["Nobody", "99", "", "'"])
def test_answering_whom_nobody_knows_is_a_sentence(village, wanted):
    with pytest.raises(errors.UnknownRequest):
        desk(village, ALICE).answers.accept(wanted, False, NOW)
    with pytest.raises(errors.UnknownRequest):
        desk(village, ALICE).answers.refuse(wanted, NOW)


def test_two_who_wait_under_one_name_are_chosen_by_number():
    with Village(ALICE) as village:
        uri = village.nodes[ALICE].invite(NOW, many=True)
        for who in ("one", "two"):
            village.join(who, "Sam")
            ask(village, who, uri)
        with pytest.raises(errors.SeveralRequests, match="1, 2"):
            desk(village, ALICE).answers.accept("Sam", False, village.now)
        desk(village, ALICE).answers.accept("2", False, village.now)
        village.exchange()
        assert names(village, "two") == [ALICE] and names(village, "one") == []


# Keys that changed


def test_a_contact_on_a_new_device_waits_and_so_do_letters(friends):
    village = friends
    village.send(ALICE, BOB, "before")
    village.exchange()
    recover(village, BOB)
    ask(village, BOB, village.nodes[ALICE].invite(village.now))
    assert noticed(village, ALICE) == [(CHANGED, BOB)]
    assert state(village, ALICE, BOB).changed
    village.send(ALICE, BOB, "is it you?")
    village.exchange()
    assert village.read(BOB) == [] and village.states(ALICE)[-1] == "queued"
    with pytest.raises(errors.KeyChanged):
        desk(village, ALICE).answers.accept(BOB, False, village.now)
    assert desk(village, ALICE).answers.accept(BOB, True, village.now) == (BOB, True)
    village.exchange()
    village.send(BOB, ALICE, "it is")
    village.exchange()
    assert village.read(BOB) == [(ALICE, "is it you?")] and village.read(ALICE) == [(BOB, "it is")]
    assert not state(village, ALICE, BOB).changed
    # One conversation, with what was before.
    assert [letter.text for letter in village.nodes[ALICE].inbox(BOB)] == ["before", "is it you?", "it is"]


def test_letters_on_their_way_to_the_lost_device_go_to_the_new_one_after_the_yes(friends):
    village = friends
    village.send(ALICE, BOB, "for the old one")
    recover(village, BOB)
    ask(village, BOB, village.nodes[ALICE].invite(village.now))
    assert village.read(BOB) == []
    desk(village, ALICE).answers.accept(BOB, True, village.now)
    village.exchange()
    assert village.read(BOB) == [(ALICE, "for the old one")]


def test_a_new_device_that_is_refused_leaves_all_as_it_was(friends):
    village = friends
    old = village.nodes.pop(BOB)
    village.nodes["thief"] = Node.create(
        village.folder / "thief", BOB, source("thief"), village.now, old.entropy
    )
    village.events["thief"] = []
    ask(village, "thief", village.nodes[ALICE].invite(village.now))
    village.send(ALICE, BOB, "only for Bob")
    desk(village, ALICE).answers.refuse(BOB, village.now)
    assert not state(village, ALICE, BOB).changed
    village.nodes[BOB] = old
    village.exchange()
    assert village.read(BOB) == [(ALICE, "only for Bob")] and village.read("thief") == []


def test_a_new_device_can_be_verified_before_anything_else_goes_there(friends):
    village = friends
    recover(village, BOB)
    ask(village, BOB, village.nodes[ALICE].invite(village.now))
    village.send(ALICE, BOB, "secret")
    alice = desk(village, ALICE)
    contact = alice.book.id_of(BOB)
    assert alice.verifying.begin(contact, False, village.now) is None
    village.exchange()
    village.send(BOB, ALICE, "I have a new computer")
    village.exchange()
    assert village.read(BOB) == [] and village.read(ALICE) == []  # both wait
    with pytest.raises(errors.KeyChecked):
        alice.answers.refuse(BOB, village.now)
    bob = desk(village, BOB)
    digits = bob.verifying.begin(bob.book.id_of(ALICE), False, village.now)
    alice.verifying.compare(contact, digits, village.now)
    village.exchange()
    assert village.read(BOB) == [(ALICE, "secret")]
    assert village.read(ALICE) == [(BOB, "I have a new computer")]
    assert state(village, ALICE, BOB).verified and not state(village, ALICE, BOB).changed


def test_digits_of_the_former_key_do_not_verify_a_new_one(friends):
    village = friends
    alice, bob = desk(village, ALICE), desk(village, BOB)
    contact = alice.book.id_of(BOB)
    alice.verifying.begin(contact, False, village.now)
    village.exchange()
    digits = alice.verifying.digits(contact, village.now)
    assert digits == bob.verifying.digits(bob.book.id_of(ALICE), village.now) is not None
    for number in range(2):
        recover(village, BOB)
        ask(village, BOB, village.nodes[ALICE].invite(village.now))
        with pytest.raises(errors.NoDigits):
            alice.verifying.compare(contact, digits, village.now)
        with pytest.raises(errors.KeyChanged):
            alice.verifying.fingerprint(contact)
        assert state(village, ALICE, BOB).changed and not state(village, ALICE, BOB).verified
        if number == 0:
            # Verifying the second key is overtaken by a third one.
            alice.verifying.begin(contact, False, village.now)
            village.exchange()
            digits = alice.verifying.digits(contact, village.now)
            assert digits is not None and alice.verifying.fingerprint(contact)


def test_a_yes_ends_the_waiting_while_the_new_device_is_still_being_verified(friends):
    village = friends
    recover(village, BOB)
    ask(village, BOB, village.nodes[ALICE].invite(village.now))
    village.send(ALICE, BOB, "waits")
    alice = desk(village, ALICE)
    alice.verifying.begin(alice.book.id_of(BOB), False, village.now)
    with pytest.raises(errors.KeyChanged):
        alice.answers.accept(BOB, False, village.now)
    alice.answers.accept(BOB, True, village.now)
    village.exchange()
    assert village.read(BOB) == [(ALICE, "waits")] and not state(village, ALICE, BOB).verified


def test_an_invite_of_a_contacts_new_device_changes_the_key_too_and_says_so(friends):
    village = friends
    recover(village, BOB)
    assert ask(village, ALICE, village.nodes[BOB].invite(village.now)) == BOB
    village.send(ALICE, BOB, "waits")
    village.exchange()
    assert state(village, ALICE, BOB).changed and village.read(BOB) == []
    assert names(village, ALICE) == [BOB]
    desk(village, ALICE).answers.accept(BOB, True, village.now)
    village.exchange()
    assert village.read(BOB) == [(ALICE, "waits")]


def test_a_yes_to_an_invite_of_a_new_device_holds_before_the_answer_came(friends):
    village = friends
    village.send(ALICE, BOB, "for the old one")
    recover(village, BOB)
    village.nodes[ALICE].add(village.nodes[BOB].invite(village.now), village.now)
    desk(village, ALICE).answers.accept(BOB, True, village.now)
    village.exchange()
    assert village.read(BOB) == [(ALICE, "for the old one")]


def test_verified_is_lost_with_the_keys_that_it_was_about(friends):
    village = friends
    alice = desk(village, ALICE)
    alice.verifying.verified(alice.book.id_of(BOB), village.now)
    assert state(village, ALICE, BOB).verified
    recover(village, BOB)
    ask(village, BOB, village.nodes[ALICE].invite(village.now))
    assert not state(village, ALICE, BOB).verified
    alice.answers.accept(BOB, True, village.now)
    assert not state(village, ALICE, BOB).verified


def test_somebody_else_under_a_contacts_name_waits_and_is_another_contact(friends):
    village = friends
    village.join("other", BOB)
    ask(village, "other", village.nodes[ALICE].invite(village.now))
    assert names(village, ALICE) == [BOB]
    (one,) = desk(village, ALICE).answers.waiting(village.now)
    assert one.new_account and not one.new_device and one.contact == BOB
    assert state(village, ALICE, BOB).rivalled and not state(village, ALICE, BOB).changed
    # Who only has the name cannot stop letters to the one whom Alice knows.
    village.send(ALICE, BOB, "for the one I know")
    village.exchange()
    assert village.read(BOB) == [(ALICE, "for the one I know")] and village.read("other") == []
    assert desk(village, ALICE).answers.accept(BOB, False, village.now) == ("Bob 2", True)
    assert not state(village, ALICE, BOB).rivalled


def test_a_contact_who_lost_even_the_phrase_goes_on_in_the_same_conversation_after_a_yes(friends):
    village = friends
    village.send(ALICE, BOB, "before")
    village.exchange()
    village.nodes.pop(BOB).close()
    village.join("Bob again", BOB)
    ask(village, "Bob again", village.nodes[ALICE].invite(village.now))
    assert desk(village, ALICE).answers.accept(BOB, True, village.now) == (BOB, True)
    village.exchange()
    village.send(ALICE, BOB, "after")
    village.exchange()
    assert village.read("Bob again") == [(ALICE, "after")]
    assert [letter.text for letter in village.nodes[ALICE].inbox(BOB)] == ["before", "after"]
    assert len(village.nodes[ALICE].contacts()) == 1


def test_a_changed_key_holds_after_a_restart_and_a_forgotten_request_frees_the_letters(friends):
    village = friends
    recover(village, BOB)
    ask(village, BOB, village.nodes[ALICE].invite(village.now))
    village.reopen(ALICE)
    assert state(village, ALICE, BOB).changed
    village.now += 15 * DAY_MS
    village.poll(ALICE)
    assert not state(village, ALICE, BOB).changed and waiting(village, ALICE) == []


def test_both_recover_and_find_each_other_again(friends):
    village = friends
    recover(village, ALICE)
    recover(village, BOB)
    ask(village, BOB, village.nodes[ALICE].invite(village.now))
    village.send(BOB, ALICE, "again")
    village.exchange()
    assert village.read(ALICE) == [(BOB, "again")]


# Block, rename


def test_nothing_of_a_blocked_contact_is_shown_or_answered(friends):
    village = friends
    village.send(BOB, ALICE, "earlier")
    village.exchange()
    desk(village, ALICE).book.block(BOB, village.now)
    before = len(village.on_air), set(village.nodes[ALICE].shelf.ids())
    village.send(BOB, ALICE, "now")
    village.exchange()
    assert village.read(ALICE) == [] and village.nodes[ALICE].inbox() == []
    assert village.received(ALICE) == [(BOB, "earlier")]
    assert village.states(BOB) == ["delivered", "queued"]  # as if Alice's computer were off
    for call in (
        lambda: village.send(ALICE, BOB, "x"),
        lambda: village.nodes[ALICE].inbox(BOB),
        lambda: village.nodes[ALICE].ping(BOB, village.now),
        lambda: desk(village, ALICE).book.id_of(BOB),
        lambda: desk(village, ALICE).book.block(BOB, village.now),
    ):
        with pytest.raises(errors.Blocked):
            call()
    assert set(village.nodes[ALICE].shelf.ids()) >= before[1]


def test_a_blocked_contact_who_asks_anew_or_begins_anything_hears_nothing(friends):
    village = friends
    uri = village.nodes[ALICE].invite(village.now)
    desk(village, ALICE).book.block(BOB, village.now)
    bob = desk(village, BOB)
    bob.verifying.begin(bob.book.id_of(ALICE), False, village.now)
    recover(village, BOB)
    ask(village, BOB, uri)
    for _ in range(3):
        village.now += DAY_MS
        village.exchange()
    assert waiting(village, ALICE) == [] and names(village, BOB) == []
    assert not village.nodes[BOB].contacts()[0].asked  # not even that the request arrived
    assert not state(village, ALICE, BOB).changed


def test_after_unblocking_what_is_still_carried_is_opened(friends):
    village = friends
    desk(village, ALICE).book.block(BOB, village.now)
    village.send(BOB, ALICE, "are you there?")
    village.exchange()
    village.reopen(ALICE)
    village.exchange()
    desk(village, ALICE).book.unblock(BOB, village.now)
    village.exchange()
    assert village.read(ALICE) == [(BOB, "are you there?")] and village.states(BOB) == ["delivered"]
    village.send(ALICE, BOB, "yes")
    village.exchange()
    assert village.read(BOB) == [(ALICE, "yes")]
    with pytest.raises(errors.NotBlocked):
        desk(village, ALICE).book.unblock(BOB, village.now)


def test_another_program_on_the_home_learns_of_a_block(friends):
    village = friends
    second = Node.open(village.home(ALICE), source("second"), village.now)
    second.people.book.block(BOB, village.now)
    second.close()
    village.send(BOB, ALICE, "unheard")
    village.exchange()
    assert village.received(ALICE) == [] and village.states(BOB) == ["queued"]


def test_what_a_blocked_contact_says_on_the_street_is_not_shown(friends):
    village = friends
    for node in village.nodes.values():
        node.street.learn(bytes(32), village.now)
    desk(village, ALICE).book.block(BOB, village.now)
    village.nodes[BOB].say("hear me", True, village.now)
    village.nodes[CAROL].say("hello", False, village.now)
    village.exchange()
    assert [heard.text for heard in village.nodes[ALICE].street.heard(0)] == ["hello"]
    assert [event.text for event in village.events[ALICE] if hasattr(event, "sos")] == ["hello"]


def test_a_contact_is_called_what_we_like(friends):
    village = friends
    village.send(BOB, ALICE, "hello")
    village.exchange()
    desk(village, ALICE).book.rename("bob", "Bob of the mill", NOW)
    assert village.read(ALICE) == [("Bob of the mill", "hello")]
    village.send(ALICE, "Bob of the mill", "hello, too")
    village.exchange()
    assert village.read(BOB) == [(ALICE, "hello, too")]
    desk(village, ALICE).book.rename("Bob of the mill", "BOB OF THE MILL", NOW)
    with pytest.raises(errors.UnknownContact):
        desk(village, ALICE).book.rename(BOB, "x", NOW)


@pytest.mark.parametrize("new", ["", "x" * 33, "a\x1bb", "\n"])
def test_a_name_that_cannot_be_shown_is_refused(friends, new):
    with pytest.raises(errors.BadName):
        desk(friends, ALICE).book.rename(BOB, new, NOW)
    assert names(friends, ALICE) == [BOB]


def test_two_contacts_cannot_have_one_name(friends):
    friends.befriend(ALICE, CAROL)
    with pytest.raises(errors.NameTaken):
        desk(friends, ALICE).book.rename(CAROL, "BOB", NOW)
    assert names(friends, ALICE) == [BOB, CAROL]
