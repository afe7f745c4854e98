"""A board has little memory: what the firmware costs to import, and that it lives in 100 kB."""

import subprocess
import sys
from pathlib import Path

import pytest
from support_firmware import Cable, settings, small_interpreter

from hedgerow_lab.world import Lab, find_aioble

TOP = Path(__file__).resolve().parents[2]


def test_importing_core_and_firmware_leaves_room_on_a_board():
    done = subprocess.run(
        [sys.executable, TOP / "tools/measure_heap"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("seed", [1, 2])
def test_a_board_with_a_hundred_letters_lives_in_100_kilobytes_and_hands_them_on(tmp_path, seed):
    interpreter, share = small_interpreter()
    with Lab(seed, workdir=tmp_path, micropython=interpreter, aioble=find_aioble()) as lab:
        for name in ("a", "b"):
            lab.add_board(name, settings=settings(name), heap_bytes=100 * 1024 * share)
        lab.hear("a", "b")
        lab.run_until(3_000)
        near, far = Cable(lab, "a"), Cable(lab, "b")
        for _ in range(10):
            near.put(10)
            lab.run_until(lab.now_ms + 20_000)
        lab.run_until(lab.now_ms + 120_000)
        assert lab.log("a") == lab.log("b") == []
        assert len(near.acked()) == 100
        assert set(far.shelf.ids()) == set(near.shelf.ids())
