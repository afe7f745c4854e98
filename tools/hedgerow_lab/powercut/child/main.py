"""One life of a board between two cuts: main.py PLAN.json, inside MicroPython.

It mounts the flash image, starts the firmware's store and core's shelf, tells what it finds, carries out the
plan, and loses its power. What it prints is ``Report`` in ../life.py, in JSON lines; the image is written
back as it was before the operation that the cut fell into.
"""

import json
import sys

with open(sys.argv[1]) as _file:
    plan = json.loads(_file.read())  # load would read byte by byte
sys.path[:] = plan["paths"] + [".frozen"]

import time
from binascii import hexlify, unhexlify

import vfs
from chip import Chip
from making import Ways, wilfully_broken

import hedgerow_board.flash as flash
from hedgerow_core.envelope import decode

MINUTE_MS = 60_000
CHUNK = 32
KEPT = 1
PHASES = ("mount", "format", "boot", "put", "flush", "drop", "get", "expire", "prove", "compaction", "idle")


class Report:
    """What happened until the power went."""

    def __init__(self):
        self.phase = "mount"
        self.compactions = 0
        self.moves = 0
        self.found = []
        self.boot = None
        self.replies = []
        self.counters = []
        self.error = None

    def watch(self, compact):
        """``compact`` of a store, noticed; what it moves counts apart."""

        def watched(store, segment):
            before = self.phase
            self.phase = "compaction"
            self.compactions += 1
            self.moves += store._live[segment]
            compact(store, segment)
            self.phase = before

        return watched


def encoded(thing):
    """Hexadecimal bytes of what the shelf gave; empty for nothing."""
    if thing is None:
        return ""
    return hexlify(thing.encode() if hasattr(thing, "encode") else bytes(thing)).decode()


def ids_of(shelf):
    return [bytes(identity) for identity in shelf.ids()]


def boot(chip):
    """Mount and start; the shelf."""
    start = time.ticks_us()
    try:
        vfs.mount(vfs.VfsLfs2(chip, readsize=32, progsize=32), "/")
    except OSError:
        if not plan["fresh"]:
            raise
        report.phase = "format"
        vfs.VfsLfs2.mkfs(chip, readsize=32, progsize=32)
        vfs.mount(vfs.VfsLfs2(chip, readsize=32, progsize=32), "/")
    report.phase = "boot"
    shelf = ways.make(plan)
    report.boot = {"us": time.ticks_diff(time.ticks_us(), start), "counters": chip.counters()}
    for identity in [] if plan["quiet"] else ids_of(shelf):
        report.found.append([hexlify(identity).decode(), encoded(ways.element(shelf, identity))])
    report.boot["count"] = shelf.count()
    return shelf


def step(shelf, verb, argument, minute):
    """Carry out one verb; what it answered."""
    now = (minute - plan["minute"]) * MINUTE_MS  # a board's clock begins when it starts
    if verb == "put":
        return shelf.put(decode(unhexlify(argument)), now)
    if verb == "flush":
        return ways.flush(shelf, now)
    if verb == "drop":
        return shelf.drop(unhexlify(argument))
    if verb == "get":
        return encoded(shelf.get(unhexlify(argument), now))
    if verb == "expire":
        return shelf.expire(now)
    if verb == "prove":
        return ways.prove(shelf, unhexlify(argument), now)
    raise ValueError(verb)


def live(chip):
    """From power on to the end of the plan."""
    shelf = boot(chip)
    verbs = plan["verbs"]
    quiet = plan["quiet"]
    before = set() if quiet else set(ids_of(shelf))
    for verb, argument, minute in verbs:
        report.phase = verb
        if verb == "count":
            report.counters.append(chip.counters())
            answer = None
        else:
            answer = step(shelf, verb, argument, minute)
        vanished = []
        if not quiet and verb in ("put", "drop", "expire", "prove"):
            if verb == "put" and answer == KEPT and shelf.count() == len(before) + 1:
                before.add(decode(unhexlify(argument)).id)
            else:
                # In memory, so no operation of the chip falls between the verb and this.
                after = set(ids_of(shelf))
                vanished = [hexlify(identity).decode() for identity in sorted(before - after)]
                before = after
        report.replies.append([answer, vanished, shelf.count()])
    report.phase = "idle"


def tell(key, value):
    sys.stdout.write(json.dumps([key, value]) + "\n")


def power_off(operation):
    """Tell what happened until now, and wait for the end: the process is killed, as power does it.

    Nothing is unwound: no file is closed, no handler runs.
    """
    with open("/pc" + plan["image"], "r+b") as file:
        file.write(image)
    if oplog:
        oplog.flush()
    out = {
        "phase": report.phase,
        "operations": chip.operations,
        "compactions": report.compactions,
        "moves": report.moves,
        "boot": report.boot,
        "counters": report.counters,
        "hottest": max(chip.wear),
        "torn": operation,
        "error": report.error,
    }
    # In lines, for a heap after long work has no room for all in one piece.
    for at in range(0, len(report.found), CHUNK):
        tell("found", report.found[at : at + CHUNK])
    for at in range(0, len(report.replies), CHUNK):
        tell("replies", report.replies[at : at + CHUNK])
    tell("end", out)
    while True:
        sys.stdin.read(1)


def cut(kind, at, data):
    power_off([kind, at, hexlify(data).decode()])


def log(kind, at, data):
    """Before which verb's end it happened, in which phase, what, where, how much."""
    head = len(report.replies).to_bytes(4, "little") + bytes((PHASES.index(report.phase), kind))
    head += at.to_bytes(4, "little")
    oplog.write(head + len(data).to_bytes(2, "little") + data)


image = bytearray(plan["size"])
with open(plan["image"], "rb") as _file:
    _file.readinto(image)
oplog = open(plan["log"], "wb") if plan["log"] else None
report = Report()
ways = Ways()
chip = Chip(image, plan["cut_at"], cut, log if oplog else None)
wilfully_broken(plan["break"])
flash.FlashStore._compact = report.watch(flash.FlashStore._compact)
# The flash is the root of the file system, as on a board; the computer's files are below /pc.
vfs.umount("/")
vfs.mount(vfs.VfsPosix(), "/pc")
try:
    live(chip)
except Exception as error:
    report.error = type(error).__name__ + ": " + str(error)
    sys.print_exception(error, sys.stderr)
power_off(None)
