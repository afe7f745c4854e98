"""Deterministic CBOR (RFC 8949, section 4.2.1) of the types that Hedgerow uses.

Integers of 64 bits, byte strings, text, lists, maps, booleans and null. Decoding refuses everything
else (floats, tags, indefinite lengths) and every encoding that is not the shortest, so a value has
exactly one encoding.
"""

from hedgerow_core import limits
from hedgerow_core.compat import utf8
from hedgerow_core.errors import LimitError, PeerError


def write_head(major: int, number: int) -> bytes:
    """The head of an item: its major type, 0 to 7, and its argument. LimitError above 64 bits."""
    major <<= 5
    if number < 24:
        return bytes((major | number,))
    if number < 0x100:
        return bytes((major | 24, number))
    if number < 0x10000:
        return bytes((major | 25, number >> 8, number & 0xFF))
    if number <= 0xFFFFFFFF:
        return bytes((major | 26,)) + number.to_bytes(4, "big")
    if number <= 0xFFFFFFFFFFFFFFFF:
        return bytes((major | 27,)) + number.to_bytes(8, "big")
    raise LimitError("an integer of more than 64 bits")


def encode(value: object, depth: int = 0) -> bytes:
    """Encode ``value``. LimitError for a type, size or depth that the protocol does not have."""
    if depth > limits.CBOR_DEPTH:
        raise LimitError("nested too deeply")
    # bool first: on MicroPython it is no subclass of int, on CPython it is.
    if value is None:
        return b"\xf6"
    if value is True:
        return b"\xf5"
    if value is False:
        return b"\xf4"
    if isinstance(value, int):
        return write_head(0, value) if value >= 0 else write_head(1, -1 - value)
    if isinstance(value, (bytes, bytearray)):
        return write_head(2, len(value)) + bytes(value)
    if isinstance(value, str):
        data = value.encode()
        return write_head(3, len(data)) + data
    if isinstance(value, (list, tuple)):
        parts = [write_head(4, len(value))]
        for item in value:
            parts.append(encode(item, depth + 1))
        return b"".join(parts)
    if isinstance(value, dict):
        pairs = [(encode(key, depth + 1), encode(item, depth + 1)) for key, item in value.items()]
        pairs.sort(key=_first)
        parts = [write_head(5, len(pairs))]
        for key_data, item_data in pairs:
            parts.append(key_data)
            parts.append(item_data)
        return b"".join(parts)
    raise LimitError("a type that CBOR of Hedgerow does not have")


def _first(pair: tuple[bytes, bytes]) -> bytes:
    return pair[0]


def read_head(data: bytes, start: int) -> tuple[int, int, int]:
    """Read a head at ``start``: (major type, argument, position behind it)."""
    if start >= len(data):
        raise PeerError("CBOR ends too early")
    first = data[start]
    major = first >> 5
    number = first & 31
    start += 1
    if number < 24:
        return major, number, start
    if number > 27:
        raise PeerError("CBOR of indefinite or reserved length")
    width = 1 << (number - 24)
    end = start + width
    if end > len(data):
        raise PeerError("CBOR ends too early")
    number = int.from_bytes(data[start:end], "big")
    if major != 7 and (number < 24 if width == 1 else number >> (width * 4) == 0):
        raise PeerError("CBOR is not in its shortest form")
    return major, number, end


def decode_from(data: bytes, start: int, depth: int = 0) -> tuple[object, int]:
    """Decode one item at ``start``: (value, position behind it). PeerError for anything else."""
    if depth > limits.CBOR_DEPTH:
        raise PeerError("CBOR nested too deeply")
    major, number, at = read_head(data, start)
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major == 2 or major == 3:
        end = at + number
        if end > len(data):
            raise PeerError("CBOR ends too early")
        raw = bytes(data[at:end])
        if major == 2:
            return raw, end
        try:
            return utf8(raw), end
        except ValueError:
            raise PeerError("CBOR text is not UTF-8")
    if major == 4:
        if number > len(data) - at:
            raise PeerError("CBOR ends too early")
        items = []
        for _ in range(number):
            item, at = decode_from(data, at, depth + 1)
            items.append(item)
        return items, at
    if major == 5:
        return _decode_map(data, number, at, depth)
    if major == 7 and at == start + 1:
        if number == 20 or number == 21:
            return number == 21, at
        if number == 22:
            return None, at
    raise PeerError("a CBOR type that Hedgerow does not have")


def _decode_map(data: bytes, count: int, at: int, depth: int) -> tuple[object, int]:
    if count * 2 > len(data) - at:
        raise PeerError("CBOR ends too early")
    result = {}
    previous = b""
    for _ in range(count):
        key, end = decode_from(data, at, depth + 1)
        encoded = bytes(data[at:end])
        if encoded <= previous:
            raise PeerError("CBOR map keys are out of order or repeated")
        previous = encoded
        if isinstance(key, (list, dict)):
            raise PeerError("a CBOR map key that Hedgerow does not have")
        # True and 1 are one key to Python: such a map has no faithful value.
        if key in result:
            raise PeerError("CBOR map keys are out of order or repeated")
        result[key], at = decode_from(data, end, depth + 1)
    return result, at


def decode(data: bytes) -> object:
    """Decode the one item that ``data`` is. PeerError for anything else, trailing bytes included."""
    value, end = decode_from(data, 0)
    if end != len(data):
        raise PeerError("bytes behind the CBOR item")
    return value
