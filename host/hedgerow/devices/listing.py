"""The devices of an account, as a list that its key signed; the newest holds (docs/protocol.md, "Devices").

    CBOR [version, device_key 32 | device_dh 32 | .. , signature 64]

Who is not in it any more was revoked. The version is the minute in which it was made, or one more than the
last one's: whoever has the recovery phrase, and nothing else, can make a newer one.
"""

import hashlib
from dataclasses import dataclass

from hedgerow import errors, stored
from hedgerow.identity import keys
from hedgerow.identity.account import Account
from hedgerow_core.errors import PeerError

MOST = 8
_DEVICE_BYTES = 2 * keys.KEY_BYTES
_VERSION_MAX = (1 << 32) - 1


@dataclass(frozen=True)
class DeviceList:
    """``devices`` are (device_key, device_dh); the account's key signed all of it."""

    account_key: bytes
    version: int
    devices: tuple[tuple[bytes, bytes], ...]
    signature: bytes

    def encode(self) -> bytes:
        """As it is sent and kept; the account is known to who reads it."""
        return stored.write([self.version, _joined(self.devices), self.signature])

    def newer_than(self, other: "DeviceList | None") -> bool:
        """Whether this one holds: of two of one version the one with the greater hash, so that all agree."""
        if other is None:
            return True
        return (self.version, _digest(self)) > (other.version, _digest(other))

    def has(self, device_key: bytes) -> bool:
        """Whether it is one of them."""
        return any(key == device_key for key, _ in self.devices)


def make(
    account: Account, devices: list[tuple[bytes, bytes]], before: DeviceList | None, minute: int
) -> DeviceList:
    """The list that follows ``before``; ``minute`` is our clock, since the year 2025. NoAccountKey on
    a further device, TooManyDevices."""
    if not account.account_seed:
        raise errors.NoAccountKey
    if len(devices) > MOST:
        raise errors.TooManyDevices(most=MOST)
    version = max(0 if before is None else before.version + 1, minute)
    chosen = tuple(devices)
    signature = keys.sign(account.account_seed, _signed(account.account_key, version, chosen))
    return DeviceList(account.account_key, version, chosen, signature)


def read(account_key: bytes, data: bytes) -> DeviceList:
    """The list of an account. PeerError where it is damaged, or the account did not sign it."""
    version, joined, signature = stored.read(data, int, bytes, bytes)
    count, rest = divmod(len(joined), _DEVICE_BYTES)
    if rest or not 1 <= count <= MOST or not 0 <= version <= _VERSION_MAX:
        raise PeerError("a damaged list of devices")
    starts = range(0, len(joined), _DEVICE_BYTES)
    halves = [
        (joined[at : at + keys.KEY_BYTES], joined[at + keys.KEY_BYTES : at + _DEVICE_BYTES]) for at in starts
    ]
    devices = tuple(halves)
    if len({key for key, _ in devices}) != count:
        raise PeerError("a damaged list of devices")
    if not keys.verify(account_key, signature, _signed(account_key, version, devices)):
        raise PeerError("a list of devices that the account did not sign")
    return DeviceList(account_key, version, devices, signature)


def _joined(devices: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"".join(key + dh for key, dh in devices)


def _signed(account_key: bytes, version: int, devices: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"hedgerow devices" + account_key + version.to_bytes(4, "big") + _joined(devices)


def _digest(found: DeviceList) -> bytes:
    return hashlib.sha256(_signed(found.account_key, found.version, found.devices)).digest()
