"""Encoding and decoding what Hedgerow sends and stores, on CPython, beside CBOR and MessagePack of others.

Ours is plain Python, made for MicroPython: its equals are cbor2pure and msgpack's fallback; cbor2 (Rust) and
msgpack (C) show what compiled code does. All take turns in each round, so that a ratio means something.
"""

import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable

from hedgerow_core import cbor

PEERS = ["cbor2", "cbor2pure", "msgpack"]

_BORROWED = ("CBORDecodeValueError", "CBOREncodeValueError", "CBOREncodeTypeError", "FrozenDict", "undefined")

Codec = tuple[Callable[[object], bytes], Callable[[bytes], object]]


def peers() -> dict[str, Codec]:
    """Those that are installed here."""
    found: dict[str, Codec] = {}
    try:
        import cbor2

        found["cbor2"] = (cbor2.dumps, cbor2.loads)
        # cbor2pure 5.8 borrows names of cbor2 5.8, which later ones do not have.
        for name in _BORROWED:
            if not hasattr(cbor2, name):
                setattr(cbor2, name, type(name, (ValueError,), {}))
        pure = importlib.import_module("cbor2pure")
        found["cbor2pure"] = (pure.dumps, pure.loads)
    except ImportError:
        pass
    try:
        import msgpack
        from msgpack import fallback
    except ImportError:
        return found
    found["msgpack"] = (
        lambda value: msgpack.packb(value, use_bin_type=True),
        lambda data: msgpack.unpackb(data, strict_map_key=False),
    )

    def pack(value: object) -> bytes:
        return fallback.Packer(use_bin_type=True).pack(value)

    def unpack(data: bytes) -> object:
        unpacker = fallback.Unpacker(strict_map_key=False, max_buffer_size=len(data))
        unpacker.feed(data)
        return unpacker.unpack()

    found["msgpack (pure)"] = (pack, unpack)
    return found


def values() -> dict[str, object]:
    """Name and value of what is typical."""
    key, signature = bytes(range(32)), bytes(range(64))
    return {
        "settings of a board": {"name": "mill", "mesh_key": key, "pairing_key": key},
        "card of a person": ["Alice", key, key, key, signature],
        "state of a ratchet": [[key] * 10, [41, 7, 12], [[key, number, key] for number in range(20)]],
        "fifty small numbers": list(range(-10, 40)),
        "nested map": {"a": {"b": {"c": [1, 2, {"d": None}]}}, "text": "grüße " * 20, "yes": True},
    }


def took_us(codec: Codec, value: object, repeats: int) -> float:
    """Microseconds to encode and decode once."""
    encode, decode = codec
    start = time.perf_counter()
    for _ in range(repeats):
        decode(encode(value))
    return (time.perf_counter() - start) / repeats * 1e6


def main(quick: bool) -> None:
    """Print a line for each value and one for all."""
    rounds, repeats = (2, 3) if quick else (60, 60)
    others = peers()
    everybody: dict[str, Codec] = {"ours": (cbor.encode, cbor.decode), **others}
    ratios: dict[str, list[float]] = {name: [] for name in others}
    for metric, value in values().items():
        for name, (encode, decode) in everybody.items():
            if decode(encode(value)) != value:
                sys.exit(f"bench: {name} does not give back the {metric}.")
        times: dict[str, list[float]] = {name: [] for name in everybody}
        for _ in range(rounds):
            for name, codec in everybody.items():
                times[name].append(took_us(codec, value, repeats))
            for name in others:
                ratios[name].append(times["ours"][-1] / times[name][-1])
        middle = {name: round(statistics.median(some), 2) for name, some in times.items()}
        how = f"encode and decode, median of {rounds} interleaved rounds of {repeats}"
        sizes = f"; {len(cbor.encode(value))} bytes"
        print_line(metric, middle.pop("ours"), "us (noisy)", None, middle, how + sizes)
    against = {name: round(statistics.median(some), 2) for name, some in ratios.items()}
    how = f"median of {rounds} interleaved rounds of each value; below 1 ours is faster"
    for name, ratio in against.items():
        pure = "pure" in name
        print_line(f"ours against {name}", ratio, "times", 1 if pure else None, {name: 1}, how)


def print_line(
    metric: str, value: float, unit: str, goal: object, beside: dict[str, float], how: str
) -> None:
    """One figure."""
    fields = {"metric": metric, "value": value, "unit": unit, "goal": goal, "peers": beside, "how": how}
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    try:
        main("--quick" in sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
