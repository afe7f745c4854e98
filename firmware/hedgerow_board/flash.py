"""The shelf's store on littlefs: append-only segments of records with a checksum each.

Record: length 2, CRC-32 4, content. A length of DROP says that the record at the place in its content is
gone. A place is segment << 16 | offset. Power may vanish at any byte: what follows a torn record is never
read, and what was flushed stays.
"""

import os
from binascii import crc32

_SEGMENT_BYTES = 16_384
_SEGMENTS = 24  # above this, what lives in the oldest moves to the newest
_HEAD = 6
_DROP = 0x8004
_RECORD_BYTES = 2_048


class FlashStore:
    """Records in the files of ``folder``, oldest first. OSError where the flash refuses."""

    def __init__(self, folder: str = "/shelf") -> None:
        self._folder = folder
        self._live: dict[int, int] = {}  # segment -> records that are not dropped
        self._moved: dict[int, int] = {}
        self._file = None
        self._newest = 0
        self._size = 0
        self._synced = 0
        try:
            os.mkdir(folder)
        except OSError:
            pass
        for name in os.listdir(folder):
            try:
                self._live[int(name)] = 0
            except ValueError:
                os.remove(folder + "/" + name)
        dropped = set()
        for segment in sorted(self._live):
            self._newest = segment
            for _, _, gone in self._scan(segment):
                if gone is not None:
                    dropped.add(gone)
                else:
                    self._live[segment] += 1
        self._dropped = dropped
        for place in dropped:
            if place >> 16 in self._live:
                self._live[place >> 16] -= 1

    def _path(self, segment: int) -> str:
        return self._folder + "/" + str(segment)

    def _scan(self, segment: int):
        """Yield (place, content, place dropped or None) of each whole record of a segment."""
        at = 0
        with open(self._path(segment), "rb") as file:
            while True:
                head = file.read(_HEAD)
                if len(head) < _HEAD:
                    return
                length = head[0] << 8 | head[1]
                size = length & 0x7FFF
                content = file.read(size) if size <= _RECORD_BYTES else b""
                if len(content) != size or crc32(content) & 0xFFFFFFFF != int.from_bytes(head[2:], "big"):
                    return
                if length == _DROP:
                    yield segment << 16 | at, content, int.from_bytes(content, "big")
                else:
                    yield segment << 16 | at, content, None
                at += _HEAD + size

    def _write(self, length: int, content: bytes) -> int:
        if self._file is None or self._size >= _SEGMENT_BYTES:
            # Never behind an old record: that one may be torn.
            if self._file is not None:
                self._file.close()
            self._file = None
            self._newest += 1
            self._file = open(self._path(self._newest), "wb")  # noqa: SIM115
            self._live[self._newest] = 0
            self._size = self._synced = 0
        place = self._newest << 16 | self._size
        try:
            self._file.write(
                length.to_bytes(2, "big") + (crc32(content) & 0xFFFFFFFF).to_bytes(4, "big") + content
            )
        except OSError:
            # What was half written ends this segment.
            self._size = _SEGMENT_BYTES
            raise
        self._size += _HEAD + len(content)
        return place

    def append(self, record: bytes) -> int:
        """Write ``record``; its place. It survives a loss of power after ``flush``."""
        place = self._write(len(record), record)
        self._live[self._newest] += 1
        return place

    def read(self, place: int) -> bytes:
        """The record at ``place``; empty where it is damaged."""
        place = self._moved.get(place, place)
        segment = place >> 16
        offset = place & 0xFFFF
        if segment == self._newest and offset >= self._synced and self._file is not None:
            self._file.flush()
            self._synced = self._size
        with open(self._path(segment), "rb") as file:
            file.seek(offset)
            head = file.read(_HEAD)
            size = (head[0] << 8 | head[1]) if len(head) == _HEAD else _RECORD_BYTES + 1
            content = file.read(size) if size <= _RECORD_BYTES else b""
        if len(content) != size or crc32(content) & 0xFFFFFFFF != int.from_bytes(head[2:], "big"):
            return b""
        return content

    def drop(self, place: int) -> None:
        """Forget the record at ``place``."""
        place = self._moved.pop(place, place)
        try:
            self._write(_DROP, place.to_bytes(4, "big"))
        except OSError:
            pass  # no room for the note: the record may come back after a restart, which harms nobody
        self._live[place >> 16] -= 1

    def flush(self) -> None:
        """Return when everything written survives a loss of power."""
        if self._file is not None:
            self._file.flush()
            self._synced = self._size
        while self._live:
            oldest = min(self._live)
            if oldest == self._newest:
                break
            # A note that a record is gone must not go before the record, so only the oldest may go.
            if self._live[oldest] and len(self._live) <= _SEGMENTS:
                break
            if self._live[oldest]:
                self._move(oldest)
            os.remove(self._path(oldest))
            del self._live[oldest]

    def _move(self, segment: int) -> None:
        gone = self._dropped
        gone.clear()
        for other in sorted(self._live):
            for _, _, place in self._scan(other):
                if place is not None and place >> 16 == segment:
                    gone.add(place)
        back = {new: old for old, new in self._moved.items()}
        for place, content, is_drop in self._scan(segment):
            if is_drop is None and place not in gone:
                self._moved[back.get(place, place)] = self.append(content)
        self._file.flush()
        self._synced = self._size

    def records(self):
        """Yield (place, record) of everything kept, oldest first."""
        for segment in sorted(self._live):
            for place, content, gone in self._scan(segment):
                if gone is None and place not in self._dropped:
                    yield place, content
        self._dropped.clear()
