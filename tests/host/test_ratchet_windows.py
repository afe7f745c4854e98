from hypothesis import given, settings
from hypothesis import strategies as st
from people_support import pair, source

from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet.windows import Windows

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "read", "read", "back"]), st.booleans(), st.integers(0, 400)
    ),
    max_size=30,
)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_the_locks_that_are_followed_are_those_of_the_state(steps):
    """Also over gaps, and where a transaction was taken back: an old state is followed again."""
    random = source("windows")
    states = dict(zip((True, False), pair(random), strict=True))
    ways = {True: [], False: []}
    kept = {side: Windows() for side in states}
    both, old = Windows(), dict(states)
    for what, way, pick in steps:
        if what == "write" and ratchet.can_write(states[way]):
            for _ in range(pick // 8 + 1):
                states[way], lock, body, _ = ratchet.encrypt(states[way], b"text")
            ways[way].append((lock, body))
        elif what == "read" and ways[not way]:
            lock, body = ways[not way].pop(pick % len(ways[not way]))
            place = ratchet.locks(states[way]).get(lock)
            if place is None:
                continue
            old = dict(states)
            states[way] = ratchet.decrypt(states[way], place, lock, body, random)[0]
        elif what == "back":
            kept[way].follow(old[way])
            assert kept[way].locks == ratchet.locks(old[way])
        before = set(kept[way].locks)
        fresh, over = kept[way].follow(states[way])
        assert kept[way].locks == ratchet.locks(states[way])
        assert (before | set(fresh)) - set(over) == set(kept[way].locks)
        assert len(set(fresh)) == len(fresh) and len(set(over)) == len(over)
        both.follow(*states.values())
        assert both.locks == ratchet.locks(states[True]) | ratchet.locks(states[False])


def test_a_letter_costs_one_lock():
    random = source("cost")
    alice, bob = pair(random)
    windows = Windows()
    windows.follow(bob)
    for number in range(5):
        alice, lock, body, _ = ratchet.encrypt(alice, b"text")
        bob = ratchet.decrypt(bob, windows.locks[lock], lock, body, random)[0]
        fresh, over = windows.follow(bob)
        assert (len(fresh), len(over)) == ((257, 1) if number == 0 else (1, 1))
