"""esptool and mpremote as programs of their own, with time limits, for either can wait for ever."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO

ESPTOOL = "esptool"
MPREMOTE = "mpremote"
_PLAIN = {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "COLUMNS": "200", "TERM": "dumb"}


class ToolStuck(Exception):
    """It said nothing for too long, or took too long; it was ended."""


def command(module: str, arguments: Sequence[str]) -> list[str]:
    """What is run: the module of this Python, whatever lies in the current folder."""
    return [sys.executable, "-P", "-m", module, *arguments]


def run(
    module: str,
    arguments: Sequence[str],
    limit_s: float,
    quiet_s: float | None = None,
    hear: Callable[[str], float | None] = lambda line: None,
) -> tuple[int, list[str]]:
    """(exit status, lines). ToolStuck after ``limit_s``, or ``quiet_s`` without a line.

    ``hear`` gets each line at once; what it returns is how long the next one may take.
    """
    process = subprocess.Popen(
        command(module, arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **_PLAIN},
        start_new_session=True,  # Ctrl-C is ours to handle
    )
    assert process.stdout is not None
    came: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process.stdout, came), daemon=True)
    reader.start()
    lines: list[str] = []
    end = time.monotonic() + limit_s
    patience_s = quiet_s
    try:
        while True:
            left_s = end - time.monotonic()
            try:
                line = came.get(timeout=max(0.0, left_s if patience_s is None else min(patience_s, left_s)))
            except queue.Empty:
                raise ToolStuck from None
            if line is None:
                return process.wait(timeout=max(0.1, end - time.monotonic())), lines
            if line.strip():
                lines.append(line.strip())
            patience_s = hear(line) or quiet_s
    except subprocess.TimeoutExpired:
        raise ToolStuck from None
    finally:
        _end(process)
        reader.join(timeout=1.0)
        process.stdout.close()


def _read(stream: IO[bytes], came: "queue.SimpleQueue[str | None]") -> None:
    """Lines, at whatever ends one: progress comes with carriage returns."""
    rest = b""
    with contextlib.suppress(ValueError, OSError):
        while block := os.read(stream.fileno(), 4096):
            *whole, rest = (rest + block).replace(b"\r", b"\n").split(b"\n")
            for line in whole:
                came.put(line.decode(errors="replace"))
    if rest:
        came.put(rest.decode(errors="replace"))
    came.put(None)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
