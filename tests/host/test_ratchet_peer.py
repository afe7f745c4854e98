"""Our ratchet and that of the package DoubleRatchet write to each other."""

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from people_support import AD, source
from ratchet_peer import PeerRatchet

from hedgerow.identity import keys
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet import kdf


class Ours:
    """Our side."""

    def __init__(self, root, random, their_public=None, private=None):
        self.random = random
        self.state = (
            ratchet.start_writer(root, AD, their_public, random)
            if their_public
            else ratchet.start_reader(root, AD, private)
        )
        self.sources = {}

    def can_write(self):
        return ratchet.can_write(self.state)

    def write(self, text):
        before = self.state
        self.state, lock, body, _ = ratchet.encrypt(self.state, text)
        return (before.hks, before.ns), lock, body

    def read(self, lock, body):
        place = ratchet.locks(self.state)[lock]
        self.state, text, _ = ratchet.decrypt(self.state, place, lock, body, self.random)
        return text


def conversation(ours_first):
    random, shared = source("ours"), source("shared")
    root, private = shared(32), shared(32)
    first, second = {"their_public": keys.dh_public(private)}, {"private": private}
    if not ours_first:
        first, second = second, first
    return Ours(root, random, **first), PeerRatchet(root, AD, source("peer"), **second)


STEPS = st.lists(
    st.tuples(st.sampled_from(["ours", "theirs", "to us", "to them"]), st.integers(0, 1 << 16)), max_size=40
)


@given(STEPS, st.booleans())
@settings(max_examples=150, deadline=None)
def test_another_double_ratchet_reads_what_we_write_and_writes_what_we_read(steps, ours_first):
    """Any interleaving, late and lost letters; keys that were skipped are the same on both sides, too."""
    small = patch.object(ratchet, "WINDOW", 40)
    ours, theirs = conversation(ours_first)
    to_us, to_them = [], []
    with small:
        for number, (what, pick) in enumerate(steps):
            text = b"%d" % number
            if what == "ours" and ours.can_write():
                to_them.append((text, *ours.write(text)))
            elif what == "theirs" and theirs.can_write():
                to_us.append((text, *theirs.write(text)))
            elif what == "to us" and to_us:
                text, lock, body = to_us.pop(pick % len(to_us))
                assert ours.read(lock, body) == text
            elif what == "to them" and to_them:
                text, place, _, body = to_them.pop(pick % len(to_them))
                assert theirs.read(*place, body) == text
        for text, lock, body in to_us[::2]:
            assert ours.read(lock, body) == text
        for text, place, _, body in to_them[::2]:
            assert theirs.read(*place, body) == text


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=25), st.booleans())
@settings(max_examples=100, deadline=None)
def test_both_derive_the_same_key_for_every_message_read_or_jumped_over(steps, ours_first):
    used = []
    real = kdf.seal_key

    def seen(message_key):
        used.append(message_key)
        return real(message_key)

    ours, theirs = conversation(ours_first)
    with patch.object(kdf, "seal_key", seen), patch.object(ratchet, "WINDOW", 40):
        for ours_writes, lost in steps:
            writer = ours if ours_writes else theirs
            if not writer.can_write():
                continue
            used.clear()
            for _ in range(lost + 1):
                letter = writer.write(b"text")
            assert len(used) == lost + 1
            wrote = list(used)
            used.clear()
            if ours_writes:
                theirs.read(*letter[0], letter[2])
                skipped = theirs.skipped()
            else:
                ours.read(*letter)
                skipped = list(ours.state.skipped.values())
            assert used == wrote[-1:]
            assert skipped[len(skipped) - lost :] == wrote[:-1]
