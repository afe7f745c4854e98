"""How long flashing waits for what may never come. Tests have less time: $HEDGEROW_TEST_PATIENCE times it."""

import os

_TEST = "HEDGEROW_TEST_PATIENCE"


def patience(seconds: float) -> float:
    """``seconds``, as far as this computer has them."""
    return seconds * float(os.environ.get(_TEST, "1"))
