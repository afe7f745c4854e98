"""A conversation's log and stores: the same for all who have the same, to look at and for scripts."""

import json
import random

import pytest
from devices_support import gather, settle
from hypothesis import given
from hypothesis import strategies as st
from node_support import Village

from hedgerow import errors
from hedgerow.chat import dag
from hedgerow.chat import operation as operations
from hedgerow.chat.dag import Words
from hedgerow.chat.operation import Operation
from hedgerow.log import canonical
from hedgerow.log.stores import AddWinsSet, Counter, Documents, Feed, KeyValue

ALICE, BOB, CAROL = "Alice", "Bob", "Carol"
LANE = "Lane"
NAME = bytes(32)

AUTHORS = [bytes([number]) * 32 for number in range(3)]


@st.composite
def said(draw):
    """Clocks of each author grow, as Lamport's do."""
    found = []
    for author in AUTHORS:
        for clock in sorted(draw(st.sets(st.integers(1, 20), max_size=12))):
            found.append(Words(author, clock, 2, dag.body_of(clock, draw(st.text(max_size=5)))))
    return found


@given(said(), st.integers())
def test_everybody_who_has_the_same_has_the_same_log(words, seed):
    shuffled = list(words)
    random.Random(seed).shuffle(shuffled)
    with dag.log_of(NAME, words) as one, dag.log_of(NAME, shuffled) as other:
        assert [entry.id for entry in one.entries()] == [entry.id for entry in other.entries()]
        assert len(one) == len(words) and one.verify() == [] and one.gaps() == []
        order = [(entry.author, entry.body) for entry in one.entries()]
        levels = {(item.author, item.body): item.clock for item in words}
        assert [levels[item] for item in order] == sorted(levels[item] for item in order)
        for entry in one.entries():
            assert canonical.decode(canonical.encode(entry)) == entry


@pytest.fixture
def village():
    with Village(ALICE, BOB, CAROL) as found:
        gather(found, LANE)
        yield found


def store(village, who, kind, name=""):
    return kind(village.nodes[who].chat.shared(LANE, village.now), name)


def test_the_log_of_a_group_is_the_same_for_its_members(village):
    for who in (ALICE, BOB, CAROL, ALICE):
        village.nodes[who].send(LANE, f"from {who}", village.now)
        settle(village)
    village.nodes[BOB].chat.react(village.nodes[BOB].inbox(LANE)[0].id, "👍", village.now)
    settle(village)
    logs = [village.nodes[who].chat.log(LANE) for who in (ALICE, BOB, CAROL)]
    assert [one.cid for one in logs[0]] == [one.cid for one in logs[1]] == [one.cid for one in logs[2]]
    assert len(logs[0]) == 5 and logs[0][0].cid.startswith("bafyrei")
    assert {one.author for one in logs[0]} == {ALICE, BOB, CAROL}
    assert all(parent in {one.cid for one in logs[0]} for one in logs[0] for parent in one.parents)


def test_stores_are_shared_by_all_whoever_wrote_first(village):
    store(village, ALICE, KeyValue).put("shed", "at the mill")
    store(village, BOB, KeyValue).put("shed", "at the well")
    store(village, ALICE, Counter, "eggs").add(3)
    store(village, CAROL, Counter, "eggs").add(-1)
    store(village, ALICE, AddWinsSet).add("bread")
    store(village, BOB, Feed, "level").add({"well": 320})
    store(village, BOB, Documents, "things").add({"_id": "pump", "state": "broken"})
    settle(village)
    shed = {store(village, who, KeyValue).get("shed") for who in (ALICE, BOB, CAROL)}
    assert len(shed) == 1 and shed <= {"at the mill", "at the well"}
    assert {store(village, who, Counter, "eggs").value for who in (ALICE, BOB, CAROL)} == {2}
    # Removed by one who saw it, put in again by one who did not know of that.
    assert len(store(village, BOB, AddWinsSet).remove("bread")) == 1
    store(village, CAROL, AddWinsSet).add("bread")
    settle(village)
    for who in (ALICE, BOB, CAROL):
        assert store(village, who, AddWinsSet).members() == ["bread"]
        assert store(village, who, Feed, "level").values() == [{"well": 320}]
        assert store(village, who, Documents, "things").where("state", "broken")[0]["_id"] == "pump"
        assert store(village, who, KeyValue, "another").get("shed") is None
    assert [letter.text for letter in village.nodes[ALICE].inbox(LANE)] == []


def test_a_store_shows_what_was_written_before_it_left(village):
    held = store(village, ALICE, KeyValue)
    held.put("a", 1)
    assert held.get("a") == 1 and store(village, ALICE, KeyValue).get("a") == 1


def test_a_value_that_no_letter_holds_is_one_sentence(village):
    with pytest.raises(errors.TextTooLong):
        store(village, ALICE, KeyValue).put("a", "x" * 600)


def test_an_operation_that_is_no_store_s_changes_nothing(village):

    contact = village.nodes[ALICE]._desk.book.conversation_of(LANE)
    for value in ("not base64!", "AAAA", "////"):
        village.nodes[ALICE].chat.say(contact, LANE, Operation(operations.STORE, None, value), village.now)
    settle(village)
    assert list(store(village, BOB, KeyValue).items()) == []


def test_json_of_the_log_is_one_object_a_line(village):
    village.nodes[ALICE].send(LANE, "hello", village.now)
    (one,) = village.nodes[ALICE].chat.log(LANE)
    assert json.loads(json.dumps(vars(one)))["text"] == "hello"
