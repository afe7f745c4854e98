"""Starts one virtual board, inside MicroPython: import this with CONFIG.json as the first argument.

What stands here lies in the heap until the board ends, so it is little; the rest is in ``power``.
"""

import sys

import ujson
import vfs

with open(sys.argv[1]) as _file:
    _config = ujson.load(_file)
# The flash will be the root of the file system, as on a board; the computer's files are below /pc.
sys.path[:] = ["/pc" + path for path in _config["paths"]] + [".frozen"]
try:
    # Firmware, aioble and the lab's modules are mounted as ROM, as a board has them: code then takes no heap.
    # Not the lab's own `os`, which would now be read as source.
    import ffi
    import uctypes
    import uos

    _file = ffi.open("libc.so.6")
    _size = uos.stat(_config["rom"])[6]
    _rom = _file.func("L", "mmap", "LLiiil")(
        0, _size, 1, 2, _file.func("i", "open", "si")(_config["rom"], 0), 0
    )
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(_rom, _size)), "/rom")
    sys.path[:] = ["/rom", ".frozen"]
except (ImportError, AttributeError, OSError):
    pass  # a MicroPython without VfsRom: the same code, from the heap
vfs.umount("/")
vfs.mount(vfs.VfsPosix(), "/pc")

from power import switch_on

_entry = switch_on(_config)
_config = _file = switch_on = None  # what they hold is garbage now
del sys.modules["power"]
try:
    exec(_entry, {"__name__": "__main__"})
except Exception as _error:
    sys.print_exception(_error)
    import lab

    lab.command(lab.STOP)
from repl import serve

serve()
