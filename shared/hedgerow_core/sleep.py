"""When boards that spare their battery sleep (docs/protocol.md, "Sleep").

All boards of a mesh with the same cycle are awake in the same minutes, for these follow from the mesh clock.
"""

AWAKE_LEAST = 2  # minutes: clocks of boards may differ by one
CYCLE_MOST = 24 * 60  # minutes

_MINUTE_MS = 60_000
_LEAST_MS = 30_000  # a start takes some seconds of full power
_START_MS = 3_000  # from waking up to the first beacon
_EARLY = 64  # what times the sleep may be so much slow: who wakes early is there when the others are


def valid(awake: int, cycle: int) -> bool:
    """Whether a board can be awake for the first ``awake`` of each ``cycle`` minutes; 0 and 0 is no sleep."""
    return awake == cycle == 0 or AWAKE_LEAST <= awake < cycle <= CYCLE_MOST


def left_ms(cycle: int, minute: int, into_minute: int) -> int:
    """How long to sleep in a minute in which boards sleep, of which ``into_minute`` ms are over; 0 where that
    is not worth it."""
    left = (cycle - minute % cycle) * _MINUTE_MS - into_minute
    left -= left // _EARLY + _START_MS
    return left if left >= _LEAST_MS else 0
