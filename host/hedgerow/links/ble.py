"""``ble:NAME``: a board over Bluetooth (bleak: BlueZ, CoreBluetooth, WinRT).

A board's address changes every 15 minutes and its beacon shows no name. Who holds its finding key knows its
beacon all the same; without that key the boards in reach are tried one after the other, the nearest first.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from hedgerow import errors
from hedgerow_core import beacon

if TYPE_CHECKING:
    from bleak import BleakClient, BleakScanner
    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.client import BaseBleakClient
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData, BaseBleakScanner

SERVICE = "8d1f0001-6c0b-4b6e-9d5a-0e5f4c7a51e1"
WRITE = "8d1f0002-6c0b-4b6e-9d5a-0e5f4c7a51e1"
NOTIFY = "8d1f0003-6c0b-4b6e-9d5a-0e5f4c7a51e1"
BEACON = f"0000{beacon.SERVICE_UUID:04x}-0000-1000-8000-00805f9b34fb"

_PACKET_BYTES = 244  # more no board takes
# BlueZ and CoreBluetooth take any number of writes without response and say nothing of those that they lose.
_RESPONSE_EVERY = 4
_UNREAD_PACKETS = 1_024
_FIND_S = 20.0  # a board that has nothing to say sends a beacon every eight seconds
LOOK_S = 9.0
_START_S = 20.0  # a person may have to allow it
_CONNECT_S = 20.0
_CLOSE_S = 5.0
_BEGINS_S = 2.0
_TRIES = 8  # boards that are no friends of ours

T = TypeVar("T")


@dataclass(frozen=True)
class Sighting:
    """A beacon that was heard: ``rssi`` in dBm, ``count`` of letters known, ``load`` of 255."""

    device: "BLEDevice"
    beacon_id: bytes
    rssi: int
    count: int
    load: int

    def of(self, finding: bytes) -> bool:
        """Whether the board with that finding key sent it."""
        return beacon.resolves(finding, self.beacon_id)


class BlePort:
    """A connection. ``read`` gives one packet at a time."""

    def __init__(self, name: str) -> None:
        self.packet_bytes: int | None = None
        self._name = name
        self._client: BleakClient | None = None
        self._write: BleakGATTCharacteristic | None = None
        self._written = 0
        self._answers = False  # whether the board answers writes
        self._packets: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._lost = False
        self._began_s = 0.0

    def began(self) -> None:
        """The connection is there."""
        self._began_s = asyncio.get_running_loop().time()

    def lost(self, _: "BleakClient") -> None:
        """The connection is gone."""
        self._lost = True
        self._news.set()

    def _take(self, _: "BleakGATTCharacteristic", data: bytearray) -> None:
        if len(self._packets) < _UNREAD_PACKETS:  # what is more is said again
            self._packets.append(bytes(data))
            self._news.set()

    async def begin(self, client: "BleakClient") -> None:
        """Find what we write to, and subscribe. OtherVersion where it is no board of ours."""
        self._client = client
        write = client.services.get_characteristic(WRITE)
        notify = client.services.get_characteristic(NOTIFY)
        if write is None or notify is None:
            raise errors.OtherVersion
        self._write = write
        self._answers = "write" in write.properties
        await client.start_notify(notify, self._take)
        self.packet_bytes = min(write.max_write_without_response_size, _PACKET_BYTES)

    async def read(self) -> bytes:
        """One packet. BoardGone when the connection is, BoardTakesNoCall where it hardly began."""
        while not self._packets:
            if self._lost:
                raise self._end()
            self._news.clear()
            await self._news.wait()
        return self._packets.popleft()

    async def write(self, data: bytes) -> None:
        """Send one packet. Errors as of ``read``."""
        if self._client is None or self._write is None or self._lost:
            raise self._end()
        self._written += 1
        response = self._answers and self._written % _RESPONSE_EVERY == 0
        try:
            await self._client.write_gatt_char(self._write, data, response=response)
        except _broken():
            raise self._end() from None

    def _end(self) -> errors.UserError:
        # A board with two hosts already hangs up on who proves to be a third.
        began = asyncio.get_running_loop().time() - self._began_s < _BEGINS_S
        return errors.BoardTakesNoCall(name=self._name) if began else errors.BoardGone(name=self._name)

    async def close(self) -> None:
        """Hang up."""
        client, self._client = self._client, None
        if client is not None:
            await _gone(client)


class Bluetooth:
    """The radio of this computer, which all links of one event loop share: it scans while somebody listens,
    and not while it connects, which many adapters cannot do at once. bleak's own backends, or others."""

    def __init__(
        self,
        client: "type[BaseBleakClient] | None" = None,
        scanner: "type[BaseBleakScanner] | None" = None,
    ) -> None:
        self._client_backend = client
        self._scanner_backend = scanner
        self._scanner: BleakScanner | None = None
        self._ears: list[Callable[[Sighting], None]] = []
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def listening(self, hear: Callable[[Sighting], None]) -> AsyncIterator[None]:
        """``hear`` gets every beacon while this lasts."""
        self._ears.append(hear)
        try:
            async with self._turn:
                await self._scan()
            yield
        finally:
            self._ears.remove(hear)
            async with self._turn:
                await self._scan()

    async def _scan(self) -> None:
        """Scan as long as anybody listens."""
        from bleak import BleakScanner

        if self._ears and self._scanner is None:
            scanner = BleakScanner(self._heard, backend=self._scanner_backend)
            silent = errors.NoBluetooth(reason="it does not listen")
            await _told(asyncio.wait_for(scanner.start(), _START_S), silent)
            self._scanner = scanner
        elif not self._ears and self._scanner is not None:
            await self._rest()

    async def _rest(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            with contextlib.suppress(*_broken()):
                async with asyncio.timeout(_CLOSE_S):
                    await scanner.stop()

    def _heard(self, device: "BLEDevice", data: "AdvertisementData") -> None:
        found = beacon.read(data.service_data.get(BEACON, b""))
        if found is not None:
            for hear in list(self._ears):
                hear(Sighting(device, found.beacon_id, data.rssi, found.count, found.load))

    async def find(self, finding: bytes, patience_s: float = _FIND_S) -> Sighting | None:
        """The board with that finding key, None where it is not heard in time."""
        found: asyncio.Future[Sighting] = asyncio.get_running_loop().create_future()

        def hear(sighting: Sighting) -> None:
            if not found.done() and sighting.of(finding):
                found.set_result(sighting)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s), self.listening(hear):
                return await found
        return None

    async def look(self, seconds: float = LOOK_S) -> list[Sighting]:
        """The boards in reach, the nearest first."""
        heard: dict[str, Sighting] = {}
        async with self.listening(lambda sighting: heard.update({sighting.device.address: sighting})):
            await asyncio.sleep(seconds)
        return sorted(heard.values(), key=lambda sighting: -sighting.rssi)

    async def connect(self, name: str, sighting: Sighting) -> BlePort:
        """Connect to what was heard, which the user calls ``name``. BoardTakesNoCall where that fails,
        OtherVersion where it is no board."""
        from bleak import BleakClient

        port = BlePort(name)
        refused = errors.BoardTakesNoCall(name=name)
        async with self._turn:
            await self._rest()
            client = BleakClient(sighting.device, port.lost, timeout=_CONNECT_S, backend=self._client_backend)
            try:
                async with asyncio.timeout(_CONNECT_S):
                    await _told(client.connect(), refused)
                    port.began()
                    await _told(port.begin(client), refused)
            except BaseException as error:
                await _gone(client)
                if isinstance(error, TimeoutError):
                    raise refused from None
                raise
            finally:
                await self._scan()
        return port


async def _gone(client: "BleakClient") -> None:
    with contextlib.suppress(*_broken()):
        async with asyncio.timeout(_CLOSE_S):
            await client.disconnect()


_radios: "WeakKeyDictionary[asyncio.AbstractEventLoop, Bluetooth]" = WeakKeyDictionary()


def radio() -> Bluetooth:
    """The one of the running event loop."""
    return _radios.setdefault(asyncio.get_running_loop(), Bluetooth())


async def ways(
    name: str, finding: bytes | None, bluetooth: Bluetooth | None = None
) -> AsyncIterator[BlePort]:
    """The board called ``name``, open; where its finding key is not known, or another one since a pairing was
    taken away, each board in reach, the nearest first, until one takes our key. BoardNotInReach,
    BoardTakesNoCall, and what ``Bluetooth`` raises."""
    bluetooth = bluetooth or radio()
    shown = name or "Your board"
    heard: dict[str, Sighting] = {}
    if finding:
        async with bluetooth.listening(lambda sighting: heard.update({sighting.device.address: sighting})):
            found = await bluetooth.find(finding)
        if found is not None:
            yield await bluetooth.connect(shown, found)
            return
    near = sorted(heard.values(), key=lambda sighting: -sighting.rssi) if finding else await bluetooth.look()
    for sighting in near[:_TRIES]:
        with contextlib.suppress(errors.BoardTakesNoCall, errors.OtherVersion):
            yield await bluetooth.connect(shown, sighting)
    raise errors.BoardNotInReach(name=shown)


def _broken() -> tuple[type[BaseException], ...]:
    """What a stack raises where a connection or the adapter is gone."""
    from bleak.exc import BleakError

    return (BleakError, OSError, EOFError, TimeoutError)


async def _told(call: Awaitable[T], otherwise: errors.UserError) -> T:
    """What ``call`` gives; what a stack raises as what the user reads."""
    from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError, BleakError
    from bleak.exc import BleakBluetoothNotAvailableReason as Reason

    try:
        return await call
    except BleakBluetoothNotAvailableError as error:
        if error.reason is Reason.POWERED_OFF:
            raise errors.BluetoothOff from None
        if error.reason in (Reason.DENIED_BY_USER, Reason.DENIED_BY_SYSTEM, Reason.DENIED_BY_UNKNOWN):
            raise errors.BluetoothForbidden(reason="the system refuses it") from None
        reason = "no adapter" if error.reason is Reason.NO_BLUETOOTH else "the adapter does not serve"
        raise errors.NoBluetooth(reason=reason) from None
    except BleakDBusError as error:
        kind = error.dbus_error.rpartition(".")[2]
        if kind in ("AccessDenied", "NotAuthorized", "NotPermitted"):
            raise errors.BluetoothForbidden(reason="the system refuses it") from None
        if kind in ("ServiceUnknown", "NameHasNoOwner", "NoReply", "UnknownObject"):
            raise errors.NoBluetooth(reason="BlueZ does not run") from None
        if kind == "NotReady":
            raise errors.BluetoothOff from None
        raise otherwise from None
    except PermissionError:
        raise errors.BluetoothForbidden(reason="the system refuses it") from None
    # A library of the system is missing, or nobody answers on its D-Bus.
    except (ImportError, FileNotFoundError, ConnectionError):
        raise errors.NoBluetooth(reason="the system offers none") from None
    except (BleakError, EOFError, OSError):
        raise otherwise from None
