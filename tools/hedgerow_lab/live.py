"""A lab on the wall clock: its boards, their ports, and what others steer while it runs."""

import hashlib
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from hedgerow_core import beacon
from hedgerow_lab.clock import RealClock
from hedgerow_lab.control import Control
from hedgerow_lab.folder import Folder, LiveError, write_private
from hedgerow_lab.ports import Port
from hedgerow_lab.scenario import Event, Scenario
from hedgerow_lab.world import Lab, find_aioble

_PATIENCE_S = 5.0  # a board that computes longer than this hangs
_FOR_EVER_US = 1 << 62
_STEERED = {"power_off": 1, "power_on": 1, "cut": 2, "hear": 2, "drop": 2}
_EVENTS = {"power_off": "power_off", "power_on": "power_on", "deafen": "cut", "hear": "hear", "drop": "drop"}


@dataclass(frozen=True)
class Address:
    """Where a board's serial port is, and the file with the pairing key (hex) that it asks for."""

    board: str
    pty: str
    tcp: str
    pairing_key_file: str

    def as_json(self) -> dict[str, str]:
        """For one line."""
        return asdict(self)


def _say(sentence: str) -> None:
    with suppress(OSError):
        print(f"hedgerow-lab: {sentence}", file=sys.stderr, flush=True)


def ignored(scenario: Scenario) -> list[str]:
    """What of a scenario a lab in real time leaves to people and their commands."""
    found = [name for name in ("hosts", "contacts", "letters") if getattr(scenario, name)]
    if any(value is not None for value in asdict(scenario.holds).values()):
        found.append("holds")
    return found + sorted({event.do for event in scenario.events if event.do not in _EVENTS})


def world(scenario: Scenario, seed: int, folder: Folder, clock: RealClock) -> tuple[Lab, dict[str, bytes]]:
    """The boards of a scenario and their pairing keys; the keys stay with the folder, as the flash does."""
    secret = folder.secret()

    def key(kind: str, name: str) -> bytes:
        return hashlib.sha256(secret + f"{kind} {name}".encode()).digest()

    lab = Lab(seed, workdir=folder.path, aioble=find_aioble(), clock=clock)
    keys = {}
    try:
        for board in scenario.boards:
            keys[board.name] = key("pairing", board.name)
            settings: dict[str, object] = {
                "name": board.name,
                "mesh_key": key("mesh", board.mesh),
                "pairing_key": keys[board.name],
                **board.extras(),
            }
            made = lab.add_board(board.name, settings=settings, power_on_ms=board.power_on_ms)
            made.machine.battery_uv = board.battery_uv
        for a, b in scenario.links:
            lab.hear(a, b, loss=scenario.loss)
    except BaseException:
        lab.close()
        raise
    return lab, keys


class Live:
    """Opens ports for all boards of ``lab``, whose clock is ``clock``; ``close`` ends ports and boards."""

    def __init__(
        self, lab: Lab, keys: dict[str, bytes], folder: Folder, clock: RealClock, title: str, loss: float
    ) -> None:
        self.lab = lab
        self.addresses: list[Address] = []
        self._title = title
        self._loss = loss
        self._folder = folder
        self._clock = clock
        self._ports: dict[str, Port] = {}
        self._known: dict[str, int] = {}
        self._control: Control | None = None
        try:
            for name, board in lab.boards.items():
                board.on_death = partial(self._died, name)
                board.patience_s = _PATIENCE_S
                path = folder.file(name, "key")
                write_private(path, keys[name].hex().encode() + b"\n")
                port = self._ports[name] = Port(clock, lab.serial(name), folder.file(name, "tty"))
                self.addresses.append(Address(name, str(port.link), port.tcp_url, str(path)))
            self._control = Control(clock, folder.control, self.answer)
        except BaseException:
            self.close()
            raise
        lab.air.advert_watchers.append(self._heard)

    def _died(self, name: str, reason: str) -> None:
        _say(f"{reason} `hedgerow-lab power on {name}` starts it again.")

    def _heard(self, board: str, data: bytes) -> None:
        if beacon.is_ours(data):
            self._known[board] = data[14] << 8 | data[15]

    def plan(self, events: list[Event]) -> None:
        """Let the events of a scenario happen; those of hosts are left out."""

        def do(event: Event) -> None:
            boards = event.boards or [event.board]
            self.steer(_EVENTS[event.do], boards)
            if event.every_ms is not None:
                self.lab.at(self.lab.now_ms + event.every_ms, partial(do, event))

        for event in events:
            if event.do in _EVENTS:
                self.lab.at(event.at_ms, partial(do, event))

    def run(self, stop: Callable[[], bool]) -> None:
        """Let it run until ``stop`` says so."""
        self._clock.run_until(_FOR_EVER_US, stop)

    # Steering

    def steer(self, what: str, boards: list[str]) -> str:
        """Do it; a sentence that says what is so now. LiveError where it cannot be."""
        for name in boards:
            if name not in self.lab.boards:
                known = ", ".join(self.lab.boards)
                raise LiveError(f"There is no board called {name!r}: there are {known}.")
        if what != "move" and len(boards) != _STEERED.get(what):
            raise LiveError("That is no request.")
        if len(set(boards)) != len(boards):
            raise LiveError(f"{boards[0]} and itself are one board: name others.")
        name, others = boards[0], boards[1:]
        if what == "power_off":
            self.lab.power_off(name)
            self._known.pop(name, None)
            return f"{name} is off."
        if what == "power_on":
            self.lab.power_on(name)
            if self.lab.boards[name].dead:
                raise LiveError(f"{name} ended at once; its log is {self.lab.boards[name].log_path}.")
            return f"{name} is on."
        if what == "hear":
            self.lab.hear(name, others[0], loss=self._loss)
            return f"{name} and {others[0]} hear each other."
        if what == "cut":
            self.lab.deafen(name, others[0])
            return f"{name} and {others[0]} do not hear each other."
        if what == "drop":
            self.lab.link_drop(name, others[0])
            return f"{name} and {others[0]} lost their connection."
        for other in self.lab.boards:
            self.lab.deafen(name, other)
        for other in others:
            self.lab.hear(name, other, loss=self._loss)
        return f"{name} hears {', '.join(others)}." if others else f"{name} hears nobody."

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What the control socket answers."""
        what, boards = asked.get("do"), asked.get("boards", [])
        if what == "status":
            return self.status()
        names = isinstance(boards, list) and boards and all(isinstance(name, str) for name in boards)
        if not names or (what != "move" and what not in _STEERED):
            raise LiveError("That is no request.")
        return {"said": self.steer(str(what), boards)}

    def status(self) -> dict[str, Any]:
        """Everything that is so now; "known" is how many letters a board's beacon says it knows."""
        boards = []
        for address in self.addresses:
            name = address.board
            board = self.lab.boards[name]
            boards.append(
                {
                    **address.as_json(),
                    "power": "dead" if board.dead else "on" if board.powered else "off",
                    "hears": sorted(a for a, b in self.lab.air.hears if b == name),
                    "connected": sorted(o for o in self.lab.boards if o != name and self.lab.linked(name, o)),
                    "client": self._ports[name].client,
                    "known": self._known.get(name),
                    "wakes": board.wakes,
                    "log": str(board.log_path),
                }
            )
        return {
            "title": self._title,
            "run_dir": str(self._folder.path),
            "up_ms": self.lab.now_ms,
            "late_ms": self._clock.late_us // 1000,
            "boards": boards,
            "counters": self.lab.counters,
        }

    def close(self) -> None:
        """Close the ports, end the boards."""
        if self._control is not None:
            self._control.close()
        for port in self._ports.values():
            port.close()
        self.lab.close()
