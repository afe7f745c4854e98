"""`bluetooth` on the virtual air: the low-level API of MicroPython as NimBLE on an ESP32 behaves.

The GATT database, the handles and the transmit queue live here; the parent knows advertisements,
connections and opaque packets. Traps that are kept on purpose stand beside the lines that make them.
"""

import struct
from random import getrandbits

import lab

_FLAG_READ = 0x0002
_FLAG_WRITE_NO_RESPONSE = 0x0004
_FLAG_WRITE = 0x0008
_FLAG_NOTIFY = 0x0010
_FLAG_INDICATE = 0x0020

_SCAN_RESULT = 1
_SCAN_DONE = 2
_CONNECTED = 3
_DISCONNECTED = 4
_PDU = 5
_TX_DONE = 6

_MTU_REQ, _MTU_RSP = 0x02, 0x03
_DESC_REQ, _DESC_RSP = 0x04, 0x05
_CHAR_REQ, _CHAR_RSP = 0x08, 0x09
_READ_REQ, _READ_RSP = 0x0A, 0x0B
_SERVICE_REQ, _SERVICE_RSP = 0x10, 0x11
_WRITE_REQ, _WRITE_RSP = 0x12, 0x13
_NOTIFY, _INDICATE, _CONFIRM = 0x1B, 0x1D, 0x1E
_WRITE_CMD = 0x52

_ENOMEM, _EBUSY, _ENODEV, _EINVAL, _EALREADY, _ENOTCONN = 12, 16, 19, 22, 114, 128
_TX_DEPTH = 12
_FIRST_HANDLE = 16
_NO_CONNECTION = 0xFFFF
_DEFAULT_BUFFER = 20


class UUID:
    """A 16-bit or 128-bit UUID; bytes(uuid) is little-endian."""

    def __init__(self, value):
        if isinstance(value, int):
            self._data = struct.pack("<H", value)
        elif isinstance(value, str):
            digits = value.replace("-", "")
            self._data = bytes(int(digits[i : i + 2], 16) for i in range(30, -1, -2))
        else:
            self._data = bytes(value)

    def __eq__(self, other):
        return isinstance(other, UUID) and self._data == other._data

    def __hash__(self):
        return hash(self._data)

    def __iter__(self):
        # What bytes(uuid) walks through.
        return iter(self._data)

    def __len__(self):
        return len(self._data)

    def __repr__(self):
        return "UUID(%r)" % self._data


class _Attribute:
    def __init__(self, flags, value=b""):
        self.flags = flags
        self.value = value
        self.limit = _DEFAULT_BUFFER
        self.append = False
        self.switch = False  # whether it is a client characteristic configuration


class BLE:
    """The one radio of this board."""

    _instance = None

    def __new__(cls):
        if BLE._instance is None:
            BLE._instance = object.__new__(cls)
            BLE._instance._start()
        return BLE._instance

    def __init__(self):
        pass

    def _start(self):
        self._active = False
        self._irq = None
        self._mtu = 256
        import machine

        self._public = machine.unique_id()
        self._address_type = 0
        self._address = self._public
        self._services = []
        self._attributes = {}
        self._next_handle = _FIRST_HANDLE
        self._advertising = False
        self._scanning = False
        self._connecting = False
        self._links = {}  # handle -> [role, mtu, packets queued, {switch: value}]
        lab.on(_SCAN_RESULT, self._on_scan_result)
        lab.on(_SCAN_DONE, self._on_scan_done)
        lab.on(_CONNECTED, self._on_connected)
        lab.on(_DISCONNECTED, self._on_disconnected)
        lab.on(_PDU, self._on_pdu)
        lab.on(_TX_DONE, self._on_tx_done)

    def _raise(self, event, data):
        if self._irq is None:
            return None
        lab.charge(lab.costs["irq_us"])
        try:
            return self._irq(event, data)
        except Exception as error:
            # As on a board: an exception in the handler is printed and the event is gone.
            import sys

            sys.print_exception(error)
            return None

    def _check(self):
        if not self._active:
            raise OSError(_ENODEV)

    def active(self, active=None):
        if active is not None:
            if active and not self._active:
                lab.command(lab.ADDRESS, bytes((self._address_type,)) + self._address)
            if not active and self._active:
                self.gap_advertise(None)
                self.gap_scan(None)
                self.gap_connect(None)
                for handle in list(self._links):
                    self.gap_disconnect(handle)
            self._active = bool(active)
        return self._active

    def irq(self, handler):
        self._irq = handler

    def config(self, *names, **values):
        if names:
            name = names[0]
            if name == "mac":
                return (self._address_type, self._address)
            if name == "mtu":
                return self._mtu
            if name == "rxbuf":
                return 256
            if name == "gap_name":
                return b"MPY ESP32"
            raise ValueError("unknown config param")
        for name, value in values.items():
            if name == "addr_mode":
                self._set_address_mode(value)
            elif name == "mtu":
                self._mtu = value
            elif name not in ("rxbuf", "gap_name", "io", "bond", "mitm", "le_secure"):
                raise ValueError("unknown config param")

    def _set_address_mode(self, mode):
        self._check()
        # While the radio is in use the change is refused and nobody says so.
        if self._advertising or self._scanning or self._connecting:
            return
        if mode == 0:
            self._address_type, self._address = 0, self._public
        else:
            top = 0xC0 if mode == 1 else 0x00
            address = bytearray(getrandbits(8) for _ in range(6))
            address[0] = address[0] & 0x3F | top
            self._address_type, self._address = 1, bytes(address)
        lab.command(lab.ADDRESS, bytes((self._address_type,)) + self._address)

    # Advertising, scanning, connecting

    def gap_advertise(self, interval_us, adv_data=None, *, resp_data=None, connectable=True):
        self._check()
        if interval_us is None:
            if self._advertising:
                lab.command(lab.ADVERTISE, struct.pack("<IBB", 0, 0, 0))
            self._advertising = False
            return
        if connectable and len(self._links) >= lab.connections:
            raise OSError(_ENOMEM)
        adv = bytes(adv_data or b"")
        response = bytes(resp_data or b"")
        if len(adv) > 31 or len(response) > 31:
            raise OSError(_EINVAL)
        self._advertising = True
        head = struct.pack("<IBB", interval_us, bool(connectable), len(adv))
        lab.command(lab.ADVERTISE, head + adv + response)

    def gap_scan(self, duration_ms, interval_us=1280000, window_us=11250, active=False):
        self._check()
        if duration_ms is None:
            if self._scanning:
                self._scanning = False
                lab.command(lab.SCAN, struct.pack("<IIIB", 0, 0, 0, 0))
                self._raise(6, ())
            return
        if self._connecting:
            raise OSError(_EBUSY)
        if self._scanning:
            raise OSError(_EALREADY)
        self._scanning = True
        duration_ms = duration_ms or 0xFFFFFFFF
        lab.command(lab.SCAN, struct.pack("<IIIB", duration_ms, interval_us, window_us, bool(active)))

    def gap_connect(self, address_type, address=None, scan_duration_ms=None, min_us=None, max_us=None):
        self._check()
        if address_type is None:
            if self._connecting:
                lab.command(lab.CONNECT_CANCEL)
            return
        if self._scanning:
            raise OSError(_EBUSY)
        if self._connecting:
            raise OSError(_EALREADY)
        if len(self._links) >= lab.connections:
            raise OSError(_ENOMEM)
        self._connecting = True
        lab.command(lab.CONNECT, struct.pack("<BI", address_type, scan_duration_ms or 2000) + bytes(address))

    def gap_disconnect(self, handle):
        self._check()
        if handle not in self._links:
            return False
        lab.command(lab.DISCONNECT, struct.pack("<H", handle))
        return True

    def _on_scan_result(self, data):
        if self._scanning:
            address_type, adv_type, rssi = struct.unpack("<BBb", data)
            self._raise(5, (address_type, memoryview(data)[3:9], adv_type, rssi, memoryview(data)[9:]))

    def _on_scan_done(self, data):
        if self._scanning:
            self._scanning = False
            self._raise(6, ())

    def _on_connected(self, data):
        handle, role, address_type = struct.unpack("<HBB", data)
        self._links[handle] = [role, 23, 0, {}]
        if role == 0:
            self._connecting = False
            self._raise(7, (handle, address_type, memoryview(data)[4:]))
        else:
            # A connection ends the advertising that led to it.
            self._advertising = False
            self._raise(1, (handle, address_type, memoryview(data)[4:]))

    def _on_disconnected(self, data):
        handle, role, address_type = struct.unpack("<HBB", data)
        if handle == _NO_CONNECTION:
            self._connecting = False
        elif self._links.pop(handle, None) is None:
            return
        self._raise(8 if role == 0 else 2, (handle, address_type, memoryview(data)[4:]))

    # GATT server

    def gatts_register_services(self, definitions):
        self._check()
        result = []
        self._services = []
        for uuid, characteristics in definitions:
            start = self._next_handle
            handle = start + 1
            values = []
            table = []
            for characteristic in characteristics:
                flags = characteristic[1]
                value = handle + 1
                values.append(value)
                self._attributes[value] = _Attribute(flags)
                descriptors = []
                handle = value + 1
                if flags & (_FLAG_NOTIFY | _FLAG_INDICATE):
                    self._attributes[handle] = _Attribute(_FLAG_READ | _FLAG_WRITE, b"\0\0")
                    self._attributes[handle].switch = True
                    descriptors.append((handle, UUID(0x2902)))
                    handle += 1
                for descriptor in characteristic[2] if len(characteristic) > 2 else ():
                    self._attributes[handle] = _Attribute(descriptor[1])
                    values.append(handle)
                    descriptors.append((handle, descriptor[0]))
                    handle += 1
                table.append((value, handle - 1, flags & 0xFF, characteristic[0], descriptors))
            self._services.append((start, handle - 1, uuid, table))
            self._next_handle = handle
            result.append(tuple(values))
        return tuple(result)

    def _attribute(self, handle):
        attribute = self._attributes.get(handle)
        if attribute is None:
            raise OSError(_EINVAL)
        return attribute

    def gatts_read(self, handle):
        attribute = self._attribute(handle)
        value = attribute.value
        if attribute.append:
            attribute.value = b""
        return value

    def gatts_write(self, handle, data, send_update=False):
        self._attribute(handle).value = bytes(data)
        if send_update:
            for connection, link in list(self._links.items()):
                # Only those who subscribed; the switch stands behind its value.
                wanted = link[3].get(handle + 1, b"\0")[0]
                if wanted:
                    self._notify(connection, _NOTIFY if wanted & 1 else _INDICATE, handle, data)

    def gatts_set_buffer(self, handle, length, append=False):
        attribute = self._attribute(handle)
        attribute.limit = length
        attribute.append = append

    def gatts_notify(self, connection, handle, data=None):
        self._notify(connection, _NOTIFY, handle, data)

    def gatts_indicate(self, connection, handle, data=None):
        self._notify(connection, _INDICATE, handle, data)

    def _notify(self, connection, op, handle, data):
        value = self._attribute(handle).value if data is None else bytes(data)
        link = self._link(connection)
        self._send(connection, op, struct.pack("<H", handle) + value[: link[1] - 3])

    # GATT client

    def gattc_discover_services(self, connection, uuid=None):
        self._send(connection, _SERVICE_REQ, bytes(uuid) if uuid else b"")

    def gattc_discover_characteristics(self, connection, start, end, uuid=None):
        self._send(connection, _CHAR_REQ, struct.pack("<HH", start, end) + (bytes(uuid) if uuid else b""))

    def gattc_discover_descriptors(self, connection, start, end):
        self._send(connection, _DESC_REQ, struct.pack("<HH", start, end))

    def gattc_read(self, connection, handle):
        self._send(connection, _READ_REQ, struct.pack("<H", handle))

    def gattc_write(self, connection, handle, data, mode=0):
        link = self._link(connection)
        if not mode:
            data = bytes(data)[: link[1] - 3]
        elif len(data) > link[1] - 3:
            raise OSError(_EINVAL)
        self._send(connection, _WRITE_REQ if mode else _WRITE_CMD, struct.pack("<H", handle) + bytes(data))

    def gattc_exchange_mtu(self, connection):
        self._send(connection, _MTU_REQ, struct.pack("<H", self._mtu))

    # Packets

    def _link(self, connection):
        # A handle of None, which a lost link leaves behind, is a TypeError as on a board.
        if not isinstance(connection, int):
            raise TypeError("can't convert NoneType to int")
        link = self._links.get(connection)
        if link is None:
            raise OSError(_ENOTCONN)
        return link

    def _send(self, connection, op, data):
        self._check()
        link = self._link(connection)
        if link[2] >= _TX_DEPTH:
            raise OSError(_ENOMEM)
        link[2] += 1
        lab.command(lab.PDU, struct.pack("<HB", connection, op) + data)

    def _answer(self, connection, op, data):
        self._links[connection][2] += 1
        lab.command(lab.PDU, struct.pack("<HB", connection, op) + data)

    def _on_tx_done(self, data):
        connection, count = struct.unpack("<HB", data)
        link = self._links.get(connection)
        if link is not None:
            link[2] -= count

    def _on_pdu(self, data):
        connection, op = struct.unpack("<HB", data)
        if connection in self._links:
            self._handle(connection, op, bytes(data[3:]))

    def _handle(self, connection, op, data):
        link = self._links[connection]
        if op == _MTU_REQ or op == _MTU_RSP:
            link[1] = max(23, min(self._mtu, struct.unpack("<H", data)[0]))
            if op == _MTU_REQ:
                self._answer(connection, _MTU_RSP, struct.pack("<H", self._mtu))
            self._raise(21, (connection, link[1]))
        elif op == _WRITE_REQ or op == _WRITE_CMD:
            self._written(connection, op, data)
        elif op == _WRITE_RSP:
            self._raise(17, (connection, struct.unpack("<H", data)[0], data[2]))
        elif op == _NOTIFY:
            self._raise(18, (connection, struct.unpack("<H", data)[0], memoryview(data)[2:]))
        elif op == _INDICATE:
            self._answer(connection, _CONFIRM, data[:2])
            self._raise(19, (connection, struct.unpack("<H", data)[0], memoryview(data)[2:]))
        elif op == _CONFIRM:
            self._raise(20, (connection, struct.unpack("<H", data)[0], 0))
        elif op == _READ_REQ:
            handle = struct.unpack("<H", data)[0]
            attribute = self._attributes.get(handle)
            status = 1  # no such handle
            value = b""
            if attribute is not None:
                # The handler may refuse, or write what is read.
                refused = 0 if attribute.switch else self._raise(4, (connection, handle))
                status = (refused or 0) if attribute.flags & _FLAG_READ else 2
                value = b"" if status else attribute.value[: link[1] - 1]
            self._answer(connection, _READ_RSP, struct.pack("<HB", handle, status) + value)
        elif op == _READ_RSP:
            handle, status = struct.unpack("<HB", data)
            if not status:
                self._raise(15, (connection, handle, memoryview(data)[3:]))
            self._raise(16, (connection, handle, status))
        else:
            self._discovery(connection, op, data)

    def _written(self, connection, op, data):
        handle = struct.unpack("<H", data)[0]
        attribute = self._attributes.get(handle)
        status = (
            0 if attribute is not None and attribute.flags & (_FLAG_WRITE | _FLAG_WRITE_NO_RESPONSE) else 3
        )
        if not status:
            value = data[2:]
            # What is longer than the buffer is cut off.
            attribute.value = ((attribute.value if attribute.append else b"") + value)[: attribute.limit]
            if attribute.switch:
                self._links[connection][3][handle] = attribute.value
        if op == _WRITE_REQ:
            self._answer(connection, _WRITE_RSP, data[:2] + bytes((status,)))
        if not status and not attribute.switch:
            self._raise(3, (connection, handle))

    def _discovery(self, connection, op, data):
        if op == _SERVICE_REQ:
            rows = [
                struct.pack("<HH", start, end) + bytes(uuid)
                for start, end, uuid, _ in self._services
                if not data or bytes(uuid) == data
            ]
            self._rows(connection, _SERVICE_RSP, rows)
        elif op == _CHAR_REQ:
            start, end = struct.unpack("<HH", data)
            rows = []
            for service in self._services:
                for value, last, flags, uuid, _ in service[3]:
                    if start <= value <= end and (len(data) == 4 or bytes(uuid) == data[4:]):
                        rows.append(struct.pack("<HHB", last, value, flags) + bytes(uuid))
            self._rows(connection, _CHAR_RSP, rows)
        elif op == _DESC_REQ:
            start, end = struct.unpack("<HH", data)
            rows = []
            for service in self._services:
                for characteristic in service[3]:
                    for handle, uuid in characteristic[4]:
                        if start <= handle <= end:
                            rows.append(struct.pack("<H", handle) + bytes(uuid))
            self._rows(connection, _DESC_RSP, rows)
        elif op == _SERVICE_RSP:
            for row in _split(data):
                start, end = struct.unpack("<HH", row)
                self._raise(9, (connection, start, end, UUID(row[4:])))
            self._raise(10, (connection, 0))
        elif op == _CHAR_RSP:
            for row in _split(data):
                end, value, flags = struct.unpack("<HHB", row)
                self._raise(11, (connection, end, value, flags, UUID(row[5:])))
            self._raise(12, (connection, 0))
        elif op == _DESC_RSP:
            for row in _split(data):
                self._raise(13, (connection, struct.unpack("<H", row)[0], UUID(row[2:])))
            self._raise(14, (connection, 0))

    def _rows(self, connection, op, rows):
        self._answer(connection, op, b"".join(bytes((len(row),)) + row for row in rows))


def _split(data):
    rows = []
    at = 0
    while at < len(data):
        rows.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return rows
