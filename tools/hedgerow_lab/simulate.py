"""Runs a scenario and measures it."""

import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from hedgerow.events import Event as Happened
from hedgerow.events import Received
from hedgerow_core import beacon
from hedgerow_lab.behaviours import maker
from hedgerow_lab.clock import Clock
from hedgerow_lab.courier import Courier, key
from hedgerow_lab.hostile import Hostile
from hedgerow_lab.person import Person
from hedgerow_lab.scenario import Event, Letters, Scenario, ScenarioError, delivered_share
from hedgerow_lab.world import BOARD_HEAP_BYTES, Lab, find_aioble, find_micropython

_HEAP_BYTES_A_LETTER = 400
_SETTLED_MS = 10_000  # beacons are looked at from here on
_HOUR_MS = 3_600_000
_LOOK_MS = 6_000  # how long somebody looks at what a board has


@dataclass
class Result:
    """What came out; times in the units that the names say."""

    sent: int
    delivered: int
    duplicates: int
    latency_ms: dict[str, int | None]
    simulated_s: float
    wall_s: float
    trace_sha256: str
    aioble: str
    interpreter: str
    beacon_gap_ms: int | None = None
    noticed_ms: int | None = None
    air: dict[str, int] = field(default_factory=dict)
    members: dict[str, dict[str, int]] = field(default_factory=dict)  # hostile ones -> what they did
    bodies: dict[str, int] = field(default_factory=dict)  # board -> letters left, where that was looked at
    failed: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """For the one line."""
        return asdict(self)


@dataclass
class _Letter:
    sender: str
    to: str
    sent_ms: int
    arrived_ms: int | None = None
    copies: int = 0


def interpreter_name(path: Path) -> str:
    """ "MicroPython" and its version."""
    source = "import sys; print('.'.join(str(n) for n in sys.implementation.version[:3]))"
    done = subprocess.run([path, "-c", source], capture_output=True, text=True, check=False)
    return "MicroPython " + done.stdout.strip()


class Simulation:
    """One run of one scenario. ``close`` ends the boards' processes."""

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        workdir: Path,
        trace: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.scenario = scenario
        self.lab = Lab(seed, workdir=workdir, aioble=find_aioble(), trace=trace, clock=clock)
        self.people: dict[str, Person] = {}
        self.letters: dict[str, _Letter] = {}
        self.did: dict[str, Counter[str]] = {}  # hostile member -> what it did, how often
        self.known: dict[str, int] = {}  # board -> how many ids it says it knows
        self._beacon_ms: dict[str, int] = {}
        self._gap_ms = 0
        self._before: dict[str, int] = {}
        self._seed = seed
        self._put_ms: int | None = None
        self._unaware: set[str] = set()
        self._noticed_ms: int | None = None
        self._started = time.monotonic()
        self.lab.air.advert_watchers.append(self._heard)
        for board in scenario.boards:
            settings: dict[str, object] = {
                "name": board.name,
                "mesh_key": key("mesh", board.mesh),
                "pairing_key": key("pairing", board.name),
                "shelf_count": board.shelf_count,
                **board.extras(),
            }
            heap_bytes = BOARD_HEAP_BYTES + board.shelf_count * _HEAP_BYTES_A_LETTER
            made = self.lab.add_board(
                board.name, settings=settings, power_on_ms=board.power_on_ms, heap_bytes=heap_bytes
            )
            made.machine.battery_uv = board.battery_uv
        for a, b in scenario.links:
            self.lab.hear(a, b, loss=scenario.loss)
        for member in scenario.members:
            did = self.did[member.name] = Counter()
            script = maker(member.does, member.name, seed, did)
            mesh_key = key("mesh", member.mesh)
            Hostile(self.lab, member.name, mesh_key, seed, script, member.at_ms, member.until_ms)
            for board_name in member.hears:
                self.lab.hear(member.name, board_name, loss=scenario.loss)
        for host in scenario.hosts:
            self.add_person(host.name)
            pairing_key = key("pairing", host.pairing or host.board)
            self.lab.at(host.plug_ms, partial(self._plug, host.name, host.board, pairing_key))
        for meeting in scenario.contacts:
            self.lab.at(meeting.at_ms, partial(self.introduce, *meeting.of))
        for letters in scenario.letters:
            self._plan_letters(letters)
        for event in scenario.events:
            self._plan_event(event)

    @property
    def aioble(self) -> str:
        """Which aioble the boards run: "real" or "stand-in"."""
        return "stand-in" if self.lab.aioble is None else "real"

    def _plug(self, host: str, board: str, pairing_key: bytes) -> None:
        self.lab.note(host, "plugs", board)
        self.people[host].plug(board, pairing_key)

    def add_person(self, name: str) -> Person:
        """One more host; its cable lies on the table."""
        person = Person(self.lab, name, self.lab.workdir / "hosts" / name, self._seed)
        person.on_event = partial(self._happened, name)
        self.people[name] = person
        return person

    def introduce(self, inviter: str, adder: str) -> None:
        """An invite from one host to another, by hand; the request then goes through the mesh."""
        uri = self.people[inviter].node.invite(self.people[inviter].unix_ms)
        self.people[adder].node.add(uri, self.people[adder].unix_ms)
        self.people[adder].changed()

    def _plan_letters(self, letters: Letters) -> None:
        for number in range(letters.count):
            sender, to = letters.sender, letters.to
            if letters.both_ways and number % 2:
                sender, to = to, sender
            at = letters.at_ms + number * letters.every_ms
            self.lab.at(at, partial(self.write, sender, to, f"letter {number + 1} from {sender} to {to}"))

    def write(self, sender: str, to: str, text: str) -> None:
        """Send a letter and wait for it."""
        now = self.lab.now_ms
        self.letters[text] = _Letter(sender, to, now)
        self._before = dict(self.known)
        self._unaware = set(self.lab.boards)
        self._put_ms = now
        self.lab.note(sender, "writes", f"{to}: {_one_line(text)}")
        self.people[sender].node.send(to, text, self.people[sender].unix_ms)
        self.people[sender].changed()

    def _plan_event(self, event: Event) -> None:
        lab = self.lab
        if event.do == "blackouts":
            self._plan_blackouts(event)
            return

        def do() -> None:
            if event.do == "lie":
                lab.note(event.host, "lies", f"{event.count} proofs")
                self.people[event.host].lie(event.count)
            elif event.do == "power_off":
                lab.power_off(event.board)
                self._beacon_ms.pop(event.board, None)
            elif event.do == "power_on":
                lab.power_on(event.board)
            elif event.do == "plug":
                self._plug(event.host, event.board, key("pairing", event.board))
            elif event.do == "unplug":
                lab.note(event.host, "unplugs", "")
                self.people[event.host].unplug()
            elif event.do == "drop":
                lab.link_drop(*event.boards)
            elif event.do == "deafen":
                lab.deafen(*event.boards)
            else:
                lab.hear(event.boards[0], event.boards[1], loss=self.scenario.loss)
            if event.every_ms is not None:
                lab.at(lab.now_ms + event.every_ms, do)

        lab.at(event.at_ms, do)

    def _plan_blackouts(self, event: Event) -> None:
        """Each board loses its power at random moments, as often as ``every`` says on the average."""
        dice = random.Random(f"blackouts {self._seed}")
        until = self.scenario.duration_ms if event.until_ms is None else event.until_ms
        for board in self.scenario.boards:
            at = event.at_ms
            while True:
                at += round(dice.expovariate(1 / (event.every_ms or _HOUR_MS)))
                back = at + dice.randrange(1_000, max(event.longest_ms, 1_001))
                if back >= until:
                    break
                self.lab.at(at, partial(self._power, board.name, False))
                self.lab.at(back, partial(self._power, board.name, True))
                at = back

    def _power(self, board: str, on: bool) -> None:
        if on:
            self.lab.power_on(board)
        else:
            self.lab.power_off(board)
            self._beacon_ms.pop(board, None)

    def bodies(self) -> dict[str, int]:
        """How many letters, proofs aside, each board has; people are unplugged for that."""
        for person in self.people.values():
            person.unplug()
        found = {}
        for board in self.lab.boards:
            courier = Courier(self.lab, board, self._seed)
            self.lab.run_until(self.lab.now_ms + _LOOK_MS)
            courier.ask()
            self.lab.run_until(self.lab.now_ms + _LOOK_MS)
            courier.leave()
            if courier.statuses:
                held, proofs = courier.statuses[-1][0], courier.statuses[-1][12]
                found[board] = held - proofs
        return found

    def _happened(self, who: str, event: Happened, now_ms: int) -> None:
        if isinstance(event, Received):
            self.lab.note(who, "reads", f"{event.name}: {_one_line(event.text)}")
            letter = self.letters.get(event.text)
            if letter is not None and letter.to == who:
                letter.copies += 1
                if letter.arrived_ms is None:
                    letter.arrived_ms = now_ms

    def _heard(self, board: str, data: bytes) -> None:
        if not beacon.is_ours(data) or board not in self.lab.boards:
            return
        now = self.lab.now_ms
        count = data[14] << 8 | data[15]
        last = self._beacon_ms.get(board)
        if last is not None and now > _SETTLED_MS:
            self._gap_ms = max(self._gap_ms, now - last)
        self._beacon_ms[board] = now
        if count != self.known.get(board):
            self.lab.note(board, "knows", str(count))
        self.known[board] = count
        if self._put_ms is not None and board in self._unaware and count > self._before.get(board, 0):
            self._unaware.discard(board)
            if not self._unaware:
                took = now - self._put_ms
                self._noticed_ms = max(self._noticed_ms or 0, took)

    def run(self, progress: Callable[[int], None] = lambda percent: None) -> Result:
        """Let the scenario run to its end; ``progress`` hears of each hundredth."""
        for percent in range(1, 101):
            self.lab.run_until(self.scenario.duration_ms * percent // 100)
            progress(percent)
        for person in self.people.values():
            if person.failure is not None:
                raise ScenarioError(f"{person.name}: {person.failure}")
        return self._result()

    def _result(self) -> Result:
        arrived = [letter for letter in self.letters.values() if letter.arrived_ms is not None]
        took = sorted((letter.arrived_ms or 0) - letter.sent_ms for letter in arrived)
        result = Result(
            sent=len(self.letters),
            delivered=len(took),
            duplicates=sum(max(letter.copies - 1, 0) for letter in self.letters.values()),
            latency_ms={"p50": _percentile(took, 50), "p95": _percentile(took, 95)},
            simulated_s=self.lab.now_ms / 1000,
            wall_s=round(time.monotonic() - self._started, 2),
            trace_sha256=self.lab.trace_sha256(),
            aioble=self.aioble,
            interpreter=interpreter_name(find_micropython()),
            beacon_gap_ms=self._gap_ms or None,
            noticed_ms=None if self._unaware else self._noticed_ms,
            air=self.lab.counters,
            members={name: dict(did) for name, did in self.did.items()},
        )
        holds = self.scenario.holds
        if holds.bodies is not None:
            result.bodies = self.bodies()
            if len(result.bodies) < len(self.lab.boards) or sum(result.bodies.values()) > holds.bodies:
                result.failed.append(f"Letters are left on the boards: {result.bodies}.")
        if holds.delivered is not None and result.delivered < delivered_share(holds.delivered) * result.sent:
            result.failed.append(
                f"{result.delivered} of {result.sent} letters were delivered, not {holds.delivered}."
            )
        if holds.duplicates is not None and result.duplicates > holds.duplicates:
            result.failed.append(f"{result.duplicates} letters came twice.")
        for name, bound in (("beacon_gap_ms", holds.beacon_gap_ms), ("noticed_ms", holds.noticed_ms)):
            value = getattr(result, name)
            if bound is not None and (value is None or value > bound):
                result.failed.append(f"{name} is {value}, not at most {bound}.")
        p95 = result.latency_ms["p95"]
        if holds.latency_p95_ms is not None and (p95 is None or p95 > holds.latency_p95_ms):
            result.failed.append(f"The p95 of the latency is {p95} ms, not at most {holds.latency_p95_ms}.")
        for name, board in self.lab.boards.items():
            if any("Traceback" in line for line in self.lab.log(name)):
                result.failed.append(f"Board {name} printed an error: see {board.log_path}.")
        return result

    def close(self) -> None:
        """End everything; the working folder stays."""
        self.lab.close()
        for person in self.people.values():
            person.node.close()


def _one_line(text: str) -> str:
    """Text as a trace takes it: an event is a line."""
    return " ".join(text.split())


def _percentile(values: list[int], percent: int) -> int | None:
    return values[min(len(values) - 1, len(values) * percent // 100)] if values else None
