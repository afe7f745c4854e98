"""Run by MicroPython: a shelf on littlefs that other files fill, but for as many blocks as said.

Prints, as JSON, how often a letter that was flushed is not on the flash: in the index without a record, and
after a loss of power.
"""

import json
import os
import random
import sys

import vfs

from hedgerow_board.flash import FlashStore
from hedgerow_core import envelope
from hedgerow_core.clock import Clock
from hedgerow_core.errors import HedgerowError
from hedgerow_core.shelf import Shelf

BLOCK = 4_096
BLOCKS = 64
BYTES = 32 * 1_024


class Flash:
    def __init__(self, data=b"\xff" * (BLOCK * BLOCKS)):
        self.data = bytearray(data)

    def readblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        buffer[:] = self.data[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        self.data[at : at + len(buffer)] = buffer

    def ioctl(self, op, block):
        if op == 6:
            self.data[block * BLOCK : (block + 1) * BLOCK] = b"\xff" * BLOCK
        return {4: BLOCKS, 5: BLOCK}.get(op, 0)


def letter(number):
    return envelope.make(0, 13, b"%012d" % number, bytes(200 + random.getrandbits(8)))


def shelf_on(store, room):
    return Shelf(store, Clock(0), 0, 400, room, 100)


def trial(free_blocks, at_once, segments):
    """(letters flushed, of those not on the flash, letters there that a restart does not find)"""
    flash = Flash()
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), "/full")
    store = FlashStore("/full/shelf", BYTES)
    shelf = shelf_on(store, BYTES)
    number = 0
    while len(store._live) < segments:
        shelf.put(letter(number), 0)
        number += 1
        shelf.flush(0)
    left = os.statvfs("/full")[3] - free_blocks
    with open("/full/others", "wb") as file:
        for _ in range(left):
            file.write(bytes(BLOCK))
    flushed = missing = 0
    for _ in range(150 // at_once):
        for _ in range(at_once):
            shelf.put(letter(number), 0)
            number += 1
        try:
            shelf.flush(0)
            flushed += 1
        except HedgerowError:
            pass
        for identity in shelf.ids():
            missing += shelf.get(identity, 0) is None
    kept = shelf.ids()
    after = Flash(flash.data)  # as the power leaves it
    store._end_segment()
    vfs.umount("/full")
    vfs.mount(vfs.VfsLfs2(after), "/full")
    # What was not acknowledged may come back; it is not to push anything out.
    again = shelf_on(FlashStore("/full/shelf", BYTES), 2 * BYTES)
    lost = len([identity for identity in kept if not again.has(identity)])
    vfs.umount("/full")
    return flushed, missing, lost


random.seed(7)
print(json.dumps([trial(int(free), int(sys.argv[1]), int(sys.argv[2])) for free in sys.argv[3:]]))
