"""Sketches against sets, and their places against a model with fractions."""

import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from hedgerow_core.errors import PeerError
from hedgerow_core.mac import sha256
from hedgerow_core.reconcile import BySketch
from hedgerow_core.sketch import CELL_BYTES, Decoder, Sketch, digest, places

ids = st.binary(min_size=8, max_size=8)
sets = st.sets(ids, max_size=60)
keys = st.binary(min_size=16, max_size=16)


def sketch(key: bytes, members: "set[bytes]", cells: int = 192) -> Sketch:
    made = Sketch(key, cells)
    for identity in members:
        made.change(identity)
    return made


def model(seed: bytes, end: int) -> list[int]:
    """The paper's mapping, with the larger of two numbers for the root of one."""
    found, cell, stream = [], 0, seed[4:]
    while cell < end:
        found.append(cell)
        if len(stream) < 3:
            seed = sha256(seed)
            stream = seed
        number, stream = int.from_bytes(stream[:3], "big"), stream[3:]
        root = Fraction(max(number >> 12, number & 0xFFF) + 1, 4096)
        cell += max(math.ceil((cell + Fraction(3, 2)) * (1 / root - 1)), 1)
    return found


@given(keys, ids, st.integers(1, 4_000))
def test_an_id_lies_where_the_paper_puts_it(key, identity, end):
    seed = digest(key, identity)
    assert places(seed, end) == model(seed, end)


@given(keys, sets, sets)
@settings(deadline=None)
def test_any_two_sets_give_their_difference_and_nothing_else(key, ours, theirs):
    a, b = sketch(key, ours, 600), sketch(key, theirs, 600)
    decoder = Decoder(a)
    while not decoder.complete:
        decoder.receive(b.part(decoder.received, 7))
    flat = decoder.found
    found = [flat[at : at + 8] for at in range(0, len(flat), 8)]
    assert sorted(found) == sorted(ours ^ theirs)


@given(keys, st.lists(st.tuples(st.booleans(), ids), max_size=80))
@settings(deadline=None)
def test_cells_kept_up_to_date_are_those_made_afresh(key, steps):
    kept, members = Sketch(key, 48), set()
    for comes, identity in steps:
        if comes != (identity in members):
            kept.change(identity)
            members ^= {identity}
    assert kept.part(0, 48) == sketch(key, members, 48).part(0, 48)


@given(keys, sets, st.lists(st.binary(max_size=240), max_size=12))
@settings(deadline=None)
def test_hostile_cells_give_at_most_an_id_each_and_come_to_an_end(key, ours, parts):
    takes = BySketch(sketch(key, ours), False)
    for part in parts:
        try:
            found = takes.take(part, len(ours))
        except PeerError:
            continue
        assert len(found) <= len(part) // CELL_BYTES * 8 + 192 * 8
        takes.answer()


@given(keys, sets)
@settings(deadline=None)
def test_a_sketch_is_linear(key, members):
    whole, none = sketch(key, members), Sketch(key, 192)
    for identity in members:
        whole.change(identity)
    assert whole.part(0, 192) == none.part(0, 192)
