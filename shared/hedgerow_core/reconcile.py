"""Reconciling two sets of ids: by sketch where both sides keep one, or by lists of all ids.

Either gives parts to send and reads the other side's; ``sent`` and ``received`` tell when nothing is left.
"""

from hedgerow_core import limits
from hedgerow_core.errors import PeerError
from hedgerow_core.sketch import CELL_BYTES, Decoder, Sketch

_LAST = 1
_FLEETING = 2  # nothing of it survives a loss of power
_DONE = 0
_MORE = 1
_LISTS = 2
_PART_CELLS = 18  # that one of our frames holds
_TRIES = 4  # our sets change while they are compared: from the start again, but not for ever
_HEAD_BYTES = 4


class IdList:
    """Both sides send all their ids, 8 bytes each, in parts of one frame; ``cursor`` is where ours go on."""

    def __init__(self) -> None:
        self.cursor = 0
        self._received = 0
        self.sent = False
        self.received = False

    def part(self, chunk: bytes, cursor: int, durable: bool = True) -> bytes:
        """A part of our set: the ids from our cursor on, and the next cursor, negative after the last."""
        self.cursor = cursor
        self.sent = cursor < 0
        return bytes(((_LAST if self.sent else 0) | (0 if durable else _FLEETING),)) + chunk

    def receive(self, part: bytes) -> list[bytes]:
        """The ids in one part of theirs. PeerError where it is damaged or past the bound."""
        if not part or part[0] > _LAST | _FLEETING:
            raise PeerError("a damaged offer")
        ids = split_ids(part[1:])
        received = self._received + len(ids)
        if received > limits.EXCHANGE_IDS:
            raise PeerError("an offer above the limit")
        self._received = received
        if part[0] & _LAST:
            self.received = True
            self._received = 0
        return ids

    @staticmethod
    def lasts(part: bytes) -> bool:
        """Whether what a part of theirs names would survive a loss of power there."""
        return not part[0] & _FLEETING

    def restart(self) -> None:
        """We ask for theirs anew: what came of the round before does not count."""
        self.received = False
        self._received = 0


class BySketch:
    """Who ``gives`` sends cells of its sketch until the other side, which alone learns the difference, has
    enough of them. ``failed``: the difference is too large, or the sets do not stand still: lists must serve.
    """

    def __init__(self, sketch: Sketch, gives: bool) -> None:
        self.sent = self.received = self.failed = False
        self._sketch = sketch
        self._gives = gives
        self._first = self._next = 0
        self._end = _PART_CELLS  # cells that the other side waits for, or we do
        self._changes = sketch.changes
        self._tries = 0
        self._answer = b""

    def part(self, count: int) -> bytes:
        """The next cells: first 2, ``count`` 2, cells of 12; empty where nobody asked for more."""
        if not self._gives or self.sent or self._next >= self._end:
            return b""
        sketch = self._sketch
        if sketch.changes != self._changes:
            self._first = self._next = 0
            self._changes = sketch.changes
        first = self._next
        cells = sketch.part(first, min(_PART_CELLS, self._end - first))
        # No cells: there are no more of them.
        self._next = first + len(cells) // CELL_BYTES if cells else self._end
        return first.to_bytes(2, "big") + min(count, 0xFFFF).to_bytes(2, "big") + cells

    def answer(self) -> bytes:
        """What to answer to cells, once: status 1, from 2, to 2; empty where there is nothing to say."""
        answer = self._answer
        self._answer = b""
        return answer

    def _say(self, status: int, first: int = 0, end: int = 0) -> None:
        self._answer = bytes((status,)) + first.to_bytes(2, "big") + end.to_bytes(2, "big")

    def _decoding(self) -> Decoder | None:
        decoder = self._sketch.decoder
        return decoder if decoder is not None and decoder.owner is self else None

    def take(self, part: bytes, count: int) -> bytes:
        """Read cells: all ids of the difference that are known now, 8 bytes each, once there will be no more
        cells. PeerError where the part is damaged."""
        size = len(part) - _HEAD_BYTES
        if self._gives or size < 0 or size % CELL_BYTES:
            raise PeerError("a damaged sketch")
        first = part[0] << 8 | part[1]
        decoder = self._decoding()
        if first == 0:
            self._tries += decoder is not None
            # Another link that was at it begins again when it is quiet: there is room for one.
            decoder = self._sketch.decoder = Decoder(self._sketch, self)
        if decoder is None or first != decoder.received:
            # A part was lost, and is asked for when it is quiet; or it was our answer.
            if self.received:
                self._say(_DONE)
            return b""
        if decoder.changes != self._sketch.changes:
            self._sketch.decoder = None
            self._tries += 1
            self._say(_MORE, 0, self._end)
            return b""
        room = self._sketch.count - first
        if 0 < size <= room * CELL_BYTES:
            decoder.receive(part[_HEAD_BYTES:])
            if decoder.complete:
                self._say(_DONE)
                self.sent = self.received = True
                self._sketch.decoder = None
                return decoder.found
            if decoder.received < self._end:
                return b""
            end = min(2 * decoder.received, self._sketch.count)
            worth = end * CELL_BYTES < (count + (part[2] << 8 | part[3])) * limits.ID_BYTES
            if end > decoder.received and worth and self._tries < _TRIES:
                self._end = end
                self._say(_MORE, decoder.received, end)
                return b""
        self.failed = True
        self._sketch.decoder = None
        self._say(_LISTS)
        return decoder.found

    def answered(self, answer: bytes) -> None:
        """Read the other side's answer. PeerError where it is damaged."""
        if not self._gives or len(answer) != 5 or answer[0] > _LISTS:
            raise PeerError("a damaged answer to a sketch")
        first = answer[1] << 8 | answer[2]
        end = answer[3] << 8 | answer[4]
        if answer[0] == _DONE:
            self.sent = self.received = True
        elif answer[0] == _LISTS:
            self.failed = True
        elif first < end <= limits.SKETCH_CELLS:
            self._first = self._next = first
            self._end = end
        else:
            raise PeerError("cells above the limit")

    def repeat(self) -> bool:
        """Nothing came for a while: say the last once more. False where there was nothing yet."""
        if self._gives:
            self._next = self._first
        else:
            decoder = self._decoding()
            if decoder is None:
                return False
            self._say(_MORE, decoder.received, self._end)
        return True

    def restart(self) -> None:
        """What came does not count: it is asked for anew."""
        self.received = self.sent = False
        self.stop()

    def stop(self) -> None:
        """Nothing more comes."""
        if self._decoding() is not None:
            self._sketch.decoder = None


def split_ids(data: bytes) -> list[bytes]:
    """The 8-byte ids in ``data``. PeerError where the length does not fit."""
    size = limits.ID_BYTES
    if len(data) % size or len(data) > limits.FRAME_BYTES:
        raise PeerError("a damaged list of ids")
    return [bytes(data[at : at + size]) for at in range(0, len(data), size)]
