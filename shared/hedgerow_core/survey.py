"""What a board tells its paired host of the boards around it, and of what it counted.

The messages NODES and COUNTS of docs/protocol.md, "Service".
"""

from hedgerow_core import carrier, counts, limits
from hedgerow_core.errors import PeerError
from hedgerow_core.service import CAUSES, COUNTS_IS, NODES_IS

# A row of an answer: beacon id 6, seconds since its last beacon 2, rssi + 128 1, load of 255 1, ids known 2,
# version 1, battery 1, flags 1. Of who is linked and was not heard the flag is all there is.
NODE_BYTES = 15
LINKED = 1  # a link to it is open
CONNECTABLE = 2  # it has a place for a link
_A_PAGE = (limits.ANSWER_BYTES - 3) // NODE_BYTES
_COUNTS_HEAD = 3 + 2 * CAUSES


def _node(row: bytes, linked: bool, now: int) -> bytes:
    heard = int.from_bytes(row[carrier.HEARD : carrier.HEARD + 5], "big") - 1
    return (
        row[: carrier.ADDRESS]
        + min(max(now - heard, 0) // 1000, 0xFFFF).to_bytes(2, "big")
        + row[carrier.RSSI : carrier.VERSION]
        + row[carrier.LOAD : carrier.RSSI]
        + row[carrier.COUNT : carrier.COUNT + 2]
        + row[carrier.VERSION : carrier.HEARD]
        + bytes((linked * LINKED + row[carrier.OPEN] * CONNECTABLE,))
    )


def encode_nodes(around: "carrier.Carrier", page: int, now: int) -> bytes:
    """Page ``page``, from 0, of those heard within the last minute and of those linked."""
    nodes = []
    unheard = [link[1] for link in around.links]
    for slot in around.neighbours(now):
        row = around.rows.row(slot)
        address = row[carrier.ADDRESS : carrier.MAC]
        linked = address in unheard
        if linked:
            unheard.remove(address)
        nodes.append(_node(row, linked, now))
    nodes += [bytes(NODE_BYTES - 1) + bytes((LINKED,)) for _ in unheard]
    pages = max((len(nodes) + _A_PAGE - 1) // _A_PAGE, 1)
    return bytes((NODES_IS, page, pages)) + b"".join(nodes[page * _A_PAGE : (page + 1) * _A_PAGE])


def decode_nodes(message: bytes) -> "tuple[int, int, list[tuple[bytes, int, int, int, int, int, int, int]]]":
    """(page, pages, nodes) of an answer; a node is beacon id, seconds since it was heard, signal in dBm, load
    of 255, ids known, version, battery (these two as in NAME) and flags. PeerError where it is damaged."""
    size = NODE_BYTES
    whole = len(message) >= 3 and message[0] == NODES_IS and message[1] < message[2]
    if not whole or len(message) > limits.ANSWER_BYTES or (len(message) - 3) % size:
        raise PeerError("a damaged list of nodes")
    nodes = []
    for at in range(3, len(message), size):
        row = message[at : at + size]
        age_s, known = row[6] << 8 | row[7], row[10] << 8 | row[11]
        nodes.append((bytes(row[:6]), age_s, row[8] - 128, row[9], known, row[12], row[13], row[14]))
    return message[1], message[2], nodes


def encode_counts(cause: int, starts: "list[int]", battery: int, counted: "list[int]") -> bytes:
    """``cause`` of the last start and ``starts`` so far by cause as in the log, ``battery`` as in NAME, and
    what was counted since (hedgerow_core.counts)."""
    out = bytearray((COUNTS_IS, cause, battery))
    for number in starts:
        out += min(number, 0xFFFF).to_bytes(2, "big")
    for number in counted:
        out += min(number, 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(out)


def decode_counts(message: bytes) -> "tuple[int, list[int], int, list[int]]":
    """(cause, starts by cause, battery, what was counted) of an answer. PeerError where it is damaged."""
    if len(message) != _COUNTS_HEAD + 4 * counts.COUNTERS or message[0] != COUNTS_IS or message[1] >= CAUSES:
        raise PeerError("damaged counts")
    starts = [int.from_bytes(message[at : at + 2], "big") for at in range(3, _COUNTS_HEAD, 2)]
    counted = [int.from_bytes(message[at : at + 4], "big") for at in range(_COUNTS_HEAD, len(message), 4)]
    return message[1], starts, message[2], counted
