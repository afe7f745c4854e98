"""`hedgerow-lab memory`: a busy board in a small heap, and one that is too small."""

import json

import pytest
from memory_support import on_32_bits
from test_scenarios import lab

from hedgerow_lab.courier import Courier, key
from hedgerow_lab.world import Lab, find_aioble, find_micropython

pytestmark = on_32_bits


def test_a_busy_board_with_300_letters_lives_in_92_kilobytes_and_has_nothing_large_in_one_piece():
    done = lab("memory", "--letters", "300", "--heap", "92000", "--hours", "0.1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["heap_bytes"], told["envelopes"]) == (92_000, 300)
    assert (told["memory_errors"], told["resets"]) == (0, 0)
    assert told["links"] >= 1 and told["letters"] > 300
    assert 0 < told["low_water_uncollected_bytes"] < told["low_water_bytes"]
    assert 0 < told["largest_piece_bytes"] <= 4_096


def test_a_busy_board_with_a_thousand_letters_and_three_links_lives_in_100_kilobytes():
    done = lab("memory", "--hours", "0.03", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["heap_bytes"] == 102_400
    # A neighbour that took another address is counted twice for a minute.
    assert told["envelopes"] == 1_000 and told["neighbours"] >= 12
    assert (told["memory_errors"], told["resets"]) == (0, 0)
    assert told["links"] == 3 and told["low_water_bytes"] > 5_000


@pytest.mark.parametrize(("heap_bytes", "least", "most"), [(92_000, 100, 1_000), (400_000, 4_000, 4_000)])
def test_a_board_that_nobody_told_keeps_as_many_letters_as_its_memory_allows(
    tmp_path, heap_bytes, least, most
):
    keys = {"mesh_key": key("mesh", ""), "pairing_key": key("pairing", "roof")}
    with Lab(1, workdir=tmp_path, micropython=find_micropython(32), aioble=find_aioble()) as laboratory:
        board = laboratory.add_board("roof", settings={"name": "roof", **keys}, heap_bytes=heap_bytes)
        board.machine.flash_blocks = 2_048  # 8 MB: here it is the heap that bounds
        board.flash_path.write_bytes(b"\xff" * (4_096 * 2_048))
        laboratory.run_until(3_000)
        courier = Courier(laboratory, "roof", 1)
        for _ in range(80):
            courier.write()
            laboratory.run_until(laboratory.now_ms + 300)
        courier.ask()
        laboratory.run_until(laboratory.now_ms + 1_000)
        held, load = courier.statuses[-1][0], courier.statuses[-1][3]
    assert held == 80
    assert 80 * 255 // most <= load <= 80 * 255 // least


def test_a_heap_that_is_too_small_is_told_in_one_sentence():
    done = lab("memory", "--heap", "62000", "--letters", "300", "--hours", "0.02")
    assert done.returncode == 1
    assert "bytes of heap are too few" in done.stderr and "Traceback" not in done.stderr
