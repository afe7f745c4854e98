"""Members that mean harm, and another neighbourhood in the same street: letters of others still arrive."""

from pathlib import Path

import pytest

from hedgerow_core import limits
from hedgerow_lab.behaviours import KINDS
from hedgerow_lab.scenario import Event, Scenario, ScenarioError, load, parse
from hedgerow_lab.simulate import Result, Simulation

SCENARIOS = Path(__file__).parent / "scenarios"
_SHELF_BYTES = 60 * 400  # of the boards in flooder.toml
_FLOOD_BYTES = 96 + 6 + limits.ELEMENT_BYTES  # what a letter of the flood counts

QUIET = """
title = "A member who misbehaves"
duration = "12m"
boards = ["mill", "school", "church"]
layout = "line"
[[members]]
name = "Mallory"
does = "{}"
hears = ["mill", "school", "church"]
[[hosts]]
name = "Alice"
board = "mill"
[[hosts]]
name = "Bob"
board = "church"
[[contacts]]
of = ["Alice", "Bob"]
at = "20s"
[[letters]]
from = "Alice"
to = "Bob"
at = "2m"
count = 20
every = "20s"
both_ways = true
[holds]
delivered = "all"
duplicates = 0
"""


def run(scenario: Scenario, folder: Path, seed: int = 1) -> tuple[Result, dict[str, list[int]]]:
    """What came of it, and how long the letters of each sender took."""
    simulation = Simulation(scenario, seed, folder)
    try:
        result = simulation.run()
    finally:
        simulation.close()
    took: dict[str, list[int]] = {}
    for letter in simulation.letters.values():
        if letter.arrived_ms is not None:
            took.setdefault(letter.sender, []).append(letter.arrived_ms - letter.sent_ms)
    return result, took


def told(result: Result, capsys: pytest.CaptureFixture[str], what: str = "") -> None:
    with capsys.disabled():
        print(f"\n  {what}{result.delivered} of {result.sent}, latency {result.latency_ms}, {result.members}")


def test_a_member_who_floods_takes_its_share_and_the_letters_of_others_arrive(tmp_path, capsys):
    result, _ = run(load(SCENARIOS / "flooder.toml"), tmp_path)
    told(result, capsys)
    assert result.failed == []
    flood = result.members["Mallory"]
    # Its bucket, a quarter of all, could drain 60 minutes long; and a shelf that was free at first.
    share = _SHELF_BYTES // 4 * (limits.BUCKET_MINUTES + 60) // limits.BUCKET_MINUTES // _FLOOD_BYTES
    assert flood["put"] >= 100 * share
    assert flood["acked"] <= share + 60
    assert flood["declined"] > flood["put"] // 2


@pytest.mark.parametrize("lie", ["announce", "swallow"])
def test_a_member_who_lies_costs_no_letter_where_there_is_another_way(lie, tmp_path, capsys):
    scenario = load(SCENARIOS / "liar.toml")
    scenario.members[0].does = lie
    result, _ = run(scenario, tmp_path)
    told(result, capsys)
    assert result.failed == []
    assert sum(result.members["Mallory"].values()) > 100, "it had no opportunity to lie"


def test_letters_reach_nobody_where_the_only_way_is_a_member_who_swallows_them(tmp_path):
    scenario = load(SCENARIOS / "liar.toml")
    scenario.members[0].does = "swallow"
    scenario.events = [Event("deafen", 110_000, boards=["mill", "school"])]
    scenario.duration_ms = 10 * 60_000
    result, _ = run(scenario, tmp_path)
    assert result.delivered == 0 and result.failed


@pytest.mark.parametrize("harm", ["stop", "slow", "million", "babble"])
def test_whatever_a_member_says_its_neighbours_go_on_and_letters_arrive(harm, tmp_path, capsys):
    result, _ = run(parse(QUIET.format(harm)), tmp_path)
    told(result, capsys, harm + ": ")
    assert result.failed == []
    assert sum(result.members["Mallory"].values()) > 3, "it had no opportunity"


def only(scenario: Scenario, mesh: str) -> Scenario:
    """The scenario without the other neighbourhoods."""
    scenario.boards = [board for board in scenario.boards if board.mesh == mesh]
    boards = {board.name for board in scenario.boards}
    scenario.links = [link for link in scenario.links if set(link) <= boards]
    scenario.hosts = [host for host in scenario.hosts if host.board in boards]
    hosts = {host.name for host in scenario.hosts}
    scenario.contacts = [meeting for meeting in scenario.contacts if set(meeting.of) <= hosts]
    scenario.letters = [letters for letters in scenario.letters if letters.sender in hosts]
    return scenario


def test_two_neighbourhoods_in_one_street_do_not_slow_each_other_down(tmp_path, capsys):
    file = SCENARIOS / "two-streets.toml"
    alone: list[int] = []
    for mesh in ("hedgerow", "oak"):
        result, took = run(only(load(file), mesh), tmp_path / mesh)
        assert result.failed == [] and len(took) == 2
        alone += [ms for times in took.values() for ms in times]
    result, took = run(load(file), tmp_path / "both")
    together = [ms for times in took.values() for ms in times]
    assert result.failed == [] and len(together) == len(alone)
    slower = sum(together) / sum(alone)
    with capsys.disabled():
        print(
            f"\n  {len(alone)} letters: {sum(alone) / len(alone):.0f} ms alone, {slower:.3f} of that together"
        )
    assert slower <= 1.1


def test_a_member_in_a_scenario_must_be_known_to_it():
    text = QUIET.format("flood")
    assert parse(text).members[0].does == "flood"
    assert all(parse(QUIET.format(kind)).members[0].does == kind for kind in KINDS)
    for old, new in (
        ('"flood"', '"sing"'),
        ('name = "Mallory"', 'name = "mill"'),
        ('hears = ["mill",', 'hears = ["well",'),
    ):
        with pytest.raises(ScenarioError):
            parse(text.replace(old, new))
