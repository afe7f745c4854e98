"""What a command of an owner changes on a board, and what follows."""

NOTHING = 0
WRITTEN = 1  # settings; no more follows
PARTS = 2  # links of pairings that are gone end
RESTARTS = 3
