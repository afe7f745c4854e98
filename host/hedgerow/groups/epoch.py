"""An epoch: one secret, which goes to each device pairwise, and a chain for each device that it starts.

    chain = HKDF(secret, "", "hedgerow group chain" | group | epoch | members hash | device, 64)
          = header key 32 | chain key 32

The secret is forgotten when the chains are there. Whoever is in knows all chains: they hide what is said from
everybody else; that nobody writes as another is up to signatures (``letter``).
"""

import hashlib
from dataclasses import dataclass, field, replace

from hedgerow import stored
from hedgerow.groups import limits
from hedgerow.groups.members import Members
from hedgerow.ratchet import kdf
from hedgerow_core.errors import LimitError, PeerError
from hedgerow_core.mac import hkdf

ID_BYTES = 8
SECRET_BYTES = 32
HEAD_BYTES = 32


@dataclass(frozen=True, repr=False)
class Epoch:
    """``heads`` name the operations that it was made after; the greater (number, id) is the newer one."""

    group: bytes
    number: int
    heads: tuple[bytes, ...]
    maker: bytes  # device key
    secret: bytes = field(repr=False)

    @property
    def id(self) -> bytes:
        """8 bytes."""
        number = self.number.to_bytes(4, "big")
        content = self.group + number + self.maker + b"".join(self.heads) + self.secret
        return hashlib.sha256(b"hedgerow group epoch" + content).digest()[:ID_BYTES]

    def fields(self) -> list[object]:
        """For CBOR; the maker is who it comes from."""
        return [self.number, b"".join(self.heads), self.secret]

    @classmethod
    def read(cls, group: bytes, maker: bytes, found: object) -> "Epoch":
        """What ``fields`` gave. PeerError where it is damaged."""
        number, joined, secret = stored.check(found, int, bytes, bytes)
        count, rest = divmod(len(joined), HEAD_BYTES)
        if rest or not 1 <= count <= limits.PARENTS or not 0 <= number <= limits.NUMBER_MAX:
            raise PeerError("a damaged epoch")
        if len(secret) != SECRET_BYTES:
            raise PeerError("a damaged epoch")
        heads = tuple(joined[at : at + HEAD_BYTES] for at in range(0, len(joined), HEAD_BYTES))
        return cls(group, number, heads, maker, secret)


@dataclass(frozen=True, repr=False)
class Chain:
    """The keys of one device's letters in one epoch: ``number`` is that of the next one."""

    header_key: bytes
    chain_key: bytes
    number: int = 0
    skipped: dict[int, bytes] = field(default_factory=dict)

    def to_cbor(self) -> bytes:
        """For the database."""
        return stored.write(
            [self.header_key, self.chain_key, self.number, [[*pair] for pair in self.skipped.items()]]
        )

    @classmethod
    def from_cbor(cls, data: bytes) -> "Chain":
        """Read what ``to_cbor`` wrote. PeerError where it is damaged."""
        header_key, chain_key, number, skipped = stored.read(data, bytes, bytes, int, list)
        pairs = [stored.check(pair, int, bytes) for pair in skipped]
        return cls(header_key, chain_key, number, {at: key for at, key in pairs})


def chains(epoch: Epoch, members: Members) -> dict[bytes, Chain]:
    """The chain of each device that is in, by its key."""
    found = {}
    for device in members.cards:
        info = b"hedgerow group chain" + epoch.group + epoch.id + members.hash + device
        okm = hkdf(epoch.secret, b"", info, 64)
        found[device] = Chain(okm[:32], okm[32:])
    return found


def locks(chain: Chain, ahead: int = limits.WINDOW) -> dict[bytes, int]:
    """The locks of letters that may come, with their numbers."""
    end = min(chain.number + ahead, limits.EPOCH_MESSAGES)
    found = dict(zip(kdf.locks(chain.header_key, chain.number, end), range(chain.number, end), strict=True))
    for number in chain.skipped:
        found[kdf.lock_of(kdf.token(chain.header_key, number))] = number
    return found


def step(chain: Chain) -> tuple[Chain, int, bytes]:
    """(chain, number, message key) of our next letter. LimitError where the chain is at its end."""
    if chain.number >= limits.EPOCH_MESSAGES:
        raise LimitError("a chain at its end")
    after, key = kdf.chain_step(chain.chain_key)
    return replace(chain, chain_key=after, number=chain.number + 1), chain.number, key


def key_of(chain: Chain, number: int) -> tuple[Chain, bytes]:
    """(chain without that key, message key) of letter ``number``. PeerError where it is gone, or too far."""
    if number in chain.skipped:
        rest = {at: key for at, key in chain.skipped.items() if at != number}
        return replace(chain, skipped=rest), chain.skipped[number]
    if not chain.number <= number < limits.EPOCH_MESSAGES:
        raise PeerError("a letter whose key is gone")
    skipped = dict(chain.skipped)
    key = chain.chain_key
    for at in range(chain.number, number):
        key, skipped[at] = kdf.chain_step(key)
    key, wanted = kdf.chain_step(key)
    return replace(chain, chain_key=key, number=number + 1, skipped=skipped), wanted
