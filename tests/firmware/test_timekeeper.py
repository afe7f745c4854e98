"""The board's clock goes on exactly over a restart, and from the flash after a loss of power."""

import importlib
import sys
from types import SimpleNamespace

import pytest
from support_firmware import open_lab

from hedgerow_lab.world import TOP, Lab, find_aioble

M = 1_400_000
MINUTE = 60_000
PWRON, HARD, WDT, SLEEP = 1, 2, 3, 4

# A board's program: it tells its clock, then does what its turn asks for.
PROGRAM = f"""
import sys
sys.path[:0] = ["/pc{TOP}/shared", "/pc{TOP}/firmware"]
import lab, machine, os, time
from hedgerow_board.timekeeper import Timekeeper
sys.path[:2] = []

def checkpoint():
    try:
        with open("/checkpoint") as file:
            return int(file.read())
    except OSError:
        return 0

now = time.ticks_ms()
keeper = Timekeeper(checkpoint(), now)
clock = keeper.clock
seconds = clock.into_minute(now) // 1000
print(machine.reset_cause(), time.time(), clock.minute(now), seconds, clock.certain)
if clock.minute(now) == 10:
    clock.learn_from_host({M}, now)
    with open("/checkpoint", "w") as file:
        file.write(str(clock.minute(now)))
    lab.sleep_us(90_500_000)
    keeper.save(time.ticks_ms())
    lab.sleep_us(45_000_000)
    machine.reset()
"""


@pytest.fixture
def told(tmp_path):
    """Run the program for a while, with the power cut in between; what it printed."""

    def run(*gaps_ms):
        script = tmp_path / "program.py"
        script.write_text(PROGRAM)
        with Lab(1, workdir=tmp_path / "lab", aioble=find_aioble()) as lab:
            lab.add_board("a", script=script, power_on_ms=7_000)
            lab.run_until(400_000)
            for gap_ms in gaps_ms:
                lab.power_off("a")
                lab.run_until(lab.now_ms + gap_ms)
                lab.power_on("a")
                lab.run_until(lab.now_ms + 10_000)
            return [tuple(eval(word) for word in line.split()) for line in lab.log("a") if line]

    return run


def test_a_reset_costs_no_second_and_a_loss_of_power_is_noticed(told):
    first, reset, lost = told(5 * 3_600_000)
    assert first == (PWRON, 0, 10, 0, False)
    cause, second, minute, into_minute, certain = reset
    # 135.5 s of running, 0.3 s of reset.
    assert (cause, certain) == (HARD, True) and second == 135
    assert (minute - M) * 60 + into_minute in (135, 136)
    assert lost == (PWRON, 0, M + 10, 0, False)


def test_the_firmware_of_a_board_in_the_lab_finds_an_rtc_that_ends_with_the_power(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "import machine\nrtc = machine.RTC()\nseen = rtc.memory()\nprint(seen, machine.reset_cause())\n"
        "try:\n    rtc.memory(bytes(2049))\nexcept ValueError as error:\n    print(error)\n"
        "if len(seen) < 3:\n    rtc.memory(seen + b'x')\n    machine.reset()\n"
    )
    with open_lab(tmp_path) as lab:
        lab.add_board("a", script=script)
        lab.run_until(3_000)
        lab.power_off("a")
        lab.power_on("a")
        lab.run_until(6_000)
        once = ["b'' 1", "b'x' 2", "b'xx' 2", "b'xxx' 2"]
        assert [line for line in lab.log("a") if line != "buffer too long"] == once * 2
        assert lab.log("a").count("buffer too long") == 8


class Chip:
    """A chip's RTC and cause of reset, for the keeper on this interpreter."""

    def __init__(self, monkeypatch):
        self.second, self.cause, self.kept = 1_000, PWRON, b""
        machine = SimpleNamespace(
            PWRON_RESET=PWRON,
            WDT_RESET=WDT,
            DEEPSLEEP_RESET=SLEEP,
            reset_cause=lambda: self.cause,
            RTC=self.rtc,
        )
        monkeypatch.setitem(sys.modules, "machine", machine)
        sys.modules.pop("hedgerow_board.timekeeper", None)
        self.module = importlib.import_module("hedgerow_board.timekeeper")
        monkeypatch.delitem(sys.modules, "hedgerow_board.timekeeper")
        monkeypatch.setattr(self.module, "time", SimpleNamespace(time=lambda: self.second))

    def rtc(self):
        return self

    def memory(self, data=None):
        if data is None:
            return self.kept
        self.kept = data
        return None

    def keeper(self, checkpoint=M):
        return self.module.Timekeeper(checkpoint, 0)


@pytest.fixture
def chip(monkeypatch):
    """A chip whose record says: M + 300, 12 s old, certain."""
    chip = Chip(monkeypatch)
    keeper = chip.keeper()
    keeper.clock.learn_from_host(M + 300, 0)
    keeper.save(12_345)
    return chip


def seconds(clock):
    """Seconds since M was M."""
    return (clock.minute(0) - M) * 60 + clock.into_minute(0) // 1000


@pytest.mark.parametrize("gap_s", [0, 1, 59, 3_600, 29 * 24 * 3_600])
def test_any_gap_that_the_rtc_timed_is_added_exactly(chip, gap_s):
    chip.cause = HARD
    chip.second += gap_s
    clock = chip.keeper().clock
    assert clock.certain and seconds(clock) == 300 * 60 + 12 + gap_s


def test_a_board_that_waited_for_somebody_who_knows_waits_on_after_a_reset(monkeypatch):
    chip = Chip(monkeypatch)
    chip.keeper().save(4 * MINUTE)
    chip.cause = HARD
    clock = chip.keeper().clock
    assert not clock.certain and clock.wait(0) == 6 and clock.minute(0) == M + 14


@pytest.mark.parametrize("at", range(16))
def test_a_damaged_record_is_not_believed(chip, at):
    chip.cause = HARD
    good = chip.kept
    for bad in (good[:at], good[:at] + bytes((good[at] ^ 64,)) + good[at + 1 :], good + b"\0"):
        chip.kept = bad
        clock = chip.keeper().clock
        assert not clock.certain and clock.minute(0) == M + 10


@pytest.mark.parametrize("second", [0, 999, 1_000 + 31 * 24 * 3_600, 800_000_000])
def test_an_rtc_that_somebody_set_is_not_believed(chip, second):
    chip.cause = HARD
    chip.second = second
    assert not chip.keeper().clock.certain and chip.keeper().clock.minute(0) == M + 10


def test_after_a_loss_of_power_the_rtc_is_not_believed(chip):
    assert not chip.keeper().clock.certain and chip.keeper().clock.minute(0) == M + 10


def test_a_record_from_before_the_clock_moved_is_not_believed(chip):
    chip.cause = HARD
    assert chip.keeper(M + 300).clock.certain
    assert not chip.keeper(M + 301).clock.certain


@pytest.mark.parametrize(("second", "gap_s"), [(0, 0), (1_061, 61), (1_180, 180), (90_000, 180)])
def test_after_the_watchdog_an_rtc_that_drifted_costs_three_minutes_at_most(chip, second, gap_s):
    chip.cause = WDT
    chip.second = second
    clock = chip.keeper().clock
    assert clock.certain and seconds(clock) == 300 * 60 + 12 + gap_s


def test_a_sleep_is_added_exactly_and_leaves_what_its_timer_may_be_wrong_in_hand(chip):
    chip.cause = SLEEP
    for wakes in range(1, 4):
        chip.second += 780
        keeper = chip.keeper()
        assert keeper.clock.certain and seconds(keeper.clock) == 300 * 60 + 12 + 780 * wakes
        assert keeper.clock.slack_ms == wakes * (780 // 16) * 1000
        keeper.save(0)
    chip.second += 2 * 24 * 3_600
    assert chip.keeper().clock.slack_ms == 3_600_000


def test_a_restart_between_two_sleeps_takes_nothing_of_that(chip):
    chip.cause = SLEEP
    chip.second += 1_600
    chip.keeper().save(0)
    chip.cause = HARD
    assert chip.keeper().clock.slack_ms == 100_000
