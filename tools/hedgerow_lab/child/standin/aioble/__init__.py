"""The lab's own stand-in for the package `aioble` (0.6.2): the same calls and the same traps, other code.

It leaves out pairing and L2CAP channels. Traps kept on purpose stand beside the lines that make them.
"""
# ruff: noqa: F401

from .core import GattError, config, log_error, log_info, log_warn, stop
from .gap import ScanResult, advertise, scan
from .link import Device, DeviceConnection, DeviceDisconnectedError

try:
    from .server import BufferedCharacteristic, Characteristic, Descriptor, Service, register_services
except ImportError:
    log_info("No GATT server")

ADDR_PUBLIC = 0
ADDR_RANDOM = 1
