"""Starts the board. Without valid settings, or after the escape on the serial line, the REPL is yours."""

import asyncio
import os
import sys

try:
    if "a" in os.listdir("/"):
        sys.path.insert(0, "/a")
except OSError:
    pass  # what is damaged is told later

from hedgerow_board.app import main

asyncio.run(main())
