"""A flash chip in a file: what was programmed is there after the process was killed."""

import lab

BLOCK = 4096
_ERASE = 6
_ERASED = b"\xff" * 64


class Flash:
    """Block device for littlefs (docs of `vfs.AbstractBlockDev`): programme and erase take their time."""

    def __init__(self, path, blocks, offset=0):
        self._file = open(path, "r+b")
        self._blocks = blocks
        self._offset = offset

    def readblocks(self, block, buffer, offset=0):
        lab.charge(lab.costs["flash_read_us"])
        self._file.seek(self._offset + block * BLOCK + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        lab.charge(lab.costs["flash_program_us"])
        self._file.seek(self._offset + block * BLOCK + offset)
        self._file.write(buffer)

    def ioctl(self, op, arg):
        if op == 4:
            return self._blocks
        if op == 5:
            return BLOCK
        if op == _ERASE:
            lab.charge(lab.costs["flash_erase_us"])
            self._file.seek(self._offset + arg * BLOCK)
            for _ in range(BLOCK // len(_ERASED)):
                self._file.write(_ERASED)
            return 0
