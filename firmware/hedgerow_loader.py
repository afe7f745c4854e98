"""The loader: the firmware runs from folder /a or /b; where one fails the other takes its place.

Stays as it was flashed, whatever an update brings. In non-volatile storage: "slot" is the folder that runs
(0 /a, 1 /b), "trial" the one to try once, plus 1; the firmware sets "slot" when it has run well. "lost" is 1
where the folder that should run did not even start, and the other one was asked.
"""

import os
import sys

import machine
from esp32 import NVS

_TRIAL_MS = 15 * 60_000  # within which a firmware that is tried has to say that it runs well
_HANG_MS = 120_000  # until it has set the watchdog itself


def _number(store, name):
    try:
        return store.get_i32(name)
    except OSError:
        return 0


def _there(slot):
    """Whether the folder is there."""
    try:
        return _name(slot) in os.listdir("/")
    except OSError:
        return False


def _name(slot):
    return chr(97 + slot)


def begin():
    """Put the folder to run where modules are looked for first. Its number where it is a trial, else None."""
    store = NVS("hedgerow")
    trial = _number(store, "trial")
    slot = (trial - 1 if trial else _number(store, "slot")) & 1
    if trial:
        # At once: whatever ends this start, the next one takes the former folder.
        store.set_i32("trial", 0)
        store.commit()
    if not _there(slot):
        trial = 0
        slot = 1 - slot
    if _there(slot):
        sys.path.insert(0, "/" + _name(slot))
    if not trial:
        return None
    machine.WDT(timeout=_HANG_MS)

    def wake(now):
        if _number(store, "slot") != slot:
            machine.reset()

    machine.Timer(0).init(mode=machine.Timer.ONE_SHOT, period=_TRIAL_MS, callback=wake)
    return slot


def lost(trial):
    """The firmware does not run: the other folder takes its place, or has a try, but once."""
    if trial is not None:
        machine.reset()
    store = NVS("hedgerow")
    for slot in range(2):
        if sys.path[0] == "/" + _name(slot) and not _number(store, "lost") and _there(1 - slot):
            store.set_i32("lost", 1)
            store.set_i32("trial", 2 - slot)
            store.commit()
            machine.reset()


def rest():
    """The REPL has the board: nobody is to be reset in the middle of what they type."""
    machine.Timer(0).deinit()
