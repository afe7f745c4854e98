"""What is missing is noticed at once, shown, asked for, and comes; nothing waits for it."""

import pytest
from devices_support import gather, link, settle
from node_support import MINUTE_MS, Village

from hedgerow import gaps
from hedgerow.database import Database
from hedgerow.devices import sync
from hedgerow.log import entry as entries
from hedgerow_core.errors import PeerError

ALICE, BOB, CAROL = "Alice", "Bob", "Carol"
PHONE = "Bob's phone"
LANE = "Lane"


@pytest.fixture
def village():
    with Village(ALICE, BOB) as found:
        found.befriend(ALICE, BOB)
        found.send(ALICE, BOB, "first")
        found.exchange()
        yield found


def lose(village, who):
    """Nobody ever gets what lies on their shelf."""
    shelf = village.nodes[who].shelf
    for identity in list(shelf.ids()):
        shelf.drop(identity)


def texts(village, who, name=None):
    return [letter.text for letter in village.nodes[who].inbox(name)]


def missing(village, who, name):
    return [(gap.author, gap.last - gap.first + 1) for gap in village.nodes[who].gaps(name)]


def later(village, *who):
    """The time passes after which what is missing is asked for; some computers look, and meet."""
    village.now += gaps.FIRST_MS + MINUTE_MS
    for one in who:
        village.poll(one)


def test_a_lost_letter_is_noticed_shown_asked_for_and_comes(village):
    village.send(ALICE, BOB, "lost")
    lose(village, ALICE)
    village.send(ALICE, BOB, "later")
    village.exchange()
    assert texts(village, BOB) == ["first", "later"]
    assert missing(village, BOB, ALICE) == [(ALICE, 1)]
    later(village, BOB)
    village.exchange()
    assert texts(village, BOB) == ["first", "lost", "later"] and missing(village, BOB, ALICE) == []
    assert texts(village, ALICE) == ["first", "lost", "later"]


def test_what_only_comes_late_closes_the_gap_without_a_question(village):
    village.send(ALICE, BOB, "late")
    (waiting,) = [one for one in village.envelopes(ALICE)][-1:]
    village.send(ALICE, BOB, "early")
    for envelope in village.envelopes(ALICE):
        if envelope.id != waiting.id:
            village.put(envelope, BOB)
    village.poll(BOB)
    assert texts(village, BOB) == ["first", "early"] and missing(village, BOB, ALICE) == [(ALICE, 1)]
    village.put(waiting, BOB)
    village.poll(BOB)
    assert texts(village, BOB) == ["first", "late", "early"] and missing(village, BOB, ALICE) == []
    later(village, BOB)
    assert not village.nodes[BOB]._database.rows("SELECT 1 FROM entries WHERE kind = ?", entries.WANT)


def test_a_question_that_was_lost_is_asked_again_and_not_for_ever(village):
    village.send(ALICE, BOB, "lost")
    lose(village, ALICE)
    village.send(ALICE, BOB, "later")
    village.exchange()
    for _ in range(10):
        later(village, BOB)
        lose(village, BOB)
        village.now += 40 * gaps.AGAIN_MS
    (gap,) = village.nodes[BOB].gaps(ALICE)
    assert gap.asked == 6


def test_what_was_deleted_meanwhile_is_no_gap_any_more(village):
    village.send(ALICE, BOB, "secret")
    lose(village, ALICE)
    (number,) = [letter.id for letter in village.nodes[ALICE].inbox() if letter.text == "secret"]
    village.nodes[ALICE].remove(number, True, village.now)
    village.send(ALICE, BOB, "later")
    village.exchange()
    assert missing(village, BOB, ALICE) == [(ALICE, 1)]
    later(village, BOB)
    village.exchange()
    assert missing(village, BOB, ALICE) == [] and texts(village, BOB) == ["first", "later"]


def test_own_devices_help_each_other(village):
    link(village, BOB, PHONE)
    village.send(ALICE, BOB, "for both")
    settle(village)
    database = village.nodes[PHONE]._database
    # The phone lost one that the other device has, and its author is gone.
    row = database.rows("SELECT id, sequence FROM entries WHERE unseal(text) = 'for both'")[0]
    (alice,) = database.rows("SELECT id FROM contacts WHERE name = ?", ALICE)
    with database.transaction():
        database.run("DELETE FROM entries WHERE id = ?", row["id"])
        village.nodes[PHONE]._desk.gaps._add(
            alice["id"], alice["id"], row["sequence"], row["sequence"], 0, 0, 1
        )
    village.nodes[ALICE].close()
    del village.nodes[ALICE]
    later(village, PHONE)
    for _ in range(3):
        later(village, PHONE)
        village.now += 3 * gaps.AGAIN_MS
        settle(village)
    assert "for both" in texts(village, PHONE)
    village.nodes[ALICE] = village.nodes[BOB]


@pytest.fixture
def lane():
    with Village(ALICE, BOB, CAROL) as found:
        gather(found, LANE)
        yield found


def row(village, who, name):
    return village.nodes[who].people._database.rows("SELECT id FROM contacts WHERE name = ?", name)[0]["id"]


def test_who_was_removed_from_a_group_gets_none_of_its_letters_by_asking(lane, monkeypatch):
    lane.nodes[ALICE].groups.remove(LANE, CAROL, lane.now)
    settle(lane)
    for who in (ALICE, BOB):
        lane.send(who, LANE, "not for Carol")
    settle(lane)
    desk, answers, heard = lane.nodes[CAROL].people, [], gaps.Gaps.heard

    def listen(self, device, data, now):
        if self._desk is desk:
            answers.append(data)
        return heard(self, device, data, now)

    monkeypatch.setattr(gaps.Gaps, "heard", listen)
    group, alice = row(lane, CAROL, LANE), row(lane, CAROL, ALICE)
    with desk.changing(lane.now):
        for who in (ALICE, BOB):
            tag = sync.tag(lane.nodes[who].people.account.device_key)
            desk.gaps._tell(alice, [0, desk.gaps.name(group), tag, [1, 200]], lane.now)
    desk.send_waiting(lane.now)
    settle(lane)
    settle(lane)
    assert not any(b"not for Carol" in answer for answer in answers)


def test_no_member_makes_the_letters_of_the_others_unreadable_by_a_great_clock(lane):
    desk, group = lane.nodes[CAROL].people, row(lane, CAROL, LANE)
    with desk.changing(lane.now):
        desk._database.run(
            "UPDATE contacts SET sequence = ?, clock = ? WHERE id = ?", (1 << 28) - 2, (1 << 29) - 3, group
        )
        desk.groups.letters.write(group, entries.TEXT, "hello", b"", lane.now)
    settle(lane)
    for text in ("one", "two"):
        lane.send(ALICE, LANE, text)
        settle(lane)
    lane.send(BOB, LANE, "three")
    settle(lane)
    for who in (ALICE, BOB):
        assert set(texts(lane, who, LANE)) == {"hello", "one", "two", "three"}


def test_any_member_of_a_group_answers_for_who_is_gone(lane):
    lane.nodes[ALICE].send(LANE, "one", lane.now)
    settle(lane)
    lane.nodes[ALICE].send(LANE, "two", lane.now)
    lane.carry(ALICE, BOB)
    lane.poll(BOB)
    lose(lane, ALICE)
    lane.nodes[ALICE].send(LANE, "three", lane.now)
    for other in (BOB, CAROL):
        lane.carry(ALICE, other)
        lane.poll(other)
    assert texts(lane, BOB, LANE) == ["one", "two", "three"]
    assert texts(lane, CAROL, LANE) == ["one", "three"] and missing(lane, CAROL, LANE) == [(ALICE, 1)]
    # Alice is never seen again.
    for _ in range(4):
        later(lane, CAROL)
        lane.now += 3 * gaps.AGAIN_MS
        for giver, taker in ((CAROL, BOB), (BOB, CAROL)) * 3:
            lane.carry(giver, taker)
            lane.poll(taker)
    assert texts(lane, CAROL, LANE) == ["one", "two", "three"]
    assert missing(lane, CAROL, LANE) == []


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x84\x00\x41a\x41b\x81\x01", b"\x84\x05\x48aaaaaaaa\x44bbbb\x80"]
)
def test_a_damaged_question_is_refused(village, data):
    desk = village.nodes[BOB]._desk
    with pytest.raises(PeerError):
        desk.gaps.heard(1, data, village.now)


def test_nobody_learns_what_was_said_to_others():
    with Village(ALICE, BOB, CAROL) as village:
        for other in (BOB, CAROL):
            village.befriend(ALICE, other)
        village.send(ALICE, BOB, "for Bob alone")
        village.exchange()
        desk, database = village.nodes[ALICE]._desk, village.nodes[ALICE]._database
        rows = {row["name"]: row["id"] for row in database.rows("SELECT id, name FROM contacts")}
        tag = desk.conversations.author_tag(rows[BOB], True, None)
        question = gaps.stored.write([0, desk.gaps.name(rows[BOB]), tag, [1, 9]])
        with pytest.raises(PeerError):
            desk.gaps.heard(rows[CAROL], question, village.now)
        assert isinstance(database, Database)
