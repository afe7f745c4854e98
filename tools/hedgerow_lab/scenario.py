"""Scenario files (TOML): boards, who hears whom, hosts, what is sent, what fails, what must hold."""

import math
import re
import tomllib
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from hedgerow_core.errors import HedgerowError
from hedgerow_lab.behaviours import KINDS

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}


class ScenarioError(HedgerowError):
    """A scenario file that cannot be used; one sentence."""


@dataclass
class Board:
    """A board; ``mesh`` names the neighbourhood whose key it holds. ``trace``: it takes part in probes;
    ``battery_mv``: the voltage of its battery, None where it has none."""

    name: str
    mesh: str = "hedgerow"
    power_on_ms: int | None = None
    shelf_count: int = 300
    trace: bool = False
    battery_mv: int | None = None

    @property
    def battery_uv(self) -> int | None:
        """What its pin measures: half of the voltage."""
        return None if self.battery_mv is None else self.battery_mv * 500

    def extras(self) -> dict[str, object]:
        """Settings that only some boards have."""
        found: dict[str, object] = {"trace": True} if self.trace else {}
        return found if self.battery_mv is None else {**found, "battery_pin": 34}


@dataclass
class Host:
    """A host, plugged into ``board``; ``pairing`` names the board whose pairing key it uses."""

    name: str
    board: str
    plug_ms: int = 3_000
    pairing: str = ""


@dataclass
class Meeting:
    """``of[0]`` makes an invite, ``of[1]`` adds it."""

    of: list[str]
    at_ms: int


@dataclass
class Letters:
    """``count`` letters from one host to another, the first at ``at_ms``, then every ``every_ms``."""

    sender: str
    to: str
    at_ms: int
    count: int = 1
    every_ms: int = 60_000
    both_ways: bool = False


@dataclass
class Event:
    """``do``: power_off, power_on (board), plug, unplug (host, board), drop, deafen, hear (boards), lie
    (host), blackouts (of all boards, off for ``longest`` at most)."""

    do: str
    at_ms: int
    board: str = ""
    host: str = ""
    boards: list[str] = field(default_factory=list)
    every_ms: int | None = None
    until_ms: int | None = None
    longest_ms: int = 60_000
    count: int = 1


@dataclass
class Member:
    """A hostile member in earshot of the boards in ``hears``; ``does`` names its behaviour
    (hedgerow_lab.behaviours), ``mesh`` the neighbourhood whose key it holds."""

    name: str
    does: str
    hears: list[str]
    at_ms: int = 0
    until_ms: int | None = None
    mesh: str = "hedgerow"


@dataclass
class Holds:
    """What must be true in the end; None is not looked at. ``delivered``: "all", or a share like "99.5%"."""

    delivered: str | None = None
    duplicates: int | None = None
    latency_p95_ms: int | None = None
    beacon_gap_ms: int | None = None
    noticed_ms: int | None = None
    bodies: int | None = None


@dataclass
class Scenario:
    """A whole file. ``loss`` is of every packet on the air; ``links`` are the pairs in earshot."""

    title: str
    duration_ms: int
    boards: list[Board]
    links: list[list[str]]
    loss: float = 0.0
    hosts: list[Host] = field(default_factory=list)
    contacts: list[Meeting] = field(default_factory=list)
    letters: list[Letters] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    holds: Holds = field(default_factory=Holds)


_ACTIONS = {
    "power_off": ("board",),
    "power_on": ("board",),
    "plug": ("host", "board"),
    "unplug": ("host",),
    "drop": ("boards",),
    "deafen": ("boards",),
    "hear": ("boards",),
    "lie": ("host",),
    "blackouts": ("every_ms",),
}


def duration_ms(text: object) -> int:
    """Milliseconds of "250ms", "30s", "5m", "1h". ScenarioError for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)", text) if isinstance(text, str) else None
    if found is None:
        raise ScenarioError(f"{text!r} is no duration: write it like 250ms, 30s, 5m or 1h.")
    return round(float(found[1]) * _UNITS_MS[found[2]])


def delivered_share(text: object) -> float:
    """1 for "all", 0.995 for "99.5%". ScenarioError for anything else."""
    found = re.fullmatch(r"(\d{1,2}(?:\.\d+)?)\s*%", text) if isinstance(text, str) else None
    if found is not None:
        return float(found[1]) / 100
    if text == "all":
        return 1
    raise ScenarioError(f'{text!r} is nothing to deliver: write "all", or a share like "99.5%".')


def _take(kind: type[Any], table: object, where: str) -> Any:
    """An instance of a dataclass from a TOML table; durations stand there without the "_ms" of the field."""
    if not isinstance(table, dict):
        raise ScenarioError(f"{where} must be a table.")
    known = {item.name.removesuffix("_ms"): item.name for item in fields(kind)}
    if kind is Letters:
        known["from"] = known.pop("sender")
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise ScenarioError(f"{where} has no {key!r}: it takes {', '.join(sorted(known))}.")
        name = known[key]
        values[name] = duration_ms(value) if name.endswith("_ms") else value
    try:
        return kind(**values)
    except TypeError as error:
        missing = re.findall(r"'(\w+)'", str(error))
        raise ScenarioError(f"{where} lacks {' and '.join(missing)}.") from None


def _tables(data: dict[str, Any], name: str, kind: type[Any]) -> list[Any]:
    found = data.pop(name, [])
    if not isinstance(found, list):
        raise ScenarioError(f"{name} must be a list of tables: [[{name}]].")
    return [_take(kind, table, f"[[{name}]]") for table in found]


def parse(text: str) -> Scenario:
    """Read a scenario. ScenarioError, with one sentence, where it cannot be used."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"This is not TOML: {error}.") from None
    boards = data.pop("boards", None)
    if isinstance(boards, list) and all(isinstance(board, str) for board in boards):
        data["boards"] = [{"name": board} for board in boards]
    elif boards is not None:
        data["boards"] = boards
    for key in ("title", "duration", "boards"):
        if key not in data:
            raise ScenarioError(f"A scenario needs {key!r}.")
    parts = {
        "boards": _tables(data, "boards", Board),
        "hosts": _tables(data, "hosts", Host),
        "contacts": _tables(data, "contacts", Meeting),
        "letters": _tables(data, "letters", Letters),
        "events": _tables(data, "events", Event),
        "members": _tables(data, "members", Member),
    }
    holds = _take(Holds, data.pop("holds", {}), "[holds]")
    if holds.delivered is not None:
        delivered_share(holds.delivered)
    layout = data.pop("layout", None)
    names = [board.name for board in parts["boards"]]
    if layout == "line":
        data["links"] = [list(pair) for pair in pairwise(names)]
    elif layout == "all":
        data["links"] = [[a, b] for at, a in enumerate(names) for b in names[at + 1 :]]
    elif layout == "grid":
        data["links"] = _grid(names)
    elif layout is not None:
        raise ScenarioError('layout is "line", "grid" or "all"; without it, give links.')
    data.setdefault("links", [])
    scenario = _whole(data, parts, holds)
    _check(scenario)
    return scenario


def _grid(names: list[str]) -> list[list[str]]:
    """Each hears those beside it, above and below it and at its corners: up to eight."""
    width = math.isqrt(max(len(names) - 1, 0)) + 1
    spots = {divmod(at, width): name for at, name in enumerate(names)}
    found = []
    for (row, column), name in spots.items():
        for spot in ((row, column + 1), (row + 1, column - 1), (row + 1, column), (row + 1, column + 1)):
            if spot in spots:
                found.append([name, spots[spot]])
    return found


def _whole(data: dict[str, Any], parts: dict[str, list[Any]], holds: Holds) -> Scenario:
    for key in data:
        if key not in ("title", "duration", "links", "loss"):
            raise ScenarioError(f"A scenario has no {key!r}.")
    if not isinstance(data["title"], str):
        raise ScenarioError(f"{data['title']!r} is no title: write a text.")
    loss = data.get("loss", 0.0)
    if isinstance(loss, bool) or not isinstance(loss, int | float) or not 0 <= loss <= 1:
        raise ScenarioError(f"{loss!r} is no loss: it is a share from 0 to 1.")
    return Scenario(
        title=data["title"],
        duration_ms=duration_ms(data["duration"]),
        links=data["links"],
        loss=float(loss),
        holds=holds,
        **parts,
    )


def _check_names(kind: str, names: list[object]) -> None:
    """Each has files of its own, called as it is."""
    for name in names:
        if not isinstance(name, str):
            raise ScenarioError(f"{name!r} is no name of a {kind}: write a text.")
        if not name or name.startswith((".", "-")) or "/" in name or not name.isprintable():
            raise ScenarioError(f"A {kind} called {name!r} cannot have files: give it another name.")
        if names.count(name) > 1:
            raise ScenarioError(f"Two {kind}s are called {name!r}: give one of them another name.")


def _check(scenario: Scenario) -> None:
    if not scenario.boards:
        raise ScenarioError("A scenario needs at least one board.")
    _check_names("board", [board.name for board in scenario.boards])
    _check_names("host", [host.name for host in scenario.hosts])
    _check_names("member", [member.name for member in scenario.members])
    boards = {board.name for board in scenario.boards}
    hosts = {host.name for host in scenario.hosts}

    def known(name: str, kind: str, names: set[str]) -> None:
        if name not in names:
            raise ScenarioError(f"There is no {kind} called {name!r} in this scenario.")

    for pair in scenario.links:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ScenarioError('links are pairs of boards: ["a", "b"].')
        for name in pair:
            known(name, "board", boards)
    for host in scenario.hosts:
        known(host.board, "board", boards)
        if host.pairing:
            known(host.pairing, "board", boards)
    for meeting in scenario.contacts:
        for name in meeting.of:
            known(name, "host", hosts)
    for letters in scenario.letters:
        known(letters.sender, "host", hosts)
        known(letters.to, "host", hosts)
    for member in scenario.members:
        if member.does not in KINDS:
            raise ScenarioError(f"{member.does!r} is nothing to do: it is one of {', '.join(KINDS)}.")
        if member.name in boards:
            raise ScenarioError(f"A member and a board are both called {member.name!r}.")
        for name in member.hears:
            known(name, "board", boards)
    for event in scenario.events:
        if event.do not in _ACTIONS:
            raise ScenarioError(f"{event.do!r} is nothing to do: it is one of {', '.join(_ACTIONS)}.")
        for name in _ACTIONS[event.do]:
            if not getattr(event, name):
                raise ScenarioError(f"The event {event.do} needs {name.removesuffix('_ms')!r}.")
        if event.board:
            known(event.board, "board", boards)
        if event.host:
            known(event.host, "host", hosts)
        for name in event.boards:
            known(name, "board", boards)


def load(path: Path) -> Scenario:
    """Read a scenario file."""
    try:
        return parse(path.read_text())
    except OSError as error:
        raise ScenarioError(f"{path} cannot be read ({(error.strerror or '').lower()}).") from None
    except UnicodeDecodeError:
        raise ScenarioError(f"{path} is not a text file.") from None
    except ScenarioError as error:
        raise ScenarioError(f"{path}: {error}") from None
