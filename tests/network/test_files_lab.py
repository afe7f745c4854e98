"""A picture crosses three virtual boards, while people go on writing to each other."""

import random
from statistics import mean

from test_street_lab import Village

from hedgerow.events import Received
from hedgerow_lab.courier import key

SIZE = 300_000
TEXTS = 12
BETWEEN_MS = 40_000
SCENE = """
title = "A picture crosses three boards, one packet of ten is lost"
duration = "10h"
boards = ["west", "middle", "east"]
layout = "line"
loss = 0.1
[[hosts]]
name = "Alice"
board = "west"
[[hosts]]
name = "Bob"
board = "east"
[[contacts]]
of = ["Alice", "Bob"]
at = "20s"
"""


def texts(village, name):
    """How long each of some letters took, in ms."""
    begun = {}
    for number in range(TEXTS):
        text = f"{name} {number}"
        begun[text] = village.lab.now_ms
        alice = village.people["Alice"]
        alice.node.send("Bob", text, alice.unix_ms)
        alice.changed()
        village.wait(BETWEEN_MS)

    def arrived():
        return {
            event.text: now - begun[event.text]
            for now, who, event in village.events
            if who == "Bob" and isinstance(event, Received) and event.text in begun
        }

    village.until(lambda: len(arrived()) == TEXTS, 60 * 60_000)
    return list(arrived().values())


def here(village):
    files = village.people["Bob"].node.files.all()
    return files[0].here if files else 0


def test_a_picture_arrives_and_what_people_say_meanwhile_is_not_held_up(tmp_path, capsys):
    village = Village(tmp_path, SCENE)
    try:
        alice, bob = village.people["Alice"], village.people["Bob"]
        for person in (alice, bob):
            village.until(lambda person=person: any(one.connected for one in person.node.contacts()))
        idle = texts(village, "idle")

        picture = random.Random(1).randbytes(SIZE)
        began = village.lab.now_ms
        alice.node.files.send("Bob", "well.jpg", picture, alice.unix_ms)
        alice.changed()
        village.until(lambda: here(village) > SIZE // 20, 60 * 60_000)
        busy = texts(village, "busy")
        assert here(village) < SIZE, "the picture was there before the letters: they met nothing on their way"
        # Not yet half of it, then the computer starts again.
        village.until(lambda: here(village) >= SIZE // 2, 6 * 60 * 60_000)
        before = here(village)
        bob.restart("east", key("pairing", "east"))
        assert here(village) == before
        village.until(lambda: here(village) == SIZE, 6 * 60 * 60_000)
        took = (village.lab.now_ms - began) / 60_000
        (file,) = bob.node.files.all()
        assert bob.node.files.fetch(file.number, bob.unix_ms)[1] == picture
        with capsys.disabled():
            idle_s, busy_s = mean(idle) / 1000, mean(busy) / 1000
            print(f"\n  300 kB in {took:.0f} min; texts took {idle_s:.2f} s before, {busy_s:.2f} s meanwhile")
        assert mean(busy) <= 2 * mean(idle)
    finally:
        village.close()
