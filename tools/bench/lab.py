"""Wall seconds that the lab needs for a simulated hour of 10, 30 and 100 idle boards, wakes, memory.

Ten that all hear each other, thirty in a grid of 6 x 5, a hundred in a grid of 10 x 10: a beacon each one to
eight seconds and a listening radio. Start-up is measured by itself; the larger ones run a part of the hour.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

from hedgerow_lab.board import Board as VirtualBoard
from hedgerow_lab.scenario import Board, Scenario
from hedgerow_lab.simulate import Simulation

PEERS: list[str] = []
_STARTED_MS = 30_000  # until here they start up; what follows is measured
# Columns (0: all in earshot), rows, minutes that are run, and the prototype's seconds for an hour.
_SIZES = {10: (0, 0, 60, 5), 30: (6, 5, 20, 48), 100: (10, 10, 10, 80)}
_START_GOAL_MS = 11
_MEMORY_GOAL_KIB = 900


def scenario(count: int, columns: int, rows: int, minutes: int) -> Scenario:
    """Boards that nobody writes to."""
    names = [f"b{number}" for number in range(count)]
    if columns:
        links = []
        for y in range(rows):
            for x in range(columns):
                here = y * columns + x
                links += [[names[here], names[here + 1]]] if x + 1 < columns else []
                links += [[names[here], names[here + columns]]] if y + 1 < rows else []
    else:
        links = [list(pair) for pair in combinations(names, 2)]
    return Scenario("bench", _STARTED_MS + minutes * 60_000, [Board(name) for name in names], links)


def memory_kib(board: VirtualBoard) -> dict[str, int]:
    """Memory of a board's process, as Linux tells it: all that is resident, and what no other shares."""
    process = board._process
    path = Path(f"/proc/{process.pid}/smaps_rollup") if process is not None else None
    if path is None or not path.exists():
        return {"resident": 0, "own": 0}
    sizes = {line.split()[0]: int(line.split()[1]) for line in path.read_text().splitlines()[1:]}
    return {"resident": sizes["Rss:"], "own": sizes["Private_Clean:"] + sizes["Private_Dirty:"]}


def processor_s(boards: list[VirtualBoard]) -> float:
    """Processor time of the boards' processes and of this one so far."""
    ticks = 0
    for board in boards:
        process = board._process
        path = Path(f"/proc/{process.pid}/stat") if process is not None else None
        if path is not None and path.exists():
            # Fields 14 and 15, counted behind the name in brackets.
            fields = path.read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def measure(count: int, columns: int, rows: int, minutes: int) -> dict[str, float]:
    """One lab of ``count`` boards."""
    folder = Path(tempfile.mkdtemp(prefix="hedgerow-bench-"))
    begun = time.perf_counter()
    simulation = Simulation(scenario(count, columns, rows, minutes), 1, folder)
    lab = simulation.lab
    names = list(lab.boards)
    try:
        # One after the other gets power, some 37 ms apart.
        lab.run_until(38 * count + 100)
        start_s = time.perf_counter() - begun
        lab.run_until(_STARTED_MS)
        wakes = lab.counters["wakes"]
        boards = list(lab.boards.values())
        worked_s = processor_s(boards)
        started = time.perf_counter()
        lab.run_until(simulation.scenario.duration_ms)
        wall_s = time.perf_counter() - started
        worked_s = processor_s(boards) - worked_s
        memories = [memory_kib(board) for board in boards]
        if len(simulation.known) != count or any(
            "Traceback" in line for name in names for line in lab.log(name)
        ):
            sys.exit("bench: Not every board of the lab works: run `make test` first.")
        return {
            "start_ms": start_s * 1000 / count,
            "worked_s": worked_s * 60 / minutes,
            "hour_s": wall_s * 60 / minutes,
            "wakes": (lab.counters["wakes"] - wakes) / wall_s,
            "resident": sum(memory["resident"] for memory in memories) / count,
            "own": sum(memory["own"] for memory in memories) / count,
        }
    finally:
        simulation.close()
        shutil.rmtree(folder, ignore_errors=True)


def main(quick: bool) -> None:
    """Print six lines for each size."""
    measure(2, 2, 1, 1)  # what is compiled once is compiled now
    for count, (columns, rows, minutes, goal_s) in _SIZES.items():
        if quick and count > 10:
            return
        minutes = 1 if quick else minutes
        took = measure(count, columns, rows, minutes)
        where = f"a grid of {columns} x {rows}" if columns else "all in earshot"
        how = f"{where}, {minutes} simulated minutes after {_STARTED_MS // 1000} s of start-up, one core"
        name = f"{count} boards"
        goal = f"{how}; the goal is the prototype's, whose boards sent a beacon every second"
        print_line(f"{name}, a simulated hour", round(took["hour_s"], 1), "s (noisy)", goal_s, goal)
        print_line(f"{name}, its processor time", round(took["worked_s"], 1), "s", goal_s, goal)
        print_line(f"{name}, wakes", round(took["wakes"]), "1/s (noisy, more is better)", None, how)
        print_line(f"{name}, start-up of one", round(took["start_ms"], 1), "ms (noisy)", _START_GOAL_MS, how)
        print_line(f"{name}, resident memory of one", round(took["resident"]), "KiB", None, how)
        print_line(f"{name}, memory of one alone", round(took["own"]), "KiB", _MEMORY_GOAL_KIB, how)


def print_line(metric: str, value: float, unit: str, goal: object, how: str) -> None:
    """One figure."""
    fields = {"metric": metric, "value": value, "unit": unit, "goal": goal, "peers": {}, "how": how}
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    try:
        main("--quick" in sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
