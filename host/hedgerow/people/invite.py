"""The invite: what one person hands to another, by any means, so that they can ask to become a contact.

hedgerow:invite/1/ .. of CBOR [card .., SPK, expiry in minutes, secret, signature]; see hedgerow.uri
"""

import hashlib
from dataclasses import dataclass, field

from hedgerow import stored
from hedgerow.identity import keys
from hedgerow.identity.account import Account, Card
from hedgerow.identity.keys import Random
from hedgerow.uri import Form
from hedgerow_core import cbor
from hedgerow_core.errors import PeerError
from hedgerow_core.mac import hkdf

LIFETIME_MS = 14 * 24 * 3_600_000
SLOTS = 256
_FORM = Form("hedgerow:invite/", "invite")
_SECRET_BYTES = 16
_LOCK_BYTES = 12


class Expired(PeerError):
    """The invite is past its date."""


@dataclass(frozen=True)
class InviteSecret:
    """What the inviter keeps: the 16-byte secret, the prekey's private part, and until when."""

    secret: bytes = field(repr=False)
    prekey_private: bytes = field(repr=False)
    expiry_ms: int

    @property
    def id(self) -> bytes:
        """The invite's id, 8 bytes."""
        return invite_id(self.secret)

    def to_cbor(self) -> bytes:
        """For the database."""
        return stored.write([self.secret, self.prekey_private, self.expiry_ms])

    @classmethod
    def from_cbor(cls, data: bytes) -> "InviteSecret":
        """Read what ``to_cbor`` wrote. PeerError where it is damaged."""
        return cls(*stored.read(data, bytes, bytes, int))


@dataclass(frozen=True)
class Invite:
    """What the other person learns: whose it is, the signed prekey, and the secret."""

    card: Card
    prekey: bytes
    expiry_ms: int
    secret: bytes = field(repr=False)

    @property
    def id(self) -> bytes:
        """The invite's id, 8 bytes."""
        return invite_id(self.secret)


def invite_id(secret: bytes) -> bytes:
    """The id of the invite with this secret, 8 bytes."""
    return hashlib.sha256(b"hedgerow invite id" + secret).digest()[:8]


def _signed(name: str, prekey: bytes, expiry_minutes: int, secret: bytes) -> bytes:
    head = b"hedgerow invite" + prekey + expiry_minutes.to_bytes(4, "big") + invite_id(secret)
    return head + hashlib.sha256(b"hedgerow invite secret" + secret).digest() + name.encode()


def create(
    account: Account, name: str, random: Random, now: int, lifetime_ms: int = LIFETIME_MS
) -> tuple[InviteSecret, str]:
    """A new invite: what to keep, and the URI to hand over."""
    expiry_minutes = (now + lifetime_ms) // 60_000
    kept = InviteSecret(random(_SECRET_BYTES), random(keys.KEY_BYTES), expiry_minutes * 60_000)
    prekey = keys.dh_public(kept.prekey_private)
    signature = keys.sign(account.device_seed, _signed(name, prekey, expiry_minutes, kept.secret))
    content = cbor.encode([*account.card(name).fields(), prekey, expiry_minutes, kept.secret, signature])
    return kept, _FORM.encode(content)


def for_qr(uri: str) -> str:
    """A URI that ``create`` made, in the letters of a QR code's alphanumeric mode."""
    return _FORM.for_qr(uri)


def parse(uri: str, now: int) -> Invite:
    """Read an invite. PeerError where it is damaged, Expired or OtherVersion where it is that."""
    found = cbor.decode(_FORM.decode(uri))
    if not isinstance(found, list) or len(found) != 9:
        raise PeerError("a damaged invite")
    card = Card.read(found[:5])
    prekey, expiry_minutes, secret, signature = found[5:]
    if (
        not (isinstance(prekey, bytes) and len(prekey) == keys.KEY_BYTES)
        or not (isinstance(secret, bytes) and len(secret) == _SECRET_BYTES)
        or not (type(expiry_minutes) is int and 0 <= expiry_minutes < 1 << 32)
        or not isinstance(signature, bytes)
        or not keys.verify(card.device_key, signature, _signed(card.name, prekey, expiry_minutes, secret))
    ):
        raise PeerError("a damaged invite")
    if now >= expiry_minutes * 60_000:
        raise Expired("an invite that has expired")
    return Invite(card, prekey, expiry_minutes * 60_000, secret)


def lock(secret: bytes, slot: int) -> bytes:
    """The lock of a request in ``slot``, 0 to 255."""
    return hkdf(secret, b"", b"hedgerow invite slot" + bytes((slot,)), _LOCK_BYTES)


def locks(secret: bytes) -> dict[bytes, int]:
    """All locks of an invite, with their slots."""
    return {lock(secret, slot): slot for slot in range(SLOTS)}
