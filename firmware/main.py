"""Starts the board. Without valid settings, or after the escape on the serial line, the REPL is yours."""

import asyncio

from hedgerow_board.app import main

asyncio.run(main())
