"""The fingerprint of two people: 60 digits that both compare, in sight of each other or by telephone.

30 digits each, of account key and device key; the smaller account key first, so both see the same.
"""

from hedgerow_core.mac import hkdf

GROUP_DIGITS = 5
_GROUPS = 6
_GROUP_BYTES = 5


def digits(ours: bytes, theirs: bytes) -> str:
    """60 digits; ``ours`` and ``theirs`` are account key | device key, 64 bytes each."""
    return "".join(_half(who) for who in sorted((ours, theirs)))


def _half(who: bytes) -> str:
    stream = hkdf(who, b"", b"hedgerow fingerprint", _GROUPS * _GROUP_BYTES)
    groups = (stream[at : at + _GROUP_BYTES] for at in range(0, len(stream), _GROUP_BYTES))
    return "".join(f"{int.from_bytes(group, 'big') % 10**GROUP_DIGITS:0{GROUP_DIGITS}}" for group in groups)


def groups(found: str) -> list[str]:
    """The digits as they are read aloud, five at a time."""
    return [found[at : at + GROUP_DIGITS] for at in range(0, len(found), GROUP_DIGITS)]
