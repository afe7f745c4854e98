"""The board's serial console. A module of its own, so that another console can stand in its place."""

import sys


def streams() -> tuple:
    """(stream to read bytes from, stream to write bytes to)."""
    return sys.stdin.buffer, sys.stdout.buffer
