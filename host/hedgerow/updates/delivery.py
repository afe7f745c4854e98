"""An update on its way to a board, step by step; asks nothing itself, and reads no clock."""

from dataclasses import dataclass
from enum import Enum

from hedgerow import errors
from hedgerow_core import slot_state
from hedgerow_core.errors import PeerError
from hedgerow_core.slot_state import decode_state

_REASONS = {
    slot_state.NOT_SIGNED: "nobody signed it whom the board trusts",
    slot_state.NOT_NEWER: "it is not newer than what runs there; --downgrade goes back",
    slot_state.NO_ROOM: "there is no room for it on the board's flash",
    slot_state.OTHER_FORMAT: "it is of a format that the board does not know",
    slot_state.NOT_WRITTEN: "the board's flash did not take it",
    slot_state.DID_NOT_RUN: "it did not run well there, and the board went back to what it had",
    slot_state.NO_LOADER: "the board has no loader",
    slot_state.NO_MEMORY: "its memory was too full; restart it, and run the same command again",
}
# Looks of a board at its shelf within which a failure that it told before would be told anew.
_PATIENCE_MS = 150_000


@dataclass(frozen=True)
class State:
    """What a board tells of its firmware; as ``hedgerow_core.slot_state`` has it."""

    number: int
    slot: int
    trial: bool
    next_leaf: int
    arriving: int
    here: int
    pieces: int
    failure: int
    failed: int
    board: bytes
    key: bytes

    @property
    def reason(self) -> str | None:
        """Why the last update was not installed."""
        return _REASONS.get(self.failure)


def read(answer: bytes) -> State:
    """OtherVersion where a board answers something else."""
    try:
        numbers, board, key = decode_state(answer)
    except PeerError:
        raise errors.OtherVersion from None
    number, slot, trial, next_leaf, arriving, here, pieces, failure, failed = numbers
    return State(number, slot, bool(trial), next_leaf, arriving, here, pieces, failure, failed, board, key)


class Stage(Enum):
    """Where an update is."""

    GIVING = "its pieces go to the board"
    WRITING = "the board checks and writes it"
    TRYING = "it runs, and shows that it runs well"
    DONE = "it runs for good"


class Delivery:
    """Update ``number``, signed with one-time key ``leaf``, for a board that told ``before``."""

    def __init__(self, name: str, number: int, leaf: int, before: State) -> None:
        self.here = 0
        self.pieces = 1
        self.stage = Stage.GIVING
        self._name = name
        self._number = number
        self._leaf = leaf
        self._before = before
        self._whole_ms: int | None = None

    def take(self, state: State, now: int) -> Stage:
        """The board told ``state``. UpdateRefused where it did not take it."""
        if state.slot != self._before.slot and state.number == self._number:
            self.stage = Stage.TRYING if state.trial else Stage.DONE
            return self.stage
        if self._failed(state, now):
            raise errors.UpdateRefused(name=self._name, reason=state.reason)
        if state.arriving == self._number:
            self.here, self.pieces = state.here, state.pieces
            whole = state.here == state.pieces
            self.stage = Stage.WRITING if whole else Stage.GIVING
            if whole and self._whole_ms is None:
                self._whole_ms = now
        return self.stage

    def _failed(self, state: State, now: int) -> bool:
        if not state.failure or state.failed != self._number:
            return False
        if state.failure == slot_state.DID_NOT_RUN:
            return state.next_leaf > self._leaf
        told = (self._before.failure, self._before.failed)
        if (state.failure, state.failed) != told:
            return True
        # It told so before: again, or still?
        return self._whole_ms is not None and now - self._whole_ms > _PATIENCE_MS
