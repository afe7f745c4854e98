"""Whether letters of one conversation can be told from others by what does not change on the way."""

import itertools
import math
import random as generators
from collections.abc import Callable

import pytest
from people_support import pair, source

from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet import kdf
from hedgerow_core.envelope import NORMAL, TTL_DEFAULT, make
from hedgerow_core.mac import hmac_sha256, xor

CONVERSATIONS = 20
ENVELOPES = 1_000
MESH_KEY = bytes(range(32))
DEVIATIONS = 5  # so many standard deviations chance may be off: one false alarm in 3 million
LETTER = b"see you at the bench at six"  # always the same, of one size


def conversations(mended: Callable[[bytes, int, bytes], bytes] = lambda key, n, body: body):
    """(conversation, immutable part) of letters that all conversations write in turns, in random order."""
    dice = generators.Random(1)
    sides = [list(pair(source(f"conversation {number}"))) for number in range(CONVERSATIONS)]
    draw = source("steps")
    found = []
    turn = [0] * CONVERSATIONS
    for number in [index % CONVERSATIONS for index in range(ENVELOPES)]:
        writer, reader = sides[number][turn[number]], sides[number][1 - turn[number]]
        written, lock, body, _ = ratchet.encrypt(writer, LETTER)
        place = ratchet.Place(writer.hks, writer.ns)
        read = ratchet.decrypt(reader, place, lock, body, draw)[0]
        sides[number][turn[number]], sides[number][1 - turn[number]] = written, read
        body = mended(*place, body)
        found.append((number, make(NORMAL, TTL_DEFAULT, lock, body).prefix()))
        if dice.random() < 0.4:
            turn[number] = 1 - turn[number]
    dice.shuffle(found)
    return found


def under_mesh_key(prefix):
    """The mesh key is all that an observer has."""
    return hmac_sha256(MESH_KEY, prefix[4:16]) + xor(prefix[16:48], MESH_KEY)


# What an observer may look at: a part of an envelope; two are the more alike, the fewer bits differ.
LOOKS = {
    "all of it": lambda prefix: prefix,
    "the lock": lambda prefix: prefix[:15],
    "where the ratchet key is": lambda prefix: prefix[17:49],
    "the length of the chain before": lambda prefix: prefix[49:50],
    "the text": lambda prefix: prefix[50:-16],
    "the tag": lambda prefix: prefix[-16:],
    "all of it under the mesh key": under_mesh_key,
    "the sum": lambda prefix: bytes((sum(prefix) % 256,)),
    "the order": lambda prefix: bytes(a < b for a, b in itertools.pairwise(prefix)),
}


def advantage(envelopes, look):
    """How much better than chance an observer tells a pair of one conversation from a pair of two.

    The area under the curve less a half (Mann and Whitney's U), in standard deviations of chance. Independent
    random strings differ independently pair by pair, so the usual deviation holds.
    """
    seen = [(number, int.from_bytes(look(prefix), "big")) for number, prefix in envelopes]
    same, different = {}, {}
    for at, (number, value) in enumerate(seen):
        for other_number, other in seen[:at]:
            counts = same if number == other_number else different
            distance = (value ^ other).bit_count()
            counts[distance] = counts.get(distance, 0) + 1
    ones, others = sum(same.values()), sum(different.values())
    better, below = 0.0, 0
    ties = 0.0
    for distance in sorted({*same, *different}):
        here, there = same.get(distance, 0), different.get(distance, 0)
        below += there
        better += here * (others - below + there / 2)
        ties += (here + there) ** 3 - (here + there)
    total = ones + others
    spread = ones * others / 12 * (total + 1 - ties / (total * (total - 1)))
    return (better - ones * others / 2) / math.sqrt(spread) if spread else 0.0


@pytest.fixture(scope="module")
def on_air():
    return conversations()


def test_all_envelopes_have_one_size_and_equal_open_fields(on_air):
    assert len({(len(prefix), prefix[:3]) for _, prefix in on_air}) == 1


@pytest.mark.parametrize("look", LOOKS)
def test_an_observer_pairs_letters_of_a_conversation_no_better_than_by_chance(on_air, look):
    assert abs(advantage(on_air, LOOKS[look])) < DEVIATIONS


def test_the_envelope_most_like_another_is_of_its_conversation_as_often_as_by_chance(on_air):
    """Chance is 49 of 999; 1,000 guesses."""
    values = [(number, int.from_bytes(prefix, "big")) for number, prefix in on_air]
    right = 0
    for number, value in values:
        alike = min(
            (other for other in values if other[1] != value), key=lambda other: (other[1] ^ value).bit_count()
        )
        right += alike[0] == number
    chance = (ENVELOPES / CONVERSATIONS - 1) / (ENVELOPES - 1)
    expected, spread = ENVELOPES * chance, math.sqrt(ENVELOPES * chance * (1 - chance))
    assert abs(right - expected) < DEVIATIONS * spread


def test_no_six_bytes_come_again(on_air):
    """Among 76,000 places chance repeats six bytes once in 100,000 runs."""
    met = set()
    for _, prefix in on_air:
        for at in (*range(3, 10), *range(17, len(prefix) - 5)):
            part = prefix[at : at + 6]
            assert part not in met
            met.add(part)


def naked(header_key, number, body):
    """Our letters if the header were not masked."""
    return kdf.masked(header_key, number, body[:33]) + body[33:]


def masked_the_same(header_key, number, body):
    """Our letters if every header of a chain had the same mask."""
    return kdf.masked(header_key, 0, naked(header_key, number, body)[:33]) + body[33:]


@pytest.mark.parametrize("broken", [naked, masked_the_same])
def test_this_observer_would_see_a_ratchet_that_links(broken):
    assert advantage(conversations(broken), LOOKS["where the ratchet key is"]) > 2 * DEVIATIONS
