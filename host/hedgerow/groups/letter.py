"""What a device says to a group: one envelope for all, which nobody but that device can have written.

    body  = stop hash 16 | seal(key, plain, group 16 | epoch 8 | stop hash)
    plain = pad(count 1 | ( author 4 | sequence ) .. | entry | signature 64)

``seal`` is as between two people. The signature by the device key covers "hedgerow group letter" | group |
epoch | stop hash | all before it. References acknowledge: the greatest sequence of an author up to which the
writer has all. Only the writer knows the stop: nobody else who knows the lock can have the envelope let go.
"""

import hashlib
from dataclasses import dataclass, field

from hedgerow.devices import sync
from hedgerow.groups.epoch import ID_BYTES, Chain, key_of, step
from hedgerow.identity import keys
from hedgerow.log import entry as entries
from hedgerow.log.entry import Entry
from hedgerow.ratchet import kdf
from hedgerow_core.envelope import padded_body_size
from hedgerow_core.errors import AuthError, PeerError
from hedgerow_core.mac import hkdf

STOP_BYTES = 16
_HEAD_BYTES = ID_BYTES + STOP_BYTES
_OVERHEAD_BYTES = STOP_BYTES + keys.AEAD_TAG_BYTES + 1  # with the mark of the padding

References = tuple[tuple[bytes, int], ...]


@dataclass(frozen=True)
class Letter:
    """What was said, and up to where its writer has the others."""

    entry: Entry
    references: References
    signed: bytes = field(default=b"", compare=False)  # what others can check, as ``signed`` makes it


def stop(device_seed: bytes, group: bytes, epoch: bytes, number: int) -> bytes:
    """What lets carriers let go of a letter of ours, 16 bytes: nobody else can compute it."""
    info = b"hedgerow group stop" + group + epoch + number.to_bytes(4, "big")
    return hkdf(device_seed, b"", info, STOP_BYTES)


def seal(
    chain: Chain, group: bytes, epoch: bytes, device_seed: bytes, letter: Letter
) -> tuple[Chain, bytes, bytes, bytes]:
    """(chain, lock, body, stop) of a letter of ours. LimitError where it, or the chain, is too long."""
    chain, number, key = step(chain)
    found = stop(device_seed, group, epoch, number)
    stop_hash = hashlib.sha256(found).digest()[:STOP_BYTES]
    head = group + epoch + stop_hash
    plain = signed(group, epoch, stop_hash, device_seed, letter)[_HEAD_BYTES:]
    size = padded_body_size(len(plain) + _OVERHEAD_BYTES)
    padded = keys.pad(plain, size - STOP_BYTES - keys.AEAD_TAG_BYTES)
    lock = kdf.lock_of(kdf.token(chain.header_key, number))
    return chain, lock, stop_hash + keys.seal(kdf.seal_key(key), padded, head), found


def open(
    chain: Chain, number: int, group: bytes, epoch: bytes, device_key: bytes, body: bytes
) -> tuple[Chain, Letter]:
    """Read letter ``number`` of a device. PeerError where it is damaged, or another member forged it."""
    chain, key = key_of(chain, number)
    stop_hash = body[:STOP_BYTES]
    head = group + epoch + stop_hash
    plain = keys.unpad(keys.unseal(kdf.seal_key(key), body[STOP_BYTES:], head))
    content, signature = plain[: -keys.SIGNATURE_BYTES], plain[-keys.SIGNATURE_BYTES :]
    return chain, check(group, device_key, epoch + stop_hash + content + signature)


def signed(group: bytes, epoch: bytes, stop_hash: bytes, device_seed: bytes, letter: Letter) -> bytes:
    """A letter as any member can pass it on: epoch | stop hash | references | entry | signature."""
    content = _references(letter.references) + entries.encode(letter.entry)
    head = group + epoch + stop_hash
    return epoch + stop_hash + content + keys.sign(device_seed, b"hedgerow group letter" + head + content)


def check(group: bytes, device_key: bytes, data: bytes) -> Letter:
    """Read what ``signed`` made. PeerError where it is damaged, or its author did not sign it."""
    head, content = data[:_HEAD_BYTES], data[_HEAD_BYTES : -keys.SIGNATURE_BYTES]
    signature = data[-keys.SIGNATURE_BYTES :]
    if not keys.verify(device_key, signature, b"hedgerow group letter" + group + head + content):
        raise AuthError("a letter that its author did not sign")
    references, at = _read_references(content)
    return Letter(entries.decode(content[at:]), references, data)


def _references(found: References) -> bytes:
    parts = [tag + entries.encode_number(sequence) for tag, sequence in found]
    return bytes((len(parts),)) + b"".join(parts)


def _read_references(data: bytes) -> tuple[References, int]:
    if not data:
        raise PeerError("a damaged letter")
    found = []
    at = 1
    for _ in range(data[0]):
        tag = data[at : at + sync.TAG_BYTES]
        sequence, at = entries.decode_number(data, at + sync.TAG_BYTES)
        found.append((tag, sequence))
    return tuple(found), at
