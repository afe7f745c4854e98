"""The whole firmware in the heap of the smallest board, in short; `hedgerow-lab memory` runs a day of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from hedgerow_lab.world import LabError, find_micropython

TOP = Path(__file__).resolve().parents[2]


def measured(*words: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(str(TOP / folder) for folder in ("shared", "host", "tools"))
    command = [sys.executable, "-c", "from hedgerow_lab.cli import main; main()", "memory", "--json", *words]
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def there_is_a_small_interpreter() -> bool:
    try:
        find_micropython(32)
    except LabError:
        return False
    return True


def test_a_busy_board_lives_in_the_heap_of_the_smallest():
    done = measured("--letters", "300", "--hours", "0.1")
    if not there_is_a_small_interpreter():
        assert done.returncode == 1 and "make setup" in done.stderr
        return
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["heap_bytes"], found["envelopes"], found["memory_errors"], found["resets"]) == (
        100_000,
        300,
        0,
        0,
    )
    # Who rotates is counted twice for a minute.
    assert found["neighbours"] >= 12 and found["links"] >= 1 and found["letters"] > 300
    assert 0 < found["low_water_uncollected_bytes"] < found["low_water_bytes"] < 100_000
    # Nothing large is contiguous on a board.
    assert 0 < found["largest_piece_bytes"] <= 4_096


def test_a_heap_that_is_too_small_is_told_in_one_sentence():
    done = measured("--letters", "300", "--hours", "0.01", "--heap", "70000")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "Traceback" not in done.stderr
    if there_is_a_small_interpreter():
        assert "70,000 bytes of heap are too few" in done.stderr
        assert json.loads(done.stdout)["memory_errors"] > 0
