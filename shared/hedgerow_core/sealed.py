"""Commands to a board that is several hops away, and its replies (docs/protocol.md, "Care").

They travel as envelopes like any other, under locks of a key that the board and its mesh's admin share. Each
command has a number, and the board runs only those that rise: one at most once, whatever is heard again. The
reply goes back under the same number.
"""

from hedgerow_core import envelope, limits
from hedgerow_core.envelope import Envelope
from hedgerow_core.errors import AuthError, LimitError, PeerError
from hedgerow_core.mac import aes_ctr, equal, hkdf, hmac_sha256, sha256
from hedgerow_core.shelf import Shelf

DOWN = 0  # to the board
UP = 1  # from it

SALT_BYTES = 8
BOARD_ID_BYTES = 8
_TAG_BYTES = 16
_MINUTE_BYTES = 4
_BLOCKS = (16, 20, 24, 28)  # bits
_BODY_LEAST = 77  # of a letter of 20 characters: a shorter command is no shorter on the air


def board_id(care_key: bytes) -> bytes:
    """By what the owner of a key calls its board, 8 bytes."""
    return sha256(b"hedgerow board" + care_key)[:BOARD_ID_BYTES]


def token(care_key: bytes, way: int, number: int) -> bytes:
    """The proof of a command or reply: whoever opened it publishes this, and carriers let go of it."""
    info = b"hedgerow care token" + bytes((way,)) + number.to_bytes(4, "big")
    return hkdf(care_key, b"", info, limits.PROOF_BYTES)


def lock(care_key: bytes, way: int, number: int) -> bytes:
    """The address of a command or reply."""
    return sha256(token(care_key, way, number))[: limits.LOCK_BYTES]


def numbers(first: int) -> list[int]:
    """Which commands a board that ran all below ``first`` looks for, rising: the next few, and behind them
    the next one at the end of a block of each size."""
    found = [first + step for step in range(limits.CARE_WINDOW)]
    for bits in _BLOCKS:
        number = _behind(first, bits)
        if number > found[-1]:
            found.append(number)
    return [number for number in found if number < limits.CARE_NUMBERS]


def choose(unused: int, known: int, doubt: int = 0) -> int:
    """The number of the next command: ``unused`` is the first that was given to none, and the board is known
    to look for commands from ``known`` on at least.

    Where too many went without an answer, or with ``doubt``, the board may be elsewhere, even ahead of one
    who forgot what was said. Then it is a number that a board looks for from far, another one for each
    ``doubt`` that is tried; none is used up before it is answered. LimitError where no number is left.
    """
    if not doubt and unused < min(known + limits.CARE_WINDOW, limits.CARE_NUMBERS):
        return unused
    far = []
    for bits in _BLOCKS:
        number = _behind(unused, bits)
        if number not in far and number < limits.CARE_NUMBERS:
            far.append(number)
    while far and far[-1] + (1 << _BLOCKS[-1]) < limits.CARE_NUMBERS:
        far.append(far[-1] + (1 << _BLOCKS[-1]))
    if not far:
        raise LimitError("no number is left for a command")
    return far[max(doubt - 1, 0) % len(far)]


def _behind(number: int, bits: int) -> int:
    """The first number behind its block of so many bits."""
    return ((number >> bits) + 1) << bits


def locks(care_key: bytes, first: int) -> bytes:
    """The locks of ``numbers``, one after the other."""
    return b"".join([lock(care_key, DOWN, number) for number in numbers(first)])


def seal(
    care_key: bytes,
    way: int,
    number: int,
    minute: int,
    message: bytes,
    salt: bytes,
    ttl: int = envelope.TTL_DEFAULT,
    hops: int = 0,
) -> Envelope:
    """``message`` as an envelope. ``minute`` of the mesh clock is the last in which a command counts, or when
    a reply was made; a reply begins with the salt of its command. ``salt``, of 8 bytes, is another one each
    time. LimitError where it is too long."""
    # 16 bytes for the tag, and one for the mark in front of the padding.
    least = SALT_BYTES + _MINUTE_BYTES + len(message) + 1 + _TAG_BYTES
    size = envelope.padded_body_size(max(least, _BODY_LEAST)) - SALT_BYTES - _TAG_BYTES
    plain = min(minute, limits.M_MINUTES).to_bytes(_MINUTE_BYTES, "big") + message + b"\x80"
    key, mac_key = _keys(care_key, way, number, salt)
    sealed = aes_ctr(key, bytes(16), plain + bytes(size - len(plain)))
    address = lock(care_key, way, number)
    # Who changes the head on the way makes another envelope, which nobody opens.
    flags = envelope.make(envelope.NORMAL, ttl, address, b"").flags
    body = salt + sealed + _tag(mac_key, flags, ttl, sealed)
    return envelope.make(envelope.NORMAL, ttl, address, body, hops)


def open_sealed(care_key: bytes, way: int, number: int, found: Envelope) -> "tuple[int, bytes]":
    """(minute, message) of an envelope. AuthError where it is none of ours, or was changed."""
    body = found.body
    if len(body) < SALT_BYTES + _MINUTE_BYTES + 1 + _TAG_BYTES:
        raise AuthError("a command that is too short")
    key, mac_key = _keys(care_key, way, number, body[:SALT_BYTES])
    sealed = body[SALT_BYTES : len(body) - _TAG_BYTES]
    if not equal(_tag(mac_key, found.flags, found.ttl, sealed), body[len(body) - _TAG_BYTES :]):
        raise AuthError("a command with a wrong tag")
    plain = aes_ctr(key, bytes(16), sealed).rstrip(b"\0")
    if len(plain) <= _MINUTE_BYTES or plain[-1] != 0x80:
        raise AuthError("a command without padding")
    return int.from_bytes(plain[:_MINUTE_BYTES], "big"), plain[_MINUTE_BYTES:-1]


def next_command(
    shelf: Shelf, care_key: bytes, first: int, now: int
) -> "tuple[int, int, bytes, bytes] | None":
    """(number, last minute in which it counts, salt, command) of the first on ``shelf`` from ``first`` on.

    Forgeries under its lock are let go, a few in one go: ``shelf.caught`` says then that there may be more.
    """
    forgeries = 0
    for number in numbers(first):
        address = lock(care_key, DOWN, number)
        for identity in shelf.under(address):
            found = shelf.get(identity, now)
            if found is not None and found.lock == address:
                try:
                    minute, command = open_sealed(care_key, DOWN, number, found)
                    return number, minute, found.body[:SALT_BYTES], command
                except PeerError:
                    shelf.drop(identity)
                    forgeries += 1
                    if forgeries == limits.CARE_FORGERIES:
                        shelf.caught = True
                        return None
    return None


def _keys(care_key: bytes, way: int, number: int, salt: bytes) -> "tuple[bytes, bytes]":
    """Keys for one message. Whoever forgot that a number was used, and uses it again, has another salt."""
    info = b"hedgerow care keys" + bytes((way,)) + number.to_bytes(4, "big")
    keys = hkdf(care_key, salt, info, 64)
    return keys[:32], keys[32:]


def _tag(mac_key: bytes, flags: int, ttl: int, sealed: bytes) -> bytes:
    return hmac_sha256(mac_key, bytes((flags, ttl)) + sealed)[:_TAG_BYTES]
