"""`os` with a seeded urandom."""

import uhashlib
from uos import *

_seed = b""
_count = 0


def _seed_urandom(seed):
    global _seed, _count
    _seed = seed
    _count = 0


def urandom(size):
    global _count
    out = b""
    while len(out) < size:
        _count += 1
        out += uhashlib.sha256(_seed + _count.to_bytes(8, "big")).digest()
    return out[:size]


def sync():
    pass
