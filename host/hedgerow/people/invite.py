"""The invite: what one person hands to another, by any means, so that they can ask to become a contact.

hedgerow:invite/1/ base64url( CBOR [card .., SPK, expiry in minutes, secret, signature] | SHA-256 .. [:4] )
HEDGEROW:INVITE/1/ base45( the same ) /     as a QR code holds it: its alphanumeric mode has capitals only
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

from hedgerow import stored
from hedgerow.identity import keys
from hedgerow.identity.account import Account, Card
from hedgerow.identity.keys import Random
from hedgerow.people import base45
from hedgerow_core import cbor
from hedgerow_core.errors import PeerError
from hedgerow_core.mac import hkdf

LIFETIME_MS = 14 * 24 * 3_600_000
SLOTS = 256
_SCHEME = "hedgerow:invite/"
_QR_SCHEME = _SCHEME.upper()
_QR_END = "/"  # base45 may end with a space, which would get lost
_VERSION = "1"
_SECRET_BYTES = 16
_CHECK_BYTES = 4
_URI_CHARACTERS = 2_000
_LOCK_BYTES = 12


class Expired(PeerError):
    """The invite is past its date."""


class OtherVersion(PeerError):
    """The invite is of another version."""


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
    content += hashlib.sha256(content).digest()[:_CHECK_BYTES]
    return kept, _SCHEME + _VERSION + "/" + base64.urlsafe_b64encode(content).decode().rstrip("=")


def for_qr(uri: str) -> str:
    """A URI that ``create`` made, in the letters of a QR code's alphanumeric mode."""
    return _QR_SCHEME + _VERSION + "/" + base45.encode(_content(uri)) + _QR_END


def parse(uri: str, now: int) -> Invite:
    """Read an invite. PeerError where it is damaged, Expired or OtherVersion where it is that."""
    data = _content(uri)
    content, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
    if hashlib.sha256(content).digest()[:_CHECK_BYTES] != check:
        raise PeerError("a damaged invite")
    found = cbor.decode(content)
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


def _content(uri: str) -> bytes:
    """What the link holds, checksum included. PeerError, or OtherVersion."""
    text = uri.strip()
    in_capitals = text.startswith(_QR_SCHEME)
    # In capitals a space is a letter, an end of a line is none.
    text = text.replace("\r", "").replace("\n", "") if in_capitals else "".join(text.split())
    if len(text) > _URI_CHARACTERS or not (in_capitals or text.startswith(_SCHEME)):
        raise PeerError("no invite")
    version, _, encoded = text[len(_SCHEME) :].partition("/")
    if version != _VERSION:
        raise OtherVersion("an invite of another version") if version.isdigit() else PeerError("no invite")
    if in_capitals:
        if not encoded.endswith(_QR_END):
            raise PeerError("a damaged invite")
        return base45.decode(encoded[: -len(_QR_END)])
    if not re.fullmatch("[A-Za-z0-9_-]+", encoded):
        raise PeerError("a damaged invite")
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except binascii.Error:
        raise PeerError("a damaged invite") from None


def lock(secret: bytes, slot: int) -> bytes:
    """The lock of a request in ``slot``, 0 to 255."""
    return hkdf(secret, b"", b"hedgerow invite slot" + bytes((slot,)), _LOCK_BYTES)


def locks(secret: bytes) -> dict[bytes, int]:
    """All locks of an invite, with their slots."""
    return {lock(secret, slot): slot for slot in range(SLOTS)}
