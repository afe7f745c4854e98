"""Run by MicroPython from the top of the repository: on_micropython.py FILE [START].

A line of FILE is the name of a target and an input in hex; for each, one line comes back: its outcome.
"""

import sys

sys.path[:0] = ["shared", "tools"]

from fuzz.core import TARGETS  # noqa: E402
from fuzz.promise import outcome, unhex  # noqa: E402

with open(sys.argv[1]) as file:
    for line in file:
        name, _, text = line.strip().partition(" ")
        print(outcome(TARGETS[name][0], unhex(text)))
