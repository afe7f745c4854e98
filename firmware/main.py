"""Starts the board. Without valid settings, or after the escape on the serial line, the REPL is yours.

Stays as it was flashed, whatever an update brings.
"""

import asyncio
import sys

import hedgerow_loader

trial = hedgerow_loader.begin()
# It leaves the heap, and comes back where it is needed.
del hedgerow_loader, sys.modules["hedgerow_loader"]
try:
    from hedgerow_board.app import main

    asyncio.run(main())
except Exception as error:
    sys.print_exception(error)
    import hedgerow_loader

    hedgerow_loader.lost(trial)
    raise
if trial is not None:
    import hedgerow_loader

    hedgerow_loader.rest()
