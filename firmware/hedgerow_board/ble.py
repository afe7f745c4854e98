"""Bluetooth LE: beacons, scanning, and links to the boards in earshot.

aioble advertises, scans and connects. What goes over a connection passes between the radio and us: its
clients look for handles that we know, and its queues lose what nobody fetched in time. Long, for two
modules in place of one cost a board 190 bytes of heap.
"""

import asyncio
import sys

import bluetooth

from hedgerow_board.line import Line
from hedgerow_board.settings import RELAY, SAVER
from hedgerow_board.watchdog import BEACON, RADIO
from hedgerow_core import beacon, counts, limits
from hedgerow_core.link import Link, Packets
from hedgerow_core.service import ECHO, NAME, PROBE, VERSION
from hedgerow_core.session import INITIATOR, MESH, PAIR, RESPONDER

SERVICE = bluetooth.UUID("8d1f0001-6c0b-4b6e-9d5a-0e5f4c7a51e1")
WRITE = bluetooth.UUID("8d1f0002-6c0b-4b6e-9d5a-0e5f4c7a51e1")
NOTIFY = bluetooth.UUID("8d1f0003-6c0b-4b6e-9d5a-0e5f4c7a51e1")
# With response is for hosts: their stacks have no other way to say that a packet arrived.
_FLAGS_WRITE = 0x0004 | 0x0008
_FLAG_NOTIFY = 0x0010

# Events of the radio (MicroPython, docs/library/bluetooth.rst).
_CALLED = 1
_CALLER_LOST = 2
_WRITTEN = 3
_HEARD = 5
_SCAN_DONE = 6
_CONNECTED = 7
_LOST = 8
_NOTIFIED = 18
_MTU_IS = 21

_MTU = 247  # one packet of the link layer with data length extension
_MTU_LEAST = 23  # until somebody asked for more (Core Specification, volume 3, part G, 5.2.1)
_ATT_HEAD = 3
_CREDIT_BYTES = 800  # unacknowledged on a link: three of them fit into the stack's queue
_PACKETS = 10  # that wait to be read, of all links: what is more is said again
_HEARD_MOST = 12  # beacons that wait to be read
_ROTATE_MS = 15 * 60_000
_SCAN_MS = 3_000
_LOOK_MS = 100  # how often a scan asks whom to call
# Half of the time. No beacon's interval is near a multiple of this one: it would miss the window for seconds.
_SCAN_INTERVAL_US = 130_000
_SCAN_WINDOW_US = 65_000
_SAVER_SCAN_MS = 1_000  # an eighth of the time, with the pause behind it
_SAVER_PAUSE_MS = 3_000
_CONNECT_MS = 2_500
_REQUEST_MS = 2_000
_BUSY_MS = 30  # a connection event later the stack's queue has room
_BUSY_TRIES = 100
_PART_TRIES = 100
_HOST_MS = 15_000  # a host that says nothing for so long is gone; they ask after three seconds
_HOSTS = 2  # the third place is for the mesh
_ADDR_MODE_NRPA = 3  # non-resolvable private address (Core Specification, volume 6, part B, 1.3.2.2)


class _Contact:
    """One connection, and the line that goes over it. ``calls`` is whether we made it, ``proved`` when the
    other end proved who it is: 0 for one that called and has not."""

    def __init__(self, radio: object, handle: int, calls: bool) -> None:
        self.handle = handle
        self.calls = calls
        self.line = None
        self.lost = False
        self.proved = 1 if calls else 0
        self._radio = radio

    async def send(self, packet: bytes) -> None:
        """Hand one packet to the stack. OSError where the link is gone, or nothing goes out any more."""
        radio = self._radio
        for _ in range(_BUSY_TRIES):
            if self.lost:
                break
            try:
                if self.calls:
                    radio.ble.gattc_write(self.handle, radio.write_handle, packet)
                else:
                    radio.ble.gatts_notify(self.handle, radio.notify_handle, packet)
                return
            except OSError:
                # Its queue is full: that is no reason to end the link.
                await asyncio.sleep_ms(_BUSY_MS)
        raise OSError


class Radio:
    """Speaks and listens for one board."""

    def __init__(self, board: object) -> None:
        # The package would bring a GATT server, 4 kB of heap, which we do not use. It can do without.
        sys.modules["aioble.server"] = sys
        import aioble

        self.ble = bluetooth.BLE()
        self.write_handle = self.notify_handle = 0
        self._aioble = aioble
        self._board = board
        self._contacts: dict[int, _Contact] = {}
        self._calling = False
        self._unclaimed = -1  # the handle of a connection that we made, and nobody has
        self._heard = []  # (address, takes calls, rssi, data)
        self._scan_flag = asyncio.ThreadSafeFlag()
        self._scanning = False
        self._packets = []  # (handle, data)
        self._packet_flag = asyncio.ThreadSafeFlag()
        self._advertising = None
        self._interval_ms = 0
        self._silent = True
        self._most = limits.LINKS + 1  # connections that the stack has, as far as we know
        self._stopped = False
        self.rotate_at = 0  # when address and beacon id change
        self._broken = (
            OSError,
            MemoryError,
            TypeError,
            ValueError,
            asyncio.TimeoutError,
            aioble.DeviceDisconnectedError,
        )

    async def run(self) -> None:
        """Advertise, scan and call until cancelled."""
        board = self._board
        ble = self.ble
        # Switched on by aioble, the radio would bring its module for pairing with it, which nobody needs.
        ble.active(True)
        ble.config(mtu=_MTU)
        # All boards register the same, so these handles are the other side's, too.
        ((self.write_handle, self.notify_handle),) = ble.gatts_register_services(
            ((SERVICE, ((WRITE, _FLAGS_WRITE), (NOTIFY, _FLAG_NOTIFY))),)
        )
        ble.gatts_set_buffer(self.write_handle, _MTU)
        ble.irq(self._happened)
        tasks = [asyncio.create_task(self._advertise()), asyncio.create_task(self._read())]
        try:
            while True:
                board.dog.passed(RADIO, board.now())
                if board.now() >= self.rotate_at:
                    await self._rotate()
                address = self._next_call()
                if address is None:
                    await self._scan()
                else:
                    await self._call(address)
        finally:
            self._stopped = True
            for task in tasks:
                task.cancel()

    async def stop(self) -> None:
        """Switch the radio off."""
        await asyncio.sleep_ms(0)
        self._aioble.stop()

    def refresh(self) -> None:
        """The beacon says something else from now on, and somebody may have to be called."""
        self._scan_flag.set()
        if self._advertising is not None:
            self._advertising.cancel()

    def _happened(self, event: int, data: tuple) -> object:
        """What the radio tells. Whatever has no room is dropped here: the other side says it again."""
        try:
            if event == _HEARD:
                # aioble would keep an object for every telephone in earshot, and one for each address of it.
                if beacon.is_ours(data[4]):
                    if len(self._heard) < _HEARD_MOST:
                        address = bytes((data[0],)) + bytes(data[1])
                        open_for_us = not data[2] and beacon.for_all(data[4])
                        self._heard.append((address, open_for_us, data[3], bytes(data[4])))
                    self._scan_flag.set()
                return None
            if event in (_WRITTEN, _NOTIFIED):
                if len(self._packets) < _PACKETS:
                    what = self.ble.gatts_read(data[1]) if event == _WRITTEN else bytes(data[2])
                    self._packets.append((data[0], what))
                    self._packet_flag.set()
                return None
        except MemoryError:
            return None
        if event == _CONNECTED:
            self._unclaimed = data[0]
        elif event in (_LOST, _CALLER_LOST):
            contact = self._contacts.get(data[0])
            if contact is not None:
                contact.lost = True
                self._packet_flag.set()
        elif event == _MTU_IS:
            contact = self._contacts.get(data[0])
            if contact is not None and contact.line is not None:
                contact.line.link.framing.resize(data[1] - _ATT_HEAD)
        result = self._aioble.core.ble_irq(event, data)
        if event == _SCAN_DONE:
            self._scanning = False
            self._scan_flag.set()
        return result

    # The address

    async def _rotate(self) -> None:
        """Take a new random address and beacon id; the radio is quiet until that worked. Links stay."""
        self._silent = True
        self.refresh()
        while self._advertising is not None:
            await asyncio.sleep_ms(10)
        before = self._address()
        self.ble.config(addr_mode=_ADDR_MODE_NRPA)
        if self._address() == before:
            await asyncio.sleep_ms(200)
            return
        board = self._board
        board.carrier.rotate(board.beacon_id())
        self.rotate_at = board.now() + _ROTATE_MS
        self._silent = False
        for line in board.lines:
            if line.link.kind == MESH:
                self._greet(line)

    def _address(self) -> bytes:
        return bytes(self.ble.config("mac")[1])

    # Speaking

    async def _advertise(self) -> None:
        board = self._board
        while True:
            board.dog.passed(BEACON, board.now())
            if self._silent:
                await asyncio.sleep_ms(20)
                continue
            shelf = board.shelf
            room = self._room()
            interval_ms = self._interval_ms = board.carrier.beacon_interval_ms(board.now())
            data = beacon.encode(
                board.settings.mesh_key,
                self._address(),
                board.carrier.beacon_id,
                shelf.known_count(),
                shelf.summary(),
                shelf.load(),
                room,
            )
            # aioble swallows the cancellation and gives None.
            self._advertising = asyncio.create_task(
                self._aioble.advertise(
                    interval_ms * (2000 if interval_ms > limits.BEACON_FAST_MS and self._saves() else 1000),
                    adv_data=data,
                    connectable=room or self._yields(),
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
                if not room:
                    # Some controllers have no more than three connections: then hosts wait, too.
                    self._most = len(self._contacts) + self._calling
                await asyncio.sleep_ms(100)
                connection = None
            self._advertising = None
            if connection is not None:
                device = connection.device
                self._begin(connection, bytes((device.addr_type,)) + device.addr, False)

    # Listening

    async def _scan(self) -> None:
        board = self._board
        self._scanning = True
        look_at = 0
        async with self._aioble.scan(
            _SAVER_SCAN_MS if self._saves() else _SCAN_MS,
            _SCAN_INTERVAL_US,
            _SCAN_INTERVAL_US if board.settings.profile == RELAY else _SCAN_WINDOW_US,
        ):
            while self._scanning:
                await self._scan_flag.wait()
                while self._heard:
                    self._hear(*self._heard.pop())
                now = board.now()
                if now >= look_at:
                    look_at = now + _LOOK_MS
                    if self._next_call() is not None:
                        return
        if self._saves():
            await asyncio.sleep_ms(_SAVER_PAUSE_MS)

    def _saves(self) -> bool:
        # Who sleeps most of the time has little of it to be found in.
        return self._board.settings.profile == SAVER and not self._board.settings.sleep_cycle

    def _hear(self, address: bytes, takes_calls: bool, rssi: int, data: bytes) -> None:
        """Take a beacon; the MAC of one that was heard before need not be computed again."""
        board = self._board
        now = board.now()
        if board.carrier.again(beacon.mac_of(data), address, rssi, now, takes_calls):
            return
        settings = board.settings
        found = beacon.parse(data, settings.mesh_key, address[1:])
        if found is None and settings.next_key and beacon.parse(data, settings.next_key, address[1:]):
            board.aside("manage", None, b"")  # the others have their new key already
        if found is not None:
            board.carrier.heard(found, address, rssi, now, takes_calls)
        else:
            board.counts[counts.STRANGE] = (board.counts[counts.STRANGE] + 1) & counts.WRAP

    def _next_call(self) -> object:
        board = self._board
        now = board.now()
        self.tend()
        address = board.carrier.meeting(board.shelf.summary(), board.shelf.known_count(), now, self._room())
        if board.carrier.beacon_interval_ms(now) < self._interval_ms:
            self.refresh()
        return None if self._silent else address

    # Links

    def _hosts(self, guests: bool = True) -> int:
        """How many hosts are there, on the cable and on the air."""
        now = self._board.now()
        count = 0
        for line in self._board.lines:
            if line.link.kind == PAIR and now - line.active < _HOST_MS:
                count += guests or not line.link.session.guest
        return count

    def _room(self) -> bool:
        """Whether there is a place for one more link."""
        board = self._board
        return not board.quiet and len(board.carrier.links) + self._hosts() + self._calling < limits.LINKS

    def _yields(self) -> bool:
        """Whether a host may call although all places are taken: one is freed when it proves itself."""
        for contact in self._contacts.values():
            if not contact.proved:
                return False
        return self._hosts(False) < _HOSTS and len(self._contacts) + self._calling < self._most

    def tend(self) -> None:
        """End the links that are one too many."""
        if self._unclaimed >= 0 and not self._calling:
            self._hang_up(self._unclaimed)
            self._unclaimed = -1
        now = self._board.now()
        hosts = self._hosts()
        strangers = 0
        latest = last = None
        for contact in self._contacts.values():
            line = contact.line
            if not contact.proved:
                strangers += 1
            elif line is not None and line.link.kind == PAIR:
                if now - line.active >= _HOST_MS:
                    self._hang_up(contact.handle)
                else:
                    # A guest goes before an owner, and else who came last.
                    order = (line.link.session.guest, contact.proved)
                    if latest is None or order > last:
                        latest = contact
                        last = order
        if hosts > _HOSTS and latest is not None:
            latest.line.lost()  # before it hears a word
        # Who has not proved anything may be the host for whom a link is ended: nobody is one too many so far.
        handle = self._board.carrier.to_end(hosts - strangers, now)
        if handle >= 0:
            self._hang_up(handle)

    def up(self, line: Line) -> None:
        """The other end of ``line`` proved who it is."""
        board = self._board
        for contact in self._contacts.values():
            if contact.line is line and not contact.proved:
                contact.proved = board.now()
                if line.link.kind == PAIR:
                    board.carrier.forget(contact.handle)
                    self._sort()
        if line.link.kind == MESH:
            board.counts[counts.MET] += 1
            self._greet(line)
        self.tend()
        self.refresh()

    def _greet(self, line: Line) -> None:
        board = self._board
        if not line.link.established:
            return  # it has ended, and is still waiting for its last write
        about = bytes((VERSION, board.battery()))
        line.link.service(bytes((NAME,)) + board.carrier.beacon_id + b"\1" + self._address() + about)
        line.wake()
        if board.probes:
            board.aside("trace", line, b"")

    def named(self, line: Line, message: bytes) -> None:
        """The other end of ``line`` says who it is."""
        board = self._board
        if message[0] == NAME and 14 <= len(message) <= 16:
            for contact in self._contacts.values():
                if contact.line is line:
                    double = board.carrier.named(contact.handle, message[1:7], message[7:14], message[14:])
                    if double >= 0:
                        self._hang_up(double)
                    return
        elif (message[0] == PROBE and board.settings.trace) or (message[0] == ECHO and board.probes):
            # Without its owner's consent a board asks for its own host, and does nothing for others.
            board.aside("trace", line, message)

    async def _call(self, address: bytes) -> None:
        """Call a neighbour; the link then runs by itself."""
        self._calling = True
        connection = None
        try:
            connection = await self._aioble.Device(address[0], address[1:]).connect(timeout_ms=_CONNECT_MS)
            self._unclaimed = -1
        except self._broken:
            # A connect that timed out goes on otherwise; one that came through just then nobody has.
            try:
                self.ble.gap_connect(None)
            except OSError:
                pass
            await asyncio.sleep_ms(_BUSY_MS)
            self._board.carrier.met(address, self._board.now(), False)
        self._calling = False
        if connection is not None:
            self._begin(connection, address, True)

    def _begin(self, connection: object, address: bytes, calls: bool) -> None:
        handle = connection._conn_handle
        if handle is not None:
            contact = self._contacts[handle] = _Contact(self, handle, calls)
            self._board.carrier.opened(handle, address, self._board.now())
            asyncio.create_task(self._talk(contact, connection, address))
            self.tend()
            self.refresh()

    async def _talk(self, contact: _Contact, connection: object, address: bytes) -> None:
        """From the beginning of a connection to its end."""
        board = self._board
        handle = contact.handle
        line = None
        try:
            if contact.calls:
                await connection.exchange_mtu(_MTU, timeout_ms=_REQUEST_MS)
            session = board.session(INITIATOR if contact.calls else RESPONDER)
            packets = Packets(_MTU_LEAST - _ATT_HEAD)
            link = Link(packets, session, board.shelf, board.now(), _CREDIT_BYTES, 0, address)
            line = contact.line = Line(board, link, contact.send)
            # Who called asks for it before or after this, or never; longer packets would be cut off.
            packets.resize((connection.mtu or _MTU_LEAST) - _ATT_HEAD)
            line.stay(board.carrier.stays(handle))
            await line.run()
        except self._broken as error:
            if isinstance(error, MemoryError):
                board.counts[counts.NO_MEMORY] += 1
        self._hang_up(handle)
        # Its end is told, or not: the place is free in any case.
        for _ in range(_PART_TRIES):
            if contact.lost:
                break
            await asyncio.sleep_ms(_BUSY_MS)
        if self._contacts.get(handle) is contact:
            del self._contacts[handle]
        board.carrier.ended(handle, board.now(), line is not None and line.useful > 0)
        self._sort()
        self.refresh()

    def _hang_up(self, handle: int) -> None:
        try:
            self.ble.gap_disconnect(handle)
        except OSError:
            pass  # it is gone already

    def _sort(self) -> None:
        """Tell the lines which of them stay."""
        for contact in self._contacts.values():
            if contact.line is not None:
                hosts = contact.line.link.kind == PAIR
                contact.line.stay(hosts or self._board.carrier.stays(contact.handle))

    async def _read(self) -> None:
        """Hand on what came over all links."""
        board = self._board
        while True:
            await self._packet_flag.wait()
            while self._packets:
                handle, data = self._packets.pop(0)
                contact = self._contacts.get(handle)
                if contact is not None and contact.line is not None:
                    line = contact.line
                    useful = line.useful
                    line.receive(data)
                    if line.useful != useful:
                        board.carrier.moved(handle, board.now())
                        self._sort()
            for contact in self._contacts.values():
                if contact.lost and contact.line is not None:
                    contact.line.lost()
