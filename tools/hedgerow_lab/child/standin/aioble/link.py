"""Other devices, connections to them, and operations that end with a connection or a time."""

import asyncio

from .core import GattError, at_stop, ble, log_error, on, switch_on

links = {}  # handle in the controller -> DeviceConnection
_wanted = {}  # Device -> itself, while connect() waits
_scan = None  # the scan that has the radio; it must end before a connect


class DeviceDisconnectedError(Exception):
    """The connection was lost inside `with connection.timeout(...)`."""


class Limit:
    """Cancels what runs inside `with` after a time, or when the link is lost; both may be None."""

    def __init__(self, link, after_ms):
        self._owner = asyncio.current_task()
        self._link = link
        self._after_ms = after_ms
        self._timer = None
        self._expired = False
        if link is not None:
            link._limits.append(self)

    async def _run_timer(self):
        await asyncio.sleep_ms(self._after_ms)
        self._expired = True
        self.end()

    def end(self):
        """Cancel the task inside."""
        self._owner.cancel()

    def __enter__(self):
        if self._after_ms:
            self._timer = asyncio.create_task(self._run_timer())

    def __exit__(self, kind, error, trace):
        link = self._link
        if link is not None:
            link._limits.remove(self)
        if self._timer is not None and not self._expired:
            self._timer.cancel()
        if kind is asyncio.CancelledError:
            if self._expired:
                raise asyncio.TimeoutError()
            if link is not None and not link.is_connected():
                raise DeviceDisconnectedError()


class Answer:
    """How a request ended: a flag to wait for, a status, None until then, and what came with it."""

    def __init__(self):
        self.flag = asyncio.ThreadSafeFlag()
        self.status = self.data = None

    def end(self, status):
        """The answer is there."""
        self.status = status
        self.flag.set()

    def result(self):
        """The data, or GattError."""
        # A trap: the answer to an earlier request that timed out ends the next one's wait, its status None.
        if self.status != 0:
            raise GattError(self.status)
        return self.data


class Device:
    """An address, and the connection to it if there is one. ``addr``: 6 bytes, or hexadecimal with colons."""

    def __init__(self, addr_type, addr):
        self.addr_type, self.addr = addr_type, addr
        if len(addr) > 6:
            self.addr = bytes.fromhex(addr.replace(":", ""))
        self._link = None

    def _key(self):
        return (self.addr_type, self.addr)

    def __eq__(self, other):
        return self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    def __str__(self):
        words = ["ADDR_RANDOM" if self.addr_type else "ADDR_PUBLIC", self.addr_hex()]
        if self._link is not None:
            words.append("CONNECTED")
        return "Device(" + ", ".join(words) + ")"

    def addr_hex(self):
        """The address as text with colons."""
        return self.addr.hex(":")

    async def connect(
        self, timeout_ms=10000, scan_duration_ms=None, min_conn_interval_us=None, max_conn_interval_us=None
    ):
        """Connect; ends a scan. A DeviceConnection, or asyncio.TimeoutError."""
        # A trap: after a connect that timed out this is its carcass.
        if self._link is None:
            link = DeviceConnection(self)
            # A trap: of two at once to one address the second comes back without a connection.
            if self not in _wanted:
                switch_on()
                await end_scan()
                await self._call(timeout_ms, (scan_duration_ms, min_conn_interval_us, max_conn_interval_us))
            link._attend()
        return self._link

    async def _call(self, timeout_ms, parameters):
        link = self._link
        _wanted[self] = self
        try:
            with Limit(None, timeout_ms):
                ble.gap_connect(self.addr_type, self.addr, *parameters)
                # A trap: when this is over, nobody tells the controller to stop connecting.
                await link._changed.wait()
                links[link._conn_handle] = link
        finally:
            del _wanted[self]


async def end_scan():
    """The radio can do one thing at a time: end a scan that goes on."""
    if _scan is not None:
        # A trap: a scan that could not start counts too, and this waits for its end for ever.
        await _scan.cancel()


def scanning():
    """The scan that has the radio, or None."""
    return _scan


def set_scanning(scan):
    """Give the radio to a scan, or to nobody."""
    global _scan
    _scan = scan


@on(7)
def _connected(handle, addr_type, addr):
    device = _wanted.get(Device(addr_type, bytes(addr)))
    if device is not None:
        device._link._conn_handle = handle
        device._link._changed.set()


@on(2, 8)
def _lost(handle, addr_type, addr):
    if handle in links:
        links[handle]._changed.set()


@on(21)
def _mtu_agreed(handle, mtu):
    if handle in links:
        link = links[handle]
        link.mtu = mtu
        if link._mtu_agreed:
            link._mtu_agreed.set()


@at_stop
def _forget():
    set_scanning(None)
    _wanted.clear()


class DeviceConnection:
    """A connection, whoever called; `async with` disconnects at the end. ``mtu``: None until exchanged."""

    encrypted = authenticated = bonded = False

    def __init__(self, device):
        self.device = device
        device._link = self
        self.mtu = self._conn_handle = self._task = None
        self._changed = asyncio.ThreadSafeFlag()  # connected, and later: lost
        self._mtu_agreed = None
        self._discovery = None  # the one that is going on
        self._listeners = {}  # value handle -> whom its events concern
        self._limits = []

    def _attend(self):
        self._task = asyncio.create_task(self._until_lost())

    async def _until_lost(self):
        assert self.is_connected()
        await self._changed.wait()
        del links[self._conn_handle]
        self.device._link = self._conn_handle = None
        for limit in self._limits:
            limit.end()

    def is_connected(self):
        """Whether the connection is there, as far as its task has seen."""
        handle = self._conn_handle
        return handle is not None

    async def disconnect(self, timeout_ms=2000):
        """Hang up and wait for the end."""
        await self.disconnected(timeout_ms, True)

    async def disconnected(self, timeout_ms=None, disconnect=False):
        """Wait for the end of the connection, or asyncio.TimeoutError."""
        handle = self._conn_handle
        if handle is None:
            return
        if disconnect:
            try:
                ble.gap_disconnect(handle)
            except OSError as error:
                log_error("Disconnect", error)
        with Limit(None, timeout_ms):
            # A trap: whoever cancels this, or lets it time out, cancels the task itself, which is the only
            # one that notices the end. The connection then counts as open for ever.
            await self._task

    def timeout(self, timeout_ms):
        """For `with`: raise DeviceDisconnectedError or asyncio.TimeoutError inside; None is no time limit."""
        return Limit(self, timeout_ms)

    async def exchange_mtu(self, mtu=None, timeout_ms=1000):
        """Ask for longer packets than the 23 bytes that count without this; the MTU that was agreed."""
        if not self.is_connected():
            raise ValueError("Not connected")
        if mtu:
            ble.config(mtu=mtu)
        if not self._mtu_agreed:
            self._mtu_agreed = asyncio.ThreadSafeFlag()
        ble.gattc_exchange_mtu(self._conn_handle)
        with Limit(self, timeout_ms):
            await self._mtu_agreed.wait()
        return self.mtu

    def services(self, uuid=None, timeout_ms=2000):
        """For `async for`, which must run to its end: all services, or those with ``uuid``."""
        from .client import services_of

        return services_of(self, uuid)

    async def service(self, uuid, timeout_ms=2000):
        """The service with ``uuid``, or None."""
        return await self.services(uuid).pick(uuid)

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, trace):
        await self.disconnect()
