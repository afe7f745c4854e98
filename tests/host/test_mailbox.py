from hypothesis import given
from hypothesis import strategies as st

from hedgerow.mailbox import Mailbox
from hedgerow_core.clock import Clock
from hedgerow_core.envelope import NORMAL, make
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore

MINUTE_MS = 60_000


def lock(number):
    return bytes((number,)) * 12


def envelope(number, body=b"body"):
    return make(NORMAL, 0, lock(number), body)


def opened(mailbox, now=0):
    """(lock, owner, body) of what is tried."""
    found = []
    mailbox.collect(now)
    mailbox.open(now, lambda given, owner: found.append((given.lock[0], owner, given.body)) or True)
    return found


def shelf_and_mailbox():
    shelf = Shelf(MemoryStore(), Clock(0), 0)
    return shelf, Mailbox(shelf)


@given(st.permutations([("put", 1), ("put", 2), ("watch", 1), ("watch", 2), ("look", 0)]))
def test_a_letter_is_found_whether_it_or_its_lock_came_first(steps):
    shelf, mailbox = shelf_and_mailbox()
    found = []
    for what, number in [*steps, ("look", 0)]:
        if what == "put":
            shelf.put(envelope(number), 0)
        elif what == "watch":
            mailbox.watch(number, {lock(number): "ours"})
        else:
            found += opened(mailbox)
    assert sorted(found) == [(1, "ours", b"body"), (2, "ours", b"body")]


def test_all_envelopes_under_one_lock_are_tried():
    shelf, mailbox = shelf_and_mailbox()
    mailbox.watch("Bob", {lock(1): "ours"})
    for body in (b"forged", b"genuine", b"forged too"):
        shelf.put(envelope(1, body), 0)
    assert [body for _, _, body in opened(mailbox)] == [b"forged", b"genuine", b"forged too"]


def test_a_lock_that_another_source_took_over_stays_when_the_first_lets_go():
    shelf, mailbox = shelf_and_mailbox()
    mailbox.watch("deep", {lock(1): "deep", lock(2): "deep"})
    mailbox.watch("dense", {lock(1): "dense"})
    mailbox.forget("deep")
    for number in (1, 2):
        shelf.put(envelope(number), 0)
    assert opened(mailbox) == [(1, "dense", b"body")]


def test_what_nobody_knows_is_listed_for_the_deep_scan_until_it_is_gone():
    shelf, mailbox = shelf_and_mailbox()
    mailbox.watch("Bob", {lock(1): "ours"})
    for number in (1, 2, 3):
        shelf.put(envelope(number), 0)
    opened(mailbox)
    assert list(mailbox.unmatched()) == [lock(2), lock(3)]
    shelf.expire(31 * MINUTE_MS)
    assert list(mailbox.unmatched()) == []
