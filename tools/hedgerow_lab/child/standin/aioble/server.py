"""What this board offers: services, characteristics, and who wrote to them."""

import asyncio
from collections import deque

from .core import GattError, at_stop, ble, on, switch_on
from .link import Limit, links

_READ = 0x02
_WRITE_NO_RESPONSE = 0x04
_WRITE = 0x08
_NOTIFY = 0x10
_INDICATE = 0x20
_CAPTURE = 0x10000
_CAPTURE_DEPTH = 10

_registered = {}  # value handle -> whose
_capture = None


class _Capture:
    """A trap: all capturing characteristics of the board share these ten places. The eleventh write takes the
    place of the first, and one characteristic that nobody reads holds up the others."""

    def __init__(self):
        self.queue = deque((), _CAPTURE_DEPTH)
        self.arrived = asyncio.ThreadSafeFlag()
        self.consumed = asyncio.ThreadSafeFlag()
        self.task = asyncio.create_task(self._share())

    async def _share(self):
        while True:
            while self.queue:
                value, entry = self.queue.popleft()
                value._give(entry)
                await self.consumed.wait()
            await self.arrived.wait()


class Service:
    """A service to offer; its characteristics add themselves."""

    def __init__(self, uuid):
        self.uuid = uuid
        self.characteristics = []


class _Value:
    """Something with a value in the local database, which the other side reads and writes."""

    def __init__(self, uuid, flags, initial):
        self.uuid = uuid
        self.flags = flags
        self._initial = initial
        self._value_handle = None
        self._written = None
        self._written_event = None
        if flags & (_WRITE | _WRITE_NO_RESPONSE):
            self._written_event = asyncio.ThreadSafeFlag()

    def _register(self, handle):
        self._value_handle = handle
        _registered[handle] = self
        initial, self._initial = self._initial, None
        if initial is not None:
            self.write(initial)

    def _give(self, entry):
        self._written = entry
        self._written_event.set()

    def read(self):
        """The value now."""
        if self._value_handle is not None:
            return ble.gatts_read(self._value_handle)
        return self._initial or b""

    def write(self, data, send_update=False):
        """Set the value; with ``send_update`` tell those who subscribed."""
        if self._value_handle is not None:
            ble.gatts_write(self._value_handle, data, send_update)
        else:
            self._initial = data

    async def written(self, timeout_ms=None):
        """Wait for a write: the connection, or with capture (connection, data). None if it is not writable.

        A trap: it does not end when a connection is lost.
        """
        if self._written_event is None:
            return None
        with Limit(None, timeout_ms):
            await self._written_event.wait()
        entry, self._written = self._written, None
        if self.flags & _CAPTURE:
            _capture.consumed.set()
        return entry

    def on_read(self, connection):
        """Override: called before the other side reads; what is not 0 refuses with that status."""
        return 0


class Characteristic(_Value):
    """A characteristic of ``service``."""

    def __init__(
        self,
        service,
        uuid,
        read=False,
        write=False,
        write_no_response=False,
        notify=False,
        indicate=False,
        initial=None,
        capture=False,
    ):
        global _capture
        flags = 0
        for wanted, flag in (
            (read, _READ),
            (write, _WRITE),
            (write_no_response, _WRITE_NO_RESPONSE),
            (notify, _NOTIFY),
            (indicate, _INDICATE),
            (capture and (write or write_no_response), _CAPTURE),
        ):
            if wanted:
                flags |= flag
        super().__init__(uuid, flags, initial)
        self.descriptors = []
        self._indicate_connection = None
        self._indicate_status = None
        if indicate:
            self._indicate_event = asyncio.ThreadSafeFlag()
        if flags & _CAPTURE and _capture is None:
            _capture = _Capture()
        service.characteristics.append(self)

    def _need(self, flag):
        if not self.flags & flag:
            raise ValueError("Not supported")

    def notify(self, connection, data=None):
        """Send ``data``, or the value, without waiting; OSError when the transmit queue is full."""
        self._need(_NOTIFY)
        ble.gatts_notify(connection._conn_handle, self._value_handle, data)

    async def indicate(self, connection, data=None, timeout_ms=1000):
        """Send ``data``, or the value, and wait until the other side has it; one at a time."""
        self._need(_INDICATE)
        if self._indicate_connection is not None:
            raise ValueError("In progress")
        if not connection.is_connected():
            raise ValueError("Not connected")
        self._indicate_status = None
        self._indicate_connection = connection
        try:
            with Limit(connection, timeout_ms):
                ble.gatts_indicate(connection._conn_handle, self._value_handle, data)
                await self._indicate_event.wait()
            if self._indicate_status != 0:
                raise GattError(self._indicate_status)
        finally:
            self._indicate_connection = None


class BufferedCharacteristic(Characteristic):
    """A characteristic that takes up to ``max_len`` bytes; with ``append`` writes add up until read."""

    def __init__(self, *args, max_len=20, append=False, **kwargs):
        super().__init__(*args, **kwargs)
        self._buffer = (max_len, append)

    def _register(self, handle):
        super()._register(handle)
        ble.gatts_set_buffer(handle, *self._buffer)


class Descriptor(_Value):
    """A descriptor of ``characteristic``."""

    def __init__(self, characteristic, uuid, read=False, write=False, initial=None):
        super().__init__(uuid, (_READ if read else 0) | (_WRITE if write else 0), initial)
        characteristic.descriptors.append(self)


def _definition(value):
    entry = (value.uuid, value.flags)
    below = getattr(value, "descriptors", ())
    return entry + (tuple(_definition(one) for one in below),) if below else entry


def register_services(*services):
    """Offer these services, and no others."""
    switch_on()
    _registered.clear()
    table = tuple((one.uuid, tuple(_definition(value) for value in one.characteristics)) for one in services)
    for service, handles in zip(services, ble.gatts_register_services(table)):
        following = iter(handles)
        for characteristic in service.characteristics:
            characteristic._register(next(following))
            for descriptor in characteristic.descriptors:
                descriptor._register(next(following))


@on(3)
def _remote_write(handle, value_handle):
    value = _registered.get(value_handle)
    if value is not None:
        connection = links.get(handle)
        if value.flags & _CAPTURE:
            _capture.queue.append((value, (connection, value.read())))
            _capture.arrived.set()
        else:
            value._give(connection)


@on(4)
def _remote_read(handle, value_handle):
    value = _registered.get(value_handle)
    return None if value is None else value.on_read(links.get(handle))


@on(20)
def _indicate_done(handle, value_handle, status):
    value = _registered.get(value_handle)
    # Nobody waits any more after a time limit.
    if value is not None and value._indicate_connection is not None and handle in links:
        value._indicate_status = status
        value._indicate_event.set()


@at_stop
def _forget():
    global _capture
    _registered.clear()
    if _capture is not None:
        _capture.task.cancel()
        _capture = None
