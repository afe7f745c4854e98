"""Keys of the street: of its letters, and of who speaks there.

Whoever speaks has a pseudonym, an Ed25519 key for one street and one day, and a certificate for it by the
device key. The certificate is a signature under a key that is not sent: who knows the device key, a contact,
finds out by it who speaks; nobody else can tell whether two pseudonyms belong to one person.
"""

from dataclasses import dataclass

from hedgerow.identity import keys
from hedgerow_core import limits
from hedgerow_core.mac import hkdf

STREET_BYTES = 32
CERTIFICATE_BYTES = keys.SIGNATURE_BYTES
_DAY_BYTES = 2
_DAY_MAX = (1 << 16) - 1


def of_mesh(mesh_key: bytes) -> bytes:
    """The street key, 32 bytes. Boards do this; a host is told the street key and no mesh key."""
    return hkdf(mesh_key, b"", b"hedgerow street", STREET_BYTES)


def of_letter(street: bytes, stop_hash: bytes) -> tuple[bytes, bytes]:
    """(lock 12, key 32) of the letter with this stop hash."""
    found = hkdf(street, b"", b"hedgerow street letter" + stop_hash, limits.LOCK_BYTES + keys.KEY_BYTES)
    return found[: limits.LOCK_BYTES], found[limits.LOCK_BYTES :]


@dataclass(frozen=True, repr=False)
class Pseudonym:
    """Who somebody is on one street for one day; the seed signs."""

    seed: bytes
    certificate: bytes

    @property
    def key(self) -> bytes:
        """The public key, 32 bytes."""
        return keys.signing_public(self.seed)


def pseudonym(device_seed: bytes, street: bytes, day: int) -> Pseudonym:
    """The pseudonym of a device on ``day`` (since 2025-01-01); always the same."""
    info = b"hedgerow street pseudonym" + _day(day)
    seed = hkdf(device_seed, street, info, keys.KEY_BYTES)
    certified = _certified(street, day, keys.signing_public(seed))
    return Pseudonym(seed, keys.sign(device_seed, certified))


def belongs(certificate: bytes, device_key: bytes, street: bytes, day: int, key: bytes) -> bool:
    """Whether the pseudonym ``key`` is that of ``device_key``."""
    return keys.verify(device_key, certificate, _certified(street, day, key))


def _certified(street: bytes, day: int, key: bytes) -> bytes:
    # Not the street key itself: what is signed may be shown to whoever must check it.
    identity = hkdf(street, b"", b"hedgerow street id", 16)
    return b"hedgerow street pseudonym" + identity + _day(day) + key


def _day(day: int) -> bytes:
    return min(max(day, 0), _DAY_MAX).to_bytes(_DAY_BYTES, "big")
