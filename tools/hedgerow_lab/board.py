"""One virtual board: a MicroPython process in lockstep with the lab's clock."""

import ctypes
import json
import os
import select
import signal
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hedgerow_core.errors import HedgerowError
from hedgerow_lab import costs
from hedgerow_lab.air import CENTRAL, Air, Radio
from hedgerow_lab.clock import Clock

NEVER = 0xFFFFFFFF
BLOCK_BYTES = 4096

# Commands from the child and events to it; child/lab.py and child/bluetooth.py have the same numbers.
(IDLE, ADVERTISE, SCAN, CONNECT, CONNECT_CANCEL, DISCONNECT, PDU) = range(7)
(ADDRESS, SERIAL, RESET, STOP, NOTE, RTC_MEMORY, WATCH) = range(7, 14)
SCAN_RESULT, SCAN_DONE, CONNECTED, DISCONNECTED, PDU_IN, TX_DONE, SERIAL_IN, PROBE = range(1, 9)
POWER_ON, HARD, WATCHDOG, DEEP_SLEEP, SOFT = range(
    1, 6
)  # causes of a reset, as machine.reset_cause() has them
RAW = 0x80
_HEAD_BYTES = 9
_SERIAL_BYTES = 256  # of one event; child/lab.py has room for 320
_PIPE_BYTES = 65_536
_RESET_US = 300_000
_SOFT_RESET_US = 10_000
_NO_CONNECTION = 0xFFFF
_ADDR_NO_RANDOMIZE = 0x0040000
_PR_SET_PDEATHSIG = 1
_SYSTEM = ctypes.CDLL(None)


# child/boot.py, compiled: what MicroPython compiles itself leaves its names in the heap for good.
_BOOT = ("-c", "import boot")


class BoardError(HedgerowError):
    """A board's process ended or answered nonsense."""


class _Hangs(BoardError):
    """A board's process computes and does not come back."""


@dataclass
class Machine:
    """What a board is made of: ``paths`` are the import folders, the lab's own first, ``entry`` what runs."""

    interpreter: Path
    paths: list[Path]
    entry: Path
    rom: Path
    console: bool = True
    heap_bytes: int = 320_000
    flash_blocks: int = 128
    ticks_offset: int = 0
    settings: bytes | None = None
    connections: int = costs.CONNECTIONS  # of its radio
    battery_uv: int | None = None  # at the pin that measures it, which has half of the voltage
    rtc_ppm: int = 0  # by how much its RTC runs fast in deep sleep
    # What is on its flash at first (path there -> path here); none: its firmware is in the ROM.
    files: dict[str, Path] = field(default_factory=dict)
    probe: bool = False  # whether it says how its heap is when it is asked
    flash_offset: int = 0  # of the file system
    bare: dict[str, object] | None = None  # MicroPython and nothing else: see child/bare.py
    costs: dict[str, int] = field(default_factory=lambda: costs.COSTS)


@dataclass
class _Inbox:
    """Events that wait for the next wake."""

    events: list[bytes] = field(default_factory=list)
    wake_us: int | None = None
    turn: int = 0


class Board:
    """The parent's side of one board. The air speaks to it as a ``Listener``."""

    def __init__(
        self,
        name: str,
        machine: Machine,
        clock: Clock,
        air: Air,
        seed: str,
        workdir: Path,
        flash: Path | None = None,
    ) -> None:
        self.name = name
        self.machine = machine
        self.radio = Radio(self, machine.connections)
        self.on_serial: Callable[[bytes], None] | None = None
        self.note: Callable[[str, str, str], None] = lambda who, what, detail: None
        # With ``on_death`` the world goes on without a board whose process is gone, or is silent too long.
        self.on_death: Callable[[str], None] | None = None
        self.patience_s: float | None = None
        self.dead = False
        self.wakes = 0
        self.powered = False
        self.cause = POWER_ON  # of the last start
        self.causes: list[int] = []  # of its starts so far
        self.address = bytes.fromhex(seed)[:6]
        self.flash_path = flash or workdir / f"{name}.flash"
        self.nvs_path = workdir / f"{name}.nvs"
        self.log_path = workdir / f"{name}.log"
        self._config_path = workdir / f"{name}.json"
        self._seed = seed
        self._boots = 0
        self._clock = clock
        self._air = air
        self._process: subprocess.Popen[bytes] | None = None
        self._inbox = _Inbox()
        self._unread = b""
        self._busy_us = 0
        self._awake_us = 0  # of former starts
        self._on_us = 0  # when the present one was
        self._rtc_start_us = 0
        self._rtc_memory = b""
        self._watch_ms = 0  # of the watchdog, once it runs
        if not self.flash_path.exists():
            self.flash_path.write_bytes(b"\xff" * (machine.flash_offset + BLOCK_BYTES * machine.flash_blocks))
        self.nvs_path.mkdir(exist_ok=True)
        self.log_path.touch()

    # Power

    def power_on(self, reset_cause: int = POWER_ON) -> None:
        """Start the process; it runs from the time now on. After another cause the RTC has gone on.

        With RAW in its cause a bare board comes up in the raw REPL.
        """
        if self.powered:
            return
        self.cause, raw = reset_cause & ~RAW, bool(reset_cause & RAW)
        if self.cause == POWER_ON:
            self._rtc_start_us = self._clock.now_us
            self._rtc_memory = b""
        self._boots += 1
        self.causes.append(self.cause)
        to_child, from_parent = os.pipe()
        to_parent, from_child = os.pipe()
        machine = self.machine
        self._config_path.write_text(
            json.dumps(
                {
                    "paths": [str(path) for path in machine.paths],
                    "rom": str(machine.rom),
                    "entry": str(machine.entry),
                    "console": machine.console,
                    "probe": machine.probe,
                    "costs": machine.costs,
                    "connections": machine.connections,
                    "battery_uv": machine.battery_uv,
                    "ticks_offset": machine.ticks_offset,
                    "seed": self._boots.to_bytes(1 if self._boots < 256 else 4).hex() + self._seed,
                    "address": self.address.hex(),
                    "reset_cause": self.cause,
                    "rtc_start_ms": self._rtc_start_us // 1000,
                    "rtc_memory": self._rtc_memory.hex(),
                    "flash": str(self.flash_path),
                    "nvs": str(self.nvs_path),
                    "flash_blocks": machine.flash_blocks,
                    "flash_offset": machine.flash_offset,
                    "bare": {**machine.bare, "raw": raw} if machine.bare is not None else None,
                    "files": {name: str(path) for name, path in machine.files.items()},
                    "settings": machine.settings.hex() if machine.settings is not None else None,
                    "read_fd": to_child,
                    "write_fd": from_child,
                }
            )
        )
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [machine.interpreter, "-X", f"heapsize={machine.heap_bytes}", *_BOOT, self._config_path],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(to_child, from_child),
                preexec_fn=_prepare,
                process_group=0,  # Ctrl-C is for the lab; it ends its boards itself
                env={"PATH": os.environ.get("PATH", ""), "MICROPYPATH": str(machine.paths[0])},
            )
        os.close(to_child)
        os.close(from_child)
        self._write_fd, self._read_fd = from_parent, to_parent
        self._clock.watch(self._read_fd, self._ended)
        self.powered = True
        self.dead = False
        self._on_us = self._clock.now_us
        self._inbox = _Inbox(turn=self._inbox.turn + 1)
        self._unread = b""
        self._busy_us = self._clock.now_us
        self._watch_ms = 0
        self.note(self.name, "power", "on")
        if self._exchange(None):
            self._wake_at(self._clock.now_us)

    def power_off(self, reason: str = "off") -> None:
        """Cut the power: what was not programmed into the flash is lost."""
        self.dead = False
        self._inbox.turn += 1
        if not self.powered:
            return
        self.powered = False
        self._awake_us += self._clock.now_us - self._on_us
        process = self._process
        if process is not None:
            process.kill()
            process.wait()
        self._clock.unwatch(self._read_fd)
        os.close(self._write_fd)
        os.close(self._read_fd)
        self._air.silence(self.radio)
        self.note(self.name, "power", reason)

    @property
    def awake_ms(self) -> int:
        """How long it was on and not asleep."""
        return (self._awake_us + (self._clock.now_us - self._on_us if self.powered else 0)) // 1000

    # Lockstep

    def _wake_at(self, when_us: int) -> None:
        if not self.powered:
            return
        when_us = max(when_us, self._busy_us)
        inbox = self._inbox
        if inbox.wake_us is not None and inbox.wake_us <= when_us:
            return
        inbox.wake_us = when_us
        turn = inbox.turn
        self._clock.at(when_us, lambda: self._wake(turn, when_us))

    def _wake(self, turn: int, when_us: int) -> None:
        inbox = self._inbox
        if not self.powered or inbox.turn != turn or inbox.wake_us != when_us:
            return
        inbox.wake_us = None
        events, inbox.events = inbox.events, []
        now = self._clock.now_us
        batch = struct.pack("<IH", now // 1000, now % 1000) + b"".join(events)
        self.wakes += 1
        self._exchange(struct.pack("<I", len(batch)) + batch)

    def _exchange(self, batch: bytes | None) -> bool:
        """One turn of the lockstep; whether the process is still there."""
        try:
            if batch is not None:
                os.write(self._write_fd, batch)
            self._receive()
        except _Hangs as error:
            if self._watch_ms:
                self._reset(WATCHDOG, "watchdog", self._watch_ms * 1000)
            else:
                self._ended(error)
        except BoardError as error:
            self._ended(error)
        except OSError:
            self._ended()
        return self.powered

    def _ended(self, error: BoardError | None = None) -> None:
        """The process is gone although nobody cut its power."""
        reason = error or BoardError(f"The process of board {self.name} ended; its log is {self.log_path}.")
        if self.on_death is None:
            raise reason
        self.power_off("died")
        self.dead = True
        self.on_death(str(reason))

    def _read(self, size: int) -> bytes:
        data = self._unread
        while len(data) < size:
            if self.patience_s is not None:
                poll = select.poll()
                poll.register(self._read_fd, select.POLLIN)
                if not poll.poll(self.patience_s * 1000):
                    raise _Hangs(f"Board {self.name} hangs; its log is {self.log_path}.")
            part = os.read(self._read_fd, _PIPE_BYTES)
            if not part:
                raise BoardError(f"The process of board {self.name} ended; its log is {self.log_path}.")
            data += part
        self._unread = data[size:]
        return data[:size]

    def _receive(self) -> None:
        kind = None
        while kind != IDLE:
            kind, ms, us, size = struct.unpack("<BIHH", self._read(_HEAD_BYTES))
            payload = self._read(size)
            when = ms * 1000 + us
            if kind == IDLE:
                self._busy_us = max(when, self._clock.now_us)
                until = struct.unpack("<I", payload)[0]
                if until != NEVER:
                    self._wake_at(until * 1000)
                elif self._inbox.events:
                    self._wake_at(self._busy_us)
            elif kind == WATCH:
                # At once: the board may hang in the same turn.
                self._watch_ms = int.from_bytes(payload, "little")
            else:
                turn = self._inbox.turn
                self._clock.at(when, lambda k=kind, p=payload, t=turn: self._command(k, p, t))  # type: ignore[misc]

    def _command(self, kind: int, payload: bytes, turn: int) -> None:
        if not self.powered or turn != self._inbox.turn:
            return
        air, radio = self._air, self.radio
        if kind == ADVERTISE:
            interval, connectable, size = struct.unpack_from("<IBB", payload)
            air.advertise(radio, interval, bool(connectable), payload[6 : 6 + size], payload[6 + size :])
        elif kind == SCAN:
            duration, interval, window, active = struct.unpack("<IIIB", payload)
            air.scan(radio, duration, interval, window, bool(active))
        elif kind == CONNECT:
            address_type, timeout_ms = struct.unpack_from("<BI", payload)
            air.connect(radio, (address_type, payload[5:]), timeout_ms)
        elif kind == CONNECT_CANCEL:
            air.cancel(radio)
        elif kind == DISCONNECT:
            air.disconnect(radio, struct.unpack("<H", payload)[0])
        elif kind == PDU:
            air.send(radio, struct.unpack_from("<H", payload)[0], payload[2:])
        elif kind == ADDRESS:
            radio.address = (payload[0], payload[1:])
            self.note(self.name, "address", payload.hex())
        elif kind == SERIAL and self.on_serial is not None:
            self.on_serial(payload)
        elif kind == RESET:
            cause, after_ms = struct.unpack("<BI", payload)
            reason = {WATCHDOG: "watchdog", DEEP_SLEEP: "sleep"}.get(cause, "reset")
            self._reset(cause, reason, after_ms * 1000 if after_ms != NEVER else None)
        elif kind == RTC_MEMORY:
            self._rtc_memory = payload
        elif kind in (STOP, NOTE):
            self.note(self.name, "stopped" if kind == STOP else "note", payload.decode(errors="replace"))

    def _reset(self, cause: int, reason: str, after_us: int | None = 0) -> None:
        """Start again ``after_us``; None is never."""
        self.power_off(reason)
        if after_us is None:
            return
        if cause == DEEP_SLEEP:
            # Its RTC alone says when that is over.
            told_us = after_us
            after_us = told_us * 1_000_000 // (1_000_000 + self.machine.rtc_ppm)
            self._rtc_start_us -= told_us - after_us
        turn = self._inbox.turn
        soft = cause & ~RAW == SOFT and self.machine.bare is not None
        when = self._clock.now_us + after_us + (_SOFT_RESET_US if soft else _RESET_US)
        # Unless somebody took the power away, or gave it, in between.
        self._clock.at(when, lambda: self.power_on(cause) if self._inbox.turn == turn else None)

    def _event(self, kind: int, payload: bytes, delay_us: int | None = 0) -> None:
        if not self.powered:
            return
        self._inbox.events.append(struct.pack("<BH", kind, len(payload)) + payload)
        if kind not in (SCAN_RESULT, TX_DONE):
            self.note(self.name, "event", f"{kind} {payload.hex()}")
        if delay_us is not None:
            self._wake_at(self._clock.now_us + delay_us)

    def serial(self, data: bytes) -> None:
        """Bytes from the host."""
        for at in range(0, len(data), _SERIAL_BYTES):
            self._event(SERIAL_IN, data[at : at + _SERIAL_BYTES])

    def probe(self, whole: bool = False) -> None:
        """Let a board with ``probe`` write into its log how its heap is, ``whole`` with a map of it."""
        self._event(PROBE, b"1" if whole else b"")

    # The air's Listener

    def scan_result(self, address: tuple[int, bytes], kind: int, rssi: int, data: bytes) -> None:
        head = struct.pack("<BBb", address[0], kind, rssi)
        self._event(SCAN_RESULT, head + address[1] + data, costs.SCAN_BATCH_US)

    def scan_done(self) -> None:
        self._event(SCAN_DONE, b"")

    def connected(self, handle: int, role: int, address: tuple[int, bytes]) -> None:
        self._event(CONNECTED, struct.pack("<HBB", handle, role, address[0]) + address[1])

    def disconnected(self, handle: int, role: int, address: tuple[int, bytes]) -> None:
        self._event(DISCONNECTED, struct.pack("<HBB", handle, role, address[0]) + address[1])

    def connect_failed(self, address: tuple[int, bytes]) -> None:
        self.disconnected(_NO_CONNECTION, CENTRAL, address)

    def packet(self, handle: int, data: bytes) -> None:
        self._event(PDU_IN, struct.pack("<H", handle) + data)

    def sent(self, handle: int, count: int) -> None:
        # Room in the transmit queue: told with the next wake, whoever waits for it asks again by timer.
        self._event(TX_DONE, struct.pack("<HB", handle, count), None)


def _prepare() -> None:
    """In the child: the same addresses in each run, so that two are the same to the byte; and no orphans."""
    _SYSTEM.personality(_ADDR_NO_RANDOMIZE)
    # A board that waits reads the end of its pipe; one that computes for ever needs this.
    _SYSTEM.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
