"""Groups as people have them: all read what one says, until they go or are put out."""

import pytest
from devices_support import gather, link, settle
from node_support import DAY_MS, MINUTE_MS, Village
from people_support import source

from hedgerow import errors
from hedgerow.devices import sync
from hedgerow.events import EQUIVOCATED, GROUP_JOINED, GROUP_LEFT, Noticed
from hedgerow.groups import control, letter, limits, operation
from hedgerow.groups.epoch import Epoch, chains
from hedgerow.groups.membership import Membership
from hedgerow.identity.account import Card
from hedgerow.log import entry as entries
from hedgerow.node import Node
from hedgerow.vault import backup, keystore
from hedgerow_core import envelope as envelopes
from hedgerow_core.clock import EPOCH_MINUTES
from hedgerow_core.envelope import decode

ALICE, BOB, CAROL, DORA = "Alice", "Bob", "Carol", "Dora"
TABLET = "Alice's tablet"
LANE = "The lane"


@pytest.fixture
def village():
    """Alice knows Bob and Carol, who do not know each other; she begins a group with both."""
    with Village(ALICE, BOB, CAROL) as found:
        gather(found, LANE)
        yield found


class Trap:
    """A group that Alice makes by hand, to give to Bob with an epoch of before what came last."""

    def __init__(self, village):
        self.village = village
        self.desk = village.nodes[ALICE].people
        self.random = source("trap")
        self.made, self.operations = Membership(), []
        columns = "id, account_key, device_key, device_dh, certificate"
        (self.bob,) = self.desk._database.rows(f"SELECT {columns} FROM contacts WHERE name = ?", BOB)
        account = self.desk.account
        self.do(operation.create(account.device_seed, 1, "trap", account.card(ALICE), self.random))
        self.act(operation.add, Card(BOB, *map(bytes, list(self.bob)[1:])), 1)

    def do(self, made):
        self.made = self.made.take(made)
        self.operations.append(made)

    def act(self, make, *what):
        number = len(self.operations) + 1
        self.do(make(self.desk.account.device_seed, self.made.group, number, self.made.heads, *what))

    def epoch(self):
        minute = self.village.now // MINUTE_MS - EPOCH_MINUTES
        account = self.desk.account
        return Epoch(self.made.group, minute, self.made.heads, account.device_key, self.random(32))

    def give(self, epoch):
        with self.desk.changing(self.village.now):
            for data in control.encode(control.Control(self.made.group, tuple(self.operations), epoch)):
                self.desk.sealer.post(self.bob["id"], entries.GROUP, data, self.village.now)
        self.desk.send_waiting(self.village.now)
        self.village.carry(ALICE, BOB)
        self.village.poll(BOB)


def test_who_is_added_and_removed_in_one_breath_goes_on_with_everybody_else():
    with Village(ALICE, BOB) as village:
        village.befriend(ALICE, BOB)
        trap = Trap(village)
        epoch, members = trap.epoch(), trap.made.members
        trap.act(operation.remove, bytes(trap.bob["account_key"]), ((bytes(trap.bob["device_key"]), 0),))
        trap.give(epoch)
        account = trap.desk.account
        said = letter.Letter(entries.Entry(entries.TEXT, 4, 4, 0, village.now, "hi"), ())
        chain = chains(epoch, members)[account.device_key]
        _, lock, body, _ = letter.seal(chain, trap.made.group, epoch.id, account.device_seed, said)
        village.nodes[BOB].shelf.put(trap.desk.sealer._envelope(lock, body, shared=True), village.now)
        for _ in range(20):
            village.now += DAY_MS // 4
            village.poll(BOB)
        village.send(ALICE, BOB, "and yet")
        settle(village)
        assert [found.text for found in village.nodes[BOB].inbox(ALICE)] == ["and yet"]
        with pytest.raises(errors.GroupLeft):
            village.nodes[BOB].groups.leave("trap", village.now)


def test_a_group_without_a_seat_for_the_other_devices_of_a_member_keeps_nobody_from_reading(monkeypatch):
    monkeypatch.setattr(limits, "DEVICES", 2)
    with Village(ALICE, BOB) as village:
        village.befriend(ALICE, BOB)
        link(village, BOB, "Bob's phone")
        trap = Trap(village)
        trap.give(trap.epoch())
        village.send(ALICE, BOB, "and yet")
        settle(village)
        assert [found.text for found in village.nodes[BOB].inbox(ALICE)] == ["and yet"]


def test_no_member_deletes_what_another_said_or_will_say(village):
    village.send(BOB, LANE, "meet at nine")
    settle(village)
    carol, bob = village.nodes[CAROL].people, village.nodes[BOB].people
    (group,) = carol._database.rows("SELECT id FROM contacts WHERE name = ?", LANE)
    tag = sync.tag(bob.account.device_key)
    places = b"".join(tag + entries.encode_number(number) for number in range(1, 51))
    with carol.changing(village.now):
        carol.groups.letters.write(group["id"], entries.REMOVE, "", places, village.now)
    settle(village)
    village.send(BOB, LANE, "or at ten")
    settle(village)
    for who in (ALICE, CAROL):
        assert [found.text for found in village.nodes[who].inbox(LANE)] == ["meet at nine", "or at ten"]


def texts(village, who, name=LANE):
    """(author, text) of a group as a device shows it."""
    return [(letter.author, letter.text) for letter in village.nodes[who].inbox(name)]


def noticed(village, who):
    return [event.what for event in village.events[who] if isinstance(event, Noticed)]


def members(village, who, name=LANE):
    (found,) = [group for group in village.nodes[who].groups.all() if group.name == name]
    return sorted(member.name for member in found.members)


def test_who_is_taken_in_hears_of_it_and_sees_who_is_in(village):
    assert noticed(village, BOB) == noticed(village, CAROL) == [GROUP_JOINED]
    for who in (ALICE, BOB, CAROL):
        assert members(village, who) == [ALICE, BOB, CAROL]


def test_what_one_says_all_read_once_and_in_one_order(village):
    for count, who in enumerate((ALICE, BOB, CAROL, BOB)):
        village.now += MINUTE_MS
        village.send(who, LANE, f"{count}")
        settle(village)
    expected = [(ALICE, "0"), (BOB, "1"), (CAROL, "2"), (BOB, "3")]
    assert texts(village, ALICE) == texts(village, BOB) == texts(village, CAROL) == expected
    assert village.received(CAROL) == [
        ("Alice in The lane", "0"),
        ("Bob in The lane", "1"),
        ("Bob in The lane", "3"),
    ]


def test_a_letter_is_delivered_when_all_have_it_and_carriers_let_go_of_it_only_then(village):
    away = village.nodes.pop(CAROL)
    envelope = village.send(ALICE, LANE, "hello")
    village.exchange()
    village.now += 60 * MINUTE_MS
    settle(village)
    (letter,) = village.nodes[ALICE].sent()
    assert (letter.reached, letter.of, letter.state) == (1, 2, "queued")
    assert village.nodes[BOB].shelf.has(envelope.id)
    village.nodes[CAROL] = away
    village.exchange()
    village.now += 60 * MINUTE_MS
    settle(village)
    (letter,) = village.nodes[ALICE].sent()
    assert (letter.reached, letter.of, letter.state) == (2, 2, "delivered")
    assert not village.nodes[BOB].shelf.has(envelope.id)


def test_who_is_put_out_reads_nothing_more_and_is_not_read(village):
    village.send(CAROL, LANE, "before")
    settle(village)
    village.nodes[ALICE].groups.remove(LANE, CAROL, village.now)
    village.send(ALICE, LANE, "after")
    settle(village)
    assert texts(village, BOB) == [(CAROL, "before"), (ALICE, "after")] or texts(village, BOB)[-1] == (
        ALICE,
        "after",
    )
    assert (ALICE, "after") not in texts(village, CAROL)
    assert noticed(village, CAROL)[-1] == GROUP_LEFT
    with pytest.raises(errors.GroupLeft):
        village.send(CAROL, LANE, "still there?")
    assert members(village, BOB) == [ALICE, BOB]


def test_what_somebody_said_past_their_removal_is_refused_by_all_alike(village):
    village.send(CAROL, LANE, "heard by all")
    settle(village)
    # Carol does not hear of her removal, and Bob reads her before he hears of it.
    alice = village.nodes.pop(ALICE)
    village.send(CAROL, LANE, "too late")
    village.exchange()
    assert (CAROL, "too late") in texts(village, BOB)
    alice.groups.remove(LANE, CAROL, village.now)
    village.nodes[ALICE] = alice
    settle(village)
    for who in (ALICE, BOB):
        assert [text for _, text in texts(village, who)] == ["heard by all"]


def test_a_member_leaves_and_the_others_go_on_without(village):
    village.nodes[BOB].groups.leave(LANE, village.now)
    settle(village)
    village.send(CAROL, LANE, "is Bob gone?")
    settle(village)
    settle(village)
    assert (CAROL, "is Bob gone?") in texts(village, ALICE)
    assert "is Bob gone?" not in [text for _, text in texts(village, BOB)]
    assert noticed(village, BOB)[-1] == GROUP_LEFT


def test_the_last_admin_does_not_leave_the_others_alone(village):
    with pytest.raises(errors.LastAdmin):
        village.nodes[ALICE].groups.leave(LANE, village.now)
    village.nodes[ALICE].groups.promote(LANE, BOB, village.now)
    settle(village)
    village.nodes[ALICE].groups.leave(LANE, village.now)
    settle(village)
    village.nodes[BOB].groups.rename(LANE, "The mill", village.now)
    settle(village)
    assert members(village, CAROL, "The mill") == [BOB, CAROL]


def test_only_an_admin_acts(village):
    bob = village.nodes[BOB].groups
    for wish in (
        lambda: bob.remove(LANE, CAROL, village.now),
        lambda: bob.promote(LANE, CAROL, village.now),
        lambda: bob.rename(LANE, "mine", village.now),
    ):
        with pytest.raises(errors.NotAdmin):
            wish()


def test_who_comes_later_reads_what_is_said_from_then_on(village):
    village.send(ALICE, LANE, "before")
    settle(village)
    village.join(DORA)
    village.befriend(ALICE, DORA)
    village.nodes[ALICE].groups.add(LANE, [DORA], village.now)
    settle(village)
    for who in (ALICE, BOB, DORA):
        village.send(who, LANE, f"from {who}")
        settle(village)
    expected = [(ALICE, "from Alice"), (BOB, "from Bob"), (DORA, "from Dora")]
    assert texts(village, DORA) == expected
    assert texts(village, CAROL) == [(ALICE, "before"), *expected]


def test_members_who_are_no_contacts_begin_an_epoch_together_when_its_maker_is_gone(village):
    lost = village.nodes.pop(ALICE)
    village.now += 9 * DAY_MS
    for _ in range(4):
        settle(village)
    village.send(BOB, LANE, "a new week")
    for _ in range(4):
        settle(village)
    assert (BOB, "a new week") in texts(village, CAROL)
    village.nodes[ALICE] = lost


def test_a_group_reaches_all_devices_of_a_member_and_shows_what_each_wrote(village):
    link(village, ALICE, TABLET)
    for _ in range(3):
        settle(village)
    village.send(BOB, LANE, "to all devices")
    settle(village)
    village.send(TABLET, LANE, "from the tablet")
    settle(village)
    expected = [(BOB, "to all devices"), (ALICE, "from the tablet")]
    for who in (ALICE, TABLET, BOB, CAROL):
        assert texts(village, who) == expected, who
    assert [letter.mine for letter in village.nodes[ALICE].inbox(LANE)] == [False, True]


def test_a_revoked_device_is_out_of_the_groups_as_well(village):
    link(village, ALICE, TABLET)
    for _ in range(3):
        settle(village)
    village.nodes[ALICE].revoke_device(TABLET, village.now)
    settle(village)
    village.send(BOB, LANE, "not for the thief")
    settle(village)
    assert (BOB, "not for the thief") in texts(village, ALICE)
    assert "not for the thief" not in [letter.text for letter in village.nodes[TABLET].inbox()]


def test_letters_and_epochs_in_any_order_are_all_read(village):
    carol = village.nodes.pop(CAROL)
    village.send(ALICE, LANE, "one")
    village.nodes[ALICE].groups.rename(LANE, "Lane 2", village.now)
    village.join(DORA)
    village.befriend(ALICE, DORA)
    village.nodes[ALICE].groups.add("Lane 2", [DORA], village.now)
    village.send(ALICE, "Lane 2", "two")
    settle(village)
    held = village.envelopes(BOB)
    village.nodes[CAROL] = carol
    for envelope in reversed(held):
        village.put(envelope, CAROL)
        village.poll(CAROL)
    settle(village)
    assert sorted(text for _, text in texts(village, CAROL, "Lane 2")) == ["one", "two"]


def test_restarts_lose_no_epoch_and_no_letter(village):
    for count in range(3):
        village.send((ALICE, BOB, CAROL)[count], LANE, f"{count}")
        for who in (ALICE, BOB, CAROL):
            village.reopen(who)
        settle(village)
    for who in (ALICE, BOB, CAROL):
        assert sorted(text for _, text in texts(village, who)) == ["0", "1", "2"]


def test_who_tells_members_two_things_in_one_place_is_shown(village):
    """A changed program of Carol's seals another letter under a sequence that it used."""
    village.send(CAROL, LANE, "one thing")
    settle(village)
    carol = village.nodes[CAROL]
    (group,) = carol._database.rows("SELECT id, sequence FROM contacts WHERE name = ?", LANE)
    with carol.people.changing(village.now):
        carol._database.run(
            "UPDATE contacts SET sequence = ? WHERE id = ?", group["sequence"] - 1, group["id"]
        )
    village.send(CAROL, LANE, "another thing")
    settle(village)
    assert EQUIVOCATED in noticed(village, ALICE) and EQUIVOCATED in noticed(village, BOB)
    assert village.nodes[ALICE].groups.all()[0].contradicted == (CAROL,)
    assert {(CAROL, "one thing"), (CAROL, "another thing")} <= set(texts(village, BOB))


def test_who_adds_a_groups_invite_waits_for_a_yes_and_is_a_member_then(village):
    uri = village.nodes[ALICE].groups.invite(LANE, village.now)
    with pytest.raises(errors.NotAdmin):
        village.nodes[BOB].groups.invite(LANE, village.now)
    village.join(DORA)
    village.nodes[DORA].add(uri, village.now)
    village.exchange()
    (waiting,) = village.nodes[ALICE].people.answers.waiting(village.now)
    assert (waiting.name, waiting.group) == (DORA, LANE) and DORA not in members(village, ALICE)
    village.nodes[ALICE].people.answers.accept(DORA, False, village.now)
    settle(village)
    assert members(village, DORA) == members(village, BOB) == [ALICE, BOB, CAROL, DORA]
    village.send(DORA, LANE, "hello all")
    settle(village)
    assert (DORA, "hello all") in texts(village, CAROL)


def test_letters_to_a_group_disappear_and_are_deleted_like_others(village):
    village.send(BOB, LANE, "a mistake")
    settle(village)
    (letter,) = village.nodes[BOB].sent(LANE)
    village.nodes[BOB].remove(letter.id, False, village.now)
    settle(village)
    assert all(texts(village, who) == [] for who in (ALICE, BOB, CAROL))
    village.nodes[CAROL].set_timer(LANE, 60, village.now)
    settle(village)
    village.send(BOB, LANE, "soon gone")
    settle(village)
    for who in (ALICE, CAROL):
        assert village.nodes[who].read(LANE, village.now) == 1
    village.now += 61 * MINUTE_MS
    settle(village)
    assert all(texts(village, who) == [] for who in (ALICE, BOB, CAROL))


def test_a_group_is_no_person_where_a_command_needs_one(village):
    alice = village.nodes[ALICE]
    for wish in (
        lambda: alice.ping(LANE, village.now),
        lambda: alice.people.book.block(LANE, village.now),
        lambda: alice.people.book.rename(LANE, "x", village.now),
    ):
        with pytest.raises(errors.IsGroup):
            wish()
    with pytest.raises(errors.UnknownGroup):
        alice.groups.add(BOB, [CAROL], village.now)
    for people, error in (
        (["Nobody"], errors.UnknownContact),
        ([BOB], errors.AlreadyMember),
        ([LANE], errors.IsGroup),
    ):
        with pytest.raises(error):
            alice.groups.add(LANE, people, village.now)
    with pytest.raises(errors.NameTaken, match="contact or group"):
        alice.groups.create("bob", [CAROL], village.now)
    with pytest.raises(errors.UnknownMember):
        alice.groups.remove(LANE, "Dora", village.now)
    assert members(village, ALICE) == [ALICE, BOB, CAROL]


def test_who_takes_a_backup_is_read_again_and_not_called_a_liar(village, tmp_path):
    whole = village.nodes[BOB].backup("the mill is closed")
    village.send(BOB, LANE, "said, and forgotten")
    settle(village)
    village.nodes[BOB].close()
    opened = backup.open_backup(tmp_path, whole, "the mill is closed")
    backup.restore(tmp_path / "new", opened, keystore.plain)
    village.nodes[BOB] = Node.open(tmp_path / "new", source("restored"), village.now)
    for _ in range(4):
        settle(village)
    village.send(BOB, LANE, "back again")
    village.send(ALICE, LANE, "welcome")
    for _ in range(4):
        settle(village)
    for who in (ALICE, BOB, CAROL):
        assert {(BOB, "back again"), (ALICE, "welcome")} <= set(texts(village, who)), who
    assert not any(group.contradicted for group in village.nodes[ALICE].groups.all())
    village.now += 60 * MINUTE_MS
    settle(village)
    assert village.states(BOB)[-1] == "delivered"


def test_a_clock_that_jumps_by_years_stops_no_group(village):
    """Carol's clock runs years ahead, and so do her epochs; nobody can be the newest for ever."""
    now = village.now
    with village.nodes[CAROL].people.changing(now + 4_000 * DAY_MS):
        carol = village.nodes[CAROL].people.groups
        carol.epochs.begin_anew(carol.named(LANE), now + 4_000 * DAY_MS)
    village.nodes[CAROL].people.send_waiting(now)
    for _ in range(4):
        settle(village)
    for who in (ALICE, BOB, CAROL):
        village.send(who, LANE, f"from {who}")
        settle(village)
    village.nodes[ALICE].groups.remove(LANE, CAROL, village.now)
    settle(village)
    village.send(BOB, LANE, "without Carol")
    settle(village)
    assert [text for _, text in texts(village, ALICE)] == [
        "from Alice",
        "from Bob",
        "from Carol",
        "without Carol",
    ]
    assert "without Carol" not in [text for _, text in texts(village, CAROL)]


def test_who_makes_epoch_after_epoch_does_not_make_letters_of_others_unreadable(village):
    """A changed program of Carol's begins more epochs than a home keeps, while a letter is on its way."""
    on_its_way = village.send(ALICE, LANE, "on its way")
    alice = village.nodes.pop(ALICE)
    carol = village.nodes[CAROL].people
    with carol.changing(village.now):
        for _ in range(limits.EPOCHS + 1):
            carol.groups.epochs.begin_anew(carol.groups.named(LANE), village.now)
    carol.send_waiting(village.now)
    settle(village)
    epochs = village.nodes[BOB]._database.rows("SELECT maker FROM group_epochs")
    assert len(epochs) == limits.EPOCHS and len({bytes(row["maker"]) for row in epochs}) == 2
    village.put(on_its_way, BOB)
    settle(village)
    assert texts(village, BOB) == [(ALICE, "on its way")]
    village.nodes[ALICE] = alice
    settle(village)
    village.send(BOB, LANE, "afterwards")
    settle(village)
    assert (BOB, "afterwards") in texts(village, ALICE)


def test_an_altered_copy_under_the_same_lock_neither_loses_nor_doubles_the_true_letter(village):
    envelope = village.send(ALICE, LANE, "the true one")
    for at in (0, 16, len(envelope.body) - 1):
        body = envelope.body[:at] + bytes((envelope.body[at] ^ 1,)) + envelope.body[at + 1 :]
        village.put(envelopes.make(0, envelope.ttl, envelope.lock, body, 0, True), BOB)
    village.poll(BOB)
    assert texts(village, BOB) == []
    settle(village)
    village.put(envelope, BOB)
    settle(village)
    assert texts(village, BOB) == [(ALICE, "the true one")]
    assert village.received(BOB) == [("Alice in The lane", "the true one")]


def test_what_somebody_replays_of_an_old_epoch_changes_nothing(village):
    village.send(ALICE, LANE, "old")
    settle(village)
    replayed = [decode(prefix + b"\0\0") for prefix in village.on_air if len(prefix) > 32]
    village.nodes[ALICE].groups.remove(LANE, CAROL, village.now)
    settle(village)
    for envelope in replayed:
        village.put(envelope, BOB)
    settle(village)
    village.send(BOB, LANE, "new")
    settle(village)
    assert texts(village, BOB) == texts(village, ALICE) == [(ALICE, "old"), (BOB, "new")]
    assert members(village, BOB) == [ALICE, BOB]


def test_a_stranger_cannot_fill_the_room_of_operations_that_wait(village):
    """Dora is a contact of Bob's, and knows the id of the group."""
    village.join(DORA)
    village.befriend(BOB, DORA)
    group = village.nodes[BOB].groups.all()[0].id
    dora = village.nodes[DORA].people
    seed, card = dora.account.device_seed, dora.account.card(DORA)
    forged = [
        operation.add(seed, group, number, (bytes((number,)) * operation.ID_BYTES,), card, 1)
        for number in range(1, 40)
    ]
    (bob,) = [one["id"] for one in village.nodes[DORA]._database.rows("SELECT id FROM contacts")]
    with dora.changing(village.now):
        for data in control.encode(control.Control(group, tuple(forged))):
            dora.sealer.post(bob, entries.GROUP, data, village.now)
    settle(village)
    bobs = village.nodes[BOB].people.groups
    assert not bobs.state(bobs.named(LANE)).held
    village.send(BOB, LANE, "all is well")
    settle(village)
    assert (BOB, "all is well") in texts(village, CAROL)
