"""What everything is made of: CBOR, envelopes, and slots of the flash."""
# MicroPython has no [*a, b].
# ruff: noqa: RUF005

from fuzz.core.things import KEY, letter
from fuzz.promise import holds, refusal, told, unhex
from hedgerow_core import cbor, envelope, slots
from hedgerow_core.errors import PeerError


def fuzz_cbor(data: bytes) -> str:
    try:
        value = cbor.decode(data)
    except PeerError as error:
        return refusal(error)
    holds(cbor.encode(value) == data, "CBOR has two encodings of one value")
    return told(data)


def cbor_seeds() -> list[bytes]:
    values = [
        None,
        True,
        -1,
        1 << 40,
        -(1 << 63),
        b"x" * 300,
        "grüße, 你好, 😀",
        [1, [2, [b"", ""]]],
        {1: "a", "k": [True, None], b"b": {2: 3}},
        {"name": "board", "mesh_key": KEY, "pairing_key": KEY},
    ]
    found = [cbor.encode(value) for value in values]
    # To be refused: overlong and surrogate text, long forms, keys that are one to Python, floats, tags.
    for text in ("62c080", "63eda080", "64f4908080", "1817", "a2f50001f4", "f93c00", "c100", "9fff", "ff"):
        found.append(unhex(text))
    return found


def fuzz_envelope(data: bytes) -> str:
    try:
        found = envelope.decode(data)
    except PeerError as error:
        return refusal(error)
    holds(found.encode() == data, "an envelope has two encodings")
    later = found.carried(found.hops + 1, found.age + 7)
    again = envelope.decode(later.encode())
    holds(again.id == found.id, "an envelope has another id after a hop")
    return told(found.id, found.priority, found.shared, found.expired(), later.encode())


def envelope_seeds() -> list[bytes]:
    ours = [letter(1), letter(2, 0), letter(3, 900, 1), letter(4, 30, 2)]
    data = [one.encode() for one in ours] + [one.carried(20, 5_000).encode() for one in ours]
    return data + [data[0][:-1], data[0] + b"\0", b"\x10" + data[0][1:], b"\x0b" + data[0][1:]]


def fuzz_slots(data: bytes) -> str:
    half = len(data) // 2
    found = [data[:half], data[half:], slots.seal(3, data)]
    at = slots.newest(found)
    holds(slots.generation(found[2]) == 3 and slots.content(found[2]) == data, "a slot is not what it holds")
    holds(at >= 0 and slots.generation(found[at]) >= 3, "an older slot holds")
    return told(at, slots.generation(found[0]), slots.generation(found[1]))


def slots_seeds() -> list[bytes]:
    return [slots.seal(1, b"12345678") + slots.seal(9, b"abcdefgh"), b"", bytes(30), slots.seal(5, b"")]


TARGETS = {
    "cbor": (fuzz_cbor, cbor_seeds),
    "envelope": (fuzz_envelope, envelope_seeds),
    "slots": (fuzz_slots, slots_seeds),
}
