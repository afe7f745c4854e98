"""How a device joins an account: the code that it shows, and the welcome that answers it, in one flight.

hedgerow:device/1/ .. of CBOR [device_key, device_dh, prekey 32, expiry in minutes, secret 16, label]; see
hedgerow.uri

The new device makes the code; who sees it can welcome the device into an account, so it is for one's own
eyes. The welcome is an envelope under a lock of the secret; what follows it goes in the ratchet that both
start with it, so that one file may carry all (docs/protocol.md, "A further device").
"""

import hashlib
from dataclasses import dataclass, field

from hedgerow import stored
from hedgerow.identity import keys
from hedgerow.identity.account import Account, Card
from hedgerow.identity.keys import Random
from hedgerow.uri import Form
from hedgerow_core import cbor
from hedgerow_core.envelope import padded_body_size
from hedgerow_core.errors import AuthError, PeerError
from hedgerow_core.mac import equal, hkdf, xor

LIFETIME_MS = 24 * 3_600_000
LABEL_BYTES = 32
_FORM = Form("hedgerow:device/", "code of a device")
_SECRET_BYTES = 16
_LOCK_BYTES = 12
_STOP_BYTES = 16
_HEAD_BYTES = _STOP_BYTES + keys.KEY_BYTES
BODY_BYTES = padded_body_size(600)


class Expired(PeerError):
    """The code is past its time."""


@dataclass(frozen=True, repr=False)
class Code:
    """What the code says: the keys of the new device, and the secret."""

    device_key: bytes
    device_dh: bytes
    prekey: bytes
    expiry_ms: int
    secret: bytes
    label: str


@dataclass(frozen=True, repr=False)
class Kept:
    """What the new device keeps until it is welcomed."""

    secret: bytes
    prekey_private: bytes
    expiry_ms: int
    label: str = ""

    def to_cbor(self) -> bytes:
        """For the database."""
        return stored.write([self.secret, self.prekey_private, self.expiry_ms, self.label])

    @classmethod
    def from_cbor(cls, data: bytes) -> "Kept":
        """Read what ``to_cbor`` wrote. PeerError where it is damaged."""
        return cls(*stored.read(data, bytes, bytes, int, str))


@dataclass(frozen=True, repr=False)
class Welcome:
    """What the new device learns: who it belongs to, and how the ratchet with that device starts."""

    card: Card  # of the device that welcomes
    certificate: bytes
    root: bytes
    ad: bytes
    stop: bytes = field(default=b"")


def create(account: Account, label: str, random: Random, now: int) -> tuple[Kept, str]:
    """A new code: what to keep, and the code as a URI."""
    minutes = (now + LIFETIME_MS) // 60_000
    kept = Kept(random(_SECRET_BYTES), random(keys.KEY_BYTES), minutes * 60_000, label)
    return kept, uri(account, kept)


def uri(account: Account, kept: Kept) -> str:
    """The code of what is kept."""
    minutes = kept.expiry_ms // 60_000
    prekey = keys.dh_public(kept.prekey_private)
    return _FORM.encode(
        cbor.encode([account.device_key, account.device_dh, prekey, minutes, kept.secret, kept.label])
    )


def for_qr(code: str) -> str:
    """A code in the letters of a QR code's alphanumeric mode."""
    return _FORM.for_qr(code)


def parse(text: str, now: int) -> Code:
    """Read a code. PeerError where it is damaged, Expired or ``OtherVersion`` where it is that."""
    found = stored.check(cbor.decode(_FORM.decode(text)), bytes, bytes, bytes, int, bytes, str)
    device_key, device_dh, prekey, minutes, secret, label = found
    sizes = [len(part) for part in (device_key, device_dh, prekey, secret)]
    if sizes != [keys.KEY_BYTES] * 3 + [_SECRET_BYTES] or len(label.encode(errors="replace")) > LABEL_BYTES:
        raise PeerError("a damaged code")
    if not 0 <= minutes < 1 << 32 or not label.isprintable():
        raise PeerError("a damaged code")
    if now >= minutes * 60_000:
        raise Expired("a code that has expired")
    return Code(device_key, device_dh, prekey, minutes * 60_000, secret, label)


def lock(secret: bytes) -> bytes:
    """Under which the welcome lies."""
    return hkdf(secret, b"", b"hedgerow device lock", _LOCK_BYTES)


def welcome(account: Account, name: str, code: Code, random: Random) -> tuple[bytes, Welcome]:
    """(body, what both know then) for the device of ``code``. NoAccountKey on a further device."""
    certificate = account.certify(code.device_key, code.device_dh)
    ephemeral = random(keys.KEY_BYTES)
    public = keys.dh_public(ephemeral)
    outer, stop = _outer(code.secret, keys.dh(ephemeral, code.prekey), public)
    card = account.card(name)
    static = keys.dh(account.device_dh_private, code.prekey)
    root = _root(code.secret, keys.dh(ephemeral, code.prekey), static, public)
    ad = _ad(card, code.device_key, public)
    content = stored.write([*card.fields(), certificate])
    padded = keys.pad(content, BODY_BYTES - _HEAD_BYTES - keys.AEAD_TAG_BYTES)
    stop_hash = _sha256(stop)[:_STOP_BYTES]
    masked = xor(public, _mask(code.secret, stop_hash))
    return stop_hash + masked + keys.seal(outer, padded, public), Welcome(card, certificate, root, ad, stop)


def open_welcome(account: Account, kept: Kept, body: bytes) -> Welcome:
    """Read a welcome. PeerError where it is damaged, forged, or for another device."""
    if len(body) != BODY_BYTES:
        raise PeerError("a damaged welcome")
    stop_hash = body[:_STOP_BYTES]
    public = xor(body[_STOP_BYTES:_HEAD_BYTES], _mask(kept.secret, stop_hash))
    shared = keys.dh(kept.prekey_private, public)
    outer, stop = _outer(kept.secret, shared, public)
    found = cbor.decode(keys.unpad(keys.unseal(outer, body[_HEAD_BYTES:], public)))
    if not isinstance(found, list) or len(found) != 6 or not isinstance(found[5], bytes):
        raise PeerError("a damaged welcome")
    if not equal(stop_hash, _sha256(stop)[:_STOP_BYTES]):
        raise AuthError("a welcome with another stop")
    card = Card.read(found[:5])
    account.as_further(card.account_key, found[5])
    root = _root(kept.secret, shared, keys.dh(kept.prekey_private, card.device_dh), public)
    return Welcome(card, found[5], root, _ad(card, account.device_key, public), stop)


def _outer(secret: bytes, shared: bytes, public: bytes) -> tuple[bytes, bytes]:
    """(key, stop) of a welcome."""
    okm = hkdf(b"\xff" * 32 + shared, secret, b"hedgerow device welcome" + public, 48)
    return okm[:32], okm[32:]


def _root(secret: bytes, shared: bytes, static: bytes, public: bytes) -> bytes:
    return hkdf(b"\xff" * 32 + shared + static, secret, b"hedgerow device root" + public, 32)


def _mask(secret: bytes, stop_hash: bytes) -> bytes:
    return hkdf(secret, b"", b"hedgerow device mask" + stop_hash, keys.KEY_BYTES)


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _ad(card: Card, device_key: bytes, public: bytes) -> bytes:
    accounts = card.account_key + card.account_key
    return accounts + card.device_key + device_key + _sha256(public)[:8]
