"""Marks by which a home knows itself: a copy of its files is another file, on another disk or computer.

Copying gives a file a new inode number, and putting a copy back over it a new time of change, which nobody
can set. Neither changes when the home's folder is renamed.
"""

import hashlib
import os
import sys
import uuid
from functools import cache
from pathlib import Path

MARK_BYTES = 16


def mark_of(path: Path) -> bytes:
    """The mark of a file: empty where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return b""
    place = found.st_ino.to_bytes(16, "big") + found.st_ctime_ns.to_bytes(16, "big", signed=True)
    return hashlib.sha256(b"hedgerow mark" + machine() + place).digest()[:MARK_BYTES]


@cache
def machine() -> bytes:
    """What tells this computer from others."""
    if sys.platform.startswith("linux"):
        for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
            try:
                found = Path(path).read_bytes().strip()
            except OSError:
                continue
            if found:
                return found
    node = uuid.getnode()
    # The multicast bit says that it was made up: another one each time.
    return b"" if node >> 40 & 1 else node.to_bytes(6, "big")
