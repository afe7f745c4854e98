"""Keys in memory that is not swapped out nor written into a dump, where the system gives that."""

import ctypes
import mmap
from contextlib import suppress
from functools import cache


class Locked:
    """One key in a page of its own. The copies that Python makes while it is used are out of our reach."""

    def __init__(self, key: bytes) -> None:
        self._size = len(key)
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self.locked = _lock(self._page)
        self._page[: self._size] = key

    def __bytes__(self) -> bytes:
        return self._page[: self._size]

    def erase(self) -> None:
        """Forget the key."""
        self._page[: self._size] = bytes(self._size)

    def __del__(self) -> None:
        with suppress(AttributeError, ValueError):
            self.erase()


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _lock(page: mmap.mmap) -> bool:
    """Whether the page stays in memory."""
    with suppress(AttributeError, OSError, ValueError):
        page.madvise(mmap.MADV_DONTDUMP)
    try:
        place = ctypes.c_char.from_buffer(page)
        return bool(
            _library().mlock(ctypes.c_void_p(ctypes.addressof(place)), ctypes.c_size_t(len(page))) == 0
        )
    except (AttributeError, OSError, TypeError, ValueError):
        return False


def no_dumps() -> None:
    """Let the system write no core of this process, nor others of this user look into it."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(AttributeError, OSError, TypeError):
        pr_set_dumpable = 4
        _library().prctl(pr_set_dumpable, 0, 0, 0, 0)
