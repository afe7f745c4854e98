"""What is acknowledged stays where other files fill the flash: on littlefs, in MicroPython."""

import json
import os
import subprocess

import pytest

from hedgerow_lab.world import TOP, find_micropython

SCRIPT = TOP / "tests/firmware/full_flash.py"
FREE_BLOCKS = range(9)


@pytest.mark.parametrize("segments", [2, 4])
@pytest.mark.parametrize("at_once", [1, 4])
def test_a_letter_that_was_acknowledged_is_on_the_flash_however_full_that_is(at_once, segments):
    done = subprocess.run(
        [
            find_micropython(),
            "-X",
            "heapsize=4m",
            SCRIPT,
            str(at_once),
            str(segments),
            *map(str, FREE_BLOCKS),
        ],
        env={**os.environ, "MICROPYPATH": f"{TOP / 'shared'}:{TOP / 'firmware'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == len(FREE_BLOCKS) and any(flushed for flushed, _, _ in found)
    assert [(missing, lost) for _, missing, lost in found] == [(0, 0)] * len(found)
