"""Bluetooth LE over aioble: beacons, scanning, and links to the boards in earshot."""

import asyncio
import os

import aioble
import bluetooth

from hedgerow_board.line import Line
from hedgerow_board.watchdog import BEACON, RADIO
from hedgerow_core import beacon, limits
from hedgerow_core.link import Link, Packets
from hedgerow_core.session import INITIATOR, RESPONDER

SERVICE = bluetooth.UUID("8d1f0001-6c0b-4b6e-9d5a-0e5f4c7a51e1")
WRITE = bluetooth.UUID("8d1f0002-6c0b-4b6e-9d5a-0e5f4c7a51e1")
NOTIFY = bluetooth.UUID("8d1f0003-6c0b-4b6e-9d5a-0e5f4c7a51e1")

_LINKS = 2  # to other boards at once
_MTU = 247  # one packet of the link layer with data length extension
_ATT_HEAD = 3
_CREDIT_BYTES = 800  # two callers share aioble's ten places for what they wrote
_NOTIFICATIONS = 16
_ROTATE_MS = 15 * 60_000
_SCAN_MS = 3_000
_LOOK_MS = 100  # how often a scan asks whom to call
_SCAN_INTERVAL_US = 100_000
_SCAN_WINDOW_US = 50_000
_CONNECT_MS = 2_500
_REQUEST_MS = 2_000
_DISCOVER_MS = 3_000
_ADDR_MODE_NRPA = 3  # non-resolvable private address (Core Specification, volume 6, part B, 1.3.2.2)

# What a link that breaks may raise: aioble gives a TypeError for a write after the loss, and discovery that
# found nothing a None.
_BROKEN = (
    OSError,
    TypeError,
    ValueError,
    AttributeError,
    asyncio.TimeoutError,
    aioble.DeviceDisconnectedError,
    aioble.GattError,
)


class _Inbox:
    """Stands in for aioble's queue of notifications, which keeps one and forgets to wake for the next."""

    def __init__(self) -> None:
        self._packets = []
        self._flag = asyncio.ThreadSafeFlag()

    def __len__(self) -> int:
        return 0

    def append(self, data: bytes) -> None:
        """Called by aioble for each notification."""
        if len(self._packets) < _NOTIFICATIONS:
            self._packets.append(bytes(data))
            self._flag.set()

    async def feed(self, line: Line) -> None:
        """Hand everything to ``line``."""
        while True:
            await self._flag.wait()
            while self._packets:
                line.receive(self._packets.pop(0))


class _Ears:
    """Stands in for aioble's queue of advertisements: aioble would keep an object for every telephone in
    earshot, and one for each address that it takes meanwhile."""

    def __init__(self) -> None:
        self.heard = []

    def __len__(self) -> int:
        return 0

    def append(self, entry: tuple) -> None:
        """Called by aioble for each advertisement: (type of address, address, kind, rssi, data)."""
        if len(self.heard) < limits.NEIGHBOURS and beacon.is_ours(entry[4]):
            self.heard.append(entry)


async def _watch(connection: object, line: Line) -> None:
    # Never cancelled: asyncio would hand the cancellation on to aioble's own task, which cleans up.
    await connection.disconnected(timeout_ms=None)
    line.lost()


class Radio:
    """Speaks and listens for one board."""

    def __init__(self, board: object) -> None:
        self._board = board
        self._calls = 0  # mesh links open or on their way
        self._callers: dict[object, Line] = {}
        self._advertising = None
        self._interval_ms = 0
        self._silent = True
        self._stopped = False
        self._rotate_at = 0

    async def run(self) -> None:
        """Advertise, scan and call until cancelled."""
        # Switched on by aioble, the radio would bring its module for pairing with it, which nobody needs.
        bluetooth.BLE().active(True)
        aioble.config(mtu=_MTU)
        service = aioble.Service(SERVICE)
        written = aioble.BufferedCharacteristic(service, WRITE, max_len=_MTU, write=True, capture=True)
        self._notify = aioble.Characteristic(service, NOTIFY, notify=True)
        aioble.register_services(service)
        tasks = [asyncio.create_task(self._advertise()), asyncio.create_task(self._read_callers(written))]
        try:
            while True:
                self._board.dog.passed(RADIO, self._board.now())
                if self._board.now() >= self._rotate_at:
                    await self._rotate()
                device = self._next_call()
                if device is None:
                    await self._scan()
                else:
                    await self._call(device)
        finally:
            self._stopped = True
            for task in tasks:
                task.cancel()

    async def stop(self) -> None:
        """Switch the radio off."""
        await asyncio.sleep_ms(0)
        aioble.stop()

    def refresh(self) -> None:
        """The beacon says something else from now on."""
        if self._advertising is not None:
            self._advertising.cancel()

    # The address

    async def _rotate(self) -> None:
        """Take a new random address and beacon id; the radio is quiet until that worked."""
        self._silent = True
        self.refresh()
        while self._advertising is not None:
            await asyncio.sleep_ms(10)
        before = bytes(aioble.config("mac")[1])
        aioble.config(addr_mode=_ADDR_MODE_NRPA)
        if bytes(aioble.config("mac")[1]) == before:
            await asyncio.sleep_ms(200)
            return
        self._board.carrier.rotate(os.urandom(6))
        self._rotate_at = self._board.now() + _ROTATE_MS
        self._silent = False

    # Speaking

    async def _advertise(self) -> None:
        board = self._board
        while True:
            board.dog.passed(BEACON, board.now())
            if self._silent:
                await asyncio.sleep_ms(20)
                continue
            shelf = board.shelf
            interval_ms = self._interval_ms = board.carrier.beacon_interval_ms(board.now())
            data = beacon.encode(
                board.settings.mesh_key,
                bytes(aioble.config("mac")[1]),
                board.carrier.beacon_id,
                shelf.known_count(),
                shelf.summary(),
                shelf.load(),
            )
            # aioble swallows the cancellation and gives None.
            self._advertising = asyncio.create_task(
                aioble.advertise(
                    interval_ms * 1000,
                    adv_data=data,
                    connectable=self._calls < _LINKS,
                    timeout_ms=max(4 * interval_ms, limits.BEACON_FAST_FOR_MS),
                )
            )
            try:
                connection = await self._advertising
            except asyncio.TimeoutError:
                connection = None
            except asyncio.CancelledError:
                # Ours, before the task had begun, unless the whole radio stops.
                if self._stopped:
                    raise
                connection = None
            except OSError:
                await asyncio.sleep_ms(100)
                connection = None
            self._advertising = None
            if connection is not None:
                self._calls += 1
                asyncio.create_task(self._serve(connection))

    # Listening

    async def _scan(self) -> None:
        board = self._board
        async with aioble.scan(_SCAN_MS, _SCAN_INTERVAL_US, _SCAN_WINDOW_US) as scanner:
            ears = scanner._queue = _Ears()
            look_at = 0
            while not scanner._done:
                await scanner._event.wait()
                while ears.heard:
                    address_type, address, _, rssi, data = ears.heard.pop()
                    self._hear(bytes((address_type,)) + address, rssi, data)
                now = board.now()
                if now >= look_at:
                    look_at = now + _LOOK_MS
                    if self._next_call() is not None:
                        return

    def _hear(self, address: bytes, rssi: int, data: bytes) -> None:
        """Take a beacon; the MAC of one that was heard before need not be computed again."""
        board = self._board
        now = board.now()
        if board.carrier.again(beacon.mac_of(data), address, rssi, now):
            return
        found = beacon.parse(data, board.settings.mesh_key, address[1:])
        if found is not None:
            board.carrier.heard(found, address, rssi, now)

    def _next_call(self) -> object:
        board = self._board
        now = board.now()
        address = board.carrier.meeting(board.shelf.summary(), board.shelf.known_count(), now)
        if board.carrier.beacon_interval_ms(now) < self._interval_ms:
            self.refresh()
        return None if self._silent or self._calls >= _LINKS else address

    # Links

    async def _call(self, address: bytes) -> None:
        """Call a neighbour; the link then runs by itself."""
        try:
            connection = await aioble.Device(address[0], address[1:]).connect(timeout_ms=_CONNECT_MS)
        except _BROKEN:
            # A connect that timed out goes on otherwise.
            bluetooth.BLE().gap_connect(None)
            self._board.carrier.met(address, self._board.now(), False)
            return
        self._calls += 1
        self._board.carrier.busy(address, True)
        asyncio.create_task(self._meet(connection, address))

    async def _meet(self, connection: object, address: tuple) -> None:
        line = None
        feed = None
        try:
            mtu = await connection.exchange_mtu(_MTU, timeout_ms=_REQUEST_MS)
            service = await asyncio.wait_for_ms(connection.service(SERVICE), _DISCOVER_MS)
            write = await asyncio.wait_for_ms(service.characteristic(WRITE), _DISCOVER_MS)
            notify = await asyncio.wait_for_ms(service.characteristic(NOTIFY), _DISCOVER_MS)
            inbox = _Inbox()
            notify._notify_queue = inbox
            await asyncio.wait_for_ms(notify.subscribe(), _DISCOVER_MS)

            async def send(packet: bytes) -> None:
                await write.write(packet, response=True, timeout_ms=_REQUEST_MS)

            line = Line(self._board, self._link(mtu, INITIATOR, address), send, linger=True)
            feed = asyncio.create_task(inbox.feed(line))
            asyncio.create_task(_watch(connection, line))
            await line.run()
        except _BROKEN:
            pass
        if feed is not None:
            feed.cancel()
        await self._hang_up(connection)
        board = self._board
        board.carrier.busy(address, False)
        board.carrier.met(address, board.now(), line is not None and line.useful > 0)

    async def _serve(self, connection: object) -> None:
        """Answer a board that called."""
        address = bytes((connection.device.addr_type,)) + connection.device.addr
        self._board.carrier.busy(address, True)

        async def send(packet: bytes) -> None:
            while True:
                try:
                    self._notify.notify(connection, packet)
                    return
                except OSError:
                    # The queue of the stack is full, or the link is gone.
                    if not connection.is_connected():
                        raise
                    await asyncio.sleep_ms(30)

        line = Line(self._board, self._link(_MTU, RESPONDER, address), send)
        self._callers[connection] = line
        asyncio.create_task(_watch(connection, line))
        try:
            await line.run()
        except _BROKEN:
            pass
        del self._callers[connection]
        self._board.carrier.busy(address, False)
        await self._hang_up(connection)

    async def _read_callers(self, written: object) -> None:
        while True:
            connection, data = await written.written()
            line = self._callers.get(connection)
            if line is not None:
                line.receive(data)

    async def _hang_up(self, connection: object) -> None:
        try:
            await connection.disconnect(timeout_ms=None)
        except _BROKEN:
            pass
        self._calls -= 1
        self.refresh()

    def _link(self, mtu: int, role: int, address: bytes) -> Link:
        board = self._board
        framing = Packets(mtu - _ATT_HEAD)
        return Link(framing, board.session(role), board.shelf, board.now(), _CREDIT_BYTES, 0, address)
