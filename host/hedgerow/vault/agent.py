"""A small program that keeps the store key of an unlocked home in locked memory, until somebody locks it.

It listens on a socket in a folder that only its user can enter; others get nothing. What it is asked is one
byte: ``KEY`` for the key, ``FORGET`` to forget it and end.
"""

import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from hedgerow import errors
from hedgerow.vault import ciphers, memory
from hedgerow.vault.memory import Locked

KEY = b"K"
FORGET = b"L"
_READY = b"+"
_ANSWER_S = 2.0
_LOOK_S = 5.0
_START_S = 10.0


def socket_path(home_id: bytes) -> Path:
    """Where the program of a home listens. OSError where the folder is somebody else's."""
    top = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    folder = Path(top) / f"hedgerow-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o77 or folder.is_symlink():
        raise OSError(f"{folder} is open to others")
    return folder / f"{home_id.hex()}.sock"


def ask(home_id: bytes, question: bytes) -> bytes:
    """What the program answers; nothing where none runs."""
    try:
        path = socket_path(home_id)
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(_ANSWER_S)
            line.connect(str(path))
            if not _same_user(line):
                return b""
            line.sendall(question)
            return line.recv(ciphers.KEY_BYTES)
    except (AttributeError, OSError):
        return b""


def start(home_id: bytes, store_key: bytes, seconds: int) -> None:
    """Keep ``store_key`` for so long. NoUnlocking where this system cannot."""
    ask(home_id, FORGET)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEDGEROW_")}
    # It runs in another folder, where relative paths mean something else.
    environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
    try:
        path = socket_path(home_id)
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(path), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env=environment,
        )
        answer, _ = process.communicate(store_key, timeout=_START_S)
    except (AttributeError, OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise errors.NoUnlocking(reason=reason.lower()) from None
    if answer != _READY:
        raise errors.NoUnlocking(reason="its helper did not start")


def _same_user(line: socket.socket) -> bool:
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the folder is ours alone
    credentials = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", credentials)[1] == os.getuid())


def serve(path: Path, seconds: int) -> None:
    """Answer until told to forget, or until the time is over. The key comes on standard input."""
    memory.no_dumps()
    key = Locked(sys.stdin.buffer.read(ciphers.KEY_BYTES))
    with socket.socket(socket.AF_UNIX) as listening:
        path.unlink(missing_ok=True)
        listening.bind(str(path))
        os.chmod(path, 0o600)
        listening.listen()
        # The one who started us must not wait for us.
        if os.fork():
            sys.stdout.buffer.write(_READY)
            sys.stdout.buffer.flush()
            os._exit(0)
        _detach()
        # A page that is locked is not locked any more behind a fork.
        memory.no_dumps()
        kept = Locked(bytes(key))
        key.erase()
        mine = path.stat().st_ino
        try:
            _answer_all(listening, kept, path, mine, time.monotonic() + seconds)
        finally:
            kept.erase()
            with suppress(OSError):
                if path.stat().st_ino == mine:
                    path.unlink()


def _detach() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


def _answer_all(listening: socket.socket, key: Locked, path: Path, mine: int, until: float) -> None:
    while time.monotonic() < until:
        listening.settimeout(min(_LOOK_S, max(until - time.monotonic(), 0.01)))
        try:
            line, _ = listening.accept()
        except TimeoutError:
            try:
                if path.stat().st_ino != mine:
                    return  # another one took over
            except OSError:
                return  # the session is over
            continue
        with line, suppress(OSError):
            line.settimeout(_ANSWER_S)
            if not _same_user(line):
                continue
            question = line.recv(1)
            if question == KEY:
                line.sendall(bytes(key))
            elif question == FORGET:
                key.erase()
                line.sendall(_READY)
                return


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
