"""The board: shelf, carrier, cable and radio put together."""

import asyncio
import gc
import os
import sys
import time

import machine
from esp32 import NVS

from hedgerow_board.ble import Radio
from hedgerow_board.flash import FlashStore
from hedgerow_board.settings import SettingsError, load
from hedgerow_board.wire import Wire
from hedgerow_core import service
from hedgerow_core.carrier import Carrier
from hedgerow_core.clock import Clock
from hedgerow_core.mac import hmac_sha256
from hedgerow_core.session import INITIATOR, MESH, PAIR, Session
from hedgerow_core.shelf import Shelf

_EXPIRE_MS = 60_000
_BYTES_A_LETTER = 400  # on the average; the largest is three times as long
_TOMBSTONES = 500
_SEED_BYTES = 32


class Board:
    """What the tasks of a board share."""

    def __init__(self, settings: object) -> None:
        self.settings = settings
        self.lines: list = []
        self.radio = None
        self._ticks = time.ticks_ms()
        self._now = self._ticks
        self._sessions = 0
        self._seed, self._boot = _start_counter()
        count = settings.shelf_count
        store = FlashStore("/shelf", count * _BYTES_A_LETTER)
        # Minutes go on from the last that the flash knows of.
        clock = Clock(self.now() // 60_000 - store.minute)
        self.shelf = Shelf(store, clock, self.now(), count, count * _BYTES_A_LETTER, _TOMBSTONES)
        self.carrier = Carrier(os.urandom(6), self.now())

    def now(self) -> int:
        """Milliseconds that never wrap, as core wants them."""
        ticks = time.ticks_ms()
        self._now += time.ticks_diff(ticks, self._ticks)
        self._ticks = ticks
        return self._now

    def session(self, role: int) -> Session:
        """A session for a new link: we call boards of our mesh, a host or a board may call us."""
        keys = {MESH: self.settings.mesh_key}
        if role != INITIATOR:
            keys[PAIR] = self.settings.pairing_key
        self._sessions += 1
        # The generator is weak while the radio is off, so it is not trusted alone.
        counters = self._boot.to_bytes(4, "big") + self._sessions.to_bytes(4, "big")
        return Session(role, keys, hmac_sha256(self._seed, counters + os.urandom(16)), self.now())

    def changed(self) -> None:
        """The shelf has something new: tell everybody."""
        self.carrier.changed(self.now())
        for line in self.lines:
            line.push()
        if self.radio is not None:
            self.radio.refresh()

    def serve(self, link: object, message: bytes) -> None:
        """Answer a service message of the paired host."""
        if message[0] == service.STATUS:
            gc.collect()
            shelf = self.shelf
            numbers = (
                shelf.count(),
                shelf.known_count(),
                shelf.held_bytes(),
                shelf.load(),
                self.now() // 1000,
                gc.mem_free(),
                self._boot,
                len(self.carrier.neighbours(self.now())),
                len(self.lines),
            )
            link.service(service.encode_status(numbers, self.settings.name))

    async def keep(self) -> None:
        """Let old envelopes go."""
        while True:
            await asyncio.sleep_ms(_EXPIRE_MS)
            if self.shelf.expire(self.now()):
                self.radio.refresh()


def _start_counter() -> tuple:
    """This board's secret seed and how often it started, from non-volatile storage."""
    store = NVS("hedgerow")
    seed = bytearray(_SEED_BYTES)
    try:
        store.get_blob("seed", seed)
    except OSError:
        seed = hmac_sha256(machine.unique_id(), os.urandom(32) + str(time.ticks_us()).encode())
        store.set_blob("seed", seed)
    try:
        boot = store.get_i32("boots") + 1
    except OSError:
        boot = 1
    store.set_i32("boots", boot)
    store.commit()
    return bytes(seed), boot


def _died(loop: object, context: dict) -> None:
    """A task ended by surprise: start afresh, what is acknowledged is on the flash."""
    sys.print_exception(context["exception"])
    machine.reset()


async def main() -> None:
    """Run until the escape on the cable."""
    try:
        settings = load()
    except SettingsError as error:
        print(error)
        return
    try:
        machine.freq(240_000_000)
    except ValueError:
        pass  # C3 and C6 end at 160 MHz, where they start
    # Collecting before the heap is full keeps it from being cut into small pieces.
    gc.threshold(gc.mem_free() // 2)
    asyncio.get_event_loop().set_exception_handler(_died)
    board = Board(settings)
    board.radio = Radio(board)
    tasks = [asyncio.create_task(board.radio.run()), asyncio.create_task(board.keep())]
    await Wire(board).run()
    for task in tasks:
        task.cancel()
    await board.radio.stop()
    print("Hedgerow has stopped; a reset starts it again.")
