"""Bumble, a Bluetooth stack of others, over two virtual controllers: a board's end, and bleak's end."""

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError
from bumble.controller import Controller
from bumble.core import UUID
from bumble.device import Device, Peer
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink

from hedgerow.links import ble
from hedgerow_core import beacon
from hedgerow_core.clock import Clock
from hedgerow_core.link import Link, Packets
from hedgerow_core.session import PAIR, RESPONDER, Session
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore

MESH, KEY, FINDING = bytes(range(32)), bytes(range(32, 64)), bytes(range(16))
_BOARD, _HOST = "F0:F1:F2:F3:F4:F5", "C0:C1:C2:C3:C4:C5"
_MTU_LEAST = 23
_PROPERTIES = ("read", "write-without-response", "write", "notify")


def device(link, address):
    """A device with its own controller on ``link``."""
    controller = Controller(f"controller of {address}", link=link, public_address=None)
    made = Device(address=Address(address), host=Host(controller, AsyncPipeSink(controller)))
    return made


class Board:
    """What a board does, with core's own Link and Shelf, behind Bumble's GATT server."""

    def __init__(self, link, now, most=517):
        self.device = device(link, _BOARD)
        self.now = now
        self.shelf = Shelf(MemoryStore(), Clock(now() // 60_000), now(), 200, 100_000)
        self.link = None
        self.responses = 0
        self.sizes = []
        properties = Characteristic.Properties.WRITE | Characteristic.Properties.WRITE_WITHOUT_RESPONSE
        write = Characteristic(
            ble.WRITE,
            properties,
            Characteristic.Permissions.WRITEABLE,
            CharacteristicValue(write=self._written),
        )
        self.notify = Characteristic(
            ble.NOTIFY, Characteristic.Properties.NOTIFY, Characteristic.Permissions.READABLE, b""
        )
        self.device.add_service(Service(ble.SERVICE, [write, self.notify]))
        self.device.gatt_server.max_mtu = most
        self.device.on(Device.EVENT_CONNECTION, self._connected)

    async def start(self):
        await self.device.power_on()
        data = beacon.encode(
            MESH, b"\xf0\xf1\xf2\xf3\xf4\xf5", beacon.new_id(FINDING, b"random"), 0, bytes(4), 0
        )
        await self.device.start_advertising(advertising_data=data, scan_response_data=b"", auto_restart=True)

    def _connected(self, connection):
        self.connection = connection
        session = Session(RESPONDER, {PAIR: KEY}, b"b" * 32, self.now())
        self.link = Link(Packets(_MTU_LEAST - 3), session, self.shelf, self.now(), 800)
        event = connection.EVENT_CONNECTION_ATT_MTU_UPDATE
        connection.on(event, lambda: self.link.framing.resize(connection.att_mtu - 3))

    async def _written(self, connection, data):
        self.link.receive(data, self.now())
        for packet in self.link.outgoing(self.now()):
            self.sizes.append(len(packet))
            await self.device.notify_subscriber(connection, self.notify, packet)


class BumbleScanner(BaseBleakScanner):
    device = None

    def __init__(self, callback, uuids, mode, **_):
        super().__init__(callback, uuids)

    def _heard(self, advert):
        found = {}
        for kind, content in advert.data.ad_structures:
            if kind == 0x16:
                found[f"0000{int.from_bytes(content[:2], 'little'):04x}-0000-1000-8000-00805f9b34fb"] = (
                    content[2:]
                )
        data = AdvertisementData(None, {}, found, [], None, advert.rssi, (advert,))
        name = str(advert.address)
        self.call_detection_callbacks(
            self.create_or_update_device(name, name, None, advert.address, data), data
        )

    async def start(self):
        self.device.on(Device.EVENT_ADVERTISEMENT, self._heard)
        await self.device.start_scanning(filter_duplicates=False)

    async def stop(self):
        await self.device.stop_scanning()
        self.device.remove_listener(Device.EVENT_ADVERTISEMENT, self._heard)


class BumbleClient(BaseBleakClient):
    device = None
    mtu = 517

    def __init__(self, found, *, disconnected_callback, timeout, **_):
        super().__init__(found, disconnected_callback=disconnected_callback, timeout=timeout)
        self._address = found.details
        self._connection = None

    name = "bumble"
    mtu_size = property(lambda self: self._connection.att_mtu)
    is_connected = property(lambda self: self._connection is not None)

    async def connect(self, pair, **_):
        self._connection = await self.device.connect(self._address)
        self._connection.on(self._connection.EVENT_DISCONNECTION, self._lost)
        self._peer = Peer(self._connection)
        if self.mtu:
            await self._peer.request_mtu(self.mtu)
        self.services = BleakGATTServiceCollection()
        for service in await self._peer.discover_services():
            ours = BleakGATTService(service, service.handle, str(service.uuid.to_hex_str("-")).lower())
            self.services.add_service(ours)
            for one in await service.discover_characteristics():
                properties = [
                    name for bit, name in zip((2, 4, 8, 16), _PROPERTIES, strict=True) if one.properties & bit
                ]
                uuid = one.uuid.to_hex_str("-").lower()
                made = BleakGATTCharacteristic(
                    one, one.handle, uuid, properties, lambda: self.mtu_size - 3, ours
                )
                self.services.add_characteristic(made)
                for descriptor in await one.discover_descriptors():
                    kind = descriptor.type.to_hex_str("-").lower()
                    self.services.add_descriptor(
                        BleakGATTDescriptor(descriptor, descriptor.handle, kind, made)
                    )

    def _lost(self, reason):
        self._connection = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def disconnect(self):
        if self._connection is not None:
            await self._connection.disconnect()

    async def write_gatt_char(self, characteristic, data, response):
        if self._connection is None:
            raise BleakError("Not connected")
        await characteristic.obj.write_value(bytes(data), with_response=response)

    async def start_notify(self, characteristic, callback, **_):
        await characteristic.obj.subscribe(lambda value: callback(bytearray(value)))

    async def stop_notify(self, characteristic):
        await characteristic.obj.unsubscribe()

    # bleak's abstract class wants them all; Hedgerow neither pairs through the system nor reads.
    async def _never(self, *arguments, **options):
        raise BleakError("Hedgerow does not use this of bleak")

    pair = unpair = read_gatt_char = read_gatt_descriptor = write_gatt_descriptor = _never


__all__ = ["FINDING", "KEY", "UUID", "Board", "BumbleClient", "BumbleScanner", "LocalLink", "device"]
