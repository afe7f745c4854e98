"""A board with MicroPython on it and nothing else: what the esp32 port does around the REPL.

Its console is the standard input and output, Ctrl-C stops a program that sleeps, and all files come from
littlefs. A board of a scenario has none of this, for it takes heap.
"""

import builtins
import gc
import io
import os
import struct
import sys as _sys
from binascii import crc32
from collections import namedtuple

import console as _console
import lab
import machine
import micropython as _micropython

_CTRL_C = 3
_RAW = 0x80  # with the cause of a reset: come up in the raw REPL, without main.py
_SERIAL_IN = 7
_NVS_HEAD = "<III"  # generation, length, CRC-32
_BOOT = """\
# This file is executed on every boot (including wake-boot from deepsleep)
#import esp
#esp.osdebug(None)
#import webrepl
#webrepl.start()
"""
_CORRUPTED = """\
The filesystem appears to be corrupted. If you had important data there, you
may want to make a flash snapshot to try to recover it. Otherwise, perform
factory reprogramming of MicroPython firmware (completely erase flash, followed
by firmware programming).
"""


class _Interrupt:
    """Ctrl-C on its way to the program that runs."""

    def __init__(self):
        self.key = -1
        self.came = False
        self._exchange = lab.exchange

    def put(self, data):
        data = bytes(data)
        if self.key >= 0 and self.key in data:
            self.came = True
            data = data.replace(bytes((self.key,)), b"")
        _console.console().put(data)

    def exchange(self, until_ms):
        self._exchange(until_ms)
        if self.came:
            self.came = False
            raise KeyboardInterrupt

    def set_key(self, key):
        self.key = key
        self.came = False

    def sleep_us(self, duration_us):
        """Sleep as the ESP32 port does: events are handled meanwhile."""
        lab.charge(duration_us % 1000)
        until = lab.ms + duration_us // 1000
        while lab.ms < until:
            self.exchange(until)


class _Text(io.IOBase):
    """Standard input or output: text here, bytes in ``buffer``."""

    def __init__(self):
        self.buffer = _console.console()

    def write(self, data):
        raw = data.encode() if isinstance(data, str) else bytes(data)
        self.buffer.write(raw.replace(b"\n", b"\r\n"))
        return len(data)

    def read(self, size):
        data = b""
        while len(data) < size:
            while not self.buffer.ioctl(3, 1):
                lab.exchange(lab.NEVER)
            data += self.buffer.read(1)
        return data.decode()

    def ioctl(self, request, flags):
        return self.buffer.ioctl(request, flags)


class _Names:
    """A built-in module, some of whose names are ours: those cannot be assigned."""

    def __init__(self, module):
        for name in dir(module):
            setattr(self, name, getattr(module, name))


class _Partition:
    """The NVS partition: two copies of everything, so that a cut leaves one of them whole."""

    def __init__(self, flash, size):
        self._flash = flash
        self._half = size // 2

    def _copy(self, place):
        head = bytearray(struct.calcsize(_NVS_HEAD))
        self._flash.readblocks(0, head, place * self._half)
        generation, length, crc = struct.unpack(_NVS_HEAD, head)
        if length > self._half - len(head):
            return 0, None
        text = bytearray(length)
        self._flash.readblocks(0, text, place * self._half + len(head))
        return (generation, bytes(text)) if crc32(text) == crc else (0, None)

    def load(self):
        return eval(max(self._copy(0), self._copy(1), key=lambda copy: copy[0])[1] or "{}", {})

    def store(self, values):
        generations = self._copy(0)[0], self._copy(1)[0]
        text = repr(values).encode()
        head = struct.pack(_NVS_HEAD, max(generations) + 1, len(text), crc32(text))
        if len(head) + len(text) > self._half:
            raise OSError(-4357)  # ESP_ERR_NVS_NOT_ENOUGH_SPACE
        place = 0 if generations[0] <= generations[1] else 1
        self._flash.writeblocks(0, head + text, place * self._half)


class _Nvs:
    """What `esp32.NVS` is here: values wait for the commit."""

    def __init__(self, partition, namespace):
        self._partition = partition
        self._namespace = namespace + " "
        self._new = {}

    def _get(self, key):
        value = self._new.get(self._namespace + key)
        if value is None:
            value = self._partition.load().get(self._namespace + key)
        if value is None:
            raise OSError(-4354)
        return value

    def _set(self, key, value):
        if len(key) > 15:
            raise OSError("key too long")
        self._new[self._namespace + key] = value

    def get_blob(self, key, buffer):
        value = self._get(key)
        buffer[: len(value)] = value
        return len(value)

    def set_blob(self, key, value):
        self._set(key, bytes(value))

    def get_i32(self, key):
        return self._get(key)

    def set_i32(self, key, value):
        self._set(key, value)

    def erase_key(self, key):
        self._get(key)
        self._new[self._namespace + key] = None

    def commit(self):
        lab.charge(lab.costs["flash_erase_us"] + lab.costs["flash_program_us"])
        values = self._partition.load()
        values.update(self._new)
        self._new = {}
        self._partition.store({key: value for key, value in values.items() if value is not None})


def install(nvs, nvs_bytes, machine_name):
    """Make this process such a board, before anything of MicroPython's own imports ``sys``."""
    import esp32

    partition = _Partition(nvs, nvs_bytes)
    esp32.NVS = lambda namespace: _Nvs(partition, namespace)
    text = _Text()
    interrupt = _Interrupt()
    lab.on(_SERIAL_IN, interrupt.put)
    lab.exchange, lab.sleep_us = interrupt.exchange, interrupt.sleep_us
    micropython = _Names(_micropython)
    micropython.kbd_intr = interrupt.set_key
    _sys.modules["micropython"] = micropython
    system = _Names(_sys)
    system.path = _sys.path
    system.platform = "esp32"
    system.stdin = system.stdout = system.stderr = text
    system.print_exception = lambda error, file=text: _sys.print_exception(error, file)
    _sys.modules["sys"] = system
    print_to = builtins.print

    def say(*values, **options):
        if options.get("file") in (None, _sys.stdout):
            options["file"] = text
        print_to(*values, **options)

    builtins.print = say
    uname = namedtuple("uname", ("sysname", "nodename", "release", "version", "machine"))
    os.uname = lambda: uname("esp32", "esp32", "1.25.0", "v1.25.0", machine_name)
    _hide_rom()
    _sys.path[:] = [path for path in _sys.path if path != ".frozen"] + ["", ".frozen", "/lib"]


def _hide_rom():
    ilistdir = os.ilistdir

    def listed(path="."):
        rooted = path in ("/", "") or (path == "." and os.getcwd() == "/")
        for entry in ilistdir(path):
            if not rooted or entry[0] not in ("rom", "pc"):
                yield entry

    os.ilistdir = listed
    os.listdir = lambda path=".": [entry[0] for entry in listed(path)]


def _mount():
    """The file system, made where the flash is empty; False where it is damaged."""
    import vfs
    from flashbdev import bdev as device

    try:
        vfs.mount(vfs.VfsLfs2(device), "/")
    except OSError:
        first = bytearray(device.ioctl(5, 0))
        device.readblocks(0, first)
        if first != b"\xff" * len(first):
            return False
        print("Performing initial setup")
        vfs.VfsLfs2.mkfs(device)
        vfs.mount(vfs.VfsLfs2(device), "/")
        with open("boot.py", "w") as file:
            file.write(_BOOT)
    return True


def start(raw):
    """Files, boot.py, main.py and the REPL, as ports/esp32/main.c has them; never returns."""
    from repl import serve

    sound = _mount()
    _sys.modules["micropython"].kbd_intr(_CTRL_C)
    while not sound:
        try:
            print(_CORRUPTED)
            lab.sleep_us(3000000)
        except KeyboardInterrupt:
            break
    names = {"__name__": "__main__"}
    if _run("boot.py", names) and not raw:
        _run("main.py", names)
    _sys.modules["micropython"].kbd_intr(-1)
    serve(raw, names, lambda: lab.reset(machine.SOFT_RESET | _RAW))


def _run(path, names):
    """Whether boot goes on after this file."""
    try:
        with open(path) as file:
            source = file.read()
    except OSError:
        return True
    _sys.modules["micropython"].kbd_intr(_CTRL_C)
    try:
        exec(compile(source, path, "exec"), names)
    except SystemExit:
        lab.reset(machine.SOFT_RESET)
    except BaseException as error:
        _sys.modules["sys"].print_exception(error)
        return False
    finally:
        _sys.modules["micropython"].kbd_intr(-1)
        gc.collect()
    return True
