"""The account: an Ed25519 key for the person, keys of this device that it certifies."""

from dataclasses import dataclass

from hedgerow import errors, stored
from hedgerow.identity import keys, phrase
from hedgerow.identity.keys import Random
from hedgerow_core.errors import PeerError

_LINKED_BYTES = keys.KEY_BYTES + 64


@dataclass(frozen=True)
class Card:
    """What others know of somebody: a name they chose, 32-byte keys, and the account's certificate."""

    name: str
    account_key: bytes
    device_key: bytes
    device_dh: bytes
    certificate: bytes

    def fields(self) -> list[object]:
        """The fields in order, for CBOR."""
        return [self.name, self.account_key, self.device_key, self.device_dh, self.certificate]

    @classmethod
    def read(cls, found: object) -> "Card":
        """The card of ``fields``. PeerError where it is damaged or the certificate does not hold."""
        if not isinstance(found, list) or len(found) != 5 or not isinstance(found[0], str):
            raise PeerError("a damaged card")
        name, account_key, device_key, device_dh, certificate = found
        for key in (account_key, device_key, device_dh):
            if not isinstance(key, bytes) or len(key) != keys.KEY_BYTES:
                raise PeerError("a damaged card")
        certified = _certified(device_key, device_dh)
        if not isinstance(certificate, bytes) or not keys.verify(account_key, certificate, certified):
            raise PeerError("a card without a valid certificate")
        return cls(name, account_key, device_key, device_dh, certificate)


@dataclass(frozen=True, repr=False)
class Account:
    """The private keys, 32 bytes each: Ed25519 seeds of account and device, X25519 of the device.

    ``entropy`` is what the recovery phrase says; empty where there is none. A further device of the account
    has no ``account_seed``, but what certifies it, ``linked``: account key 32 | certificate 64.
    """

    account_seed: bytes
    device_seed: bytes
    device_dh_private: bytes
    entropy: bytes = b""
    linked: bytes = b""

    @classmethod
    def create(cls, random: Random) -> "Account":
        """New keys, without a phrase."""
        return cls(random(keys.KEY_BYTES), random(keys.KEY_BYTES), random(keys.KEY_BYTES))

    @classmethod
    def of_phrase(cls, entropy: bytes, random: Random) -> "Account":
        """The account of a recovery phrase, on a new device."""
        seed = phrase.account_seed(entropy)
        return cls(seed, random(keys.KEY_BYTES), random(keys.KEY_BYTES), entropy)

    @property
    def account_key(self) -> bytes:
        """The public account key: what a contact is known by."""
        return keys.signing_public(self.account_seed) if self.account_seed else self.linked[: keys.KEY_BYTES]

    @property
    def device_key(self) -> bytes:
        """The public device key."""
        return keys.signing_public(self.device_seed)

    @property
    def device_dh(self) -> bytes:
        """The public X25519 key of the device."""
        return keys.dh_public(self.device_dh_private)

    def card(self, name: str) -> Card:
        """What others are told."""
        certificate = self.linked[keys.KEY_BYTES :]
        if self.account_seed:
            certificate = self.certify(self.device_key, self.device_dh)
        return Card(name, self.account_key, self.device_key, self.device_dh, certificate)

    def certify(self, device_key: bytes, device_dh: bytes) -> bytes:
        """The account's certificate of one of its devices, 64 bytes. NoAccountKey on a further device."""
        if not self.account_seed:
            raise errors.NoAccountKey
        return keys.sign(self.account_seed, _certified(device_key, device_dh))

    def as_further(self, account_key: bytes, certificate: bytes) -> "Account":
        """This device as a further one of another account. PeerError where the certificate does not hold."""
        certified = _certified(self.device_key, self.device_dh)
        if len(account_key) != keys.KEY_BYTES or not keys.verify(account_key, certificate, certified):
            raise PeerError("a device without a valid certificate")
        return Account(b"", self.device_seed, self.device_dh_private, b"", account_key + certificate)

    def to_cbor(self) -> bytes:
        """For the database."""
        private = [self.account_seed, self.device_seed, self.device_dh_private]
        if self.linked:
            return stored.write([*private, self.entropy, self.linked])
        return stored.write([*private, self.entropy] if self.entropy else [*private])

    @classmethod
    def from_cbor(cls, data: bytes) -> "Account":
        """Read what ``to_cbor`` wrote. PeerError where it is damaged."""
        found = stored.read_some(data, bytes)
        sizes = [len(key) for key in found]
        own = len(sizes) in (3, 4) and sizes == [keys.KEY_BYTES] * len(sizes)
        if not own and sizes != [0, keys.KEY_BYTES, keys.KEY_BYTES, 0, _LINKED_BYTES]:
            raise PeerError("damaged data")
        return cls(*found)


def _certified(device_key: bytes, device_dh: bytes) -> bytes:
    return b"hedgerow device" + device_key + device_dh
