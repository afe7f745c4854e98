"""Where things lie on a board's file system."""

SETTINGS = ("/settings.a", "/settings.b")
SHELF = "/shelf"
