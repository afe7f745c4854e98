"""What devices of a group tell each other pairwise: operations, an epoch, and which operations are missing.

CBOR [group 16, [operation, ..], [number, heads, secret] or [], missing operations 32 | ..]
"""

from dataclasses import dataclass

from hedgerow import stored
from hedgerow.groups import limits, operation
from hedgerow.groups.epoch import Epoch
from hedgerow_core.errors import PeerError

_DATA_BYTES = 880
_MOST = 24


@dataclass(frozen=True, repr=False)
class Control:
    """``epoch`` is None where none begins; ``wants`` are the ids of operations."""

    group: bytes
    operations: tuple[bytes, ...] = ()
    epoch: Epoch | None = None
    wants: tuple[bytes, ...] = ()


def encode(found: Control) -> list[bytes]:
    """The data of as few GROUP entries as it takes; the epoch is in the last one."""
    packed: list[list[bytes]] = [[]]
    for data in found.operations:
        if packed[-1] and sum(map(len, packed[-1])) + len(data) > _DATA_BYTES - 40:
            packed.append([])
        packed[-1].append(data)
    epoch = found.epoch.fields() if found.epoch else []
    wants = b"".join(found.wants[:_MOST])
    tail = len(stored.write([epoch, wants]))
    if packed[-1] and sum(map(len, packed[-1])) + tail > _DATA_BYTES - 40 and (epoch or wants):
        packed.append([])
    parts = [stored.write([found.group, some, [], b""]) for some in packed[:-1]]
    return [*parts, stored.write([found.group, packed[-1], epoch, wants])]


def decode(data: bytes, maker: bytes) -> Control:
    """Read the data of a GROUP entry that the device ``maker`` sent. PeerError where it is damaged."""
    group, some, epoch, wants = stored.read(data, bytes, list, list, bytes)
    operations = tuple(stored.check(some, *[bytes] * len(some)))
    count, rest = divmod(len(wants), operation.ID_BYTES)
    if len(group) != operation.GROUP_BYTES or rest or count > _MOST or len(some) > limits.OPERATIONS:
        raise PeerError("damaged data")
    missing = tuple(wants[at : at + operation.ID_BYTES] for at in range(0, len(wants), operation.ID_BYTES))
    return Control(group, operations, Epoch.read(group, maker, epoch) if epoch else None, missing)
