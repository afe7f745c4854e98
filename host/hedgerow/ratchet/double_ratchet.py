"""Signal's Double Ratchet with header keys, as letters need it (docs/protocol.md, "Ratchet").

Differences from the specification (section 4): the header is masked, not encrypted by itself, for it is
found by its lock and authenticated as associated data; the message number is not sent, the lock tells it;
the previous chain is skipped only after the message was authentic. Every call takes a state and gives a new
one: what fails changes nothing.
"""

from dataclasses import replace

from hedgerow.identity import keys
from hedgerow.identity.keys import Random
from hedgerow.ratchet import kdf
from hedgerow.ratchet.state import Chain, Place, Skipped, State
from hedgerow_core.envelope import padded_body_size
from hedgerow_core.errors import AuthError, LimitError, PeerError
from hedgerow_core.mac import xor

WINDOW = 256
JUMP = 25_000
SKIPPED_KEYS = 2_000

_SHORT_HEADER_BYTES = keys.KEY_BYTES + 1
_LONG_HEADER_BYTES = keys.KEY_BYTES + 5
_LONG_MARK = 0xFF


def start_writer(root: bytes, ad: bytes, their_public: bytes, random: Random) -> State:
    """The side that writes first (RatchetInitAliceHE); ``their_public`` is the other side's ratchet key."""
    hks, nhkr = kdf.shared_header_keys(root)
    dhs = random(keys.KEY_BYTES)
    rk, cks, nhks = kdf.root_step(root, keys.dh(dhs, their_public))
    return State(ad, rk, dhs, dhr=their_public, cks=cks, hks=hks, nhks=nhks, nhkr=nhkr)


def start_reader(root: bytes, ad: bytes, private: bytes) -> State:
    """The side that reads first (RatchetInitBobHE); ``private`` is its ratchet key."""
    nhkr, nhks = kdf.shared_header_keys(root)
    return State(ad, root, private, nhks=nhks, nhkr=nhkr)


def can_write(state: State) -> bool:
    """Whether there is a chain to write on: the reader must have read first."""
    return bool(state.cks)


def encrypt(state: State, plaintext: bytes) -> tuple[State, bytes, bytes, bytes]:
    """(state, lock 12, body, token 16); the body makes the envelope a multiple of 32 bytes.

    LimitError where there is no chain to write on yet, where the reader could not follow any more, or where
    the plaintext does not fit into an envelope.
    """
    if not state.cks:
        raise LimitError("the other side has not written yet")
    if state.ns >= JUMP:
        raise LimitError("a chain above the limit")
    chain, message_key = kdf.chain_step(state.cks)
    header = keys.dh_public(state.dhs) + (
        bytes((state.pn,)) if state.pn < _LONG_MARK else bytes((_LONG_MARK,)) + state.pn.to_bytes(4, "big")
    )
    masked = xor(header, kdf.header_mask(state.hks, state.ns, len(header)))
    token = kdf.token(state.hks, state.ns)
    lock = kdf.lock_of(token)
    overhead = len(masked) + keys.AEAD_TAG_BYTES
    padded = keys.pad(plaintext, padded_body_size(overhead + len(plaintext) + 1) - overhead)
    sealed = keys.seal(kdf.seal_key(message_key), padded, state.ad + lock + masked)
    return replace(state, cks=chain, ns=state.ns + 1), lock, masked + sealed, token


def decrypt(
    state: State, place: Place, lock: bytes, body: bytes, random: Random
) -> tuple[State, bytes, bytes]:
    """(state, plaintext, token) of the message at ``place``, which ``locks`` gave for its lock.

    AuthError where the message is not authentic, PeerError where it is damaged.
    """
    token = kdf.token(place.header_key, place.number)
    header_bytes, ratchet_key, previous = _header(place, body)
    opened = _Opened(state, lock, body[:header_bytes], body[header_bytes:])
    # By the state, not by place.chain: the place may have been found before other letters were read.
    for row in state.skipped:
        if row.header_key == place.header_key and row.number == place.number:
            plaintext = opened.with_key(row.message_key)
            rest = tuple(other for other in state.skipped if other is not row)
            return replace(state, skipped=rest), plaintext, token
    if place.header_key == state.hkr:
        if place.number < state.nr:
            raise AuthError("a message that was read already")
        chain, message_key, passed = _advance(state.ckr, state.hkr, state.nr, place.number)
        plaintext = opened.with_key(message_key)
        kept = (state.skipped + passed)[-SKIPPED_KEYS:]
        return replace(state, ckr=chain, nr=place.number + 1, skipped=kept), plaintext, token
    if place.header_key != state.nhkr:
        raise AuthError("a message of a chain that is over")
    rk, ckr, nhkr = kdf.root_step(state.rk, keys.dh(state.dhs, ratchet_key))
    ckr, message_key, passed = _advance(ckr, place.header_key, 0, place.number)
    plaintext = opened.with_key(message_key)
    if state.ckr:
        passed = _advance(state.ckr, state.hkr, state.nr, previous)[2] + passed
    dhs = random(keys.KEY_BYTES)
    rk, cks, nhks = kdf.root_step(rk, keys.dh(dhs, ratchet_key))
    stepped = replace(
        state,
        rk=rk,
        dhs=dhs,
        dhr=ratchet_key,
        cks=cks,
        ckr=ckr,
        hks=state.nhks,
        hkr=state.nhkr,
        nhks=nhks,
        nhkr=nhkr,
        pn=state.ns,
        ns=0,
        nr=place.number + 1,
        skipped=(state.skipped + passed)[-SKIPPED_KEYS:],
    )
    return stepped, plaintext, token


def locks(state: State) -> dict[bytes, Place]:
    """The locks that letters to us may have: dense windows of both chains, and what was jumped over."""
    found = _locks_between(state, 0, WINDOW)
    for row in state.skipped:
        place = Place(Chain.SKIPPED, row.header_key, row.number)
        found[kdf.lock_of(kdf.token(row.header_key, row.number))] = place
    return found


def deep_locks(state: State) -> dict[bytes, Place]:
    """The locks behind the dense windows, as far as a jump may go."""
    return _locks_between(state, WINDOW, JUMP)


def _locks_between(state: State, start: int, end: int) -> dict[bytes, Place]:
    found = {}
    for chain, header_key, first in ((Chain.CURRENT, state.hkr, state.nr), (Chain.NEXT, state.nhkr, 0)):
        if header_key:
            for number in range(first + start, first + end):
                found[kdf.lock_of(kdf.token(header_key, number))] = Place(chain, header_key, number)
    return found


class _Opened:
    """A message whose key is still to be found."""

    def __init__(self, state: State, lock: bytes, masked: bytes, sealed: bytes) -> None:
        self._associated = state.ad + lock + masked
        self._sealed = sealed

    def with_key(self, message_key: bytes) -> bytes:
        """The plaintext. AuthError where it is not authentic."""
        return keys.unpad(keys.unseal(kdf.seal_key(message_key), self._sealed, self._associated))


def _header(place: Place, body: bytes) -> tuple[int, bytes, int]:
    """(size, ratchet key, length of the previous chain) behind the mask."""
    if len(body) < _LONG_HEADER_BYTES:
        raise PeerError("a damaged message")
    mask = kdf.header_mask(place.header_key, place.number, _LONG_HEADER_BYTES)
    header = xor(body[:_LONG_HEADER_BYTES], mask)
    if header[keys.KEY_BYTES] != _LONG_MARK:
        return _SHORT_HEADER_BYTES, header[: keys.KEY_BYTES], header[keys.KEY_BYTES]
    previous = int.from_bytes(header[_SHORT_HEADER_BYTES:], "big")
    return _LONG_HEADER_BYTES, header[: keys.KEY_BYTES], previous


def _advance(
    chain: bytes, header_key: bytes, at: int, number: int
) -> tuple[bytes, bytes, tuple[Skipped, ...]]:
    """(chain key behind message ``number``, its key, the keys of those passed from ``at`` on).

    With ``number`` as the length of a chain that is over, the passed ones are all that were left.
    """
    if number - at > JUMP:
        raise PeerError("a jump above the limit")
    passed = []
    while at < number:
        chain, message_key = kdf.chain_step(chain)
        passed.append(Skipped(header_key, at, message_key))
        at += 1
    chain, message_key = kdf.chain_step(chain)
    return chain, message_key, tuple(passed[-SKIPPED_KEYS:])
