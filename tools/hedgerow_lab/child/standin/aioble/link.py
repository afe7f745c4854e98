"""Other devices, connections to them, and operations that end with a connection or a time."""

import asyncio

from .core import at_stop, ble, log_error, on, switch_on

links = {}  # handle in the controller -> DeviceConnection
_wanted = {}  # Device -> itself, while connect() waits
_scan = None  # the scan that has the radio; it must end before a connect


class DeviceDisconnectedError(Exception):
    """The connection was lost inside `with connection.timeout(...)`."""


class Limit:
    """Cancels what runs inside `with` after a time, or when the connection is lost; both may be None."""

    def __init__(self, connection, timeout_ms):
        self._owner = asyncio.current_task()
        self._connection = connection
        self._after_ms = timeout_ms
        self._timer = None
        self._expired = False
        if connection is not None:
            connection._limits.append(self)

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
        connection = self._connection
        if connection is not None:
            connection._limits.remove(self)
        if self._timer is not None and not self._expired:
            self._timer.cancel()
        if kind is asyncio.CancelledError:
            if self._expired:
                raise asyncio.TimeoutError
            if connection is not None and not connection.is_connected():
                raise DeviceDisconnectedError


class Device:
    """An address, and the connection to it if there is one. ``addr``: 6 bytes, or hexadecimal with colons."""

    def __init__(self, addr_type, addr):
        if len(addr) != 6:
            addr = bytes(int(pair, 16) for pair in addr.split(":"))
        self.addr = addr
        self.addr_type = addr_type
        self._connection = None

    def _key(self):
        return (self.addr_type, self.addr)

    def __eq__(self, other):
        return self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    def __str__(self):
        words = ["ADDR_RANDOM" if self.addr_type else "ADDR_PUBLIC", self.addr_hex()]
        if self._connection is not None:
            words.append("CONNECTED")
        return "Device(%s)" % ", ".join(words)

    def addr_hex(self):
        """The address as text with colons."""
        return ":".join("%02x" % byte for byte in self.addr)

    async def connect(
        self, timeout_ms=10000, scan_duration_ms=None, min_conn_interval_us=None, max_conn_interval_us=None
    ):
        """Connect; ends a scan. A DeviceConnection, or asyncio.TimeoutError."""
        # A trap: after a connect that timed out this is its carcass.
        if self._connection is None:
            connection = DeviceConnection(self)
            # A trap: of two at once to one address the second comes back without a connection.
            if self not in _wanted:
                switch_on()
                await end_scan()
                await self._call(timeout_ms, (scan_duration_ms, min_conn_interval_us, max_conn_interval_us))
            connection._attend()
        return self._connection

    async def _call(self, timeout_ms, parameters):
        connection = self._connection
        _wanted[self] = self
        try:
            with Limit(None, timeout_ms):
                ble.gap_connect(self.addr_type, self.addr, *parameters)
                # A trap: when this is over, nobody tells the controller to stop connecting.
                await connection._changed.wait()
                links[connection._conn_handle] = connection
        finally:
            del _wanted[self]


async def end_scan():
    """The radio can do one thing at a time: end a scan that goes on."""
    if _scan is not None:
        await _scan.cancel()


def scanning():
    """The scan that has the radio, or None."""
    return _scan


def set_scanning(scan):
    """Give the radio to a scan, or to nobody."""
    global _scan
    _scan = scan


@on(7)
def _called(handle, addr_type, addr):
    device = _wanted.get(Device(addr_type, bytes(addr)))
    if device is not None:
        device._connection._conn_handle = handle
        device._connection._changed.set()


@on(2)
@on(8)
def _lost(handle, addr_type, addr):
    if handle in links:
        links[handle]._changed.set()


@on(21)
def _mtu_is(handle, mtu):
    if handle in links:
        connection = links[handle]
        connection.mtu = mtu
        if connection._mtu_known is not None:
            connection._mtu_known.set()


@at_stop
def _forget():
    set_scanning(None)
    _wanted.clear()


class DeviceConnection:
    """A connection, whoever called; `async with` disconnects at the end. ``mtu`` is None until exchanged."""

    encrypted = authenticated = bonded = False

    def __init__(self, device):
        device._connection = self
        self.device = device
        self.mtu = None
        self._conn_handle = None
        self._changed = asyncio.ThreadSafeFlag()  # connected, and later: lost
        self._mtu_known = None
        self._discover = None  # the discovery that is going on
        self._characteristics = {}  # value handle -> whom its events concern
        self._limits = []
        self._task = None

    def _attend(self):
        self._task = asyncio.create_task(self._until_lost())

    async def _until_lost(self):
        assert self._conn_handle is not None
        await self._changed.wait()
        del links[self._conn_handle]
        self.device._connection = self._conn_handle = None
        for limit in self._limits:
            limit.end()

    def is_connected(self):
        """Whether the connection is there, as far as its task has seen."""
        return not self._conn_handle is None  # noqa: E714

    async def disconnect(self, timeout_ms=2000):
        """Hang up and wait for the end."""
        await self.disconnected(timeout_ms, True)

    async def disconnected(self, timeout_ms=None, disconnect=False):
        """Wait for the end of the connection, or asyncio.TimeoutError."""
        if self._conn_handle is None:
            return
        if disconnect:
            try:
                ble.gap_disconnect(self._conn_handle)
            except OSError as error:
                log_error("Disconnect", error)
        with Limit(None, timeout_ms):
            # A trap: whoever cancels this, or lets it time out, cancels the task itself, which is the only
            # one that notices the end.
            await self._task

    def timeout(self, timeout_ms):
        """For `with`: raise DeviceDisconnectedError or asyncio.TimeoutError inside; None is no time limit."""
        return Limit(self, timeout_ms)

    async def exchange_mtu(self, mtu=None, timeout_ms=1000):
        """Ask for longer packets than the 23 bytes that count without this; the MTU that was agreed."""
        if self._conn_handle is None:
            raise ValueError("Not connected")
        if mtu:
            ble.config(mtu=mtu)
        if self._mtu_known is None:
            self._mtu_known = asyncio.ThreadSafeFlag()
        ble.gattc_exchange_mtu(self._conn_handle)
        with Limit(self, timeout_ms):
            await self._mtu_known.wait()
        return self.mtu

    def services(self, uuid=None, timeout_ms=2000):
        """For `async for`, which must run to its end: all services, or those with ``uuid``."""
        from .client import services_of

        return services_of(self, uuid)

    async def service(self, uuid, timeout_ms=2000):
        """The service with ``uuid``, or None."""
        from .client import pick

        return await pick(self.services(uuid), uuid)

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, trace):
        await self.disconnect()
