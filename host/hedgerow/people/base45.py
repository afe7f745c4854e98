"""Base45 (RFC 9285): bytes in the letters that a QR code keeps in its alphanumeric mode."""

from hedgerow_core.errors import PeerError

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
_PAIR_LETTERS = 3


def encode(data: bytes) -> str:
    """Three letters for two bytes, two for a last one."""
    found = []
    for at in range(0, len(data), 2):
        pair = data[at : at + 2]
        value = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            value, rest = divmod(value, 45)
            found.append(ALPHABET[rest])
    return "".join(found)


def decode(text: str) -> bytes:
    """What ``encode`` wrote. PeerError for all else."""
    found = bytearray()
    for at in range(0, len(text), _PAIR_LETTERS):
        letters = text[at : at + _PAIR_LETTERS]
        value = 0
        for letter in reversed(letters):
            if letter not in _VALUES:
                raise PeerError("no base45")
            value = value * 45 + _VALUES[letter]
        size = len(letters) - 1
        if not size or value >= 1 << 8 * size:
            raise PeerError("no base45")
        found += value.to_bytes(size, "big")
    return bytes(found)
