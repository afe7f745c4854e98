"""The commands that look after a board, against boards in real time."""

import json
import time

import pytest
from test_commands import HEDGEROW, Person, Terminal, eventually, running_lab
from test_mpremote import plugged_in

BOOM = b"""
import asyncio
from hedgerow_board.app import main
async def boom():
    await asyncio.sleep_ms(1500)
    raise ValueError("the cat sat on it")
async def both():
    asyncio.create_task(boom())
    await main()
asyncio.run(both())
"""


@pytest.fixture
def mill(tmp_path):
    """(the board, Alice at it, how to steer the lab)"""
    with running_lab(tmp_path) as (boards, steer):
        board = boards["mill"]
        yield board, Person("Alice", tmp_path, board, board["tcp"]), steer


def lines(person, *words):
    done = person.type("board", *words, *person.board, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def destroy_file_system(tmp_path, steer):
    steer("power", "off", "mill")
    (image,) = tmp_path.glob("run/**/mill.flash")
    image.write_bytes(b"\x55" * 8192 + image.read_bytes()[8192:])
    steer("power", "on", "mill")
    time.sleep(1)


def test_the_log_of_a_sound_board_has_its_starts_and_no_trouble(mill):
    _, alice, _ = mill
    assert lines(alice, "log") == [
        {"starts": 1, "cause": "power", "starts_that_ended_badly": 0, "starts_by_cause": {"power": 1}}
    ]
    assert (
        alice.type("board", "log", *alice.board).stdout == "start number 1, by power\n  starts: 1 by power\n"
    )


def test_an_exception_and_a_bite_of_the_watchdog_can_be_read_afterwards(mill):
    board, alice, _ = mill
    alice.sync()
    with plugged_in(board["pty"]) as line:
        line.enter_raw_repl()
        line.type_raw(BOOM)
        time.sleep(4)
    alice.sync()
    with plugged_in(board["pty"]) as line:
        line.enter_raw_repl()
        line.type_raw(b"import machine, time; machine.WDT(timeout=1000); time.sleep(9)")
        time.sleep(2)
    head, *entries = lines(alice, "log")
    assert head["cause"] == "watchdog"
    assert head["starts_that_ended_badly"] == 2
    assert head["starts_by_cause"]["watchdog"] == 1
    assert entries[-1]["text"] == "the watchdog reset the board" and entries[-1]["uptime_s"] == 0
    assert entries[-2]["text"].endswith("ValueError: the cat sat on it")
    assert entries[-2]["start"] < entries[-1]["start"] == head["starts"]
    text = alice.type("board", "log", *alice.board).stdout
    assert "the cat sat on it" in text and "ended badly: 2" in text


def test_a_file_system_that_is_gone_is_told_and_repaired_after_a_yes(mill, tmp_path):
    _, alice, steer = mill
    alice.sync()
    destroy_file_system(tmp_path, steer)
    assert lines(alice, "status")[0]["damage"] == 3
    assert "its file system cannot be used" in alice.type("board", "status", *alice.board).stdout
    assert "say --yes" in alice.refused("board", "repair", *alice.board)
    asking = Terminal(*HEDGEROW, "--home", str(alice.home), "board", "repair", *alice.board)
    eventually(lambda: asking.shows("Go on? [y/N]"))
    assert "All files of mill will be lost" in asking.text
    asking.write("\n")
    eventually(lambda: asking.shows("Nothing was done."))
    assert lines(alice, "status")[0]["damage"] == 3
    asking = Terminal(*HEDGEROW, "--home", str(alice.home), "board", "repair", *alice.board)
    eventually(lambda: asking.shows("Go on? [y/N]"))
    asking.write("y\n")
    eventually(lambda: asking.shows("mill is repaired, and runs again."))
    state = lines(alice, "status")[0]
    assert (state["damage"], state["safe_mode"]) == (0, False)
    alice.sync()


def test_repair_with_yes_asks_nothing_and_a_sound_board_is_left_alone(mill, tmp_path):
    _, alice, steer = mill
    alice.sync()
    assert lines(alice, "repair") == [{"damage_before": 0, "damage": 0}]
    assert lines(alice, "status")[0]["starts"] == 1
    destroy_file_system(tmp_path, steer)
    assert lines(alice, "repair", "--yes") == [{"damage_before": 3, "damage": 0}]
