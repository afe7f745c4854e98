"""What a connection offers: finding services, reading, writing, notifications."""
# ruff: noqa: RUF037

import asyncio
import struct
from collections import deque

import bluetooth

from .core import ble, on
from .link import Answer, Limit, links

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

    def __init__(self, link, ask, make):
        self._link = link
        self._ask = ask
        self._make = make
        self._items = []
        self._complete = False
        self._news = asyncio.ThreadSafeFlag()

    def __aiter__(self):
        return self

    async def __anext__(self):
        link = self._link
        if link._discovery is not self:
            if link._discovery is not None:
                raise ValueError("Discovery in progress")
            link._discovery = self
            self._ask()
        while not self._items:
            if self._complete:
                link._discovery = None
                raise StopAsyncIteration()
            await self._news.wait()
        # A trap: the last one first.
        return self._make(*self._items.pop())

    async def pick(self, uuid):
        """The first item with ``uuid``, or None; runs to the end."""
        chosen = None
        async for item in self:
            if chosen is None and item.uuid == uuid:
                chosen = item
        return chosen


@on(9, 11, 13)
def _found(handle, *fields):
    discovery = links[handle]._discovery if handle in links else None
    if discovery is not None:
        # The UUID comes last, in memory that is not ours.
        discovery._items.append(fields[:-1] + (bluetooth.UUID(fields[-1]),))
        discovery._news.set()


@on(10, 12, 14)
def _found_all(handle, status):
    discovery = links[handle]._discovery if handle in links else None
    if discovery is not None:
        discovery._complete = True
        discovery._news.set()


def services_of(link, uuid):
    """The discovery of a connection's services."""
    return _Discovery(
        link,
        lambda: ble.gattc_discover_services(link._conn_handle, uuid),
        lambda *fields: ClientService(link, fields),
    )


class ClientService:
    """A service of the other side; comes from `DeviceConnection.service`."""

    def __init__(self, connection, fields):
        self.connection = connection
        self._first, self._last, self.uuid = fields

    def __str__(self):
        return f"Service: {self._first} {self._last} {self.uuid}"

    def characteristics(self, uuid=None, timeout_ms=2000):
        """For `async for`, which must run to its end: all characteristics, or those with ``uuid``."""
        link = self.connection
        return _Discovery(
            link,
            lambda: ble.gattc_discover_characteristics(link._conn_handle, self._first, self._last, uuid),
            lambda *fields: ClientCharacteristic(self, fields),
        )

    async def characteristic(self, uuid, timeout_ms=2000):
        """The characteristic with ``uuid``, or None."""
        return await self.characteristics(uuid).pick(uuid)


class _Remote:
    """Something of the other side with a handle, to read and to write."""

    def __init__(self, connection, handle, properties, uuid):
        self.uuid, self.properties, self.connection = uuid, properties, connection
        self._value_handle = handle
        self._reading = Answer()
        self._writing = Answer()

    def _need(self, flags):
        if not self.properties & flags:
            raise ValueError("Unsupported")

    def _listen(self):
        # A trap: events before this are dropped.
        self.connection._listeners[self._value_handle] = self

    async def read(self, timeout_ms=1000):
        """The value; GattError, asyncio.TimeoutError or DeviceDisconnectedError."""
        link, answer = self.connection, self._reading
        self._need(_READ)
        self._listen()
        answer.status = None
        ble.gattc_read(link._conn_handle, self._value_handle)
        with Limit(link, timeout_ms):
            while answer.status is None:
                await answer.flag.wait()
        return answer.result()

    async def write(self, data, response=None, timeout_ms=1000):
        """Write, by default with a response if that is the only way; errors as of `read`.

        A trap: after the loss of the connection its handle is None, which the radio calls a TypeError.
        """
        link, answer = self.connection, self._writing
        ways = self.properties & (_WRITE | _WRITE_NO_RESPONSE)
        self._need(ways)
        wait = ways == _WRITE if response is None else response
        if wait:
            self._listen()
            answer.status = None
        ble.gattc_write(link._conn_handle, self._value_handle, data, wait)
        if wait:
            with Limit(link, timeout_ms):
                await answer.flag.wait()
            answer.result()


class ClientCharacteristic(_Remote):
    """A characteristic of the other side; comes from `ClientService.characteristic`."""

    def __init__(self, service, fields):
        last, handle, properties, uuid = fields
        super().__init__(service.connection, handle, properties, uuid)
        self.service = service
        # Where the end is not known there is room for two descriptors.
        self._last = last if last > handle else handle + 2
        # A trap: one place each, and the newer value takes it.
        self._notify_queue, self._notify_flag = deque((), 1), asyncio.ThreadSafeFlag()
        self._indicate_queue, self._indicate_flag = deque((), 1), asyncio.ThreadSafeFlag()

    def __str__(self):
        return f"Characteristic: {self._last} {self._value_handle} {self.properties} {self.uuid}"

    def descriptors(self, timeout_ms=2000):
        """For `async for`, which must run to its end: all descriptors."""
        link, handle = self.connection, self._value_handle
        return _Discovery(
            link,
            lambda: ble.gattc_discover_descriptors(link._conn_handle, handle, self._last),
            lambda *fields: ClientDescriptor(self, fields),
        )

    async def descriptor(self, uuid, timeout_ms=2000):
        """The descriptor with ``uuid``, or None."""
        return await self.descriptors().pick(uuid)

    async def subscribe(self, notify=True, indicate=False):
        """Ask the other side for notifications, indications, both or neither."""
        self._listen()
        switch = await self.descriptor(_CCCD)
        if switch is None:
            raise ValueError("CCCD not found")
        await switch.write(struct.pack("<H", bool(notify) | bool(indicate) << 1))

    async def notified(self, timeout_ms=None):
        """The newest notification; waits if there is none."""
        self._need(_NOTIFY)
        return await self._next(self._notify_queue, self._notify_flag, timeout_ms)

    async def indicated(self, timeout_ms=None):
        """The newest indication; waits if there is none."""
        self._need(_INDICATE)
        return await self._next(self._indicate_queue, self._indicate_flag, timeout_ms)

    async def _next(self, queue, flag, timeout_ms):
        self._listen()
        # Also with a value there, because the flag must be used up; it does not wait then.
        if len(queue) < 2:
            with Limit(self.connection, timeout_ms):
                await flag.wait()
        return queue.popleft()


class ClientDescriptor(_Remote):
    """A descriptor of the other side; comes from `ClientCharacteristic.descriptor`."""

    def __init__(self, characteristic, fields):
        super().__init__(characteristic.connection, fields[0], _READ | _WRITE, fields[1])
        self.characteristic = characteristic

    def __str__(self):
        return f"Descriptor: {self._value_handle} {self.properties} {self.uuid}"


def _concerns(*events):
    """As `on`, but the function gets whom the event concerns, instead of two handles, if that is known."""

    def keep(function):
        def happened(handle, value_handle, what):
            remote = links[handle]._listeners.get(value_handle) if handle in links else None
            if remote is not None:
                function(remote, what)

        on(*events)(happened)

    return keep


@_concerns(15)
def _read_data(remote, data):
    remote._reading.data = bytes(data)
    remote._reading.flag.set()


@_concerns(16)
def _read_done(remote, status):
    remote._reading.end(status)


@_concerns(17)
def _write_done(remote, status):
    remote._writing.end(status)


def _keep(queue, flag, data):
    # Only the first in the queue sets the flag.
    if not len(queue):
        flag.set()
    queue.append(bytes(data))


@_concerns(18)
def _notification(remote, data):
    _keep(remote._notify_queue, remote._notify_flag, data)


@_concerns(19)
def _indication(remote, data):
    _keep(remote._indicate_queue, remote._indicate_flag, data)
