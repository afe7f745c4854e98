"""The run folder of a lab in real time: its ports, keys, logs and flash; and how others find it.

A running lab holds a lock on RUN/lab.lock, which the system frees however the process ends. The index (a
folder below $XDG_RUNTIME_DIR, else the one for temporary files) has an entry for each lab: the run folder
itself, or a link to the one that was asked for.
"""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hedgerow_core.errors import HedgerowError

_LOCK = "lab.lock"
_CONTROL = "control"
_START = "start one with `hedgerow-lab up FILE`"


class LiveError(HedgerowError):
    """A lab in real time cannot do what it was asked to; one sentence."""


def _index() -> Path:
    named = os.environ.get("XDG_RUNTIME_DIR")
    path = (
        Path(named) / "hedgerow-lab" if named else Path(tempfile.gettempdir()) / f"hedgerow-lab-{os.getuid()}"
    )
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise LiveError(f"{path} is not a folder of yours alone: remove it, or set XDG_RUNTIME_DIR.")
    return path


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Nobody else starts or cleans meanwhile."""
    fd = os.open(path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _hold(path: Path) -> int | None:
    """A descriptor that holds the lock of a run folder; None where a lab holds it."""
    fd = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def pid(path: Path) -> int | None:
    """The process of the lab in this run folder; None where none runs."""
    try:
        fd = os.open(path / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        found = os.pread(fd, 100, 0).decode(errors="replace").strip()
        return int(found) if found.isdecimal() else 0
    finally:
        os.close(fd)
    return None


def _remove_ports(path: Path) -> None:
    for found in [path / _CONTROL, *path.glob("*.tty")]:
        if found.is_symlink() or found.is_socket():
            found.unlink(missing_ok=True)


def _clean(index: Path) -> None:
    """Take away what labs left that were killed."""
    for entry in index.glob("lab-*"):
        with suppress(OSError):
            if pid(entry) is not None:
                continue
            if entry.is_symlink():
                _remove_ports(entry.resolve())
                entry.unlink()
            else:
                shutil.rmtree(entry)


class Folder:
    """The run folder of this lab. ``close`` removes it, or its ports alone where the user named it."""

    def __init__(self, path: Path, entry: Path, fd: int) -> None:
        self.path = path
        self._entry = entry
        self._fd = fd

    @classmethod
    def open(cls, wanted: Path | None) -> "Folder":
        """A fresh folder, or ``wanted``. LiveError where a lab runs in it already."""
        index = _index()
        with _locked(index):
            _clean(index)
            entry = Path(tempfile.mkdtemp(prefix="lab-", dir=index))
            path = entry
            if wanted is not None:
                entry.rmdir()
                path = wanted.resolve()
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = _hold(path)
            if fd is None:
                raise LiveError(
                    f"A lab runs in {path} already (process {pid(path)}): end it, or name another folder."
                )
            if wanted is not None:
                _remove_ports(path)
                entry.symlink_to(path)
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        return cls(path, entry, fd)

    @property
    def control(self) -> Path:
        """The socket for steering."""
        return self.path / _CONTROL

    def file(self, board: str, suffix: str) -> Path:
        """A board's file."""
        return self.path / f"{board}.{suffix}"

    def secret(self) -> bytes:
        """32 bytes that stay with the folder, as the boards' flash does."""
        path = self.path / "secret"
        with suppress(FileNotFoundError):
            found = path.read_bytes()
            if len(found) == 32:
                return found
        made = os.urandom(32)
        write_private(path, made)
        return made

    def close(self) -> None:
        """Take the ports away, and the folder with them if it was made for this run."""
        if self._fd < 0:
            return
        with suppress(OSError):
            if self._entry == self.path:
                shutil.rmtree(self.path)
            else:
                self._entry.unlink(missing_ok=True)
                _remove_ports(self.path)
                os.ftruncate(self._fd, 0)  # what is left with a process number in it has died
        os.close(self._fd)
        self._fd = -1


def write_private(path: Path, data: bytes) -> None:
    """A file that only its owner reads."""
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)


def running() -> list[Path]:
    """The run folders of all labs of this user that run now."""
    return sorted(entry.resolve() for entry in _index().glob("lab-*") if pid(entry) is not None)


def find(wanted: Path | None) -> Path:
    """The run folder of the lab to steer: ``wanted``, or the only one. LiveError where there is none."""
    if wanted is not None:
        if pid(wanted) is not None:
            return wanted.resolve()
        if (wanted / _LOCK).is_file() and (wanted / _LOCK).stat().st_size:
            raise LiveError(f"The lab in {wanted} has died: {_START}.")
        raise LiveError(f"No lab is running in {wanted}: {_START} --run-dir {wanted}.")
    found = running()
    if not found:
        dead = any(entry.exists() for entry in _index().glob("lab-*"))
        raise LiveError(f"The lab has died: {_START}." if dead else f"No lab is running: {_START}.")
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise LiveError(f"{len(found)} labs are running, choose one with --run-dir: {names}.")
    return found[0]
