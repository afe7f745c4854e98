"""A long correspondence over a cable that somebody keeps pulling out."""

import random
from functools import partial

from hedgerow_lab.scenario import parse
from hedgerow_lab.simulate import Simulation, key

LETTERS = 1_000
CUTS = 50
SCENARIO = """
title = "A thousand letters"
duration = "1h"
[[boards]]
name = "mill"
shelf_count = 1_200
[[hosts]]
name = "Alice"
board = "mill"
"""
EVERY_MS = 400


def test_a_thousand_letters_survive_fifty_cuts_of_the_cable(tmp_path, capsys):
    dice = random.Random(1)
    simulation = Simulation(parse(SCENARIO), 1, tmp_path)
    lab, alice = simulation.lab, simulation.people["Alice"]
    free = []
    pairing_key = key("pairing", "mill")
    try:
        bob = simulation.add_person("Bob")
        lab.run_until(10_000)
        # They meet over the one board, one after the other.
        bob.node.add(alice.node.invite(alice.unix_ms), bob.unix_ms)
        for person in (bob, alice, bob, alice):
            person.plug("mill", pairing_key)
            lab.run_until(lab.now_ms + 5_000)
            person.unplug()
        assert [contact.connected for contact in alice.node.contacts()] == [True]

        alice.plug("mill", pairing_key)
        start = lab.now_ms
        for number in range(LETTERS):
            lab.at(start + number * EVERY_MS, partial(simulation.write, "Alice", "Bob", f"letter {number}"))
        for _ in range(CUTS):
            # The cable comes out at any moment, in the middle of a frame too.
            cut = start + dice.randrange(LETTERS * EVERY_MS)
            lab.at(cut, alice.unplug)
            lab.at(cut + dice.randrange(200, 3_000), partial(alice.plug, "mill", pairing_key))
        lab.run_until(start + LETTERS * EVERY_MS + 60_000)
        alice.unplug()
        bob.plug("mill", pairing_key)
        lab.run_until(lab.now_ms + 300_000)
        arrived = [letter.copies for letter in simulation.letters.values()]
        with capsys.disabled():
            print(f"\n  {sum(map(bool, arrived))} of {len(arrived)} letters over a cable cut {CUTS} times")
        assert arrived == [1] * LETTERS
        assert lab.log("mill") == []

        # Nothing is left behind by a link: the heap is as free after many more as before.
        for _ in range(40):
            bob.plug("mill", pairing_key)
            lab.run_until(lab.now_ms + 6_000)
            free.append(bob.status[5])
        assert max(free) - min(free) < 4_000
        assert abs(free[-1] - free[0]) < 2_000
    finally:
        simulation.close()
