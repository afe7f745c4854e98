"""bleak on the lab's air: backends for its public ``backend=`` argument, one computer's radio each."""

import asyncio
import struct
from collections.abc import Callable
from typing import Any
from uuid import UUID

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError

from hedgerow_lab import central as gatt
from hedgerow_lab.central import Address, Central

_PROPERTIES = ((0x02, "read"), (0x04, "write-without-response"), (0x08, "write"), (0x10, "notify"))
_FLAGS, _SERVICE_DATA_16 = 0x01, 0x16  # types of AD structures
# bleak's abstract class wants methods for it.
_UNUSED = "Hedgerow neither pairs through the system nor reads characteristics"
_TEXT_OF_ADDRESS = "{:02X}:{:02X}:{:02X}:{:02X}:{:02X}:{:02X}"


class Computer:
    """A computer with a radio, and its ``client`` and ``scanner`` for bleak. ``mtu`` is what its system asks
    for by itself when it connects, None if it never does; ``lose`` says which writes without response its
    system drops."""

    def __init__(self, central: Central, mtu: int | None = 517) -> None:
        self.central = central
        self.mtu = mtu
        self.lose: Callable[[bytes], bool] = lambda data: False
        self.broken: Exception | None = None  # what its stack says instead of scanning
        self.writes = 0
        self.scanners: list[AirScanner] = []
        self.links: dict[int, AirClient] = {}
        self.calling: asyncio.Future[int] | None = None
        central.on_advert = self._heard
        central.on_connected = lambda handle, address: self._called(handle)
        central.on_failed = lambda address: self._called(None)
        central.on_lost = self._lost
        central.on_packet = self._packet
        computer = self

        class OfThis(AirClient):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(computer, *arguments, **options)

        class ScannerOfThis(AirScanner):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(computer, *arguments, **options)

        self.client: type[BaseBleakClient] = OfThis
        self.scanner: type[BaseBleakScanner] = ScannerOfThis

    def _heard(self, address: Address, kind: int, rssi: int, data: bytes) -> None:
        for scanner in list(self.scanners):
            scanner.heard(address, rssi, data)

    def _called(self, handle: int | None) -> None:
        calling, self.calling = self.calling, None
        if calling is not None and not calling.done():
            if handle is None:
                calling.set_exception(BleakError("failed to connect"))
            else:
                calling.set_result(handle)
        elif handle is not None:
            self.central.disconnect(handle)  # nobody waits for it any more

    def _lost(self, handle: int) -> None:
        client = self.links.pop(handle, None)
        if client is not None:
            client.lost()

    def _packet(self, handle: int, op: int, data: bytes) -> None:
        client = self.links.get(handle)
        if client is not None:
            client.packet(op, data)


class AirScanner(BaseBleakScanner):
    """Listens half of the time."""

    def __init__(
        self, computer: Computer, detection_callback: Any, service_uuids: Any, mode: str, **_: Any
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._computer = computer

    async def start(self) -> None:
        if self._computer.broken is not None:
            raise self._computer.broken
        self.seen_devices = {}
        self._computer.scanners.append(self)
        self._computer.central.scan(True)

    async def stop(self) -> None:
        if self in self._computer.scanners:
            self._computer.scanners.remove(self)
        if not self._computer.scanners:
            self._computer.central.scan(False)

    def heard(self, address: Address, rssi: int, data: bytes) -> None:
        """One advertisement."""
        service_data: dict[str, bytes] = {}
        at = 0
        while at + 1 < len(data) and data[at]:
            kind, content = data[at + 1], data[at + 2 : at + 1 + data[at]]
            if kind == _SERVICE_DATA_16:
                number = int.from_bytes(content[:2], "little")
                service_data[f"0000{number:04x}-0000-1000-8000-00805f9b34fb"] = content[2:]
            at += 1 + data[at]
        advert = AdvertisementData(None, {}, service_data, [], None, rssi, (address,))
        shown = _TEXT_OF_ADDRESS.format(*address[1])
        self.call_detection_callbacks(
            self.create_or_update_device(shown, shown, None, address, advert), advert
        )


class AirClient(BaseBleakClient):
    """One connection; requests go one after the other, as the Attribute Protocol wants it."""

    def __init__(self, computer: Computer, device: BLEDevice | str, **options: Any) -> None:
        super().__init__(
            device,
            disconnected_callback=options["disconnected_callback"],
            timeout=options["timeout"],
        )
        assert isinstance(device, BLEDevice)
        self._computer = computer
        self._device = device
        self._handle: int | None = None
        self._mtu = gatt.MTU_LEAST
        self._notify: dict[int, Callable[[bytearray], None]] = {}
        self._answer: asyncio.Future[bytes] | None = None
        self._one = asyncio.Lock()

    @property
    def name(self) -> str:
        return self._device.address

    @property
    def mtu_size(self) -> int:
        return self._mtu

    @property
    def is_connected(self) -> bool:
        return self._handle is not None

    async def connect(self, pair: bool, **_: Any) -> None:
        computer = self._computer
        if computer.broken is not None:
            raise computer.broken
        if computer.calling is not None:
            raise BleakError("a connection is being made")
        calling = computer.calling = asyncio.get_running_loop().create_future()
        computer.central.connect(self._device.details, round(self._timeout * 1000))
        try:
            self._handle = await calling
        finally:
            if computer.calling is calling:
                computer.calling = None
                computer.central.cancel()
        computer.links[self._handle] = self
        if computer.mtu is not None:
            answer = await self._ask(gatt.MTU_REQ, struct.pack("<H", computer.mtu))
            self._mtu = max(gatt.MTU_LEAST, min(computer.mtu, struct.unpack("<H", answer)[0]))
        self.services = await self._discover()

    async def _discover(self) -> BleakGATTServiceCollection:
        found = BleakGATTServiceCollection()
        for row in gatt.rows(await self._ask(gatt.SERVICE_REQ, b"")):
            start, end = struct.unpack("<HH", row[:4])
            service = BleakGATTService(None, start, _uuid(row[4:]))
            found.add_service(service)
            for line in gatt.rows(await self._ask(gatt.CHAR_REQ, struct.pack("<HH", start, end))):
                last, value, flags = struct.unpack("<HHB", line[:5])
                properties: Any = [name for bit, name in _PROPERTIES if flags & bit]
                one = BleakGATTCharacteristic(
                    last, value, _uuid(line[5:]), properties, lambda: self._mtu - 3, service
                )
                found.add_characteristic(one)
                if value < last:
                    for entry in gatt.rows(
                        await self._ask(gatt.DESC_REQ, struct.pack("<HH", value + 1, last))
                    ):
                        handle = struct.unpack("<H", entry[:2])[0]
                        found.add_descriptor(BleakGATTDescriptor(None, handle, _uuid(entry[2:]), one))
        return found

    async def _ask(self, op: int, data: bytes) -> bytes:
        async with self._one:
            if self._handle is None:
                raise BleakError("disconnected")
            self._answer = asyncio.get_running_loop().create_future()
            self._computer.central.send(self._handle, op, data)
            return await self._answer

    def packet(self, op: int, data: bytes) -> None:
        """What the board says."""
        if op == gatt.NOTIFY:
            handle = struct.unpack("<H", data[:2])[0]
            if handle in self._notify:
                asyncio.get_running_loop().call_soon(self._notify[handle], bytearray(data[2:]))
        elif self._answer is not None and not self._answer.done():
            self._answer.set_result(data)

    def lost(self) -> None:
        """The connection is gone."""
        self._handle = None
        self.services = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BleakError("disconnected"))
        if self._disconnected_callback is not None:
            asyncio.get_running_loop().call_soon(self._disconnected_callback)

    async def disconnect(self) -> None:
        handle = self._handle
        if handle is not None:
            self._computer.central.disconnect(handle)
            while self._handle is not None:
                await asyncio.sleep(0.01)

    async def pair(self, *_: Any) -> None:
        raise BleakError(_UNUSED)

    async def unpair(self) -> None:
        raise BleakError(_UNUSED)

    async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, **_: Any) -> bytearray:
        raise BleakError(_UNUSED)

    async def read_gatt_descriptor(self, descriptor: BleakGATTDescriptor, **_: Any) -> bytearray:
        raise BleakError(_UNUSED)

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: Any, response: bool
    ) -> None:
        if self._handle is None:
            raise BleakError("Not connected")
        if len(data) > self._mtu - 3:
            raise BleakError("too long")
        self._computer.writes += 1
        packet = struct.pack("<H", characteristic.handle) + bytes(data)
        if response:
            answer = await self._ask(gatt.WRITE_REQ, packet)
            if answer[2]:
                raise BleakError("refused")
        elif not self._computer.lose(bytes(data)):
            self._computer.central.send(self._handle, gatt.WRITE_CMD, packet)

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: Any) -> None:
        await self._ask(gatt.WRITE_REQ, struct.pack("<H", descriptor.handle) + bytes(data))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: Callable[[bytearray], None], **_: Any
    ) -> None:
        switch = characteristic.get_descriptor("00002902-0000-1000-8000-00805f9b34fb")
        if switch is None:
            raise BleakError("no switch")
        self._notify[characteristic.handle] = callback
        await self.write_gatt_descriptor(switch, b"\1\0")

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        self._notify.pop(characteristic.handle, None)


def _uuid(data: bytes) -> str:
    """Little-endian bytes as bleak spells a UUID."""
    if len(data) == 2:
        return f"0000{int.from_bytes(data, 'little'):04x}-0000-1000-8000-00805f9b34fb"
    return str(UUID(bytes=bytes(reversed(data))))
