"""Advertising and scanning."""

import asyncio
import struct

import bluetooth

from .core import at_stop, ble, on, switch_on
from .link import Device, DeviceConnection, Limit, end_scan, links, scanning, set_scanning

_FLAGS = 0x01
_UUIDS = {2: 0x03, 4: 0x05, 16: 0x07}  # complete lists; one less is an incomplete list
_SHORT_NAME = 0x08
_NAME = 0x09
_APPEARANCE = 0x19
_MANUFACTURER = 0xFF
_CONNECTABLE, _SCANNABLE, _OTHER, _RESPONSE = 0, 2, 3, 4
_ADVERTISEMENTS = (_CONNECTABLE, _SCANNABLE, _OTHER)
_ROOM = 30  # a trap: one byte less than fits

_caller = None
_called = None


@on(1)
def _central_connected(handle, addr_type, addr):
    global _caller
    _caller = links[handle] = DeviceConnection(Device(addr_type, bytes(addr)))
    _caller._conn_handle = handle
    _called.set()


@at_stop
def _forget():
    global _caller, _called
    _caller = _called = None


def _fields(limited_disc, br_edr, name, services, appearance, manufacturer):
    yield _FLAGS, bytes([(1 if limited_disc else 2) + (0x18 if br_edr else 4)])
    uuids = [bytes(uuid) for uuid in services or ()]
    for size in (2, 4, 16):
        same = [uuid for uuid in uuids if len(uuid) == size]
        if same:
            yield _UUIDS[size], b"".join(same)
    if name:
        yield _NAME, name
    if appearance:
        yield _APPEARANCE, struct.pack("<H", appearance)
    if manufacturer:
        yield _MANUFACTURER, struct.pack("<H", manufacturer[0]) + manufacturer[1]


def _payloads(fields):
    parts = [b"", b""]
    for kind, value in fields:
        field = bytes([len(value) + 1, kind]) + value
        for index in (0, 1):
            if len(parts[index]) + len(field) <= _ROOM:
                parts[index] += field
                break
        else:
            raise ValueError("Advertising payload too long")
    return parts[0], parts[1] or None


async def advertise(
    interval_us,
    adv_data=None,
    resp_data=None,
    connectable=True,
    limited_disc=False,
    br_edr=False,
    name=None,
    services=None,
    appearance=0,
    manufacturer=(),
    timeout_ms=None,
):
    """Advertise until somebody connects; the connection, or asyncio.TimeoutError after ``timeout_ms``.

    Without ``adv_data`` and ``resp_data`` they are made of the other arguments; none is for service data.
    """
    global _caller, _called
    switch_on()
    if not (adv_data or resp_data):
        adv_data, resp_data = _payloads(
            _fields(limited_disc, br_edr, name, services, appearance, manufacturer)
        )
    if _called is None:
        _called = asyncio.ThreadSafeFlag()
    ble.gap_advertise(interval_us, adv_data, resp_data=resp_data, connectable=connectable)
    try:
        with Limit(None, timeout_ms):
            await _called.wait()
    except (asyncio.CancelledError, asyncio.TimeoutError) as end:
        ble.gap_advertise(None)
        # A trap: a cancellation ends here, and the caller gets None.
        if isinstance(end, asyncio.TimeoutError):
            raise
        return None
    link, _caller = _caller, None
    link._attend()
    return link


class ScanResult:
    """What was heard of one device; the scan returns the same object again when something changed."""

    def __init__(self, device):
        self.device = device
        self.adv_data = self.resp_data = self.rssi = None
        self.connectable = False

    def __str__(self):
        return "Scan result: " + str(self.device) + " " + str(self.rssi)

    def _take(self, kind, rssi, data):
        # Keep what was heard; whether it is news.
        news = rssi != self.rssi
        self.rssi = rssi
        if kind == _RESPONSE:
            if data and data != self.resp_data:
                self.resp_data = data
                return True
        elif kind in _ADVERTISEMENTS and data != self.adv_data:
            self.adv_data = data
            if kind == _SCANNABLE:
                return news or bool(self.resp_data)
            self.connectable = kind == _CONNECTABLE
            return True
        return news

    def _values(self, *kinds):
        for payload in (self.adv_data or b"", self.resp_data or b""):
            at = 0
            while at < len(payload) - 1:
                size = payload[at]
                if payload[at + 1] in kinds:
                    yield payload[at + 2 : at + 1 + size]
                at += size + 1

    def name(self):
        """The name, complete or shortened, or None."""
        for value in self._values(_SHORT_NAME, _NAME):
            return value.decode()
        return None

    def services(self):
        """Generator of the UUIDs of services."""
        for size in (2, 4, 16):
            kind = _UUIDS[size]
            for value in self._values(kind - 1, kind):
                while value:
                    yield bluetooth.UUID(value[:size])
                    value = value[size:]

    def manufacturer(self, filter=None):
        """Generator of (number of the manufacturer, data)."""
        for value in self._values(_MANUFACTURER):
            if len(value) >= 2:
                number = value[0] | value[1] << 8
                if filter in (None, number):
                    yield number, value[2:]


class scan:
    """`async with` this, then `async for` over it; ends after ``duration_ms`` (0: never) or `cancel`."""

    def __init__(self, duration_ms, interval_us=None, window_us=None, active=False):
        self._parameters = (duration_ms, interval_us or 1280000, window_us or 11250, active)
        self._event = asyncio.ThreadSafeFlag()
        self._done = False
        # Traps: both grow as long as the scan lasts, the first one also while nobody iterates.
        self._queue = []
        self._results = {}

    async def __aenter__(self):
        switch_on()
        await end_scan()
        set_scanning(self)
        ble.gap_scan(*self._parameters)
        return self

    async def __aexit__(self, kind, error, trace):
        if scanning() is self:
            await self.cancel()

    def __aiter__(self):
        assert scanning() is self
        return self

    async def __anext__(self):
        if scanning() is self:
            while True:
                result = self._next_result()
                if result is not None:
                    return result
                if self._done:
                    set_scanning(None)
                    break
                await self._event.wait()
        raise StopAsyncIteration()

    def _next_result(self):
        while self._queue:
            # A trap: the newest first.
            addr_type, addr, kind, rssi, data = self._queue.pop()
            result = self._results.get((addr_type, addr))
            if result is None:
                result = self._results[addr_type, addr] = ScanResult(Device(addr_type, addr))
            if result._take(kind, rssi, data):
                return result
        return None

    async def cancel(self):
        """End the scan before its time."""
        if not self._done:
            ble.gap_scan(None)
            while not self._done:
                await self._event.wait()
            set_scanning(None)


@on(5)
def _advertisement(addr_type, addr, kind, rssi, data):
    scan = scanning()
    if scan is not None:
        scan._queue.append((addr_type, bytes(addr), kind, rssi, bytes(data)))
        scan._event.set()


@on(6)
def _scan_over():
    scan = scanning()
    if scan is not None:
        scan._done = True
        scan._event.set()
