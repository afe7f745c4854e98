"""Files as programs that write them on a board, deflated and in parts; its `deflate` (MicroPython 1.21 on)
inflates them.

mpremote's own way writes a file as the text of Python's literals, 2.7 bytes for each of a .mpy, and asks for
an answer every 256 bytes. A part is one program: what it holds, in base64, lies in the board's heap whole.
"""

import binascii
import zlib
from collections.abc import Iterator, Mapping

PART_BYTES = 4096  # inflated; at most 4/3 of it, and as much again while it is compiled, lie in the heap
_WINDOW_BITS = 12  # 4 kB of heap: no part has more to look back at
_LEVEL = 9

# ``pieces``: what of a part goes into which file: (its name where it begins or "", bytes, whether it ends). A
# file that was not closed is as it was before, or empty.
_BEGIN = """
import binascii, deflate, io
buffer = bytearray(512)
view = memoryview(buffer)
file = None
def part(number, text, pieces):
    global file
    source = deflate.DeflateIO(io.BytesIO(binascii.a2b_base64(text)), deflate.ZLIB)
    for name, size, ends in pieces:
        if name:
            file = open(name, "wb")
        while size:
            n = source.readinto(view[:min(size, len(buffer))])
            if not n:
                raise ValueError("a part is too short")
            file.write(view[:n])
            size -= n
        if ends:
            file.close()
    print("part", number)
"""


def programs(files: Mapping[str, bytes]) -> list[str]:
    """What the board runs one after the other to have ``files`` (name on the board -> content); each prints
    "part" and its number, from 1 on."""
    content = b"".join(files.values())
    found = []
    for number, pieces in enumerate(_pieces(files), 1):
        part = content[(number - 1) * PART_BYTES : number * PART_BYTES]
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS)
        text = binascii.b2a_base64(packer.compress(part) + packer.flush(), newline=False)
        found.append(f"part({number}, {text!r}, {pieces!r})\n")
    return [_BEGIN + found[0], *found[1:]] if found else []


def _pieces(files: Mapping[str, bytes]) -> Iterator[list[tuple[str, int, bool]]]:
    """Those of each part; all parts but the last are full."""
    pieces: list[tuple[str, int, bool]] = []
    room = PART_BYTES
    for name, content in files.items():
        left, begins = len(content), name
        while True:
            size = min(left, room)
            left -= size
            room -= size
            pieces.append((begins, size, not left))
            begins = ""
            if not room:
                yield pieces
                pieces, room = [], PART_BYTES
            if not left:
                break
    if pieces:
        yield pieces
