"""The tools that people use on a board, unmodified, and what tests of them share."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from hedgerow.node import Node
from hedgerow_lab.bare import image
from hedgerow_lab.bare.board import BareBoard
from hedgerow_lab.bare.chips import Chip
from hedgerow_lab.world import CHILD, TOP, find_aioble

BIN = Path(sys.executable).parent
HASTY = (sys.executable, Path(__file__).with_name("hasty.py"), find_aioble() or CHILD / "standin")
PATIENCE_S = 60
FLASH_S = 120
KINDS = {"esp32": "esp32-generic", "esp32c3": "esp32-c3-generic", "esp32s3": "esp32-s3-generic"}


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


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Owner:
    """Somebody with a home, and a computer on which `hedgerow flash` runs."""

    def __init__(self, folder: Path, name: str = "Alice", hasty: bool = True) -> None:
        self.folder = folder / name
        self.folder.mkdir(exist_ok=True)
        self.home = self.folder / "home"
        self.hedgerow = [*HASTY] if hasty else [sys.executable, "-m", "hedgerow.cli"]
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HEDGEROW_")},
            "PYTHONPATH": os.pathsep.join(str(TOP / part) for part in ("shared", "host", "tools")),
            "HEDGEROW_HOME": str(self.home),
        }
        if hasty:
            self.environment |= self._hasty()
        if not self.home.exists():
            Node.create(self.home, name, os.urandom, now_ms()).close()

    def _hasty(self) -> dict[str, str]:
        """A virtual board has what there is for aioble."""
        self.wait_for_chip(patience_s=5)
        return {"ESPTOOL_CFGFILE": str(self._esptool), "XDG_CACHE_HOME": str(self.folder / "cache")}

    @property
    def _esptool(self) -> Path:
        return self.folder / "esptool.cfg"

    def wait_for_chip(self, patience_s: int) -> None:
        """How long esptool waits for each answer of the chip; that may be never."""
        self._esptool.write_text(
            f"[esptool]\ntimeout = {patience_s}\nchip_erase_timeout = {2 * patience_s}\n"
            "connect_attempts = 2\nsync_timeout = 0.4\n"
        )

    def type(self, *words: str, patience_s: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
        return self._run([*self.hedgerow, *words], patience_s)

    def flash(self, board: BareBoard, *words: str, script: bool = False) -> subprocess.CompletedProcess[str]:
        """Flash it, with an image that is quick to send."""
        begin = [self._script()] if script else [*self.hedgerow, "flash"]
        given = {"--port": str(board.link), "--board": KINDS[board.chip.name], "--name": "mill"}
        given["--firmware"] = str(self.image_for(board.chip))
        options = [word for name, value in given.items() if name not in words for word in (name, value)]
        return self._run([*begin, *options, *words], FLASH_S)

    def image_for(self, chip: Chip) -> Path:
        """One that is quick to send."""
        path = self.folder / f"{chip.name}.bin"
        if not path.exists():
            path.write_bytes(image.micropython(chip, noise=8_000))
        return path

    def _script(self) -> Path:
        """flash.sh in a copy of the repository whose hedgerow is ours."""
        tools = self.folder / "copy" / ".venv" / "bin"
        tools.mkdir(parents=True)
        words = shlex.join(str(word) for word in self.hedgerow)
        (tools / "hedgerow").write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (tools / "hedgerow").chmod(0o755)
        return Path(shutil.copy(TOP / "flash.sh", self.folder / "copy"))

    def pairing_key(self) -> bytes:
        with closing(Node.open(self.home, os.urandom, now_ms())) as node:
            return node.boards.all()[0].pairing_key

    def mesh_key(self) -> bytes:
        with closing(Node.open(self.home, os.urandom, now_ms())) as node:
            return node.meshes.all()[0].key

    def board_url(self, board: BareBoard) -> list[str]:
        return ["--board", f"serial:{board.link}"]

    def _run(self, command: list[object], patience_s: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=patience_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
