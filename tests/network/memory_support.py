"""What tests of small heaps have in common."""

import pytest

from hedgerow_lab.world import LabError, find_micropython


def _is_there() -> bool:
    try:
        find_micropython(32)
    except LabError:
        return False
    return True


# For a whole file: ``pytestmark = on_32_bits``.
on_32_bits = pytest.mark.skipif(not _is_there(), reason="there is no 32-bit MicroPython for this machine")
