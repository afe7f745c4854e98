"""A trace as people read it: who had power, who was linked with whom, what was written and read."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hedgerow_core.errors import HedgerowError
from hedgerow_lab.air import CENTRAL
from hedgerow_lab.board import _NO_CONNECTION, CONNECTED, DISCONNECTED, PDU_IN, SERIAL_IN

_LINE = re.compile(
    r"(\d+) (.+?) (power|address|connected|disconnected|event|stopped|note|plugs|unplugs|writes|reads|knows)"
    r" ?(.*)"
)
_SERIAL_PAUSE_US = 1_000_000  # bytes of the host that are further apart are two lines


class TraceError(HedgerowError):
    """A trace that cannot be shown; one sentence."""


@dataclass
class Linked:
    """A connection; ``packets`` and ``bytes`` from the central and back, as they arrived."""

    central: str
    peripheral: str
    start_us: int
    end_us: int | None = None
    packets: list[int] = field(default_factory=lambda: [0, 0])
    bytes: list[int] = field(default_factory=lambda: [0, 0])


@dataclass
class Written:
    """A letter: from when to when, between which hosts, at which boards; ``read_us`` None: never read."""

    number: int
    sender: str
    to: str
    text: str
    written_us: int
    board: str
    read_us: int | None = None
    read_board: str = ""


@dataclass
class Happened:
    """One line of the text; ``board`` is whom ``--board`` picks, empty for everybody."""

    at_us: int
    who: str
    boards: tuple[str, ...]
    text: str


@dataclass
class Timeline:
    """What a trace tells."""

    name: str
    end_us: int = 0
    boards: list[str] = field(default_factory=list)
    hosts: dict[str, str] = field(default_factory=dict)  # host -> the board it was plugged into last
    powered: dict[str, list[list[int]]] = field(default_factory=dict)  # board -> spans with power
    links: list[Linked] = field(default_factory=list)
    letters: list[Written] = field(default_factory=list)
    knows: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # board -> (when, ids known)
    happened: list[Happened] = field(default_factory=list)


class _Reader:
    """Takes one event after the other."""

    def __init__(self, name: str) -> None:
        self.timeline = Timeline(name)
        self._handles: dict[tuple[str, int], Linked] = {}
        self._open: list[Linked] = []
        self._serial: dict[str, tuple[int, int, Happened]] = {}  # board -> (last, bytes, its line)
        self._addresses: dict[str, Happened] = {}
        self._failed: dict[str, int] = {}

    def _tell(self, at_us: int, who: str, text: str, *boards: str) -> Happened:
        line = Happened(at_us, who, boards or (who,), text)
        self.timeline.happened.append(line)
        return line

    def _board(self, name: str) -> None:
        if name not in self.timeline.boards:
            self.timeline.boards.append(name)

    def take(self, at_us: int, who: str, what: str, detail: str) -> None:
        """One event. ValueError where its details are not what they should be."""
        self.timeline.end_us = max(self.timeline.end_us, at_us)
        if what == "event":
            kind, _, payload = detail.partition(" ")
            self._event(at_us, who, int(kind), bytes.fromhex(payload))
        else:
            getattr(self, f"_{what}")(at_us, who, detail)

    def _power(self, at_us: int, who: str, detail: str) -> None:
        self._board(who)
        spans = self.timeline.powered.setdefault(who, [])
        if detail == "on":
            spans.append([at_us, -1])
            self._tell(at_us, who, "power on" if len(spans) == 1 else "power on again")
            return
        if spans:
            spans[-1][1] = at_us
        for link in [link for link in self._open if who in (link.central, link.peripheral)]:
            self._close(link, at_us)
        if detail != "end":
            self._tell(at_us, who, {"reset": "restarts", "died": "its process died"}.get(detail, "power off"))

    def _address(self, at_us: int, who: str, detail: str) -> None:
        text = "has the address " + ":".join(detail[at : at + 2] for at in range(2, len(detail), 2))
        last = self._addresses.get(who)
        if last is not None and at_us - last.at_us < 1_000:
            last.text = text  # the factory's address, which it had for a moment
        else:
            self._addresses[who] = self._tell(at_us, who, text)

    def _connected(self, at_us: int, who: str, detail: str) -> None:
        link = Linked(who, detail, at_us)
        self.timeline.links.append(link)
        self._open.append(link)

    def _disconnected(self, at_us: int, who: str, detail: str) -> None:
        for link in self._open:
            if (link.central, link.peripheral) == (who, detail):
                self._close(link, at_us)
                return

    def _close(self, link: Linked, at_us: int) -> None:
        link.end_us = at_us
        self._open.remove(link)

    def _stopped(self, at_us: int, who: str, detail: str) -> None:
        self._tell(at_us, who, f"its program ended{': ' + detail if detail else ''}")

    def _note(self, at_us: int, who: str, detail: str) -> None:
        self._tell(at_us, who, detail)

    def _plugs(self, at_us: int, who: str, detail: str) -> None:
        self.timeline.hosts[who] = detail
        self._tell(at_us, who, f"plugs into {detail}", detail)

    def _unplugs(self, at_us: int, who: str, detail: str) -> None:
        board = self.timeline.hosts.get(who, "")
        self._tell(at_us, who, f"unplugs from {board}", board)

    def _writes(self, at_us: int, who: str, detail: str) -> None:
        to, _, text = detail.partition(": ")
        board = self.timeline.hosts.get(who, "")
        self.timeline.letters.append(Written(len(self.timeline.letters) + 1, who, to, text, at_us, board))
        self._tell(at_us, who, f"writes to {to}: “{text}”", board)

    def _reads(self, at_us: int, who: str, detail: str) -> None:
        sender, _, text = detail.partition(": ")
        board = self.timeline.hosts.get(who, "")
        after = ""
        for letter in self.timeline.letters:
            if letter.read_us is None and (letter.to, letter.text) == (who, text):
                letter.read_us, letter.read_board = at_us, board
                after = f", after {(at_us - letter.written_us) / 1e6:.1f} s"
                break
        self._tell(at_us, who, f"reads from {sender}: “{text}”{after}", board)

    def _knows(self, at_us: int, who: str, detail: str) -> None:
        self.timeline.knows.setdefault(who, []).append((at_us, int(detail)))
        self._tell(at_us, who, f"says that it knows {detail} letter{'' if detail == '1' else 's'}")

    def _event(self, at_us: int, who: str, kind: int, payload: bytes) -> None:
        handle = int.from_bytes(payload[:2], "little")
        if kind == CONNECTED:
            central = payload[2] == CENTRAL
            for link in self._open:
                if who == (link.central if central else link.peripheral):
                    self._handles[who, handle] = link  # the newest that is open
        elif kind == DISCONNECTED and handle == _NO_CONNECTION:
            self._failed[who] = self._failed.get(who, 0) + 1
            self._tell(at_us, who, f"a call failed ({self._failed[who]} so far)")
        elif kind == PDU_IN and (who, handle) in self._handles:
            link = self._handles[who, handle]
            way = 0 if who == link.peripheral else 1
            link.packets[way] += 1
            link.bytes[way] += len(payload) - 2
        elif kind == SERIAL_IN:
            last, count, line = self._serial.get(who, (at_us - _SERIAL_PAUSE_US, 0, None))
            if line is None or at_us - last >= _SERIAL_PAUSE_US:
                count, line = 0, self._tell(at_us, who, "")
            count += len(payload)
            line.text = f"{count:,} bytes from its host"
            self._serial[who] = (at_us, count, line)

    def done(self) -> Timeline:
        """The whole, in the order of time."""
        for link in self.timeline.links:
            length = "is linked to the end" if link.end_us is None else f"{_seconds(link)} s"
            there, back = link.packets
            self._tell(
                link.start_us,
                link.central,
                f"calls {link.peripheral}: {length}, {there} packet{'' if there == 1 else 's'} there"
                f" and {back} back, {sum(link.bytes):,} bytes",
                link.central,
                link.peripheral,
            )
        self.timeline.happened.sort(key=lambda line: line.at_us)
        return self.timeline


def _seconds(link: Linked) -> str:
    return f"{((link.end_us or 0) - link.start_us) / 1e6:.1f}"


def read(path: Path) -> Timeline:
    """Read a trace file. TraceError where it is none."""
    reader = _Reader(path.name)
    try:
        with path.open() as file:
            for number, line in enumerate(file, 1):
                found = _LINE.fullmatch(line.rstrip("\n"))
                try:
                    if found is None:
                        raise ValueError
                    reader.take(int(found[1]), found[2], found[3], found[4])
                except (ValueError, IndexError):
                    raise TraceError(f"{path} is no trace: line {number} is no event of a lab.") from None
    except OSError as error:
        raise TraceError(f"{path} cannot be read ({(error.strerror or '').lower()}).") from None
    except UnicodeDecodeError:
        raise TraceError(f"{path} is no trace, but a file of another kind.") from None
    if not reader.timeline.boards:
        raise TraceError(f"{path} is no trace: no board is in it.")
    return reader.done()


def clock(at_us: int) -> str:
    """Hours, minutes, seconds and milliseconds."""
    seconds, rest = divmod(at_us, 1_000_000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest // 1000:03}"


def lines(timeline: Timeline, start_us: int, end_us: int, boards: Iterable[str]) -> list[str]:
    """The text: time, who, what."""
    wanted = set(boards)
    width = max(len(name) for name in [*timeline.boards, *timeline.hosts])
    return [
        f"{clock(line.at_us):>13}  {line.who:{width}}  {line.text}"
        for line in timeline.happened
        if start_us <= line.at_us <= end_us and (not wanted or wanted & set(line.boards))
    ]
