"""What it takes to find out how two sets of ids differ: bytes both ways, rounds, and a board's time and heap.

Two exchanges of core, without a session around them: all messages count until both know what to ask for,
the asking included, letters not. The goal is 4 times the lower bound of 64 bytes and 8 for each id that only
one side has, the peer the plain list of all ids, both ways. Medians of many seeds.
"""

import json
import sys

PEERS: list = []
CASES = ((1_000, 10), (1_000, 100), (10_000, 10), (10_000, 100))
_SEEDS = 200
_FLOOR_BYTES = 64
_FACTOR = 4


def compared(count: int, differences: int, seed: int) -> "tuple[int, int]":
    """(bytes both ways, rounds) to find ``differences`` in sets of ``count`` ids."""
    import random

    from hedgerow_core import limits
    from hedgerow_core.reconcile import BySketch
    from hedgerow_core.sketch import Sketch

    dice = random.Random(seed)
    key = dice.randbytes(16)
    ours, theirs = Sketch(key, limits.SKETCH_CELLS), Sketch(key, limits.SKETCH_CELLS)
    for number in range(count - differences // 2):
        # What both have leaves the difference of sketches alone: some of it is enough.
        if number < 200:
            identity = dice.randbytes(8)
            ours.change(identity)
            theirs.change(identity)
    only = [dice.randbytes(8) for _ in range(differences)]
    for at, identity in enumerate(only):
        (ours if at % 2 else theirs).change(identity)
    gives, takes = BySketch(ours, True), BySketch(theirs, False)
    size = rounds = 0
    found = b""
    while not (takes.received or takes.failed):
        rounds += 1
        while part := gives.part(count):
            size += 1 + len(part)
            found = takes.take(part, count) or found
        if answer := takes.answer():
            size += 1 + len(answer)
            gives.answered(answer)
    if takes.failed:
        # Lists, both ways, with a byte of head for each frame.
        size += 2 * listed(count)
    wanted = sum(found[at : at + 8] in only[1::2] for at in range(0, len(found), 8))
    frames = -(-wanted // limits.OFFER_IDS)
    return size + 8 * wanted + frames, rounds


def listed(count: int) -> int:
    """Bytes of a list of ids, one way."""
    from hedgerow_core import limits

    return 8 * count + 2 * -(-count // limits.OFFER_IDS)


def on_a_board(rounds: int) -> dict:
    """Under MicroPython: us to keep an id, to find 10 differences, and the heap that this takes."""
    import gc
    import time

    sys.path.insert(0, "shared")
    from hedgerow_core import limits
    from hedgerow_core.mac import sha256
    from hedgerow_core.sketch import Decoder, Sketch

    gc.collect()
    before = gc.mem_alloc()
    ours = Sketch(b"key of a sketch.", limits.SKETCH_CELLS)
    gc.collect()
    kept_bytes = gc.mem_alloc() - before
    theirs = Sketch(b"key of a sketch.", limits.SKETCH_CELLS)
    start = time.ticks_us()
    for number in range(1_000):
        ours.change(sha256(number.to_bytes(4, "big"))[:8])
    keep_us = time.ticks_diff(time.ticks_us(), start) / 1_000
    for number in range(5, 1_005):
        theirs.change(sha256(number.to_bytes(4, "big"))[:8])
    times = []
    decoder_bytes = 0
    for _ in range(rounds):
        gc.collect()
        before = gc.mem_alloc()
        start = time.ticks_us()
        decoder = Decoder(ours)
        while not decoder.complete:
            decoder.receive(theirs.part(decoder.received, 18))
        times.append(time.ticks_diff(time.ticks_us(), start))
        assert len(decoder.found) == 80
        gc.collect()
        decoder_bytes = max(decoder_bytes, gc.mem_alloc() - before)
    times.sort()
    return {
        "keep_us": keep_us,
        "decode_us": times[len(times) // 2],
        "kept_bytes": kept_bytes,
        "decoder_bytes": decoder_bytes,
    }


def _count(number: int) -> str:
    return f"{number // 1_000}k" if number >= 1_000 else str(number)


def main(quick: bool) -> None:
    """Print what each case takes, and the 32-bit interpreter's share."""
    import subprocess
    from pathlib import Path
    from statistics import median

    from hedgerow_lab.world import find_micropython

    seeds = 10 if quick else _SEEDS
    for count, differences in CASES:
        name = f"{_count(count)}_{differences}"
        found = [compared(count, differences, seed) for seed in range(seeds)]
        sizes = sorted(size for size, _ in found)
        rounds = sorted(turns for _, turns in found)
        goal = _FACTOR * (8 * differences + _FLOOR_BYTES)
        how = f"median of {seeds} seeds, both ways, what is asked for included"
        peers = {"id_list": 2 * listed(count)}
        print_line(f"reconcile_bytes_{name}", median(sizes), "bytes", goal, how, peers)
        p95 = sizes[len(sizes) * 95 // 100]
        print_line(f"reconcile_bytes_{name}_p95", p95, "bytes", None, "of the same seeds")
        print_line(f"reconcile_rounds_{name}", median(rounds), "rounds", None, f"at most {rounds[-1]}")
    done = subprocess.run(
        [str(find_micropython(32)), "-X", "heapsize=4m", __file__, str(3 if quick else 21)],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    board = json.loads(done.stdout)
    how = "1,000 ids, 10 differences, MicroPython 32-bit"
    print_line(
        "reconcile_keep_us", round(board["keep_us"], 1), "us", None, f"for an id that comes or goes; {how}"
    )
    print_line("reconcile_decode_us", board["decode_us"], "us", None, how)
    print_line("reconcile_kept_bytes", board["kept_bytes"], "bytes", None, f"the cells of a shelf; {how}")
    print_line(
        "reconcile_decoder_bytes", board["decoder_bytes"], "bytes", 2_500, f"while a link compares; {how}"
    )


def print_line(
    metric: str, value: float, unit: str, goal: object, how: str, peers: dict | None = None
) -> None:
    """One figure."""
    fields = {"metric": metric, "value": value, "unit": unit, "goal": goal, "peers": peers or {}, "how": how}
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    if sys.implementation.name == "micropython":
        print(json.dumps(on_a_board(int(sys.argv[1]))))
    else:
        try:
            main("--quick" in sys.argv)
        except KeyboardInterrupt:
            sys.exit(130)
