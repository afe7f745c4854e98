"""The traps of aioble that the firmware must live with, shown on the lab's stand-in and on the real one.

A trap is a script for board a and one for board b (`traps/NAME_a.py`, `traps/NAME_b.py`; some need one board
only), and what they print (`traps/NAME.exp`, each line after the name of its board). When the real aioble is
there, it must print the same lines and leave the same trace as the stand-in.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from hedgerow_lab.world import Lab, find_aioble

TRAPS = Path(__file__).parent / "traps"


def run(
    name: str, workdir: Path, aioble: Path | None, events: Callable[[Lab], None]
) -> tuple[list[str], str]:
    """What the boards print, and the hash of the trace."""
    with Lab(1, workdir=workdir, aioble=aioble) as lab:
        boards = [board for board in "ab" if (TRAPS / f"{name}_{board}.py").exists()]
        for board in boards:
            lab.add_board(board, script=TRAPS / f"{name}_{board}.py")
        lab.hear("a", "b")
        events(lab)
        lab.run_until(60_000)
        return [f"{board}: {line}" for board in boards for line in lab.log(board)], lab.trace_sha256()


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., None]:
    def both(name: str, events: Callable[[Lab], None] = lambda lab: None) -> None:
        lines, trace = run(name, tmp_path / "stand-in", None, events)
        assert lines == (TRAPS / f"{name}.exp").read_text().splitlines()
        real = find_aioble()
        if real is not None:
            assert run(name, tmp_path / "real", real, events) == (lines, trace)

    return both


def test_a_cancelled_advertise_looks_like_one_that_nobody_answered(check):
    check("advertise_cancelled")


def test_a_call_that_timed_out_holds_the_radio_and_makes_a_link_that_nobody_has(check):
    check("connect_timeout")


def test_a_scan_after_a_call_that_timed_out_is_refused_and_blocks_every_later_scan(check):
    check("scan_refused")


def test_acknowledged_writes_are_lost_when_more_than_ten_wait(check):
    check("capture_overwrites")


def test_a_characteristic_that_nobody_reads_holds_up_all_others(check):
    check("capture_shared")


def test_a_reader_of_writes_hangs_when_its_caller_is_gone(check):
    check("written_waits")


def test_notifications_are_lost_before_subscribing_and_in_bursts(check):
    check("notify_one_place")


def test_a_write_after_the_link_was_lost_raises_a_type_error(check):
    check("write_after_loss", lambda lab: lab.at(6_000, lambda: lab.link_drop("a", "b")))


def test_a_write_that_is_under_way_when_the_link_is_lost_ends(check):
    check("loss_while_writing", lambda lab: lab.at(3_000, lambda: lab.power_off("a")))


def test_a_write_fails_because_the_one_before_was_answered_too_late(check):
    check("late_answer")


def test_looking_for_a_service_hangs_when_the_link_is_lost(check):
    check("discovery_hangs", lambda lab: lab.at(2_000, lambda: lab.power_off("a")))


def test_leaving_a_discovery_early_spoils_the_connection(check):
    check("discovery_left")


def test_a_long_scan_fills_the_memory_with_old_addresses(check):
    check("scan_grows")


def test_long_packets_are_cut_off_unless_the_mtu_was_asked_for(check):
    check("mtu_not_asked")


def test_the_factory_address_is_on_the_air_until_it_is_changed(check):
    check("address_factory")


def test_the_address_stays_the_same_in_silence_while_the_radio_is_busy(check):
    check("address_busy")


def test_a_call_ends_the_scan_that_found_the_neighbour(check):
    check("connect_ends_scan")


def test_service_data_has_to_be_put_into_the_advertisement_by_hand(check):
    check("no_service_data")


def test_a_long_name_moves_to_the_scan_response_where_passive_scans_miss_it(check):
    check("payload_overflow")


def test_waiting_for_the_end_of_a_link_with_a_time_limit_hides_its_end(check):
    check("waiting_cancelled")


def test_every_kind_of_request_works(check):
    check("talk")


def test_every_script_has_a_test():
    scripts = {path.stem[:-2] for path in TRAPS.glob("*.py")}
    source = Path(__file__).read_text()
    assert {path.stem for path in TRAPS.glob("*.exp")} == scripts
    assert [name for name in scripts if f'check("{name}"' not in source] == []
