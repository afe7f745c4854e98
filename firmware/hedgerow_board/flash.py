"""The shelf's store on littlefs: append-only segments of records with a checksum each.

Record: mark 1, length 2, CRC-32 of its place and content 4, content. A place is segment << 14 | offset, and
segments are numbered in a ring, so that no board comes to the end of them.
Content of the store's own: a note that a record is gone (kind 1, place 4), or a checkpoint of the mesh clock
(kind 2, minute 4). Power may vanish at any byte: what was flushed stays, and nothing is written behind what
may be torn. A damaged record costs only itself.
"""

import os
from binascii import crc32

from hedgerow_board.places import FULL

_SEGMENT_BITS = 14
_SEGMENT_BYTES = 1 << _SEGMENT_BITS
_OFFSET = _SEGMENT_BYTES - 1
_RING = 1 << 16  # places stay below 2^30: small integers, which take no heap
_LEAST_SEGMENTS = 4
_MARK = 0xE7
_HEAD = 7
_RECORD_BYTES = 1_100
_GONE = 1
_MINUTE = 2
_SEARCH_BYTES = 256
_MOVES = 64  # records that are moved at once
_GIVES_WAY = 3  # segments for one record: where that is not enough, the room is not taken by letters


class FlashStore:
    """Records in the files of ``folder``, ``max_bytes`` of them that count. OSError where the flash refuses.

    The verbs are those of ``hedgerow_core.store.MemoryStore``. ``minute`` is the last checkpoint, 0 without.
    """

    def __init__(self, folder: str = "/shelf", max_bytes: int = 256 * 1024) -> None:
        self.minute = 0
        self.damaged = 0
        self._folder = folder
        self._owner = None
        self._live: dict[int, int] = {}  # segment -> records that count
        self._file = None
        self._newest = 0
        self._size = 0
        self._synced = 0
        # Whether something is gone that was not flushed: of a file that erred littlefs keeps what was synced,
        # and says of all that follows that it went well.
        self._torn = False
        try:
            os.mkdir(folder)
        except OSError:
            pass  # it is there
        for name in os.listdir(folder):
            try:
                self._live[int(name)] = 0
            except ValueError:
                os.remove(folder + "/" + name)
        # Half of it garbage is what compaction can live with.
        self._most = max(2 * max_bytes // _SEGMENT_BYTES, _LEAST_SEGMENTS)
        segments = sorted(self._live)
        if segments:
            self._newest = segments[-1]
            if self._newest - segments[0] > _RING // 2:
                self._newest = max([segment for segment in segments if segment < _RING // 2])
            segments = self._segments()
        while segments and not self.minute:
            for _, content in self._scan(segments.pop()):
                if content[0] == _MINUTE:
                    self.minute = max(self.minute, int.from_bytes(content[1:], "big"))

    def attach(self, owner: object) -> None:
        """``owner.holds(place)`` tells what still counts, ``owner.moved(old, new)`` hears of new places,
        ``owner.lost(place)`` of what had to give way on a full flash."""
        self._owner = owner

    def _segments(self) -> list:
        """Those that are there, the oldest first."""
        segments = sorted(self._live)
        older = [segment for segment in segments if segment > self._newest]
        return older + [segment for segment in segments if segment <= self._newest]

    def _path(self, segment: int) -> str:
        return self._folder + "/" + str(segment)

    # Reading

    def _record(self, file: object, place: int) -> bytes:
        """The content of the record at ``place``; empty where there is no whole one."""
        file.seek(place & _OFFSET)
        head = file.read(_HEAD)
        if len(head) < _HEAD or head[0] != _MARK:
            return b""
        size = head[1] << 8 | head[2]
        content = file.read(size) if 0 < size <= _RECORD_BYTES else b""
        return content if len(content) == size and _sum(place, content) == head[3:] else b""

    def _scan(self, segment: int):
        """Yield (place, content) of each whole record of a segment."""
        at = 0
        good = True
        with open(self._path(segment), "rb") as file:
            end = file.seek(0, 2)
            while at + _HEAD < end:
                content = self._record(file, segment << _SEGMENT_BITS | at)
                if content:
                    yield segment << _SEGMENT_BITS | at, content
                    at += _HEAD + len(content)
                    good = True
                    continue
                if good:
                    self.damaged += 1
                good = False
                at = _next_mark(file, at + 1, end)

    def read(self, place: int) -> bytes:
        """The record at ``place``; empty where it is damaged."""
        segment = place >> _SEGMENT_BITS
        if segment == self._newest and place & _OFFSET >= self._synced and self._file is not None:
            self._sync()
        with open(self._path(segment), "rb") as file:
            return self._record(file, place)

    def records(self):
        """Yield (place, record) of everything kept, oldest first; None where that record is gone."""
        for segment in self._segments():
            for place, content in self._scan(segment):
                if content[0] == _GONE:
                    gone = int.from_bytes(content[1:], "big")
                    if self._owner.holds(gone):
                        self._live[gone >> _SEGMENT_BITS] -= 1
                        yield gone, None
                elif content[0] != _MINUTE:
                    self._live[segment] += 1
                    yield place, content

    # Writing

    def _write(self, content: bytes) -> int:
        for _ in range(_GIVES_WAY):
            try:
                return self._add(content)
            except OSError as error:
                if error.errno != FULL or not self._give_way():
                    raise
        return self._add(content)

    def _give_way(self) -> bool:
        """On a full flash the oldest letters go, all of a segment; whether there were any. Moving them would
        need the room that is missing."""
        segment = self._segments()[0] if self._live else self._newest
        if segment == self._newest:
            return False
        for place, content in self._scan(segment):
            if content[0] != _GONE and content[0] != _MINUTE:
                self._owner.lost(place)
        os.remove(self._path(segment))
        del self._live[segment]
        return True

    def _add(self, content: bytes) -> int:
        if self._file is None or self._size + _HEAD + len(content) > _SEGMENT_BYTES:
            # A new segment after each start: the end of the old one may be torn.
            self._end_segment()
            segment = self._newest % (_RING - 1) + 1  # no record is at place 0
            self._file = open(self._path(segment), "wb")  # noqa: SIM115
            self._newest = segment
            self._live[self._newest] = 0
            self._size = self._synced = 0
        place = self._newest << _SEGMENT_BITS | self._size
        try:
            head = bytes((_MARK,)) + len(content).to_bytes(2, "big") + _sum(place, content)
            self._file.write(head + content)
        except OSError:
            self._torn = self._torn or self._size > self._synced
            self._end_segment()  # what was half written ends it
            raise
        self._size += _HEAD + len(content)
        return place

    def _end_segment(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError:
                self._torn = self._torn or self._size > self._synced
                raise

    def append(self, record: bytes) -> int:
        """Write ``record``; its place. It survives a loss of power after ``flush``."""
        place = self._write(record)
        self._live[self._newest] += 1
        return place

    def drop(self, place: int, note: bool) -> None:
        """Forget the record at ``place``; without ``note`` it may come back after a restart."""
        segment = place >> _SEGMENT_BITS
        if segment not in self._live:
            return  # it gave way
        self._live[segment] -= 1
        if note:
            try:
                self._write(bytes((_GONE,)) + place.to_bytes(4, "big"))
            except OSError:
                pass  # it may come back after a restart, which harms nobody

    def flush(self, minute: int) -> None:
        """Return when what was appended survives a loss of power; ``minute`` is the mesh clock's."""
        try:
            self._write(bytes((_MINUTE,)) + minute.to_bytes(4, "big"))
            try:
                self._sync()
            except OSError as error:
                if error.errno == FULL:
                    self._give_way()  # for what comes next
                raise
            if self._torn:
                raise OSError(FULL)
        except OSError:
            self._torn = False
            raise
        self.minute = max(self.minute, minute)
        for segment in self._segments():
            # A note that a record is gone must not go before the record, so only the oldest may go.
            if segment == self._newest or (self._live[segment] and len(self._live) <= self._most):
                break
            try:
                self._compact(segment)
            except OSError as error:
                if error.errno != FULL:
                    raise
                self._give_way()  # what was appended is safe
                break

    def _sync(self) -> None:
        try:
            self._file.flush()
        except OSError:
            self._torn = True
            try:
                self._end_segment()
            except OSError:
                pass  # it is given up already
            raise
        self._synced = self._size

    def _compact(self, segment: int) -> None:
        """Move what still counts to the newest segment; the power may go at any time."""
        if self._live[segment]:
            while self._move(segment):
                pass
        os.remove(self._path(segment))
        del self._live[segment]

    def _move(self, segment: int) -> bool:
        """Move some records; whether there may be more. What is moved counts where it was until the copies
        survive a loss of power."""
        moved = []
        records = self._scan(segment)
        try:
            for place, content in records:
                if content[0] != _GONE and content[0] != _MINUTE and self._owner.holds(place):
                    moved.append((place, self._add(content)))
                    if len(moved) == _MOVES:
                        break
            self._sync()
        except OSError:
            self._torn = False
            raise
        finally:
            records.close()
        for old, new in moved:
            self._owner.moved(old, new)
            self._live[new >> _SEGMENT_BITS] += 1
        return len(moved) == _MOVES


def _sum(place: int, content: bytes) -> bytes:
    # With its place in it, what was written elsewhere, or by a stranger inside a letter, is no record here.
    return (crc32(content, crc32(place.to_bytes(4, "big"))) & 0xFFFFFFFF).to_bytes(4, "big")


def _next_mark(file: object, at: int, end: int) -> int:
    """Where the next record may begin, from ``at`` on; ``end`` where there is none."""
    while at < end:
        file.seek(at)
        window = file.read(_SEARCH_BYTES)
        found = window.find(bytes((_MARK,)))
        if found >= 0:
            return at + found
        at += len(window) or _SEARCH_BYTES
    return end
