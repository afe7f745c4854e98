"""The tools that people use on a board, unmodified, and what tests of them share."""

import subprocess
import sys
import time
from pathlib import Path

from hedgerow_lab.bare import image
from hedgerow_lab.bare.chips import FLASH_BYTES, Chip

BIN = Path(sys.executable).parent
PATIENCE_S = 60


class Tools:
    """The unmodified esptool and mpremote."""

    def __init__(self, port: Path) -> None:
        self.port = str(port)

    def esptool(self, *words: str, check: bool = True) -> str:
        return self._run(check, "esptool", "--port", self.port, *words)

    def mpremote(self, *words: str, check: bool = True) -> str:
        return self._run(check, "mpremote", "connect", self.port, *words)

    def flash_micropython(self, board, folder: Path) -> None:
        file = folder / f"{board.chip.name}.bin"
        file.write_bytes(image.micropython(board.chip))
        self.esptool("--chip", board.chip.name, "write-flash", hex(board.chip.image_offset), str(file))

    def _run(self, check: bool, tool: str, *words: str) -> str:
        done = subprocess.run(
            [BIN / tool, *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert not check or done.returncode == 0, f"{tool} {words}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr


def eventually(true, patience_s: float = 10):
    ends = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def with_micropython(chip: Chip) -> bytes:
    """The flash of a board that has MicroPython on it and was never started."""
    return (b"\xff" * chip.image_offset + image.micropython(chip)).ljust(FLASH_BYTES, b"\xff")
