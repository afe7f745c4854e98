"""All cuts that were asked for, on as many cores as there are."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from hedgerow_lab.powercut import chain, cycle
from hedgerow_lab.powercut.chain import CHAIN_CUTS, Tally
from hedgerow_lab.powercut.life import Bench, Make

_MOST_WORKERS = 4
_PARTS_A_WORKER = 4

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Result:
    """What came out, and how long it took."""

    seed: int
    tally: Tally
    wall_s: float

    @property
    def failed(self) -> list[str]:
        """What does not hold, in sentences; empty where all holds."""
        return self.tally.failed

    def as_json(self) -> dict[str, object]:
        """For --json."""
        tally = self.tally
        return {
            "cuts": tally.cuts,
            "seed": self.seed,
            "lost_acknowledged": tally.lost_acknowledged,
            "unmountable": tally.unmountable,
            "never_put": tally.strangers,
            "came_back": tally.came_back,
            "failed_writes": tally.failed_writes,
            "acknowledged": tally.acknowledged,
            "compactions": tally.compactions,
            "moves": tally.moves,
            "cuts_in": dict(sorted(tally.cuts_in.items())),
            "boots": len(tally.boot_us),
            "boot_ms_p95": round(p95(tally.boot_us) / 1000, 1),
            "boot_reads_p95": p95(tally.boot_reads),
            "wall_s": round(self.wall_s, 1),
            "failed": tally.failed,
        }


def p95(values: list[int]) -> int:
    """What 95 of 100 values do not pass; 0 without values."""
    return sorted(values)[(len(values) * 95 + 99) // 100 - 1] if values else 0


def random_cuts(make: Make, cuts: int, seed: int, progress: Progress) -> Result:
    """``cuts`` cuts at random operations; ``progress`` hears (done, of all)."""
    begun = time.perf_counter()
    with Bench(make) as bench:
        old = chain.filled(bench, seed)
    parts = [
        (number, min(CHAIN_CUTS, cuts - number * CHAIN_CUTS)) for number in range(-(-cuts // CHAIN_CUTS))
    ]

    def part(number: int, size: int, step: Callable[[], None]) -> Tally:
        with Bench(make) as bench:
            return chain.run(bench, seed, number, size, old, step)

    return Result(seed, _all(part, parts, cuts, progress), time.perf_counter() - begun)


def every_cut(make: Make, seed: int, progress: Progress) -> Result:
    """A cut at every operation of one cycle."""
    begun = time.perf_counter()
    with Bench(make) as bench:
        recorded = cycle.record(bench, seed)
    count = len(recorded.operations)
    size = -(-count // (_workers() * _PARTS_A_WORKER))
    parts = [(first, min(first + size - 1, count)) for first in range(1, count + 1, size)]

    def part(first: int, last: int, step: Callable[[], None]) -> Tally:
        with Bench(make) as bench:
            return cycle.run(bench, recorded, first, last, step)

    tally = _all(part, parts, count, progress)
    tally.compactions += recorded.report.compactions
    tally.moves += recorded.report.moves
    return Result(seed, tally, time.perf_counter() - begun)


def _workers() -> int:
    return min(os.cpu_count() or 1, _MOST_WORKERS)


def _all(
    part: Callable[[int, int, Callable[[], None]], Tally],
    parts: list[tuple[int, int]],
    count: int,
    progress: Progress,
) -> Tally:
    """Run the parts side by side; the sum does not depend on who was first."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, count)

    total = Tally()
    with ThreadPoolExecutor(_workers()) as pool:
        waiting = [pool.submit(part, *bounds, step) for bounds in parts]
        try:
            for future in waiting:
                total.add(future.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return total
