"""Where things lie on a board's file system."""

SETTINGS = ("/settings.a", "/settings.b")
SHELF = "/shelf"
FULL = 28  # of an OSError (ENOSPC), for which MicroPython has no name
