"""The street over virtual boards: what is said at one end is heard at the other; a flood stays bounded."""

import json
import re
import subprocess

import pytest
from test_commands import HEDGEROW, Person, Terminal, environment, eventually, running_lab

from hedgerow.events import Heard, Received
from hedgerow.identity.account import Account
from hedgerow.street import keys as street_keys
from hedgerow.street import letter, rates
from hedgerow_core import service
from hedgerow_lab.courier import key
from hedgerow_lab.scenario import parse
from hedgerow_lab.simulate import Simulation

LINE = """
title = "Three boards in a line, one of another mesh beside them"
duration = "30m"
links = [["west", "middle"], ["middle", "east"], ["middle", "foreign"]]
[[boards]]
name = "west"
[[boards]]
name = "middle"
[[boards]]
name = "east"
[[boards]]
name = "foreign"
mesh = "elsewhere"
[[hosts]]
name = "Alice"
board = "west"
[[hosts]]
name = "Bob"
board = "east"
[[hosts]]
name = "Fred"
board = "foreign"
"""
FRIENDS = """
[[contacts]]
of = ["Alice", "Bob"]
at = "20s"
"""
HERE, THERE = key("mesh", "hedgerow"), key("mesh", "elsewhere")
_SECOND = 1_000
_MINUTE = 60 * _SECOND


class Village:
    """The people of a scenario, and what they were told of."""

    def __init__(self, folder, text=LINE, seed=1):
        self.simulation = Simulation(parse(text), seed, folder)
        self.lab = self.simulation.lab
        self.people = self.simulation.people
        self.events = []  # (ms, who, event)
        for name, person in self.people.items():
            person.on_event = lambda event, now, name=name: self.events.append((now, name, event))

    def until(self, done, patience_ms=5 * _MINUTE):
        end = self.lab.now_ms + patience_ms
        while not done():
            assert self.lab.now_ms < end, "it did not happen in time"
            self.lab.run_until(self.lab.now_ms + _SECOND)

    def wait(self, ms):
        self.lab.run_until(self.lab.now_ms + ms)

    def say(self, who, text, sos=False):
        person = self.people[who]
        said = person.node.say(text, sos, person.unix_ms)
        person.changed()
        return said

    def heard(self, who):
        return [(one.name, one.text) for one in self.people[who].node.street.heard(0) if not one.mine]

    def told(self, who):
        return [event.text for _, name, event in self.events if name == who and isinstance(event, Heard)]

    def close(self):
        self.simulation.close()


@pytest.fixture
def village(tmp_path):
    found = Village(tmp_path)
    # The boards tell their street when the cable is plugged in.
    found.until(lambda: all(person.node.street.known for person in found.people.values()))
    yield found
    found.close()


def test_what_is_said_at_one_end_is_heard_at_the_other_once_and_not_in_another_mesh(village):
    village.say("Alice", "Is anyone there?")
    village.until(lambda: village.heard("Bob"))
    village.say("Bob", "Yes, at the mill")
    village.until(lambda: village.heard("Alice"))
    village.wait(5 * _MINUTE)
    assert village.heard("Bob") == [("Alice", "Is anyone there?")]
    assert village.heard("Alice") == [("Bob", "Yes, at the mill")]
    assert village.told("Bob") == ["Is anyone there?"] and village.told("Alice") == ["Yes, at the mill"]
    assert village.heard("Fred") == []
    (said,) = [one for one in village.people["Alice"].node.street.heard(0) if one.mine]
    assert said.carried


def test_a_board_tells_its_host_the_street_and_no_board_of_another_mesh_has_the_same(village):
    streets = {
        name: village.people[name].node._database.row("SELECT unseal(key) AS key FROM streets")["key"]
        for name in village.people
    }
    assert streets["Alice"] == streets["Bob"] == street_keys.of_mesh(HERE)
    assert streets["Fred"] == street_keys.of_mesh(THERE)


def test_what_was_heard_outlives_the_power_of_the_boards_and_a_letter_waits_on_them(village):
    village.people["Bob"].unplug()
    village.say("Alice", "help", sos=True)
    village.wait(2 * _MINUTE)
    for board in ("west", "middle", "east"):
        village.lab.power_off(board)
    village.people["Alice"].unplug()
    village.wait(10 * _SECOND)
    for board in ("west", "middle", "east"):
        village.lab.power_on(board)
    village.people["Bob"].plug("east", key("pairing", "east"))
    village.until(lambda: village.heard("Bob"), 15 * _MINUTE)
    assert village.heard("Bob") == [("Alice", "help")]


def test_an_sos_overtakes_what_was_written_before_it(tmp_path):
    village = Village(tmp_path, LINE + FRIENDS)
    try:
        alice, bob = village.people["Alice"], village.people["Bob"]
        village.until(lambda: any(c.connected for c in alice.node.contacts()))
        village.until(lambda: any(c.connected for c in bob.node.contacts()))
        alice.unplug()
        for number in range(60):
            alice.node.send("Bob", f"letter {number}", alice.unix_ms)
        alice.node.say("Is anyone there?", False, alice.unix_ms)
        alice.node.say("help", True, alice.unix_ms)
        alice.plug("west", key("pairing", "west"))

        def came():
            return [event for _, name, event in village.events if name == "Bob"]

        village.until(lambda: sum(isinstance(event, Received) for event in came()) == 60, 20 * _MINUTE)
        village.until(lambda: len(village.told("Bob")) == 2)
        order = [event.text for event in came() if isinstance(event, Heard | Received)]
        # First over each link; some letters are on their way to the next board already.
        assert order.index("help") < 10
        assert order.index("help") < order.index("Is anyone there?")
        assert {event.contact for event in came() if isinstance(event, Heard)} == {True}
    finally:
        village.close()


def test_a_member_who_keeps_to_no_limit_is_shown_a_bounded_number_of_times_and_others_are_heard(village):
    alice = village.people["Alice"]
    street = street_keys.of_mesh(HERE)
    account = Account.create(alice._random)
    count = 80
    for number in range(count):
        writer = street_keys.pseudonym(account.device_seed, street, letter.day_of(alice.unix_ms))
        sos = number % 2 == 0
        flood = letter.seal(street, writer, "Mallory", f"flood {number}", sos, alice.unix_ms, alice._random)
        alice.node.shelf.put(flood, alice.unix_ms)
    alice.changed()
    village.wait(4 * _MINUTE)
    village.say("Alice", "still here")
    village.until(lambda: ("Alice", "still here") in village.heard("Bob"), 10 * _MINUTE)
    village.wait(4 * _MINUTE)
    found = [text for name, text in village.heard("Bob") if name == "Mallory"]
    assert 0 < len(found) <= rates.most_an_hour(True) + rates.most_an_hour(False)
    assert village.people["Bob"].node.street.left_out(0) == count - len(found)


def test_a_board_answers_the_question_for_its_street_and_nothing_like_it(village):
    asked = []
    alice = village.people["Alice"]
    alice._link.on_street = lambda found, now: asked.append(found)
    for question in (bytes((service.STREET, 0)), bytes((service.STREET, 0, 0))):
        alice._link.service(question)
    alice.changed()
    village.wait(20 * _SECOND)
    assert asked == []
    alice._link.service(bytes((service.STREET,)))
    alice.changed()
    village.until(lambda: asked)
    assert asked == [street_keys.of_mesh(HERE)]


# As people type it

TWO = """
title = "Two boards"
duration = "1h"
boards = ["mill", "school"]
layout = "line"
"""


def test_two_people_who_never_met_say_and_hear_with_commands(tmp_path):
    with running_lab(tmp_path, TWO) as (boards, _):
        alice = Person("Alice", tmp_path, boards["mill"], boards["mill"]["tcp"])
        bob = Person("Bob", tmp_path, boards["school"], "serial:" + boards["school"]["pty"])
        assert "hedgerow: No street is known yet" in alice.refused("say", "hello?")
        done = alice.type("say", "Is anyone there?", *alice.board)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "Said, visible to all members; a board has it.\n"
        eventually(lambda: "Is anyone there?" in bob.type("hear", *bob.board).stdout)
        follow = Terminal(*HEDGEROW, "--home", str(alice.home), "hear", "--follow", *alice.board)
        eventually(lambda: follow.shows("visible to all members"))
        said = bob.type("say", "--sos", "Water\nin the mill", "--json", *bob.board)
        found = json.loads(said.stdout.splitlines()[-1])
        assert (found["visible_to"], found["sos"], found["carried"]) == ("all members", True, True)
        eventually(lambda: follow.shows("Water"))
        plain = re.sub("\x1b\\[[0-9;]*m", "", follow.text)
        assert re.search(r" SOS   Bob ~[0-9a-f]{8}  Water\r\n +in the mill\r\n\a", plain), plain
        assert follow.interrupt() == 0
        assert bob.type("say", "All is well again", *bob.board).returncode == 0
        eventually(lambda: "visible to all members), from Bob ~" in alice.sync())
        rows = [json.loads(line) for line in alice.type("hear", "--json").stdout.splitlines()]
        assert {row["visible_to"] for row in rows} == {"all members"}
        assert [(row["mine"], row["text"]) for row in rows[:-1]] == [
            (True, "Is anyone there?"),
            (False, "Water\nin the mill"),
            (False, "All is well again"),
        ]
        assert rows[-1]["left_out"] == 0
        told = subprocess.run(
            [*HEDGEROW, "--home", str(bob.home), "say", "--sos", "again"],
            capture_output=True,
            text=True,
            env=environment(),
            check=False,
        )
        assert told.returncode == 1
        assert (
            told.stderr
            == "hedgerow: Your last SOS is still going round: the next one can follow in 10 minutes.\n"
        )
