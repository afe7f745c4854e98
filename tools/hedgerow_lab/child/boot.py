"""Starts one virtual board: boot.py CONFIG.json, inside MicroPython."""

import sys

import ujson

with open(sys.argv[1]) as _file:
    _config = ujson.load(_file)
# The flash is the root of the file system, as on a board; the computer's files are below /pc.
sys.path[:] = ["/pc" + _path for _path in _config["paths"]] + [".frozen"]
import vfs

vfs.umount("/")
vfs.mount(vfs.VfsPosix(), "/pc")

import lab

lab.costs = _config["costs"]
lab.ticks_offset = _config["ticks_offset"]


def _unhex(text):
    return bytes(int(text[i : i + 2], 16) for i in range(0, len(text), 2))


import os
import random

os._seed_urandom(_unhex(_config["seed"]))
random.seed(int(_config["seed"][:7], 16))
import tasks

# The built-in one would win by its name.
sys.modules["_asyncio"] = tasks
import poller

poller.install()
import machine

machine._unique = _unhex(_config["address"])
machine._cause = _config["reset_cause"]

from flash import Flash

_device = Flash("/pc" + _config["flash"], _config["flash_blocks"])
lab.connect(_config["read_fd"], _config["write_fd"])
lab.exchange(0)
try:
    vfs.mount(vfs.VfsLfs2(_device, readsize=32, progsize=32), "/")
except OSError:
    vfs.VfsLfs2.mkfs(_device, readsize=32, progsize=32)
    vfs.mount(vfs.VfsLfs2(_device, readsize=32, progsize=32), "/")
if _config["settings"] is not None:
    _wanted = _unhex(_config["settings"])
    try:
        with open("/settings", "rb") as _file:
            _have = _file.read()
    except OSError:
        _have = None
    if _have is None:
        with open("/settings", "wb") as _file:
            _file.write(_wanted)

_entry = "/pc" + _config["entry"]
with open(_entry) as _file:
    _source = _file.read()
try:
    exec(compile(_source, _entry, "exec"), {"__name__": "__main__"})
except Exception as _error:
    sys.print_exception(_error)
    lab.command(lab.STOP)
while True:
    lab.exchange(lab.NEVER)
