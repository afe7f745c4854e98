"""Each store against a plain model: what all entries come to, in the total order, whatever came first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_support import ANN, BOB, EVE, PEOPLE, SLOW, new

from hedgerow.log.errors import NotAValue, UnknownEntry
from hedgerow.log.stores import AddWinsSet, Counter, Documents, EventLog, Feed, KeyValue
from hedgerow.log.stores.fold import OPERATION
from hedgerow_core import cbor

KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.integers(-3, 3) | st.sampled_from(["x", "y", None, True, [1, 2]])
SETUPS = {
    "events": EventLog,
    "feed": Feed,
    "keys": KeyValue,
    "documents": lambda log, name: Documents(log, name, "k", ("n",)),
    "counter": Counter,
    "set": AddWinsSet,
}
STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["write", "write", "undo", "join", "look", "reopen"]),
        KEYS,
        VALUES,
        st.integers(0, 9),
    ),
    max_size=25,
)


def act(store, kind, what, key, value, choice):
    """One thing that somebody does with a store."""
    if kind == "events":
        store.add(value)
    elif kind == "feed":
        mine = [event.id for event in store.events() if event.author == store.log.author.key]
        if what == "undo" and mine:
            store.remove(mine[choice % len(mine)])
        else:
            store.add(value)
    elif kind == "keys":
        store.delete(key) if what == "undo" else store.put(key, value)
    elif kind == "documents":
        store.delete(key) if what == "undo" else store.add({"k": key, "n": value})
    elif kind == "counter":
        store.add(choice - 4)
    elif what == "undo":
        store.remove(value)
    else:
        store.add(value)


def shown(store, kind):
    """All that a store says."""
    if kind in ("events", "feed"):
        return [(event.id, cbor.encode(event.value)) for event in store.events()]
    if kind in ("keys", "documents"):
        return [(key, cbor.encode(value)) for key, value in store.items()]
    if kind == "counter":
        return store.value, store.by_author()
    return [cbor.encode(member) for member in store.members()]


def model(log, kind, name):
    """The same, by plain Python from all entries in the total order."""
    operations = []
    for entry in log.entries():
        found = cbor.decode(entry.body)
        if entry.kind == OPERATION and found[0] == name:
            operations.append((entry, found[1], found[2:]))
    if kind in ("events", "feed"):
        gone = {(given[0], entry.author) for entry, what, given in operations if what == "remove"}
        return [
            (entry.id, cbor.encode(given[0]))
            for entry, what, given in operations
            if what == "add" and (entry.id, entry.author) not in gone
        ]
    if kind in ("keys", "documents"):
        held = {}
        for _, what, given in operations:
            held.pop(given[0], None)
            if what == "put":
                held[given[0]] = given[1]
        return sorted((key, cbor.encode(value)) for key, value in held.items())
    if kind == "counter":
        sums = {}
        for entry, _, (amount,) in operations:
            sums[entry.author] = sums.get(entry.author, 0) + amount
        return sum(sums.values()), dict(sorted(sums.items()))
    gone = b"".join(given[0] for _, what, given in operations if what == "remove")
    ids = {gone[at : at + 32] for at in range(0, len(gone), 32)}
    members = {
        cbor.encode(given[0]) for entry, what, given in operations if what == "add" and entry.id not in ids
    }
    return sorted(members)


@pytest.mark.parametrize("kind", list(SETUPS))
@given(steps=STEPS)
@SLOW
def test_whatever_people_do_each_replica_shows_what_the_model_says(kind, steps):
    logs = [new(author) for author in PEOPLE]
    stores = [SETUPS[kind](log, "s") for log in logs]
    for who, what, key, value, choice in steps:
        if what == "join":
            logs[who].join_log(logs[choice % 3])
        elif what == "look":
            shown(stores[who], kind)
        elif what == "reopen":
            stores[who].snapshot()
            stores[who] = SETUPS[kind](logs[who], "s")
        else:
            act(stores[who], kind, what, key, value, choice)
    for _ in range(2):
        for one in logs:
            for other in logs:
                one.join_log(other)
    for log, store in zip(logs, stores, strict=True):
        assert shown(store, kind) == model(log, kind, "s")
        assert shown(SETUPS[kind](log, "s"), kind) == shown(store, kind)
    assert len({repr(shown(store, kind)) for store in stores}) == 1
    for log in logs:
        log.close()


def test_an_addition_that_a_removal_had_not_seen_wins():
    ann, bob = new(ANN), new(BOB)
    ours, theirs = AddWinsSet(ann), AddWinsSet(bob)
    ours.add("well")
    bob.join_log(ann)
    theirs.remove("well")
    ours.add("well")
    for one, other in ((ann, bob), (bob, ann)):
        one.join_log(other)
    assert "well" in ours and "well" in theirs and ours.members() == ["well"]


def test_documents_are_found_by_index_and_by_question_alike():
    log = new(ANN)
    indexed, plain = Documents(log, "people", "name", ("street",)), Documents(log, "people", "name")
    for name, street in (("Ann", "lane"), ("Bob", "mill"), ("Carol", "lane"), ("Bob", "lane")):
        indexed.add({"name": name, "street": street})
    indexed.delete("Carol")
    assert indexed.where("street", "lane") == plain.where("street", "lane")
    assert [one["name"] for one in indexed.where("street", "lane")] == ["Ann", "Bob"]
    assert indexed.where("street", "mill") == [] and len(indexed) == 2
    assert indexed.query(lambda one: one["name"].startswith("A")) == [{"name": "Ann", "street": "lane"}]


def test_only_its_author_takes_an_event_out_of_a_feed():
    ann, eve = new(ANN), new(EVE)
    event = Feed(ann).add("stays")
    eve.join_log(ann)
    Feed(eve).remove(event.id)
    ann.join_log(eve)
    assert Feed(ann).values() == Feed(eve).values() == ["stays"]
    Feed(ann).remove(event.id)
    assert Feed(ann).values() == []
    with pytest.raises(UnknownEntry):
        Feed(ann).get(event.id)


def test_stores_of_one_log_do_not_mix():
    log = new(ANN)
    one, other = KeyValue(log, "one"), KeyValue(log, "other")
    one.put("key", 1)
    assert "key" not in other and one.get("key") == 1 and Counter(log, "one").value == 0


@pytest.mark.parametrize("value", [object(), {1, 2}, 1 << 80, float("nan")])
def test_what_cannot_be_stored_is_a_sentence_and_no_entry(value):
    log = new(ANN)
    with pytest.raises(NotAValue):
        KeyValue(log).put("key", value)
    assert len(log) == 0


@given(st.lists(st.binary(max_size=60), max_size=6))
@SLOW
def test_bodies_that_are_no_operations_stand_in_the_log_and_change_no_store(bodies):
    log = new(EVE)
    for body in (*bodies, cbor.encode(["", "put"]), cbor.encode(["", 5, 5]), cbor.encode(["", "count", "x"])):
        log.append(body, OPERATION)
    assert len(log) == len(bodies) + 3
    assert dict(KeyValue(log).items()) == {} or bodies
    for store in (EventLog(log), Feed(log), KeyValue(log), Documents(log), Counter(log), AddWinsSet(log)):
        store.refresh()
        store.snapshot()


def test_a_snapshot_that_is_damaged_is_folded_anew():
    log = new(ANN)
    store = Counter(log)
    store.add(5)
    store.snapshot()
    log.table.run("UPDATE log_folds SET state = ?", b"\xff" * 20)
    assert Counter(log).value == 5
