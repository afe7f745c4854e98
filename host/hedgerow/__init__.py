"""Hedgerow's host: people, keys and conversations; boards carry what it seals."""

import signal
import sys

__version__ = "0.1.0"

if sys.argv and sys.argv[0].replace("\\", "/").rpartition("/")[2] in ("-m", "hedgerow"):
    # Our own command is still being loaded: Ctrl-C just ends it. From ``cli.main`` on it is heard.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
