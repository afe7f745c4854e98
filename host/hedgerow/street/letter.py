"""The wire format of a street letter (docs/protocol.md, "Street"): an envelope like any other around

stop hash 16 | seal(letter key, pad(kind 1 | time 3 | pseudonym 32 | certificate 64 | signature 64 |
                    length of name 1 | name | text), flags | ttl)
"""

import hashlib
from dataclasses import dataclass

from hedgerow.identity import keys
from hedgerow.identity.keys import Random
from hedgerow.street import keys as street_keys
from hedgerow.street.keys import Pseudonym
from hedgerow_core import envelope as envelopes
from hedgerow_core import limits
from hedgerow_core.envelope import Envelope
from hedgerow_core.errors import PeerError

TEXT_BYTES = 400
TTL = 7  # one day; letters that are to live longer are refused
TTL_MS = envelopes.TTL_MINUTES[TTL] * 60_000

_SAID = 1
_SOS = 2
_NAME_BYTES = 128  # 32 characters
_RANDOM_HOPS = 4
_MINUTE_MS = 60_000
_EPOCH_MINUTES = 1_735_689_600 // 60
_DAY_MINUTES = 24 * 60
_TIME_BYTES = 3
_KEY_AT = 1 + _TIME_BYTES
_CERTIFICATE_AT = _KEY_AT + keys.KEY_BYTES
_SIGNATURE_AT = _CERTIFICATE_AT + street_keys.CERTIFICATE_BYTES
_NAME_AT = _SIGNATURE_AT + keys.SIGNATURE_BYTES
_HEAD = _NAME_AT + 1


@dataclass(frozen=True)
class Said:
    """What somebody said to everybody. ``id``, 16 bytes, is the same for every copy; ``key`` is the
    writer's pseudonym of ``day``; name and text are as they were sent, whatever stands in them."""

    id: bytes
    sos: bool
    written_ms: int
    day: int
    key: bytes
    certificate: bytes
    name: str
    text: str


def day_of(written_ms: int) -> int:
    """Days since 2025-01-01 UTC, as pseudonyms count them."""
    return _minutes(written_ms) // _DAY_MINUTES


def seal(
    street: bytes, writer: Pseudonym, name: str, text: str, sos: bool, written_ms: int, random: Random
) -> Envelope:
    """A letter to everybody on ``street``; ``writer`` is the pseudonym of its day, ``text`` has at most
    TEXT_BYTES. Nobody knows the stop but who draws ``random`` here, and it is not kept."""
    stop_hash = hashlib.sha256(random(limits.PROOF_BYTES)).digest()[: limits.PROOF_BYTES]
    lock, key = street_keys.of_letter(street, stop_hash)
    head = bytes((_SOS if sos else _SAID,)) + _minutes(written_ms).to_bytes(_TIME_BYTES, "big")
    head += writer.key + writer.certificate
    named = name.encode()
    tail = bytes((len(named),)) + named + text.encode()
    priority = envelopes.URGENT if sos else envelopes.NORMAL
    # Flags and ttl as the envelope will have them: a carrier must not make one urgent, or longer-lived.
    outer = envelopes.make(priority, TTL, lock, b"", shared=True)
    signature = keys.sign(writer.seed, _signed(outer, stop_hash, head, tail))
    plain = head + signature + tail
    around = limits.PROOF_BYTES + keys.AEAD_TAG_BYTES
    size = envelopes.padded_body_size(around + len(plain) + 1) - around
    sealed = keys.seal(key, keys.pad(plain, size), _associated(outer))
    hops = random(1)[0] % _RANDOM_HOPS
    return envelopes.make(priority, TTL, lock, stop_hash + sealed, hops, shared=True)


def is_for(envelope: Envelope, street: bytes) -> bool:
    """Whether ``envelope`` says that it is a letter of this street; one derivation."""
    if not envelope.shared or len(envelope.body) <= limits.PROOF_BYTES:
        return False
    return street_keys.of_letter(street, envelope.proof_hash())[0] == envelope.lock


def open(street: bytes, envelope: Envelope) -> Said:
    """Read a letter that ``is_for`` this street. PeerError where it is damaged, forged or unknown here."""
    stop_hash = envelope.proof_hash()
    _, key = street_keys.of_letter(street, stop_hash)
    plain = keys.unpad(keys.unseal(key, envelope.body[limits.PROOF_BYTES :], _associated(envelope)))
    if len(plain) < _HEAD or plain[0] not in (_SAID, _SOS):
        raise PeerError("a street letter of an unknown kind")
    sos = plain[0] == _SOS
    if envelope.ttl > TTL or envelope.priority != (envelopes.URGENT if sos else envelopes.NORMAL):
        raise PeerError("a street letter that asks for too much")
    author = plain[_KEY_AT:_CERTIFICATE_AT]
    signed = _signed(envelope, stop_hash, plain[:_SIGNATURE_AT], plain[_NAME_AT:])
    if not keys.verify(author, plain[_SIGNATURE_AT:_NAME_AT], signed):
        raise PeerError("a street letter that is not authentic")
    text_at = _HEAD + plain[_NAME_AT]
    if not 0 < plain[_NAME_AT] <= _NAME_BYTES or not 0 < len(plain) - text_at <= TEXT_BYTES:
        raise PeerError("a street letter out of its bounds")
    try:
        name, text = plain[_HEAD:text_at].decode(), plain[text_at:].decode()
    except UnicodeDecodeError:
        raise PeerError("a damaged street letter") from None
    minutes = int.from_bytes(plain[1:_KEY_AT], "big")
    return Said(
        # Not the stop hash alone: whoever reads it could say something else under it, and be first.
        hashlib.sha256(author + stop_hash).digest()[:16],
        sos,
        (_EPOCH_MINUTES + minutes) * _MINUTE_MS,
        minutes // _DAY_MINUTES,
        author,
        plain[_CERTIFICATE_AT:_SIGNATURE_AT],
        name,
        text,
    )


def _minutes(written_ms: int) -> int:
    return min(max(written_ms // _MINUTE_MS - _EPOCH_MINUTES, 0), (1 << 24) - 1)


def _associated(envelope: Envelope) -> bytes:
    return bytes((envelope.flags, envelope.ttl))


def _signed(envelope: Envelope, stop_hash: bytes, head: bytes, tail: bytes) -> bytes:
    # The lock comes from the street: nobody carries what was said here to another one.
    return b"hedgerow street letter" + _associated(envelope) + envelope.lock + stop_hash + head + tail
