"""`hedgerow nodes`, `trace` and `board status`, as somebody at a board types them."""

import json
import re

import pytest
from test_commands import Person, eventually, running_lab, two_people

SCENARIO = """
title = "Three boards, of which the last does not take part in traces"
duration = "1h"
layout = "line"
[[boards]]
name = "mill"
[[boards]]
name = "school"
trace = true
battery_mv = 3990
[[boards]]
name = "church"
"""


@pytest.fixture
def street(tmp_path):
    with running_lab(tmp_path, SCENARIO) as (boards, steer):
        yield boards, steer


def lines(person, *words):
    done = person.type(*words, *person.board, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_nodes_shows_a_neighbour_with_age_signal_and_what_is_known_of_it(street, tmp_path):
    boards, _ = street
    alice = Person("Alice", tmp_path, boards["mill"], boards["mill"]["tcp"])
    eventually(lambda: lines(alice, "nodes"))
    alice.type("trace", "school", *alice.board)  # makes the link over which they name themselves
    eventually(lambda: lines(alice, "nodes")[0]["version"])
    (row,) = lines(alice, "nodes")
    assert re.fullmatch("[0-9a-f]{12}", row["id"])
    assert (row["rssi_dbm"], row["load_percent"], row["known"]) == (-60, 0, 0)
    assert (row["version"], row["battery_percent"], row["linked"]) == ("0.1", 76, True)
    assert 0 <= row["heard_s"] < 60
    shown = alice.type("nodes", *alice.board).stdout
    assert "mill hears 1 board\n" in shown and "-60 dBm" in shown and "76 %" in shown and "linked" in shown


def test_nodes_of_a_board_alone_says_so(tmp_path):
    with running_lab(tmp_path, SCENARIO.replace('layout = "line"', "")) as (boards, _):
        alice = Person("Alice", tmp_path, boards["mill"], boards["mill"]["tcp"])
        assert lines(alice, "nodes") == []
        assert "mill hears nobody" in alice.type("nodes", *alice.board).stdout


def test_trace_shows_the_way_to_a_board_and_nothing_of_one_that_takes_no_part(street, tmp_path):
    boards, _ = street
    alice = Person("Alice", tmp_path, boards["mill"], boards["mill"]["tcp"])
    (way,) = lines(alice, "trace", "school")
    assert (way["from"], way["to"]) == ("mill", "school")
    (hop,) = way["hops"]
    assert hop["board"] == "school" and 0 < hop["ms"] == way["round_trip_ms"]
    shown = alice.type("trace", "board:school", *alice.board).stdout
    assert re.search(r"^mill → school: 1 hop, \d+ ms$", shown, re.MULTILINE)
    assert re.search(r"^1 +school +\d+ ms +━", shown, re.MULTILINE)
    assert "mill is the board on your cable" in alice.type("trace", "mill", *alice.board).stdout
    told = [alice.refused("trace", name, *alice.board) for name in ("church", "nobody")]
    # Whether there is such a board must not show.
    assert told[0].replace("church", "nobody") == told[1] and "No echo from nobody" in told[1]


def test_trace_to_a_contact_is_answered_where_they_allowed_it(tmp_path):
    with running_lab(tmp_path) as (boards, _):
        alice, bob = two_people(tmp_path, boards)
        assert "answered from now on" in bob.type("trace", "--allow").stdout
        asking = ["trace", "bob", *alice.board, "--wait", "1"]
        assert "bob did not answer within 1 s" in alice.refused(*asking)
        running = bob.start("run", *bob.board)
        try:
            (found,) = lines(alice, "trace", "bob")
            assert found["contact"] == "bob" and found["links"] == 3
            assert 0 < found["ms_per_link"] <= found["round_trip_ms"] // 6 + 1
            shown = alice.type("trace", "bob", *alice.board).stdout
            assert shown.startswith("bob answered after ") and "crossed 3 links" in shown
        finally:
            running.terminate()
            running.wait(10)
        assert bob.type("trace", "--deny", "--json").stdout == '{"allowed": false}\n'


def test_what_trace_cannot_do_is_told_in_one_sentence(street, tmp_path):
    boards, _ = street
    alice = Person("Alice", tmp_path, boards["mill"], boards["mill"]["tcp"])
    assert "Say whom to look for" in alice.refused("trace")
    assert "no contact of yours" in alice.refused("trace", "school")
    assert "no contact of yours" in alice.refused("trace", "board:school")


def test_status_shows_what_was_counted(street, tmp_path):
    boards, _ = street
    alice = Person("Alice", tmp_path, boards["school"], boards["school"]["tcp"])
    eventually(lambda: lines(alice, "board", "status")[0]["counts"]["heard"])
    (state,) = lines(alice, "board", "status")
    found = state["counts"]
    assert found["refused"] == {"lifetime_over": 0, "no_room": 0, "above_share": 0}
    assert set(found) == {
        *("heard", "heard_strange", "met", "met_in_vain", "offered", "kept", "known_before"),
        *("refused", "purged", "expired", "evicted"),
    }
    assert 0 < state["heap_low_water_bytes"] <= state["free_bytes"]
    assert (state["cause"], state["starts_by_cause"], state["battery_percent"]) == ("power", {"power": 1}, 76)
    shown = alice.type("board", "status", *alice.board).stdout
    assert re.search(r"^heard +\d+ beacons?; 0 of other meshes", shown, re.MULTILINE)
    assert "at the least" in shown and "number 1, by power; of all: 1 by power" in shown
