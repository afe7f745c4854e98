"""What a carrier counts since its start: small numbers in one array, each raised where it happens."""

from array import array

HEARD = 0  # beacons of our mesh, modulo 2^30
STRANGE = 1  # beacons of other meshes, and forged ones, modulo 2^30
MET = 2  # links to boards that proved to be of our mesh
VAIN = 3  # links and calls that no letter came of
OFFERED = 4  # letters that somebody put here
KEPT = 5  # of those: new and kept
PURGED = 6  # letters whose proof took their place
EXPIRED = 7  # letters and proofs whose lifetime ended here
EVICTED = 8  # let go for want of room
OVER = 9  # refused: the lifetime was over
NO_ROOM = 10  # refused: there was no room
ABOVE_SHARE = 11  # refused: the link had brought too much
NO_MEMORY = 12  # links ended, and questions not answered, for want of memory
LOW_WATER = 13  # bytes: the least of the heap that was free after a collection
COUNTERS = 14

WRAP = (1 << 30) - 1  # above it a number takes a board an object


def made() -> "array[int]":
    """All of them, zero."""
    return array("I", bytes(4 * COUNTERS))
