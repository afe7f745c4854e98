"""Where things lie on a board's file system."""

SETTINGS = ("/settings.a", "/settings.b")
SHELF = "/shelf"
SPARE = "/spare"  # what safe mode has in its place; empty at each start
FULL = 28  # of an OSError (ENOSPC), for which MicroPython has no name
