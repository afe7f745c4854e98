"""Logs do not grow for ever: what is removed is missed by nobody, and who held it still converges."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from log_support import ANN, BOB, EVE, NAME, SLOW

from hedgerow.log import Log, compaction
from hedgerow.log.errors import BehindSnapshot, NoSnapshotYet, NotTrusted, SnapshotBehind, StoreNotNamed
from hedgerow.log.stores import AddWinsSet, Counter, Documents, EventLog, Feed, KeyValue
from hedgerow_core.errors import PeerError

KINDS = {
    "keys": KeyValue,
    "sum": Counter,
    "set": AddWinsSet,
    "feed": Feed,
    "log": EventLog,
    "things": Documents,
}


def new(author, path=":memory:", access=None):
    options = {} if access is None else {"access": access}
    return Log.open(path, NAME, author, durable=False, **options)


def stores(log):
    return [kind(log, name) for name, kind in KINDS.items()]


def act(log, dice):
    keys, counter, members, feed, events, things = stores(log)
    what = dice.randrange(8)
    if what == 0:
        keys.put(dice.choice("ab"), dice.randrange(9))
    elif what == 1:
        keys.delete(dice.choice("ab"))
    elif what == 2:
        counter.add(dice.randrange(-3, 9))
    elif what == 3:
        members.add(dice.choice("xyz"))
    elif what == 4:
        members.remove(dice.choice("xyz"))
    elif what == 5:
        own = [event.id for event in feed.events() if event.author == log.author.key]
        feed.remove(dice.choice(own)) if own and dice.random() < 0.5 else feed.add(dice.randrange(9))
    elif what == 6:
        events.add(dice.randrange(9))
    else:
        things.add({"_id": dice.choice("pq"), "n": dice.randrange(9)})


def states(log):
    keys, counter, members, feed, events, things = stores(log)
    return (
        list(keys.items()),
        counter.value,
        members.members(),
        feed.values(),
        events.values(),
        list(things.all()),
    )


def ids(log):
    return [entry.id for entry in log.entries()]


def grown(dice, count):
    logs = [new(author) for author in (ANN, BOB, EVE)]
    for _ in range(count):
        act(dice.choice(logs), dice)
        if dice.random() < 0.3:
            one, other = dice.sample(logs, 2)
            one.join_log(other)
    return logs


def meet(logs):
    for _ in range(2):
        for one in logs:
            for other in logs:
                if one is not other:
                    one.join_log(other)


@SLOW
@example(5577, 0, 0.875)
@given(st.integers(), st.integers(0, 60), st.floats(0, 1))
def test_who_removed_what_is_old_and_who_did_not_show_the_same(seed, more, share):
    dice = random.Random(seed)
    logs = grown(dice, 60)
    one, other, third = logs
    whole = new(None)
    # What nobody else has would be gone for them; what they have, and who removes does not know, comes later.
    other.join_log(one)
    third.join_log(one)
    try:
        snapshot = one.compact(int(one.meta.tip * share), stores(one))
    except NoSnapshotYet:
        return
    assert one.verify() == []
    for _ in range(more):
        act(dice.choice(logs), dice)
        if dice.random() < 0.3:
            first, second = dice.sample(logs, 2)
            first.join_log(second)
    meet(logs)
    whole.join_log(third)
    assert ids(other) == ids(third) == ids(whole)
    assert set(ids(one)) <= set(ids(other)) and [x for x in ids(other) if x in set(ids(one))] == ids(one)
    assert states(one) == states(other) == states(third) == states(whole)
    assert one.heads() == other.heads() and one.gaps() == [] and one.verify() == []
    # Another takes it over, and somebody new begins with it.
    late = new(None)
    for log in (other, late):
        log.adopt(snapshot.encode(), {ANN.key}.__contains__)
        assert log.verify() == []
    for _ in range(2):
        late.join_log(one)
        late.join_log(other)
        other.join_log(one)
    assert states(late) == states(other) == states(one) == states(third)
    assert late.heads() == one.heads() == other.heads() and late.verify() == []
    # What names something older than the marks of the snapshot stays provisional for who began with it.
    removed = [one.rows.known(gap.id) for gap in late.gaps()]
    assert all(known is not None and known.place == 0 for known in removed)
    act(other, dice)
    late.join_log(other)
    third.join_log(late)
    assert states(late) == states(other) == states(third)


@SLOW
@given(st.integers())
def test_it_is_removed_again_and_again(seed):
    dice = random.Random(seed)
    logs = grown(dice, 40)
    one, other, _ = logs
    for _ in range(3):
        meet(logs)
        try:
            one.compact(one.meta.tip - 5, stores(one))
        except NoSnapshotYet:
            pass
        for _ in range(20):
            act(dice.choice(logs), dice)
        meet(logs)
        assert states(one) == states(other) and one.verify() == [] and one.heads() == other.heads()
    assert len(one) < len(other)


def chain(count, path=":memory:"):
    log = new(ANN, path)
    for number in range(count):
        KeyValue(log, "keys").put(str(number % 7), number)
    return log


def test_the_file_becomes_smaller(tmp_path):
    path = tmp_path / "log"
    log = chain(5_000, path)
    log.table.shrink()
    before = path.stat().st_size
    log.compact(4_900, [KeyValue(log, "keys")])
    assert len(log) == 100 and path.stat().st_size < before / 4
    log.close()
    with new(ANN, path) as again:
        assert again.verify() == []
        assert sorted(value for _, value in KeyValue(again, "keys").items()) == list(range(4_993, 5_000))
        KeyValue(again, "keys").put("new", 1)
        assert again.last(1)[0].entry.sequence == 5_001


def test_what_was_removed_is_nowhere_in_the_file(tmp_path):
    path = tmp_path / "log"
    log = new(ANN, path)
    for number in range(50):
        log.append(b"secret %03d" % number)
    log.compact(40)
    log.close()
    data = path.read_bytes()
    assert b"secret 045" in data and not any(b"secret %03d" % number in data for number in range(39))


def test_what_was_removed_does_not_come_back():
    log, other = chain(50), new(BOB)
    other.join_log(log)
    log.compact(40, [KeyValue(log, "keys")])
    before = ids(log)
    found = log.join(list(other.entries()))
    assert found.pruned + found.duplicates == 50 and found.added == 0 and ids(log) == before


def test_an_author_who_was_away_is_heard_all_the_same():
    one, away = new(ANN), new(EVE)
    one.append(b"first")
    away.join_log(one)
    away.append(b"from far away")
    for number in range(30):
        one.append(b"%d" % number)
    one.compact(25)
    one.join_log(away)
    assert [entry.body for entry in one.entries() if entry.author == EVE.key] == [b"from far away"]
    assert one.verify() == [] and one.gaps() == []


def test_nothing_is_removed_behind_a_gap():
    whole, log = chain(20), new(BOB)
    entries = list(whole.entries())
    log.join([*entries[:5], *entries[6:]])
    log.append(b"mine")
    log.compact(100, [KeyValue(log, "keys")])
    assert log.snapshot().base == 6 and len(log.gaps()) == 1
    log.join([entries[5]])
    assert log.gaps() == [] and log.verify() == []
    assert list(KeyValue(log, "keys").items()) == list(KeyValue(whole, "keys").items())


def test_no_store_is_lost_by_being_forgotten():
    log = chain(20)
    Counter(log, "eggs").add(1)
    log.append(b"last")
    with pytest.raises(StoreNotNamed):
        log.compact(21, [KeyValue(log, "keys")])
    assert len(log) == 22


def test_an_empty_log_has_nothing_to_remove():
    with pytest.raises(NoSnapshotYet):
        new(ANN).compact(10)


def test_only_whom_one_trusts_can_remove_something():
    log, other = chain(30), new(BOB)
    other.join_log(log)
    data = log.compact(20, [KeyValue(log, "keys")]).encode()
    with pytest.raises(NotTrusted):
        other.adopt(data, {EVE.key}.__contains__)
    assert len(other) == 30
    with pytest.raises(PeerError):
        Log.open(":memory:", bytes(32), BOB).adopt(data, lambda key: True)


@SLOW
@given(st.integers(0, 5_000), st.integers(1, 255))
def test_a_snapshot_that_was_changed_is_refused(place, bits):
    log = chain(30)
    data = bytearray(log.compact(20, [KeyValue(log, "keys")]).encode())
    data[place % len(data)] ^= bits
    with pytest.raises(PeerError):
        compaction.decode(bytes(data))


@given(st.binary(max_size=200))
def test_a_snapshot_of_anything_is_refused(data):
    with pytest.raises(PeerError):
        compaction.decode(data)


def test_an_older_snapshot_does_not_bring_back_what_is_gone():
    log, other = chain(30), new(BOB)
    other.join_log(log)
    old = log.compact(10, [KeyValue(log, "keys")]).encode()
    log.compact(20, [KeyValue(log, "keys")])
    with pytest.raises(SnapshotBehind):
        log.adopt(old, lambda key: True)
    other.adopt(old, lambda key: True)
    other.adopt(log.snapshot().encode(), lambda key: True)
    other.join_log(log)
    assert ids(other) == ids(log)


def test_who_begins_with_a_snapshot_writes_nothing_before_it_has_its_own_last_entry():
    log, again = chain(30), new(ANN)
    again.adopt(log.compact(30, [KeyValue(log, "keys")]).encode(), lambda key: True)
    with pytest.raises(BehindSnapshot):
        again.append(b"a second one in the same place")
    again.join_log(log)
    assert again.append(b"behind it").sequence == 31


def test_entries_that_access_rules_look_for_stay():
    def rule(entry, past):
        return (
            entry.author == ANN.key
            or past is None
            or any(one.body == entry.author for one in past.of_kind(1))
        )

    log = new(ANN, access=rule)
    log.append(BOB.key, 1)
    for number in range(20):
        log.append(b"%d" % number)
    log.compact(20)
    other = new(BOB, access=rule)
    other.adopt(log.snapshot().encode(), lambda key: True)
    other.join_log(log)
    other.append(b"allowed")
    log.join_log(other)
    assert log.last(1)[0].entry.body == b"allowed" and log.refused() == other.refused() == []
    assert next(entry.kind for entry in log.entries()) == 1
