"""What a connection offers: finding services, reading, writing, notifications."""

import asyncio
import struct
from collections import deque

import bluetooth

from .core import GattError, ble, on
from .link import Limit, links

_READ = 0x02
_WRITE_NO_RESPONSE = 0x04
_WRITE = 0x08
_NOTIFY = 0x10
_INDICATE = 0x20
_CCCD = bluetooth.UUID(0x2902)  # Client Characteristic Configuration


class _Discovery:
    """Asynchronous iterator: ``ask`` sends the question, ``make`` turns the fields of an answer into an item.

    Traps: it knows no time limit and does not end when the connection is lost, and a loop that was left early
    keeps the next discovery from starting.
    """

    def __init__(self, connection, ask, make):
        self._connection = connection
        self._ask = ask
        self._make = make
        self._found = []
        self._status = None
        self._news = asyncio.ThreadSafeFlag()

    def __aiter__(self):
        return self

    async def __anext__(self):
        connection = self._connection
        if connection._discover is not self:
            if connection._discover is not None:
                raise ValueError("Discovery in progress")
            connection._discover = self
            self._ask()
        while not self._found:
            if self._status is not None:
                connection._discover = None
                raise StopAsyncIteration
            await self._news.wait()
        # A trap: the last one first.
        return self._make(*self._found.pop())


def _discovery_of(handle):
    return links[handle]._discover if handle in links else None


def _found(handle, *fields):
    discovery = _discovery_of(handle)
    if discovery is not None:
        # The UUID comes last, in memory that is not ours.
        discovery._found.append(fields[:-1] + (bluetooth.UUID(fields[-1]),))  # noqa: RUF005
        discovery._news.set()


def _found_all(handle, status):
    discovery = _discovery_of(handle)
    if discovery is not None:
        discovery._status = status
        discovery._news.set()


for _kind in (9, 11, 13):
    on(_kind)(_found)
    on(_kind + 1)(_found_all)


async def pick(discovery, uuid):
    """The first item with ``uuid`` of a discovery that runs to its end, or None."""
    found = None
    async for item in discovery:
        if found is None and item.uuid == uuid:
            found = item
    return found


def services_of(connection, uuid):
    """The discovery of a connection's services."""
    return _Discovery(
        connection,
        lambda: ble.gattc_discover_services(connection._conn_handle, uuid),
        lambda start, end, uuid: ClientService(connection, start, end, uuid),
    )


class ClientService:
    """A service of the other side; comes from `DeviceConnection.service`."""

    def __init__(self, connection, start_handle, end_handle, uuid):
        self.connection = connection
        self.uuid = uuid
        self._start_handle = start_handle
        self._end_handle = end_handle

    def __str__(self):
        return "Service: %d %d %s" % (self._start_handle, self._end_handle, self.uuid)  # noqa: UP031

    def characteristics(self, uuid=None, timeout_ms=2000):
        """For `async for`, which must run to its end: all characteristics, or those with ``uuid``."""
        connection = self.connection
        return _Discovery(
            connection,
            lambda: ble.gattc_discover_characteristics(
                connection._conn_handle, self._start_handle, self._end_handle, uuid
            ),
            lambda *fields: ClientCharacteristic(self, *fields),
        )

    async def characteristic(self, uuid, timeout_ms=2000):
        """The characteristic with ``uuid``, or None."""
        return await pick(self.characteristics(uuid), uuid)


class _Value:
    """Something of the other side with a handle, to read and to write."""

    def __init__(self, connection, value_handle, properties, uuid):
        self.connection = connection
        self.properties = properties
        self.uuid = uuid
        self._value_handle = value_handle
        self._read_event = self._write_event = None
        self._read_status = self._write_status = None
        self._read_data = None

    def _need(self, flags):
        if not self.properties & flags:
            raise ValueError("Unsupported")

    def _listen(self):
        # A trap: events before this are dropped.
        self.connection._characteristics[self._value_handle] = self

    async def read(self, timeout_ms=1000):
        """The value; GattError, asyncio.TimeoutError or DeviceDisconnectedError."""
        self._need(_READ)
        self._listen()
        self._read_status = None
        self._read_event = self._read_event or asyncio.ThreadSafeFlag()
        ble.gattc_read(self.connection._conn_handle, self._value_handle)
        with Limit(self.connection, timeout_ms):
            while self._read_status is None:
                await self._read_event.wait()
        if self._read_status:
            raise GattError(self._read_status)
        return self._read_data

    async def write(self, data, response=None, timeout_ms=1000):
        """Write, by default with a response if that is the only way; errors as of `read`.

        A trap: after the loss of the connection its handle is None, which the radio calls a TypeError.
        """
        ways = self.properties & (_WRITE | _WRITE_NO_RESPONSE)
        self._need(ways)
        if response is None:
            response = ways == _WRITE
        if response:
            self._listen()
            self._write_status = None
            self._write_event = self._write_event or asyncio.ThreadSafeFlag()
        ble.gattc_write(self.connection._conn_handle, self._value_handle, data, response)
        if not response:
            return
        with Limit(self.connection, timeout_ms):
            await self._write_event.wait()
        # A trap: the response to an earlier write that timed out may have ended the wait.
        if self._write_status != 0:
            raise GattError(self._write_status)


class ClientCharacteristic(_Value):
    """A characteristic of the other side; comes from `ClientService.characteristic`."""

    def __init__(self, service, end_handle, value_handle, properties, uuid):
        super().__init__(service.connection, value_handle, properties, uuid)
        self.service = service
        self._end_handle = max(end_handle, value_handle) if end_handle > value_handle else value_handle + 2
        # A trap: one place each, and the newer value takes it.
        if properties & _NOTIFY:
            self._notify_queue = deque((), 1)
            self._notify_event = asyncio.ThreadSafeFlag()
        if properties & _INDICATE:
            self._indicate_queue = deque((), 1)
            self._indicate_event = asyncio.ThreadSafeFlag()

    def __str__(self):
        numbers = (self._end_handle, self._value_handle, self.properties, self.uuid)
        return "Characteristic: %d %d %d %s" % numbers

    def descriptors(self, timeout_ms=2000):
        """For `async for`, which must run to its end: all descriptors."""
        connection = self.connection
        return _Discovery(
            connection,
            lambda: ble.gattc_discover_descriptors(
                connection._conn_handle, self._value_handle, self._end_handle
            ),
            lambda *fields: ClientDescriptor(self, *fields),
        )

    async def descriptor(self, uuid, timeout_ms=2000):
        """The descriptor with ``uuid``, or None."""
        return await pick(self.descriptors(), uuid)

    async def subscribe(self, notify=True, indicate=False):
        """Ask the other side for notifications, indications, both or neither."""
        self._listen()
        cccd = await self.descriptor(_CCCD)
        if cccd is None:
            raise ValueError("CCCD not found")
        await cccd.write(struct.pack("<H", (1 if notify else 0) | (2 if indicate else 0)))

    async def notified(self, timeout_ms=None):
        """The newest notification; waits if there is none."""
        self._need(_NOTIFY)
        return await self._next(self._notify_queue, self._notify_event, timeout_ms)

    async def indicated(self, timeout_ms=None):
        """The newest indication; waits if there is none."""
        self._need(_INDICATE)
        return await self._next(self._indicate_queue, self._indicate_event, timeout_ms)

    async def _next(self, queue, event, timeout_ms):
        self._listen()
        # Also with a value there, because the event must be used up; it does not wait then.
        if len(queue) < 2:
            with Limit(self.connection, timeout_ms):
                await event.wait()
        return queue.popleft()


class ClientDescriptor(_Value):
    """A descriptor of the other side; comes from `ClientCharacteristic.descriptor`."""

    def __init__(self, characteristic, handle, uuid):
        super().__init__(characteristic.connection, handle, _READ | _WRITE, uuid)
        self.characteristic = characteristic

    def __str__(self):
        return "Descriptor: %d %d %s" % (self._value_handle, self.properties, self.uuid)  # noqa: UP031


def _listener(handle, value_handle):
    return links[handle]._characteristics.get(value_handle) if handle in links else None


@on(15)
def _read_result(handle, value_handle, data):
    value = _listener(handle, value_handle)
    if value is not None:
        value._read_data = bytes(data)
        value._read_event.set()


@on(16)
def _read_done(handle, value_handle, status):
    value = _listener(handle, value_handle)
    if value is not None:
        value._read_status = status
        value._read_event.set()


@on(17)
def _write_done(handle, value_handle, status):
    value = _listener(handle, value_handle)
    if value is not None:
        value._write_status = status
        value._write_event.set()


def _arrived(queue, event, data):
    first = not len(queue)
    queue.append(bytes(data))
    if first:
        event.set()


@on(18)
def _notification(handle, value_handle, data):
    value = _listener(handle, value_handle)
    if value is not None:
        _arrived(value._notify_queue, value._notify_event, data)


@on(19)
def _indication(handle, value_handle, data):
    value = _listener(handle, value_handle)
    if value is not None:
        _arrived(value._indicate_queue, value._indicate_event, data)
