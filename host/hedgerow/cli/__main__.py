"""``python -m hedgerow.cli``."""

from hedgerow.cli import main

main()
