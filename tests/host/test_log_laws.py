"""The laws of join: whatever the order, whoever asks, the same entries are the same log."""

from hypothesis import given
from hypothesis import strategies as st
from log_support import ANN, SLOW, histories, new, picture


def joined(*parts):
    log = new()
    for part in parts:
        log.join(part)
    return log


def seen(*parts):
    with joined(*parts) as log:
        return picture(log)


@SLOW
@given(histories(), st.data())
def test_the_order_in_which_entries_come_changes_nothing(entries, data):
    shuffled = data.draw(st.permutations(entries))
    one_by_one = [[entry] for entry in shuffled]
    assert seen(entries) == seen(*one_by_one)


@SLOW
@given(histories(), st.data())
def test_join_is_commutative_associative_and_idempotent(entries, data):
    side = data.draw(st.lists(st.integers(1, 7), min_size=len(entries), max_size=len(entries)))
    a, b, c = ([entry for entry, bits in zip(entries, side) if bits & bit] for bit in (1, 2, 4))
    assert seen(a, b) == seen(b, a)
    assert seen(a, b, c) == seen(b, c, a) == seen(c, b, a)
    assert seen(a, b, a, b) == seen(a, b)


@SLOW
@given(histories(), st.data())
def test_a_join_of_logs_is_a_join_of_their_entries(entries, data):
    side = data.draw(st.lists(st.integers(1, 3), min_size=len(entries), max_size=len(entries)))
    a, b = ([entry for entry, bits in zip(entries, side) if bits & bit] for bit in (1, 2))
    with joined(a) as one, joined(b) as other:
        one.join_log(other)
        other.join_log(one)
        reachable = {record.entry.id for record in one.records()} | {entry.id for entry in a}
        assert {record.entry.id for record in other.records()} <= reachable


@SLOW
@given(histories(forgeries=False), st.data())
def test_honest_entries_are_all_shown_in_an_order_that_respects_what_their_authors_saw(entries, data):
    with joined(data.draw(st.permutations(entries))) as log:
        assert log.verify() == [] and not log.refused() and not log.gaps() and not log.forks()
        order = [entry.id for entry in log.entries()]
        assert sorted(order) == sorted({entry.id for entry in entries})
        place = {entry_id: number for number, entry_id in enumerate(order)}
        for entry in entries:
            assert all(place[parent] < place[entry.id] for parent in entry.parents)


@SLOW
@given(histories(forgeries=False), st.data())
def test_parts_and_restarts_converge_by_what_the_log_asks_for(entries, data):
    """Somebody who has a part asks for what is missing until nothing is."""
    with joined(entries) as whole:
        part = (
            data.draw(st.lists(st.sampled_from(entries), unique_by=lambda entry: entry.id)) if entries else []
        )
        with joined(part, [entry for entry in whole.heads()]) as log:
            for _ in range(len(entries) + 1):
                wants = log.wants()
                if not wants:
                    break
                log.join([whole.get(entry_id).entry for entry_id in wants])
            assert picture(log) == picture(whole)


@SLOW
@given(histories(), st.data())
def test_a_log_that_was_built_in_any_order_finds_nothing_wrong_with_itself(entries, data):
    with joined(*[[entry] for entry in data.draw(st.permutations(entries))]) as log:
        problems = [said for said in log.verify() if "refers to" not in said]
        assert problems == []


@SLOW
@given(histories(), st.data())
def test_what_comes_next_is_written_behind_everything_that_can_be_believed(entries, data):
    with joined(data.draw(st.permutations(entries))) as parts:
        parts.author = ANN
        mine = parts.append(b"next")
        assert mine.clock <= parts.meta.limit
        assert mine.id in [entry.id for entry in parts.heads()]
        # Whoever has all of it accepts it too, whatever the forgers did.
        with joined(entries, [mine]) as other:
            assert not other.get(mine.id).refused
