"""The board: shelf, carrier, cable and radio put together."""

import asyncio
import gc
import os
import sys
import time

import machine

from hedgerow_board import letters, watchdog
from hedgerow_board.ble import Radio
from hedgerow_board.journal import Journal
from hedgerow_board.watchdog import Watchdog
from hedgerow_board.wire import Wire
from hedgerow_core import service
from hedgerow_core.carrier import Carrier
from hedgerow_core.mac import hmac_sha256
from hedgerow_core.session import INITIATOR, MESH, PAIR, Session

_ROUND_MS = 5_000
_EXPIRE_MS = 60_000
_WELL_MS = 10 * 60_000  # without trouble, or in safe mode
_LAST_WORDS_MS = 500  # for an answer to reach the host before the board restarts
_CALM_MS = 20_000  # before another start where even safe mode ends badly


class Board:
    """What the tasks of a board share."""

    def __init__(self, settings: object, journal: Journal, dog: Watchdog) -> None:
        self.settings = settings
        self.lines: list = []
        self.radio = None
        self.now = journal.now
        self._journal = journal
        self._dog = dog
        self._sessions = 0
        self._restarting = False
        self._wire = Wire(self)
        self.shelf, self._damage = letters.open_shelf(settings.shelf_count, self.now(), journal.safe)
        self.carrier = Carrier(os.urandom(6), self.now())

    def session(self, role: int) -> Session:
        """A session for a new link: we call boards of our mesh, a host or a board may call us."""
        keys = {MESH: self.settings.mesh_key}
        if role != INITIATOR:
            keys[PAIR] = self.settings.pairing_key
        self._sessions += 1
        # The generator is weak while the radio is off, so it is not trusted alone.
        counters = self._journal.starts.to_bytes(4, "big") + self._sessions.to_bytes(4, "big")
        return Session(role, keys, hmac_sha256(self._journal.seed, counters + os.urandom(16)), self.now())

    def changed(self) -> None:
        """The shelf has something new: tell everybody."""
        self.carrier.changed(self.now())
        for line in self.lines:
            line.push()
        if self.radio is not None:
            self.radio.refresh()

    def passed(self, task: str) -> None:
        """A task that the watchdog looks after came round."""
        self._dog.passed(task, self.now())

    def serve(self, link: object, message: bytes) -> None:
        """Answer a service message of the paired host."""
        kind = message[0]
        if kind == service.STATUS:
            gc.collect()
            shelf = self.shelf
            numbers = (
                shelf.count(),
                shelf.known_count(),
                shelf.held_bytes(),
                shelf.load(),
                self.now() // 1000,
                gc.mem_free(),
                self._journal.starts,
                len(self.carrier.neighbours(self.now())),
                len(self.lines),
                self._damaged(),
                1 if self._journal.safe else 0,
            )
            link.service(service.encode_status(numbers, self.settings.name))
        elif kind == service.LOG and len(message) == 2:
            from hedgerow_board.care import log

            link.service(log(message[1], self._journal.known()))
        elif kind == service.REPAIR and len(message) == 2:
            link.service(bytes((service.REPAIR_IS, self._repair(message[1]))))

    def _damaged(self) -> int:
        if self._damage == service.SOUND and self.shelf.damaged:
            return service.SHELF_RECORDS
        return self._damage

    def _repair(self, damage: int) -> int:
        """Only the damage that the host was told of. In safe mode the shelf counts as damaged: it may be why."""
        known = self._damage
        if known == service.SOUND and self._journal.safe:
            known = service.SHELF_FOLDER
        if self._restarting or known == service.SOUND or damage != known:
            return service.NOT_NEEDED
        from hedgerow_board.care import repair

        result = repair(damage, letters.FOLDER)
        self._journal.note("repair of damage " + str(damage) + " ended with " + str(result))
        if result == service.DONE:
            self._restarting = True
            asyncio.create_task(self._restart())
        return result

    async def _restart(self) -> None:
        await asyncio.sleep_ms(_LAST_WORDS_MS)
        self._journal.well()
        machine.reset()

    async def keep(self) -> None:
        """Look after the tasks, and let old envelopes go."""
        started = self.now()
        expire = started + _EXPIRE_MS
        while True:
            await asyncio.sleep_ms(_ROUND_MS)
            now = self.now()
            if not self._wire.waits():
                self.passed(watchdog.WIRE)
            stuck = self._dog.check(now)
            if stuck:
                # The watchdog has the rest.
                self._journal.note(stuck + " is stuck")
            if now - started >= _WELL_MS:
                self._journal.well()
                if self._journal.safe:
                    machine.reset()
            if now >= expire:
                expire = now + _EXPIRE_MS
                if self.shelf.expire(now):
                    self.shelf.flush()
                    if self.radio is not None:
                        self.radio.refresh()

    async def run(self) -> None:
        """Until the escape on the cable."""
        tasks = [asyncio.create_task(self.keep())]
        # In safe mode there is the cable only: what ended the last starts is most likely in the rest.
        if not self._journal.safe:
            self.radio = Radio(self)
            tasks.append(asyncio.create_task(self.radio.run()))
        await self._wire.run()
        for task in tasks:
            task.cancel()
        if self.radio is not None:
            await self.radio.stop()


async def main() -> None:
    """Run until the escape on the cable. What goes wrong is written down, and the board starts afresh: what
    is acknowledged is on the flash."""
    journal = Journal()

    def died(error: object) -> None:
        sys.print_exception(error)
        journal.trouble(error)
        if journal.safe:
            time.sleep_ms(_CALM_MS)
        machine.reset()

    from hedgerow_board.settings import SettingsError, load

    try:
        settings = load(journal.settings())
    except SettingsError as error:
        print(error)
        journal.note(str(error))
        return
    # Their code is needed no more and leaves the heap.
    load = None
    del sys.modules["hedgerow_board.settings"]
    delattr(sys.modules["hedgerow_board"], "settings")
    try:
        machine.freq(240_000_000)
    except ValueError:
        pass  # C3 and C6 end at 160 MHz, where they start
    # Collecting before the heap is full keeps it from being cut into small pieces.
    gc.threshold(gc.mem_free() // 2)
    asyncio.get_event_loop().set_exception_handler(lambda loop, context: died(context["exception"]))
    dog = Watchdog()
    try:
        journal.keep_settings(settings.slot)
        await Board(settings, journal, dog).run()
    except Exception as error:
        died(error)
    finally:
        dog.rest()
    print("Hedgerow has stopped; a reset starts it again.")
