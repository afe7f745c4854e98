"""A bare board on the desk: power, cable, and what runs on it: nothing, MicroPython, or the ROM loader.

A pseudo-terminal has no DTR and RTS, so nobody can pull the chip into its loader there: the board goes into
it when esptool's first request comes, and leaves it when something else comes or when the program closes the
port, as esptool does after its reset. A port with these lines is in ``rfc2217``.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from hedgerow_lab import costs
from hedgerow_lab.bare import chips
from hedgerow_lab.bare.chips import Chip
from hedgerow_lab.bare.image import boot_trouble
from hedgerow_lab.bare.loader import SYNC, Faults, Loader
from hedgerow_lab.bare.rfc2217 import Rfc2217Port
from hedgerow_lab.board import HARD, POWER_ON, SOFT, Machine
from hedgerow_lab.build import plain, rom
from hedgerow_lab.clock import RealClock
from hedgerow_lab.ports import Port
from hedgerow_lab.world import CHILD, Lab

# Of a 64-bit interpreter, whose objects are twice as large: a board without PSRAM has some 160 kB. Code lies
# in this heap as well, since it comes from files, as on a real board.
HEAP_BYTES = 320_000
_PATIENCE_S = 5.0
_HOLD_US = 20_000  # how long the beginning of what may be esptool's request waits for its end
_PANIC_US = 400_000  # between two starts of a chip that finds nothing to start
_QUICK = {**costs.COSTS, "flash_read_us": 0, "flash_program_us": 0, "flash_erase_us": 0}
_QUICK_US_PER_BYTE, _QUICK_LATENCY_US = 2, 100


class BareBoard:
    """One board of ``lab``, whose clock is real. It is a ``Line`` for its port.

    ``flash`` becomes 4 MB of erased flash where there is none yet. On a ``quick`` board flash and cable take
    next to no time.
    """

    def __init__(
        self,
        lab: Lab,
        chip: Chip,
        name: str = "bare",
        link: Path | None = None,
        flash: Path | None = None,
        quick: bool = False,
    ) -> None:
        self.chip = chip
        self.link = link or lab.workdir / f"{name}.tty"
        self.faults = Faults()
        self.heard_bytes = 0
        self.on_receive: Callable[[bytes, int], None] | None = None
        self.port: Port | Rfc2217Port | None = None
        assert isinstance(lab.clock, RealClock)
        self._clock = lab.clock
        paths = [plain(CHILD, {"hedgerow_console": "console"})]
        machine = Machine(
            interpreter=lab.micropython,
            paths=paths,
            entry=Path(),
            rom=rom(paths),
            heap_bytes=HEAP_BYTES,
            flash_offset=chips.FILES_OFFSET,
            flash_blocks=chips.FILES_BLOCKS,
            bare={
                "nvs_offset": chips.NVS_OFFSET,
                "nvs_bytes": chips.NVS_BYTES,
                "machine": f"Generic {chip.title} module with {chip.title}",
            },
            costs=_QUICK if quick else costs.COSTS,
        )
        self.board = lab.place(name, machine, flash)
        self.board.patience_s = _PATIENCE_S
        self.board.on_death = lambda reason: None  # it is silent until somebody resets it
        self._lab_note, self.board.note = self.board.note, self._note
        self._line = lab.serial(name)
        self._line.on_receive = self._from_board
        self._line.connected = False
        if quick:
            self._line.us_per_byte, self._line.latency_us = _QUICK_US_PER_BYTE, _QUICK_LATENCY_US
        self._connected = False
        self._loader: Loader | None = None
        self._held = b""
        self._turn = 0  # of power and resets: what was planned before is void
        self._in_reset = False  # by the host's hand

    @property
    def mode(self) -> str:
        """What runs: "nothing", "loader" or "MicroPython"."""
        return "loader" if self._loader is not None else "MicroPython" if self.board.powered else "nothing"

    # Power and resets

    def plug_in(self, with_lines: bool = False) -> None:
        """Give it cable and power; ``with_lines`` it is at a port with DTR and RTS, else at the link."""
        if self.port is None:
            self.port = (Rfc2217Port if with_lines else partial(Port, link=self.link))(self._clock, self)
            self._start(POWER_ON)

    def pull(self) -> None:
        """Take the cable away, and the power with it."""
        self._stop()
        if self.port is not None:
            self.port.close()
            self.port = None

    def reset(self, download: bool = False) -> None:
        """Reset the chip, with BOOT held down for its loader."""
        self._stop()
        if not download:
            self._start(HARD)
            return
        self._enter_loader()
        self._say(self.chip.hello + b"rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT)\r\n")
        self._say(b"waiting for download\r\n")

    def lines(self, dtr: bool, rts: bool) -> None:
        """DTR and RTS as the host sets them, through the usual two transistors to EN and BOOT."""
        if rts and not dtr:
            self._stop()
            self._in_reset = True
        elif self._in_reset and not rts:
            # With both set the capacitor at EN holds the chip for the moment until one goes.
            self._in_reset = False
            self.reset(download=dtr)

    def _stop(self) -> None:
        self._turn += 1
        self._held = b""
        if self._loader is not None:
            self._loader.flash.close()
            self._loader = None
        self.board.power_off()

    def _start(self, cause: int) -> None:
        found = boot_trouble(self.board.flash_path.read_bytes(), self.chip)
        if found is None and self.faults.panic:
            found = "Guru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled."
        if found is None:
            self.board.power_on(cause)
            return
        self._say(self.chip.hello + b"rst:0x10 (RTCWDT_RTC_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n")
        self._say(found.encode() + b"\r\n")
        turn = self._turn
        self._clock.at(
            self._clock.now_us + _PANIC_US, lambda: self._start(HARD) if turn == self._turn else None
        )

    def _note(self, who: str, what: str, detail: str) -> None:
        self._lab_note(who, what, detail)
        if (what, detail) == ("power", "on") and self.board.cause != SOFT:
            self._say(self.chip.hello + b"rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n")

    def _enter_loader(self) -> None:
        flash = self.board.flash_path.open("r+b")
        self._loader = Loader(self.chip, self.board.address, flash, self.faults)

    # The cable

    @property
    def connected(self) -> bool:
        """Whether a program has the port open."""
        return self._connected

    @connected.setter
    def connected(self, value: bool) -> None:
        self._connected = self._line.connected = value
        if not value and self._loader is not None and isinstance(self.port, Port):
            self.reset()

    @property
    def backlog_us(self) -> int:
        """How long the cable needs for what is on its way to the board."""
        return 0 if self._loader is not None else self._line.backlog_us

    def write(self, data: bytes) -> None:
        """Bytes from the host."""
        self.heard_bytes += len(data)
        data, cut = self.faults.on_the_cable(data)
        if cut:
            self._clock.at(self._clock.now_us, self.pull)
        if data and self._loader is not None:
            self._to_loader(data)
        elif data:
            self._to_board(data)

    def _to_loader(self, data: bytes) -> None:
        assert self._loader is not None
        self._say(self._loader.receive(data))
        if self._loader.run:
            left = self._loader.left
            self.reset()
            self._to_board(left)

    def _to_board(self, data: bytes) -> None:
        data = self._held + data
        if isinstance(self.port, Rfc2217Port):
            self._line.write(data)
            return
        at = data.find(SYNC)
        if at >= 0:
            self._stop()
            self._enter_loader()
            self._to_loader(data[at:])
            return
        keep = next((n for n in range(min(len(data), len(SYNC)), 0, -1) if SYNC.startswith(data[-n:])), 0)
        self._held = data[len(data) - keep :]
        if keep:
            held, turn = self._held, self._turn
            self._clock.at(self._clock.now_us + _HOLD_US, lambda: self._let_go(held, turn))
        self._line.write(data[: len(data) - keep])

    def _let_go(self, held: bytes, turn: int) -> None:
        if turn == self._turn and self._held == held:
            self._held = b""
            self._line.write(held)

    def _say(self, data: bytes) -> None:
        if data:
            self._from_board(data, self._clock.now_us // 1000)

    def _from_board(self, data: bytes, now_ms: int) -> None:
        if self.on_receive is not None and not self.faults.silent:
            self.on_receive(data, now_ms)
