"""What the tests of several devices of one person share."""

from node_support import MINUTE_MS


def link(village, first, further, history_ms=0):
    """``further`` becomes a device of the account of ``first``."""
    village.join(further, "nobody yet")
    desk = village.nodes[further].people
    with desk.changing(village.now):
        code = desk.devices.code(further, village.now)
    desk = village.nodes[first].people
    with desk.changing(village.now):
        desk.devices.add(code, history_ms, village.now)
    settle(village)


def gather(village, name):
    """The first of them knows the others, who do not know each other, and begins a group with all."""
    first, *others = village.nodes
    for other in others:
        village.befriend(first, other)
    village.nodes[first].groups.create(name, others, village.now)
    settle(village)


def settle(village):
    """Time for every answer to an answer."""
    for _ in range(3):
        village.now += MINUTE_MS
        village.exchange()


def said(village, who, name=None):
    """(from us, text) of a conversation as a device shows it."""
    return [(letter.mine, letter.text) for letter in village.nodes[who].inbox(name)]
