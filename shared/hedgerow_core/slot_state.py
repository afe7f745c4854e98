"""What a board tells its host of its firmware and of an update on its way (docs/protocol.md, "Updates")."""

from hedgerow_core.errors import PeerError
from hedgerow_core.service import UPDATE_IS

ID_BYTES = 8

# Where the running firmware came from: a folder, or something that no update changes.
SLOT_A = 0
SLOT_B = 1
NO_SLOT = 2

# Why the last update was not installed.
NO_FAILURE = 0
NOT_SIGNED = 1  # by whom the board trusts
NOT_NEWER = 2
NO_ROOM = 3
OTHER_FORMAT = 4
NOT_WRITTEN = 5  # the flash refused, or gave back something else
DID_NOT_RUN = 6
NO_LOADER = 7
NO_MEMORY = 8
FAILURES = 9

# Places in the numbers of a state.
NUMBER = 0  # of the firmware that runs
SLOT = 1
TRIAL = 2  # 1 until it has run well
NEXT_LEAF = 3  # what was signed with an earlier one-time key is not taken
ARRIVING = 4  # number of the update on its way, 0 for none
HERE = 5  # its pieces that are here
PIECES = 6
FAILURE = 7
FAILED = 8  # the number of the update that was not installed

_FIELDS = (4, 1, 1, 4, 4, 2, 2, 1, 4)  # bytes of each number, in order
_HEAD = 1 + sum(_FIELDS)


def encode_state(numbers: "list[int]", board: bytes, key: bytes) -> bytes:
    """The board's answer: its numbers, its id, and the first bytes of the hash of the key that it trusts,
    zeros where it trusts none."""
    out = bytearray((UPDATE_IS,))
    for number, size in zip(numbers, _FIELDS):
        out += number.to_bytes(size, "big")
    return bytes(out) + board + key


def decode_state(message: bytes) -> "tuple[list[int], bytes, bytes]":
    """(numbers, board id, id of the key) of an answer. PeerError where it is damaged."""
    if len(message) != _HEAD + 2 * ID_BYTES or message[0] != UPDATE_IS:
        raise PeerError("a damaged state of an update")
    numbers = []
    at = 1
    for size in _FIELDS:
        numbers.append(int.from_bytes(message[at : at + size], "big"))
        at += size
    if numbers[SLOT] > NO_SLOT or numbers[TRIAL] > 1 or numbers[FAILURE] >= FAILURES:
        raise PeerError("a damaged state of an update")
    return numbers, message[at : at + ID_BYTES], message[at + ID_BYTES :]
