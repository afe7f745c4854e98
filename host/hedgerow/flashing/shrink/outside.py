"""Attributes that are not ours to shorten: those of a board's modules, asyncio, aioble and built-in types.

tests/firmware/test_shrink.py says what the firmware uses and this list lacks.
"""

import ast
import asyncio
import io
from collections.abc import Iterable
from types import GeneratorType

# Types whose objects the firmware meets besides its own.
_BUILT_IN = (
    *(bool, bytearray, bytes, dict, int, list, memoryview, set, str, tuple, Exception),
    *(io.BufferedReader, io.BytesIO, io.FileIO, GeneratorType),
    *(asyncio.AbstractEventLoop, asyncio.Event, asyncio.StreamReader, asyncio.Task),
)
_MODULES = {
    "aioble": """active addr addr_type advertise ble_irq config connect core Device device
        DeviceDisconnectedError exchange_mtu flags gap_connect gap_disconnect mtu register scan Service
        service""",
    "asyncio": """CancelledError Event get_event_loop sleep_ms StreamReader ThreadSafeFlag TimeoutError
        wait_for_ms""",
    "binascii": "crc32",
    "bluetooth": """BLE gattc_write gatts_notify gatts_read gatts_register_services gatts_set_buffer irq
        UUID""",
    "cryptolib": "encrypt",
    "errno": "ENOSPC errno",
    "esp32": "commit erase_key find get_blob get_i32 NVS Partition set_blob set_i32 TYPE_DATA",
    "gc": "collect mem_free threshold",
    "hashlib": "digest sha256",
    "machine": """ADC ATTN_11DB deepsleep DEEPSLEEP_RESET feed freq memory OUT Pin PWRON_RESET read_uv reset
        reset_cause RTC unique_id value WDT WDT_RESET""",
    "micropython": "kbd_intr",
    "os": """dupterm dupterm_notify ioctl listdir mkdir mkfs mount open remove rmdir stat statvfs umount
        urandom VfsLfs2""",
    "select": "poll POLLIN register",
    "sys": "implementation modules path print_exception",
    "time": "ticks_diff ticks_ms ticks_us",
}
NAMES = frozenset(name for kind in _BUILT_IN for name in dir(kind)) | frozenset(
    name for names in _MODULES.values() for name in names.split()
)


def fields(sources: Iterable[str]) -> set[str]:
    """The fields of named tuples in ``sources``: texts name them, so they keep their names."""
    found: set[str] = set()
    for node in [node for source in sources for node in ast.walk(ast.parse(source))]:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "namedtuple":
            found |= set(ast.literal_eval(node.args[1]))
    return found
