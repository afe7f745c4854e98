"""Files of the user's: read where they are files and not too large."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hedgerow import errors


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """A file, open. FileMissing; also for a device or a pipe, which may have no end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise errors.FileMissing(path=path, reason="it is no file")
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise errors.FileMissing(path=path, reason=(error.strerror or str(error)).lower()) from None


def read(path: Path, limit: int) -> tuple[int, bytes]:
    """(size, bytes) of a file; no bytes where it has more than ``limit``. FileMissing."""
    with reading(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        data = b"" if size > limit else stream.read(limit + 1)
    size = max(size, len(data))
    return size, data if size <= limit else b""
