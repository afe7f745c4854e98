"""The contact request: X3DH (Signal, "The X3DH Key Agreement Protocol", section 3) as one letter.

    stop hash 16 | EK masked 32 | sealed identity

Nobody needs to be online: the signed prekey came with the invite, the request travels like any letter.
"""

import hashlib
from dataclasses import dataclass

from hedgerow import stored
from hedgerow.identity import keys
from hedgerow.identity.account import Account, Card
from hedgerow.identity.keys import Random
from hedgerow.people.invite import Invite, InviteSecret
from hedgerow_core import cbor
from hedgerow_core.envelope import padded_body_size
from hedgerow_core.errors import AuthError, PeerError
from hedgerow_core.mac import equal, hkdf, hmac_sha256, xor

_STOP_BYTES = 16
_CONFIRM_BYTES = 16
_HEAD_BYTES = _STOP_BYTES + keys.KEY_BYTES


@dataclass(frozen=True, repr=False)
class RequestSent:
    """What the requester keeps until there is an answer; ``root`` and ``ad`` start the ratchet."""

    root: bytes
    ad: bytes
    ephemeral_private: bytes
    stop: bytes
    invite_secret: bytes
    sealed: bytes

    def to_cbor(self) -> bytes:
        """For the database."""
        return stored.write(
            [self.root, self.ad, self.ephemeral_private, self.stop, self.invite_secret, self.sealed]
        )

    @classmethod
    def from_cbor(cls, data: bytes) -> "RequestSent":
        """Read what ``to_cbor`` wrote. PeerError where it is damaged."""
        return cls(*stored.read(data, *[bytes] * 6))


@dataclass(frozen=True, repr=False)
class RequestReceived:
    """What the inviter learns from a request."""

    card: Card
    root: bytes
    ad: bytes
    ephemeral: bytes
    stop: bytes


@dataclass(frozen=True, repr=False)
class _Agreed:
    root: bytes
    stop: bytes
    confirm: bytes


def _agree(dh1: bytes, dh2: bytes, dh3: bytes, ad: bytes) -> _Agreed:
    # The 32 bytes of FF set X25519 apart, as section 2.2 asks.
    okm = hkdf(b"\xff" * 32 + dh1 + dh2 + dh3, bytes(32), b"hedgerow x3dh" + ad, 80)
    return _Agreed(okm[:32], okm[32:48], hmac_sha256(okm[48:], b"hedgerow request")[:_CONFIRM_BYTES])


def _associated(inviter: Card, requester: Card, invite_id: bytes) -> bytes:
    return inviter.account_key + requester.account_key + inviter.device_key + requester.device_key + invite_id


def _identity_key(secret: bytes, dh3: bytes) -> bytes:
    return hkdf(secret + dh3, b"", b"hedgerow request identity", 32)


def _mask(secret: bytes, slot: int) -> bytes:
    return hkdf(secret, b"", b"hedgerow ephemeral mask" + bytes((slot,)), keys.KEY_BYTES)


def create(account: Account, name: str, invite: Invite, random: Random) -> RequestSent:
    """Ask the inviter; ``name`` is what we call ourselves. AuthError where their keys are worthless."""
    ephemeral = random(keys.KEY_BYTES)
    card = account.card(name)
    ad = _associated(invite.card, card, invite.id)
    dh3 = keys.dh(ephemeral, invite.prekey)
    agreed = _agree(
        keys.dh(account.device_dh_private, invite.prekey),
        keys.dh(ephemeral, invite.card.device_dh),
        dh3,
        ad,
    )
    plaintext = agreed.confirm + cbor.encode(card.fields())
    size = padded_body_size(_HEAD_BYTES + len(plaintext) + 1 + keys.AEAD_TAG_BYTES)
    padded = keys.pad(plaintext, size - _HEAD_BYTES - keys.AEAD_TAG_BYTES)
    sealed = keys.seal(_identity_key(invite.secret, dh3), padded, invite.id + keys.dh_public(ephemeral))
    return RequestSent(agreed.root, ad, ephemeral, agreed.stop, invite.secret, sealed)


def body_for_slot(sent: RequestSent, slot: int) -> bytes:
    """The body of the request's envelope in ``slot``, whose lock is ``invite.lock(secret, slot)``."""
    masked = xor(keys.dh_public(sent.ephemeral_private), _mask(sent.invite_secret, slot))
    return hashlib.sha256(sent.stop).digest()[:_STOP_BYTES] + masked + sent.sealed


def open(account: Account, kept: InviteSecret, slot: int, body: bytes) -> RequestReceived:
    """Read a request to our invite. PeerError where it is damaged, forged, or somebody else's keys."""
    if len(body) < _HEAD_BYTES:
        raise PeerError("a damaged request")
    ephemeral = xor(body[_STOP_BYTES:_HEAD_BYTES], _mask(kept.secret, slot))
    dh3 = keys.dh(kept.prekey_private, ephemeral)
    padded = keys.unseal(_identity_key(kept.secret, dh3), body[_HEAD_BYTES:], kept.id + ephemeral)
    plaintext = keys.unpad(padded)
    card = Card.read(cbor.decode(plaintext[_CONFIRM_BYTES:]))
    ad = _associated(account.card(""), card, kept.id)
    agreed = _agree(
        keys.dh(kept.prekey_private, card.device_dh), keys.dh(account.device_dh_private, ephemeral), dh3, ad
    )
    stop_hash = hashlib.sha256(agreed.stop).digest()[:_STOP_BYTES]
    if not equal(agreed.confirm, plaintext[:_CONFIRM_BYTES]) or not equal(stop_hash, body[:_STOP_BYTES]):
        raise AuthError("a request with somebody else's keys")
    return RequestReceived(card, agreed.root, ad, ephemeral, agreed.stop)
