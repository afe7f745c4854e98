"""Starts one virtual board, inside MicroPython: import this with CONFIG.json as the first argument."""

import sys


def _map_rom(path):
    """Mount firmware, aioble and the lab's modules as ROM, as a board has them: code then takes no heap.

    The lab's own modules still take some 16 kB that a board does not need.
    """
    # Not the lab's own `os`, which would now be read as source.
    import ffi
    import uctypes
    import uos
    import vfs

    size = uos.stat(path)[6]
    libc = ffi.open("libc.so.6")
    file = libc.func("i", "open", "si")(path, 0)
    address = libc.func("L", "mmap", "LLiiil")(0, size, 1, 2, file, 0)  # PROT_READ, MAP_PRIVATE
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(address, size)), "/rom")


def _board(config_path):
    """Make the board; the path of what runs on it. What this needs is gone when it has returned."""
    import ujson
    import vfs

    with open(config_path) as file:
        config = ujson.load(file)
    # The flash is the root of the file system, as on a board; the computer's files are below /pc.
    paths = ["/pc" + path for path in config["paths"]]
    try:
        _map_rom(config["rom"])
        paths[:3] = ["/rom"]
    except (ImportError, AttributeError, OSError):
        pass  # a MicroPython without VfsRom: the same code, from the heap
    sys.path[:] = paths + [".frozen"]
    vfs.umount("/")
    vfs.mount(vfs.VfsPosix(), "/pc")

    import lab

    lab.costs = config["costs"]
    lab.ticks_offset = config["ticks_offset"]
    lab.rtc_start_ms = config["rtc_start_ms"]

    import os
    import random
    from binascii import unhexlify

    os._seed_urandom(unhexlify(config["seed"]))
    random.seed(int(config["seed"][:7], 16))

    import tasks

    # The built-in one would win by its name.
    sys.modules["_asyncio"] = tasks
    import machine
    import poller

    poller.install()
    if config["probe"]:
        import probe

        probe.install()
    machine._unique = unhexlify(config["address"])
    machine._cause = config["reset_cause"]
    machine._rtc_memory = unhexlify(config["rtc_memory"])

    import esp32
    import flashbdev
    from flash import Flash

    esp32.path = "/pc" + config["nvs"]
    device = Flash("/pc" + config["flash"], config["flash_blocks"])
    lab.connect(config["read_fd"], config["write_fd"])
    lab.exchange(0)
    flashbdev.bdev = device
    try:
        os.stat(esp32.path)
        ran = True  # only then it matters what is on the flash
    except OSError:
        ran = False
    try:
        vfs.mount(vfs.VfsLfs2(device), "/")
    except OSError:
        if ran:
            # As where the firmware is frozen into MicroPython: it starts, and sees that there are no files.
            return "/pc" + config["entry"]
        vfs.VfsLfs2.mkfs(device)
        vfs.mount(vfs.VfsLfs2(device), "/")
    if config["settings"] is not None and not ran:
        for name in ("/settings.a", "/settings.b"):
            try:
                os.stat(name)
            except OSError:
                with open(name, "wb") as file:
                    file.write(unhexlify(config["settings"]))
    return "/pc" + config["entry"]


def _program(path):
    with open(path) as file:
        return compile(file.read(), path, "exec")


_entry = _program(_board(sys.argv[1]))
_board = _map_rom = _program = None  # what they hold is garbage now
try:
    exec(_entry, {"__name__": "__main__"})
except Exception as _error:
    sys.print_exception(_error)
    import lab

    lab.command(lab.STOP)
from repl import serve

serve()
