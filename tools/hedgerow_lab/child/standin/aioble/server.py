"""What this board offers: services, characteristics, and who wrote to them."""
# ruff: noqa: RUF037

import asyncio
from collections import deque

from .core import at_stop, ble, on, switch_on
from .link import Answer, Limit, links

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
                owner, entry = self.queue.popleft()
                owner._give(entry)
                await self.consumed.wait()
            await self.arrived.wait()


class Service:
    """A service to offer; its characteristics add themselves."""

    def __init__(self, uuid):
        self.uuid, self.characteristics = uuid, []


class _Local:
    """Something with a value in the local database, which the other side reads and writes."""

    def __init__(self, uuid, flags, value):
        self.uuid, self.flags = uuid, flags
        self._value_handle = None
        self._early = value  # until it is registered
        self._entry = None
        self._written = asyncio.ThreadSafeFlag() if flags & (_WRITE | _WRITE_NO_RESPONSE) else None

    def _register(self, handle):
        _registered[handle] = self
        self._value_handle = handle
        early, self._early = self._early, None
        if early is not None:
            ble.gatts_write(handle, early, False)

    def _give(self, entry):
        self._entry = entry
        self._written.set()

    def read(self):
        """The value now."""
        handle = self._value_handle
        return (self._early or b"") if handle is None else ble.gatts_read(handle)

    def write(self, data, send_update=False):
        """Set the value; with ``send_update`` tell those who subscribed."""
        handle = self._value_handle
        if handle is None:
            self._early = data
        else:
            ble.gatts_write(handle, data, send_update)

    async def written(self, timeout_ms=None):
        """Wait for a write: the connection, or with capture (connection, data). None if it is not writable.

        A trap: it does not end when a connection is lost.
        """
        if self._written is None:
            return None
        with Limit(None, timeout_ms):
            await self._written.wait()
        entry, self._entry = self._entry, None
        if self.flags & _CAPTURE:
            _capture.consumed.set()
        return entry

    def on_read(self, connection):
        """Override: called before the other side reads; what is not 0 refuses with that status."""
        return 0


class Characteristic(_Local):
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
        flags = (_READ if read else 0) | (_WRITE if write else 0)
        flags |= _WRITE_NO_RESPONSE if write_no_response else 0
        if capture and flags & ~_READ:
            flags |= _CAPTURE
            _capture = _capture or _Capture()
        flags |= (_NOTIFY if notify else 0) | (_INDICATE if indicate else 0)
        super().__init__(uuid, flags, initial)
        self.descriptors = []
        self._indicated_to = None
        self._indication = Answer()
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
        if self._indicated_to is not None:
            raise ValueError("In progress")
        handle = connection._conn_handle
        if handle is None:
            raise ValueError("Not connected")
        self._indicated_to = connection
        answer = self._indication
        answer.status = None
        try:
            with Limit(connection, timeout_ms):
                ble.gatts_indicate(handle, self._value_handle, data)
                await answer.flag.wait()
            answer.result()
        finally:
            self._indicated_to = None


class BufferedCharacteristic(Characteristic):
    """A characteristic that takes up to ``max_len`` bytes; with ``append`` writes add up until read."""

    def __init__(self, *given, max_len=20, append=False, **named):
        super().__init__(*given, **named)
        self._buffer = (max_len, append)

    def _register(self, handle):
        super()._register(handle)
        ble.gatts_set_buffer(handle, *self._buffer)


class Descriptor(_Local):
    """A descriptor of ``characteristic``."""

    def __init__(self, characteristic, uuid, read=False, write=False, initial=None):
        super().__init__(uuid, (_READ if read else 0) | (_WRITE if write else 0), initial)
        characteristic.descriptors.append(self)


def _definition(local):
    below = tuple(_definition(one) for one in getattr(local, "descriptors", ()))
    return (local.uuid, local.flags, below) if below else (local.uuid, local.flags)


def register_services(*services):
    """Offer these services, and no others."""
    switch_on()
    _registered.clear()
    table = tuple((one.uuid, tuple(_definition(local) for local in one.characteristics)) for one in services)
    for service, handles in zip(services, ble.gatts_register_services(table)):
        following = iter(handles)
        for local in service.characteristics:
            local._register(next(following))
            for below in local.descriptors:
                below._register(next(following))


@on(3)
def _remote_write(handle, value_handle):
    local = _registered.get(value_handle)
    if local is not None:
        link = links.get(handle)
        if local.flags & _CAPTURE:
            _capture.queue.append((local, (link, local.read())))
            _capture.arrived.set()
        else:
            local._give(link)


@on(4)
def _remote_read(handle, value_handle):
    local = _registered.get(value_handle)
    return None if local is None else local.on_read(links.get(handle))


@on(20)
def _confirmed(handle, value_handle, status):
    local = _registered.get(value_handle)
    # After a time limit nobody waits any more.
    if local is not None and local._indicated_to is not None and handle in links:
        local._indication.end(status)


@at_stop
def _forget():
    global _capture
    _registered.clear()
    if _capture is not None:
        _capture.task.cancel()
        _capture = None
