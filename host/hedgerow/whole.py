"""Files of the user's: read where they are files and not too large, written whole or not at all."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from hedgerow import errors
from hedgerow.vault.slots import sync_folder


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


@contextmanager
def writing(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A new file, there when all of it is written, else not at all. FileExists, FileNotWritten."""
    if os.path.lexists(path):
        raise errors.FileExists(path=path)
    part = path.with_name(f".hedgerow-{os.urandom(4).hex()}.part")  # no file of anybody else's
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if os.path.lexists(path):
            raise errors.FileExists(path=path)
        os.rename(part, path)
        sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):
            reason = (error.strerror or str(error)).lower()
            raise errors.FileNotWritten(path=path, reason=reason) from None
        raise
