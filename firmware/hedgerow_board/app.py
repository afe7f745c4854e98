"""The board: shelf, carrier, cable and radio put together."""

import asyncio
import gc
import os
import sys
import time

import machine
from esp32 import NVS

from hedgerow_board import trial, watchdog
from hedgerow_board.ble import Radio
from hedgerow_board.journal import Journal
from hedgerow_board.line import Alarm
from hedgerow_board.settings import SAVER
from hedgerow_board.shelving import open_shelf
from hedgerow_board.watchdog import Watchdog
from hedgerow_board.wire import Wire
from hedgerow_core import beacon, counts, limits, service
from hedgerow_core.admission import Admission
from hedgerow_core.carrier import Carrier
from hedgerow_core.envelope import decode
from hedgerow_core.errors import HedgerowError
from hedgerow_core.mac import hmac_sha256
from hedgerow_core.manage import GUEST, OWNER
from hedgerow_core.package import mark_of
from hedgerow_core.session import INITIATOR, MESH, PAIR, Session

_ROUND_MS = 5_000
_EMPTY_UV = 3_300_000  # of a cell of lithium
_FULL_UV = 4_200_000
_EXPIRE_MS = 60_000
_SEEK_MS = 30_000
_WELL_MS = 10 * 60_000  # without trouble, or in safe mode
_CALM_MS = 20_000  # before another start where even safe mode ends badly
_GARBAGE_BYTES = 4_096  # that are collected at the latest: more leave no large piece of a small heap free
_ROOM_MS = 1_500  # in which links that are given up leave the heap
_TRIES = 3  # of a host's question for which there was no room at first


class Board:
    """What the tasks of a board share."""

    def __init__(self, settings: object, seed: bytes, damage: int, journal: Journal, dog: Watchdog) -> None:
        self.settings = settings
        self.journal = journal
        self.damage = damage
        self.dog = dog
        self.now = journal.now
        self.lines: list = []
        self.alarm = Alarm(self)
        self.probes: list = []  # (hedgerow_core.probe)
        self.moved = self.now()  # when something new came
        # Before the shelf: what aioble takes of the heap is no room for letters. In safe mode there is the
        # cable only: what ended the last starts is most likely in the rest.
        self.radio = None if journal.safe or journal.quiet else Radio(self)
        self.update: list | None = None  # (hedgerow_board.update)
        # The head of an update that is to be installed: there are no links to neighbours then, for it needs
        # the heap; and whether there was too little all the same.
        self.whole = journal.quiet[: limits.ID_BYTES]
        self.quiet = trial.WAITING if journal.quiet else 0
        self.short = False
        self.trial = journal.trial  # whether this firmware has still to show that it runs well
        self._mark = mark_of(settings.mesh_key)
        self._marked = 0  # where to look for it on the shelf
        self._seed = seed
        self._sessions = 0
        self._wire = Wire(self)
        self.shelf = open_shelf(self)
        self.shelf.admission = Admission(self.shelf.max_bytes)
        self.shelf.caught = len(settings.care_key) > 0  # maybe: what came may not have run yet
        self._keys: list = []  # of the pairings that hold now
        self._guests: list = []  # those of them that are no owner's
        self.renew()
        standing = 0 if settings.profile == SAVER else limits.STANDING_LINKS
        self.carrier = Carrier(self.beacon_id(), self.now(), standing)
        self.counts = self.carrier.counts = self.shelf.counts
        if settings.sleep_cycle:
            # Whose clocks differ do not meet in their sleep.
            woke = journal.cause == machine.DEEPSLEEP_RESET
            self.carrier.seek_until = self.now() + (_SEEK_MS if woke else limits.M_WAIT_MINUTES * 60_000)

    def session(self, role: int) -> Session:
        """A session for a new link: we call boards of our mesh, a host or a board may call us."""
        keys = {MESH: self.settings.mesh_key}
        if role != INITIATOR:
            keys[PAIR] = self._keys
        self._sessions += 1
        # The generator is weak while the radio is off, so it is not trusted alone.
        counters = self.journal.starts.to_bytes(4, "big") + self._sessions.to_bytes(4, "big")
        chance = hmac_sha256(self._seed, counters + os.urandom(16))
        return Session(role, keys, chance, self.now(), self._guests)

    def beacon_id(self) -> bytes:
        """A new one."""
        return beacon.new_id(self.settings.finding, os.urandom(6))

    def minute(self) -> int:
        """M, as far as it is known."""
        return self.time.clock.minute(self.now())

    def rights(self, line: object) -> int:
        """What the pairing of the host on ``line`` may do; -1 where it is over, or there is none."""
        minute = self.minute()
        for rights, expires, key in self.settings.pairings:
            if key == line.link.session.pairing and not 0 < expires <= minute:
                return rights
        return -1

    def renew(self) -> bool:
        """Pairings came, went or are over: others open links from now on. Whether some are over."""
        minute = self.minute()
        hold = [pairing for pairing in self.settings.pairings if not 0 < pairing[1] <= minute]
        self._keys[:] = [key for _, _, key in hold]
        self._guests[:] = [key for rights, _, key in hold if rights != OWNER]
        return len(hold) < len(self.settings.pairings)

    def part(self) -> None:
        """End the links of pairings that do not hold any more."""
        for line in self.lines:
            if line.link.kind == PAIR and line.link.session.pairing not in self._keys:
                line.lost()

    def changed(self) -> None:
        """The shelf has something new: tell everybody."""
        self.moved = self.now()
        self.carrier.changed(self.moved)
        for line in self.lines:
            line.push()
        if self.radio is not None:
            self.radio.refresh()

    def post(self, letter: bytes) -> None:
        """Put a letter of our own onto the shelf."""
        self.shelf.put(decode(letter), self.now())

    def battery(self) -> int:
        """Percent and one, by the voltage behind a divider; 0 where there is none."""
        pin = self.settings.battery_pin
        if pin < 0:
            return 0
        try:
            adc = machine.ADC(pin, atten=machine.ADC.ATTN_11DB)
            cell_uv = adc.read_uv() * self.settings.battery_ratio // 100
        except (ValueError, OSError):
            return 0  # settings may name a pin that this chip does not have
        return min(max((cell_uv - _EMPTY_UV) * 100 // (_FULL_UV - _EMPTY_UV), 0), 100) + 1

    def look(self) -> int:
        """Bytes of heap that are free after a collection; the least of them is kept."""
        gc.collect()
        free = gc.mem_free()
        if not 0 < self.counts[counts.LOW_WATER] <= free:
            self.counts[counts.LOW_WATER] = free
        return free

    def aside(self, name: str, line: object, message: bytes, tries: int = _TRIES, found: bytes = b"") -> None:
        """Let a module that is seldom needed answer a message; then it leaves the heap. For a host there are
        more ``tries``; what is ``found`` is only to be said."""
        short = False
        gc.collect()  # its code lies in the heap: in the way of what stays, where that comes later
        try:
            if not found:
                whole = "hedgerow_board." + name
                found = __import__(whole, None, None, (name,)).answer(self, line, message)
            if found:
                line.link.service(found)
        except MemoryError:
            self.counts[counts.NO_MEMORY] += 1
            short = True
        except Exception as error:
            # The flash is full, or refuses, most likely: the rest goes on.
            self.journal.note(name + ": " + repr(error))
        # Where the memory ended within the import, it may be there in part.
        self.forget(name)
        asked = name in ("remote", "update") if line is None else line.link.kind == PAIR
        if short and tries and asked:
            gc.collect()
            self._make_room(name, line, message, tries - 1, found)

    def _make_room(self, name: str, line: object, message: bytes, tries: int, found: bytes) -> None:
        """Links to neighbours give way to what a host asks, or an update; they come back by themselves."""
        for other in self.lines:
            if other.link.kind == MESH:
                other.lost()
        try:
            asyncio.create_task(self._again(name, line, message, tries, found))
        except MemoryError:
            pass  # the host asks again

    async def _again(self, name: str, line: object, message: bytes, tries: int, found: bytes) -> None:
        await asyncio.sleep_ms(_ROOM_MS)
        gc.collect()
        if line is None or line.link.established:
            self.aside(name, line, message, tries, found)
            if line is not None:
                line.wake()

    def forget(self, name: str) -> None:
        """A module that is seldom needed leaves the heap."""
        whole = "hedgerow_board." + name
        package = sys.modules["hedgerow_board"]
        if whole in sys.modules:
            del sys.modules[whole]
        if hasattr(package, name):
            delattr(package, name)

    def condition(self) -> bytes:
        """How the board is, as STATUS_IS has it."""
        free = self.look()
        shelf = self.shelf
        damage = self.damage
        if damage == service.SOUND and shelf.damaged:
            damage = service.SHELF_RECORDS
        numbers = (
            shelf.count(),
            shelf.known_count(),
            shelf.held_bytes(),
            shelf.load(),
            self.journal.uptime_s(),
            free,
            self.journal.starts,
            len(self.carrier.neighbours(self.now())),
            len(self.lines),
            damage,
            1 if self.journal.safe else 0,
            self.counts[counts.NO_MEMORY],
            shelf.proof_count(),
        )
        return service.encode_status(numbers, self.settings.name)

    def serve(self, line: object, message: bytes) -> None:
        """Answer a service message of a paired host."""
        kind = message[0]
        if kind == service.MANAGE:
            self.aside("manage", line, message)
        elif self.rights(line) in (OWNER, GUEST):
            if kind == service.STATUS:
                if line.link.established:  # what came behind the question may have ended it
                    line.link.service(self.condition())
            else:
                name = "view" if kind < service.TRACE else "trace"
                if kind < service.COUNTS or kind == service.FINDING:
                    name = "care"
                elif kind == service.UPDATE:
                    name = "update"
                self.aside(name, line, message)

    async def keep(self) -> None:
        """Look after the tasks, and let old envelopes go."""
        started = self.now()
        expire = started + _EXPIRE_MS
        while True:
            await asyncio.sleep_ms(_ROUND_MS)
            now = self.now()
            if not self._wire.waits():
                self.dog.passed(watchdog.WIRE, now)
            stuck = self.dog.check(now)
            if stuck:
                # The watchdog has the rest.
                self.journal.note(stuck + " is stuck")
            if now - started >= _WELL_MS:
                self.journal.well()
                if self.journal.safe and not self.quiet:
                    machine.reset()
            self.look()
            if self.probes:
                self.aside("trace", None, b"")
            if self.quiet == trial.WAITING:
                self.aside("install", None, b"")
                self.short = self.quiet == trial.WAITING
            if self.short or (self.journal.quiet and not self.quiet):
                self._restart()
            if self.shelf.caught and self.time.clock.certain:
                self.aside("remote", None, b"")
            if now >= expire:
                expire = now + _EXPIRE_MS
                self._each_minute(now)
            cycle = self.settings.sleep_cycle
            if cycle and not self.trial and self.minute() % cycle >= self.settings.sleep_awake:
                self.aside("sleep", None, b"")

    def _restart(self) -> None:
        """Into a start without radio, for what needs most heap; or out of one."""
        self.short = False
        self.quiet = 0
        if not self.journal.quiet:
            met = self.counts[counts.MET] or self.carrier.neighbours(self.now())
            try:
                self.journal.store.set_blob("quiet", self.whole + (b"\1" if met else b"\0"))
                self.journal.store.commit()
            except OSError:
                return
        machine.reset()

    def _each_minute(self, now: int) -> None:
        clock = self.time.clock
        clock.tick(now)
        over = self.renew()
        self.part()
        if self.settings.next_key and clock.certain and clock.minute(now) >= self.settings.next_at:
            self.aside("manage", None, b"")
        if over and clock.certain:
            self.aside("manage", None, b"\0")
        if self.shelf.expire(now) and self.radio is not None:
            self.radio.refresh()
        if clock.checkpoint_due(now):
            clock.checkpointed(now)
            try:
                self.shelf.checkpoint(now)
            except HedgerowError as error:
                self.journal.note(str(error))
        self.time.save(now)
        if self.trial:
            self.aside("judge", None, b"")
        elif self._update_here():
            self.aside("update", None, b"")

    def _update_here(self) -> bool:
        """Whether there is a head of an update. Some looks at a time: letters may begin as it does."""
        for _ in range(limits.UPDATE_HEADS):
            after, found = self.shelf.marked(self._mark, self._marked)
            if found is not None:
                self._marked = after - 1
                return True
            self._marked = max(after, 0)
            if not self._marked:
                break
        return False

    async def run(self) -> None:
        """Until the escape on the cable."""
        tasks = [asyncio.create_task(self.keep()), asyncio.create_task(self.alarm.run())]
        if self.radio is not None:
            tasks.append(asyncio.create_task(self.radio.run()))
        await self._wire.run()
        for task in tasks:
            task.cancel()
        if self.radio is not None:
            await self.radio.stop()


async def main() -> None:
    """Run until the escape on the cable. What goes wrong is written down, and the board starts afresh: what
    is acknowledged is on the flash."""
    # Collecting long before the heap is full keeps it from being cut into small pieces; most of all here,
    # where what stays is made beside much that does not.
    gc.collect()
    gc.threshold(_GARBAGE_BYTES)
    from hedgerow_board.start import begin

    settings, seed, damage, journal = begin(NVS("hedgerow"), Journal)
    begin = None
    if settings is None:
        return
    dog = Watchdog()

    def died(loop: object, context: dict) -> None:
        sys.print_exception(context["exception"])
        journal.trouble(context["exception"])
        if journal.safe:
            time.sleep_ms(_CALM_MS)
        machine.reset()

    asyncio.get_event_loop().set_exception_handler(died)
    try:
        # What was needed for the start leaves the heap.
        del sys.modules["hedgerow_board.start"]
        delattr(sys.modules["hedgerow_board"], "start")
        gc.collect()
        board = Board(settings, seed, damage, journal, dog)
        gc.collect()
        gc.threshold(max(_GARBAGE_BYTES, gc.mem_free() // 8))
        await board.run()
    except Exception as error:
        died(None, {"exception": error})
    finally:
        dog.rest()
    print("Hedgerow has stopped; a reset starts it again.")
