"""Randomness for inputs: the same each run."""

import hashlib
from collections.abc import Callable


def source(seed: str) -> Callable[[int], bytes]:
    """A source of randomness that gives the same each run."""
    drawn = 0

    def random(count: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return hashlib.shake_256(f"{seed}/{drawn}".encode()).digest(count)

    return random
