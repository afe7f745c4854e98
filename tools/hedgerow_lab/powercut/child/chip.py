"""A flash chip in memory: it counts what it does, and at one operation the power goes."""

BLOCK = 4096
PROGRAM = 0
ERASE = 1
_ERASED = b"\xff" * BLOCK


class Chip:
    """Block device for littlefs (docs of `vfs.AbstractBlockDev`) over the bytearray ``image``.

    Programming clears bits only, as NOR flash does. Operation ``cut_at`` (programme or erase, the first is 1)
    is not done any more: ``cut`` is called with it instead, and must not return. ``log`` gets every operation
    as (PROGRAM or ERASE, address, bytes). ``wear`` counts the erases of each block.
    """

    def __init__(self, image, cut_at=0, cut=None, log=None):
        self.reads = self.read_bytes = 0
        self.operations = self.programs = self.program_bytes = self.erases = 0
        self.wear = [0] * (len(image) // BLOCK)
        self._image = memoryview(image)
        self._cut_at = cut_at
        self._cut = cut
        self._log = log

    def counters(self):
        """[reads, bytes read, programme operations, bytes programmed, erases] so far."""
        return [self.reads, self.read_bytes, self.programs, self.program_bytes, self.erases]

    def _step(self, kind, at, data):
        self.operations += 1
        if self.operations == self._cut_at:
            self._cut(kind, at, data)
        if self._log is not None:
            self._log(kind, at, data)

    def readblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        self.reads += 1
        self.read_bytes += len(buffer)
        buffer[:] = self._image[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        self._step(PROGRAM, at, buffer)
        end = at + len(buffer)
        image = self._image
        self.programs += 1
        self.program_bytes += len(buffer)
        if image[at:end] == _ERASED[: len(buffer)]:
            image[at:end] = buffer
        else:
            for i in range(len(buffer)):
                image[at + i] &= buffer[i]

    def ioctl(self, op, arg):
        if op == 4:
            return len(self._image) // BLOCK
        if op == 5:
            return BLOCK
        if op == 6:
            self._step(ERASE, arg * BLOCK, b"")
            self.erases += 1
            self.wear[arg] += 1
            self._image[arg * BLOCK : (arg + 1) * BLOCK] = _ERASED
            return 0
        return 0
