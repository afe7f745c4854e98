"""What the tests of people and ratchets share."""

import hashlib
from collections.abc import Callable

from hedgerow.identity import keys
from hedgerow.identity.account import Account
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet.state import State

NOW = 1_800_000_000_000
AD = b"a" * 136


def source(seed: object = 0) -> Callable[[int], bytes]:
    """A source of randomness that gives the same each run, and never the same twice."""
    drawn = 0

    def random(count: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return hashlib.shake_256(f"{seed}/{drawn}".encode()).digest(count)

    return random


def person(name: str) -> Account:
    """An account, always the same for a name."""
    return Account.create(source(name))


def pair(random: Callable[[int], bytes]) -> tuple[State, State]:
    """Both ends of a new ratchet: the inviter, who writes first, and the one who asked."""
    ephemeral, root = random(32), random(32)
    return (
        ratchet.start_writer(root, AD, keys.dh_public(ephemeral), random),
        ratchet.start_reader(root, AD, ephemeral),
    )


def flip(data: bytes, bit: int) -> bytes:
    """``data`` with one bit turned."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
