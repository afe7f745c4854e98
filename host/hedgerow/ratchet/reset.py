"""The reset: a new ratchet between two devices that lost theirs, found under locks that both know for ever.

    stop hash 16 | EK masked 32 | sealed, of one size

X3DH without prekeys (docs/protocol.md, "Reset"): the static secret of both device keys says who it is from, a
fresh EK makes the session new. Who answers starts the ratchet as its writer, with EK as the other side's
ratchet key.
"""

import hashlib
from dataclasses import dataclass

from hedgerow import stored
from hedgerow.identity import keys
from hedgerow.identity.account import Account, Card
from hedgerow.identity.keys import Random
from hedgerow_core.envelope import padded_body_size
from hedgerow_core.errors import AuthError, PeerError
from hedgerow_core.mac import equal, hkdf, xor

SLOTS = 256
ID_BYTES = 8
_LOCK_BYTES = 12
_STOP_BYTES = 16
_MINUTE_BYTES = 4
_MINUTE_MAX = (1 << 8 * _MINUTE_BYTES) - 1
_HEAD_BYTES = _STOP_BYTES + keys.KEY_BYTES
# With the envelope around it 288 bytes, like the contact request of who has a short name.
BODY_BYTES = padded_body_size(250)


@dataclass(frozen=True, repr=False)
class Pair:
    """Two devices: who we and they are (account key | device key), and the secret of both for ever."""

    ours: bytes
    theirs: bytes
    static: bytes
    our_private: bytes
    their_public: bytes

    @property
    def leads(self) -> bool:
        """Whether it is our side that says which of two sessions is gone on with."""
        return self.ours < self.theirs


@dataclass(frozen=True, repr=False)
class Asked:
    """Our own reset, until it is answered; ``root`` and ``ad`` start the ratchet."""

    root: bytes
    ad: bytes
    ephemeral_private: bytes
    stop: bytes
    minute: int

    def fields(self) -> list[object]:
        """The fields in order, for CBOR."""
        return [self.root, self.ad, self.ephemeral_private, self.stop, self.minute]

    @classmethod
    def read(cls, found: object) -> "Asked":
        """What ``fields`` gave. PeerError where it is damaged."""
        return cls(*stored.check(found, *[bytes] * 4, int))


@dataclass(frozen=True, repr=False)
class Received:
    """What a reset of the other side tells; ``minute`` is of their clock, and only sets two of theirs in
    order."""

    id: bytes
    root: bytes
    ad: bytes
    ephemeral: bytes
    stop: bytes
    minute: int


@dataclass(frozen=True, repr=False)
class _Agreed:
    root: bytes
    stop: bytes
    seal_key: bytes


def pair(account: Account, card: Card) -> Pair:
    """What our device and that of ``card`` have in common. AuthError where their key is worthless."""
    return pair_of(account, card.account_key, card.device_key, card.device_dh)


def pair_of(account: Account, account_key: bytes, device_key: bytes, device_dh: bytes) -> Pair:
    """As ``pair``, with the keys of a card that was checked before."""
    return Pair(
        account.account_key + account.device_key,
        account_key + device_key,
        keys.dh(account.device_dh_private, device_dh),
        account.device_dh_private,
        device_dh,
    )


def locks(devices: Pair) -> dict[bytes, int]:
    """Lock and slot of every reset that may come from them."""
    key = _static_keys(devices, devices.theirs, devices.ours)[0]
    return {_lock(key, slot): slot for slot in range(SLOTS)}


def our_lock(devices: Pair, slot: int) -> bytes:
    """The lock of our own reset in ``slot``."""
    return _lock(_static_keys(devices, devices.ours, devices.theirs)[0], slot)


def create(devices: Pair, minute: int, random: Random) -> Asked:
    """A new reset of ours; ``minute`` is our clock, in minutes since the year 2025."""
    ephemeral = random(keys.KEY_BYTES)
    public = keys.dh_public(ephemeral)
    agreed = _agree(devices, devices.ours, devices.theirs, keys.dh(ephemeral, devices.their_public), public)
    ad = _ad(devices.ours, devices.theirs, public)
    return Asked(agreed.root, ad, ephemeral, agreed.stop, min(max(minute, 0), _MINUTE_MAX))


def body_for_slot(devices: Pair, asked: Asked, slot: int) -> bytes:
    """The body of our reset in ``slot``: repeated in another, no byte of the masked key is the same."""
    public = keys.dh_public(asked.ephemeral_private)
    dh2 = keys.dh(asked.ephemeral_private, devices.their_public)
    agreed = _agree(devices, devices.ours, devices.theirs, dh2, public)
    stop_hash = _stop_hash(asked.stop)
    mask = _mask(_static_keys(devices, devices.ours, devices.theirs)[1], slot, stop_hash)
    padded = keys.pad(
        asked.minute.to_bytes(_MINUTE_BYTES, "big"), BODY_BYTES - _HEAD_BYTES - keys.AEAD_TAG_BYTES
    )
    return stop_hash + xor(public, mask) + keys.seal(agreed.seal_key, padded, asked.ad)


def open(devices: Pair, slot: int, body: bytes) -> Received:
    """Read a reset of theirs, at the cost of one Diffie-Hellman. PeerError where it is damaged or forged."""
    if len(body) != BODY_BYTES:
        raise PeerError("a damaged reset")
    stop_hash = body[:_STOP_BYTES]
    mask = _mask(_static_keys(devices, devices.theirs, devices.ours)[1], slot, stop_hash)
    ephemeral = xor(body[_STOP_BYTES:_HEAD_BYTES], mask)
    dh2 = keys.dh(devices.our_private, ephemeral)
    agreed = _agree(devices, devices.theirs, devices.ours, dh2, ephemeral)
    ad = _ad(devices.theirs, devices.ours, ephemeral)
    minute = keys.unpad(keys.unseal(agreed.seal_key, body[_HEAD_BYTES:], ad))
    if len(minute) != _MINUTE_BYTES:
        raise PeerError("a damaged reset")
    if not equal(stop_hash, _stop_hash(agreed.stop)):
        raise AuthError("a reset with another stop")
    return Received(_id(ephemeral), agreed.root, ad, ephemeral, agreed.stop, int.from_bytes(minute, "big"))


def _static_keys(devices: Pair, sender: bytes, reader: bytes) -> tuple[bytes, bytes]:
    """(key of the locks, key of the masks) of one direction."""
    # The 32 bytes of FF set X25519 apart, as section 2.2 of X3DH asks.
    info = b"hedgerow reset locks" + sender + reader
    okm = hkdf(b"\xff" * 32 + devices.static, bytes(32), info, 64)
    return okm[:32], okm[32:]


def _lock(key: bytes, slot: int) -> bytes:
    return hkdf(key, b"", b"hedgerow reset slot" + bytes((slot,)), _LOCK_BYTES)


def _mask(key: bytes, slot: int, stop_hash: bytes) -> bytes:
    return hkdf(key, b"", b"hedgerow reset mask" + bytes((slot,)) + stop_hash, keys.KEY_BYTES)


def _agree(devices: Pair, sender: bytes, reader: bytes, dh2: bytes, ephemeral: bytes) -> _Agreed:
    info = b"hedgerow reset" + sender + reader + ephemeral
    okm = hkdf(b"\xff" * 32 + devices.static + dh2, bytes(32), info, 80)
    return _Agreed(okm[:32], okm[32:48], okm[48:])


def _ad(sender: bytes, reader: bytes, ephemeral: bytes) -> bytes:
    accounts = sender[: keys.KEY_BYTES] + reader[: keys.KEY_BYTES]
    return accounts + sender[keys.KEY_BYTES :] + reader[keys.KEY_BYTES :] + _id(ephemeral)


def _id(ephemeral: bytes) -> bytes:
    return hashlib.sha256(b"hedgerow reset id" + ephemeral).digest()[:ID_BYTES]


def _stop_hash(stop: bytes) -> bytes:
    return hashlib.sha256(stop).digest()[:_STOP_BYTES]
