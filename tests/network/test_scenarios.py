"""The scenario files, and what a scenario must refuse."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hedgerow_lab.scenario import ScenarioError, duration_ms, parse

TOP = Path(__file__).resolve().parents[2]
SCENARIOS = Path(__file__).parent / "scenarios"


def lab(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(TOP / f) for f in ("shared", "host", "tools")),
    }
    return subprocess.run(
        [sys.executable, "-c", "from hedgerow_lab.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def run(name: str, seed: int, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    done = lab("run", SCENARIOS / f"{name}.toml", "--seed", str(seed), "--json")
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    with capsys.disabled():
        latency = result["latency_ms"]
        print(
            f"\n  {name} (seed {seed}): {result['delivered']} of {result['sent']},"
            f" {result['duplicates']} twice,"
            f" latency {latency}, {result['simulated_s']} s in {result['wall_s']} s of wall time"
        )
    assert result["delivered"] == result["sent"]
    assert result["duplicates"] == 0
    return result


def test_letters_cross_a_line_of_three_although_the_middle_loses_power(capsys):
    result = run("line3", 1, capsys)
    assert result["sent"] == 10
    assert {"p50", "p95"} == set(result["latency_ms"])
    assert len(result["trace_sha256"]) == 64
    assert result["interpreter"].startswith("MicroPython 1.")
    assert result["aioble"] in ("real", "stand-in")


def test_fifty_letters_survive_loss_and_broken_links_and_the_run_repeats_to_the_byte(capsys):
    first = run("line5-lossy", 1, capsys)
    second = run("line5-lossy", 1, capsys)
    other = run("line5-lossy", 2, capsys)
    assert first["sent"] == 50
    assert first["trace_sha256"] == second["trace_sha256"] != other["trace_sha256"]


@pytest.mark.parametrize("seed", [1, 8])
def test_ten_idle_boards_say_that_they_are_here_and_notice_a_letter_soon(seed, capsys):
    result = run("idle10", seed, capsys)
    assert result["beacon_gap_ms"] <= 10_000
    assert result["noticed_ms"] <= 15_000
    # One letter and its proof: who knows the same calls nobody.
    assert result["air"]["connections"] <= 80


def test_nothing_is_lost_on_a_day_on_which_every_board_keeps_losing_its_power(capsys):
    assert run("blackout", 1, capsys)["sent"] == 95


def test_what_was_read_leaves_the_boards_within_ten_minutes_and_lies_purge_nothing(capsys):
    result = run("proofs", 1, capsys)
    assert set(result["bodies"].values()) == {0} and len(result["bodies"]) == 5


def test_letters_reach_villages_out_of_range_with_boards_that_walk_between_them(capsys):
    result = run("carriers", 1, capsys)
    assert result["sent"] == 18


def test_a_letter_that_nobody_reads_stays_on_the_boards(tmp_path):
    text = (SCENARIOS / "proofs.toml").read_text()
    file = tmp_path / "unread.toml"
    # Bob pulls his cable out before the letters come.
    file.write_text(
        text.replace('delivered = "all"\n', "") + '\n[[events]]\ndo = "unplug"\nhost = "Bob"\nat = "90s"\n'
    )
    done = lab("run", file, "--json")
    assert done.returncode == 1 and "Letters are left on the boards" in done.stderr


def test_thirty_boards_carry_a_letter_a_minute(tmp_path):
    """Some minutes of the day; the whole of it takes half an hour."""
    day = (SCENARIOS / "day30.toml").read_text()
    file = tmp_path / "minutes30.toml"
    assert '"1470m"' in day and "count = 144" in day
    file.write_text(day.replace('"1470m"', '"18m"').replace("count = 144", "count = 1"))
    done = lab("run", file, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["sent"] == result["delivered"] == 10


def test_a_share_of_letters_that_is_none_is_refused_in_one_sentence(tmp_path):
    assert "99.5%" in refused(SMALL + '[holds]\ndelivered = "most"\n', tmp_path)


def test_a_trace_file_holds_what_the_hash_covers(tmp_path):
    trace = tmp_path / "trace"
    done = lab("run", SCENARIOS / "line3.toml", "--json", "--trace", trace)
    result = json.loads(done.stdout)
    assert hashlib.sha256(trace.read_bytes()).hexdigest() == result["trace_sha256"]


SMALL = """
title = "Small"
duration = "1m"
boards = ["a", "b"]
layout = "line"
[[hosts]]
name = "Alice"
board = "a"
"""


def refused(text: str, tmp_path: Path) -> str:
    file = tmp_path / "scenario.toml"
    file.write_text(text)
    done = lab("run", file, "--json")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("hedgerow-lab: ") and done.stderr.count("\n") == 1
    return done.stderr


def test_a_wrong_pairing_key_ends_in_one_sentence(tmp_path):
    assert "refuses the pairing key" in refused(SMALL + 'pairing = "b"\n', tmp_path)


def test_a_wrong_mesh_key_delivers_nothing_and_says_so(tmp_path):
    text = """
title = "Two meshes"
duration = "5m"
layout = "line"
[[boards]]
name = "a"
[[boards]]
name = "b"
mesh = "elsewhere"
[[hosts]]
name = "Alice"
board = "a"
[[hosts]]
name = "Bob"
board = "b"
[[contacts]]
of = ["Alice", "Bob"]
at = "10s"
[[letters]]
from = "Bob"
to = "Alice"
at = "1m"
[holds]
delivered = "all"
"""
    file = tmp_path / "scenario.toml"
    file.write_text(text)
    done = lab("run", file)
    assert done.returncode == 1
    assert "0 of 1 letters were delivered" in done.stderr
    # The next try, with one key for both, works.
    file.write_text(text.replace('mesh = "elsewhere"', ""))
    assert lab("run", file).returncode == 0


@pytest.mark.parametrize(
    "change, sentence",
    [
        (('duration = "1m"', ""), "needs 'duration'"),
        (('duration = "1m"', 'duration = "soon"'), "no duration"),
        (('board = "a"', 'board = "z"'), "no board called 'z'"),
        (("[[hosts]]", "[[hostesses]]"), "has no 'hostesses'"),
        (('name = "Alice"', 'name = "Alice"\ncolour = "red"'), "has no 'colour'"),
        (('name = "Alice"', ""), "lacks name"),
        (('layout = "line"', 'layout = "star"'), "layout is"),
        (('title = "Small"', "title ="), "not TOML"),
        (('title = "Small"', "title = 5"), "no title"),
        (('boards = ["a", "b"]', 'boards = ["a", "../b"]'), "'../b' cannot have files"),
        (('boards = ["a", "b"]', 'boards = ["a", "a"]'), "Two boards are called 'a'"),
        (('boards = ["a", "b"]', "boards = []"), "at least one board"),
        (('boards = ["a", "b"]', "boards = [{name = 5}]"), "5 is no name"),
        (('name = "Alice"', 'name = "../Alice"'), "'../Alice' cannot have files"),
        (('duration = "1m"', 'duration = "1m"\nloss = 2'), "2 is no loss"),
        (('duration = "1m"', 'duration = "1m"\nloss = "much"'), "'much' is no loss"),
    ],
)
def test_a_scenario_with_a_mistake_is_refused_with_one_sentence(change, sentence, tmp_path):
    assert sentence in refused(SMALL.replace(*change), tmp_path)


def test_a_scenario_file_that_is_not_there_is_refused_with_one_sentence():
    done = lab("run", "nowhere.toml")
    assert done.returncode == 1
    assert done.stderr == "hedgerow-lab: nowhere.toml cannot be read (no such file or directory).\n"


def test_events_must_be_known_and_complete():
    for event in ('do = "dance"\nat = "1s"', 'do = "power_off"\nat = "1s"'):
        with pytest.raises(ScenarioError):
            parse(SMALL + "[[events]]\n" + event)


def test_durations_have_units():
    assert [duration_ms(text) for text in ("250ms", "1.5s", "2m", "1h")] == [250, 1500, 120_000, 3_600_000]
    for text in ("5", "", "5 days", 5, None, "-1s"):
        with pytest.raises(ScenarioError):
            duration_ms(text)
