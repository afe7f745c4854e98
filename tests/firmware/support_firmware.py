"""A board in the lab and a bare host on its cable: no people, only a shelf and a link."""

import importlib
import random
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

from hedgerow_core import envelope, limits, service
from hedgerow_core.clock import Clock
from hedgerow_core.link import Link, Stream
from hedgerow_core.session import INITIATOR, PAIR, Session
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore
from hedgerow_lab.world import TOP, Lab, LabError, find_aioble, find_micropython

MESH = bytes(range(32))
PAIRING = bytes(range(32, 64))


def settings(name: str) -> dict[str, object]:
    return {"name": name, "mesh_key": MESH, "pairing_key": PAIRING}


def small_interpreter() -> tuple[Path, int]:
    """The 32-bit MicroPython and its share of memory; 64 bits need about twice as much."""
    try:
        return find_micropython(32), 1
    except LabError:
        return find_micropython(64), 2


def open_lab(tmp_path: Path, *names: str, seed: int = 1, **board: object) -> Lab:
    lab = Lab(seed, workdir=tmp_path, aioble=find_aioble())
    for name in names:
        lab.add_board(name, settings=settings(name), **board)
    for a, b in pairwise(names):
        lab.hear(a, b)
    return lab


def quiet(lab: Lab) -> bool:
    """Whether no board printed anything: errors would stand there."""
    return all(lab.log(name) == [] for name in lab.boards)


class Cable:
    """A host that only carries; ``key`` is its pairing key, ``minute`` its M when the lab's time began."""

    def __init__(self, lab: Lab, board: str, key: bytes = PAIRING, minute: int = 0) -> None:
        self.lab = lab
        self.shelf = Shelf(MemoryStore(), Clock(-minute), lab.now_ms)
        self.events: list[tuple[str, object]] = []
        self.received = bytearray()
        self._key = key
        self._dice = random.Random(f"{board} {lab.now_ms}")
        self.line = lab.serial(board)
        self.line.connected = True
        self.line.on_receive = self._receive
        self._stopped = False
        self._answer: object = b""
        self.connect()
        self._tick()

    def connect(self) -> None:
        session = Session(INITIATOR, {PAIR: self._key}, self._dice.randbytes(32), self.lab.now_ms)
        self.link = Link(Stream(), session, self.shelf, self.lab.now_ms)
        self._pump()

    def stop(self) -> None:
        """The host ends; the cable stays."""
        self._stopped = True
        self.link.close()
        self.line.on_receive = None

    def _receive(self, data: bytes, now: int) -> None:
        self.received += data
        found = self.link.receive(data, now)
        self.events += found
        for name, value in found:
            if name == "service":
                self._answer = value
        self._pump()

    def _pump(self) -> None:
        for data in self.link.outgoing(self.lab.now_ms):
            self.line.write(data)

    def _tick(self) -> None:
        if self._stopped:
            return
        self.events += self.link.tick(self.lab.now_ms)
        if self.link.closed and self.link.reason != "wrong key":
            self.connect()
        self._pump()
        self.lab.at(self.lab.now_ms + 250, self._tick)

    def put(self, count: int = 1) -> list[bytes]:
        """New envelopes onto the host's shelf and out to the board; their ids."""
        ids = []
        for _ in range(count):
            body = self._dice.randbytes(envelope.padded_body_size(60))
            made = envelope.make(
                envelope.NORMAL, envelope.TTL_DEFAULT, self._dice.randbytes(limits.LOCK_BYTES), body
            )
            self.shelf.put(made, self.lab.now_ms)
            ids.append(made.id)
        self.link.push(self.lab.now_ms)
        self._pump()
        return ids

    def acked(self) -> set[object]:
        return {value for name, value in self.events if name == "acked"}

    def ask(self, question: bytes) -> bytes:
        """The board's answer to a service message; a board that restarted shakes hands first."""
        for _ in range(5):
            self.lab.run_until(self.lab.now_ms + 5_000, lambda: self.link.established)
            self._answer = b""
            self.link.service(question)
            self._pump()
            self.lab.run_until(self.lab.now_ms + 3_000, lambda: bool(self._answer))
            if self._answer:
                return self._answer
        raise AssertionError("the board does not answer")

    def status(self) -> dict[str, int]:
        numbers, _ = service.decode_status(self.ask(bytes((service.STATUS,))))
        names = (
            "held",
            "known",
            "bytes",
            "load",
            "uptime",
            "free",
            "starts",
            "hears",
            "links",
            "damage",
            "safe",
            "too_large",
            "proofs",
        )
        return dict(zip(names, numbers, strict=True))

    def log(self) -> tuple[list[int], list[tuple[int, int, str]]]:
        """(starts by cause, entries of the journal)"""
        log, part, parts = b"", 0, 1
        while part < parts:
            _, parts, piece = service.log_piece(self.ask(bytes((service.LOG, part))))
            log += piece
            part += 1
        _, _, _, counts, entries = service.decode_log(log)
        return counts, [(start, uptime_s, text.decode()) for start, uptime_s, text in entries]

    def repair(self, damage: int) -> int:
        return self.ask(bytes((service.REPAIR, damage)))[1]


def on_host(*names: str) -> list[ModuleType]:
    """Modules of the firmware that need ``machine``, in this interpreter: give each its own."""
    sys.modules["machine"] = ModuleType("machine")
    try:
        return [importlib.import_module(f"hedgerow_board.{name}") for name in names]
    finally:
        del sys.modules["machine"]


def patched(folder: Path, file: str, *changes: tuple[str, str]) -> Path:
    """A copy of core and firmware where ``file`` has been changed."""
    for part in ("shared/hedgerow_core", "firmware"):
        shutil.copytree(TOP / part, folder / part)
    path = folder / "firmware/hedgerow_board" / file
    text = path.read_text()
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after, 1)
    path.write_text(text)
    return folder


_ON_FLASH = """
import os, sys, vfs
class Flash:
    def __init__(self, path):
        self.file = open(path, "r+b")
        self.blocks = self.file.seek(0, 2) // 4096
    def readblocks(self, block, buffer, offset=0):
        self.file.seek(block * 4096 + offset)
        self.file.readinto(buffer)
    def writeblocks(self, block, buffer, offset=0):
        self.file.seek(block * 4096 + offset)
        self.file.write(buffer)
    def ioctl(self, op, arg):
        if op == 4:
            return self.blocks
        if op == 5:
            return 4096
        if op == 6:
            self.writeblocks(arg, b"\\xff" * 4096)
            return 0
device = Flash(sys.argv[1])
program = sys.argv[2]
vfs.umount("/")
vfs.mount(vfs.VfsLfs2(device), "/")
exec(program)
"""


def on_flash(lab: Lab, name: str, program: str) -> str:
    """Run ``program`` with the flash of a board that is off; what it printed."""
    script = lab.workdir / "on_flash.py"
    script.write_text(_ON_FLASH)
    command = [find_micropython(), script, lab.boards[name].flash_path, program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
