"""Stores that a conversation shares: those of ``hedgerow.log.stores``, on operations of it."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator

from hedgerow import errors
from hedgerow.chat import operation as operations
from hedgerow.chat.fold import Done
from hedgerow.chat.operation import Operation, Target
from hedgerow.log import bounds
from hedgerow.log.canonical import Entry
from hedgerow.log.operations import OPERATION

BODY_BYTES = 540  # base64 makes 720 characters of it


class Shared:
    """A conversation as what stores stand on: ``done`` are its operations with their clocks, in any order.

    An entry is named by its author's tag and sequence, and written by a person: their devices are one.
    """

    def __init__(
        self, name: bytes, person: bytes, done: list[tuple[int, Done]], say: Callable[[Operation], Target]
    ) -> None:
        self._name = name
        self._person = person
        self._say = say
        self._entries = [entry for clock, one in done if (entry := self._entry(clock, one)) is not None]

    @property
    def body_bytes(self) -> int:
        """The most that the body of one entry has."""
        return BODY_BYTES

    def append(self, body: bytes, kind: int = OPERATION) -> Entry:
        """Say an operation to all in the conversation. TextTooLong."""
        if len(body) > BODY_BYTES:
            raise errors.TextTooLong(size=len(body), limit=BODY_BYTES)
        operation = Operation(operations.STORE, None, base64.b64encode(body).decode())
        place = self._say(operation)
        clock = 1 + max((entry.clock for entry in self._entries), default=0)
        entry = self._entry(clock, Done(place, self._person, operation))
        assert entry is not None
        self._entries.append(entry)
        return entry

    def changes(self, place: int, epoch: int) -> tuple[int, Iterator[tuple[int, Entry]]]:
        """(epoch, entries with their places) that came after ``place``."""
        return 0, ((at + 1, self._entries[at]) for at in range(place, len(self._entries)))

    def base_fold(self, key: str) -> bytes | None:
        """Nothing is removed behind a snapshot."""
        return None

    def kept_fold(self, key: str) -> tuple[int, int, bytes] | None:
        """No snapshots are kept: the conversation is read anyway."""
        return None

    def keep_fold(self, key: str, place: int, epoch: int, state: bytes) -> None:
        """No snapshots are kept."""

    def _entry(self, clock: int, one: Done) -> Entry | None:
        if one.operation.mark != operations.STORE:
            return None
        try:
            body = base64.b64decode(one.operation.value, validate=True)
        except (binascii.Error, ValueError):
            return None
        tag, sequence = one.place
        identity = hashlib.sha256(self._name + tag + sequence.to_bytes(8, "big")).digest()
        fields = (self._name.ljust(bounds.LOG_ID_BYTES), one.person, sequence, clock, (), None, ())
        return Entry(*fields, OPERATION, body, b"", identity)
