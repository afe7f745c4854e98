"""Signal's Double Ratchet with header keys, as letters need it (docs/protocol.md, "Ratchet").

Differences from the specification (section 4): the header is masked, not encrypted by itself, for it is
found by its lock and authenticated as associated data; the message number is not sent, the lock tells it;
the previous chain is skipped only after the message was authentic. Every call takes a state and gives a new
one: what fails changes nothing.
"""

from collections.abc import Mapping
from functools import lru_cache
from itertools import islice, repeat

from hedgerow.identity import keys
from hedgerow.identity.keys import Random
from hedgerow.ratchet import kdf
from hedgerow.ratchet.state import Place, State
from hedgerow_core.envelope import padded_body_size
from hedgerow_core.errors import AuthError, LimitError, PeerError

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
    return State(ad, rk, dhs, keys.dh_public(dhs), dhr=their_public, cks=cks, hks=hks, nhks=nhks, nhkr=nhkr)


def start_reader(root: bytes, ad: bytes, private: bytes) -> State:
    """The side that reads first (RatchetInitBobHE); ``private`` is its ratchet key."""
    nhkr, nhks = kdf.shared_header_keys(root)
    return State(ad, root, private, keys.dh_public(private), nhks=nhks, nhkr=nhkr)


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
    previous = bytes((state.pn,)) if state.pn < _LONG_MARK else b"\xff" + state.pn.to_bytes(4, "big")
    masked = kdf.masked(state.hks, state.ns, state.dhp + previous)
    token = kdf.token(state.hks, state.ns)
    lock = kdf.lock_of(token)
    overhead = len(masked) + keys.AEAD_TAG_BYTES
    padded = keys.pad(plaintext, _body_size(overhead + len(plaintext) + 1) - overhead)
    sealed = keys.seal(kdf.seal_key(message_key), padded, state.ad + lock + masked)
    return state.changed(cks=chain, ns=state.ns + 1), lock, masked + sealed, token


def decrypt(
    state: State, place: Place, lock: bytes, body: bytes, random: Random
) -> tuple[State, bytes, bytes]:
    """(state, plaintext, token) of the message at ``place``, which ``locks`` gave for its lock.

    AuthError where the message is not authentic, PeerError where it is damaged. A forged one costs one
    Diffie-Hellman and ``place.number`` steps of a chain at most.
    """
    header_key, number = place
    header_bytes, ratchet_key, previous = _header(place, body)
    # What the message is, the state tells, not the place: that may have been found before others were read.
    message_key = state.skipped.get(place)
    if message_key is not None:
        plaintext = _open(state, message_key, lock, body, header_bytes)
        rest = {other: kept for other, kept in state.skipped.items() if other != place}
        stepped = state.changed(skipped=rest)
    elif header_key == state.hkr:
        if number < state.nr:
            raise AuthError("a message that was read already")
        if ratchet_key != state.dhr:
            raise AuthError("a message with another ratchet key than its chain's")
        chain, message_key, passed = _advance(state.ckr, header_key, state.nr, number)
        plaintext = _open(state, message_key, lock, body, header_bytes)
        stepped = state.changed(ckr=chain, nr=number + 1, skipped=_kept(state, passed))
    elif header_key == state.nhkr:
        if state.ckr and previous - state.nr > JUMP:
            raise PeerError("a jump above the limit")
        rk, chain, nhkr = kdf.root_step(state.rk, keys.dh(state.dhs, ratchet_key))
        chain, message_key, passed = _advance(chain, header_key, 0, number)
        plaintext = _open(state, message_key, lock, body, header_bytes)
        # Only now, that it is authentic: its header says how many were left of the previous chain.
        left = _advance(state.ckr, state.hkr, state.nr, previous)[2] if state.ckr else {}
        stepped = _turned(state, rk, ratchet_key, random).changed(
            ckr=chain, hkr=header_key, nhkr=nhkr, nr=number + 1, skipped=_kept(state, left | passed)
        )
    else:
        raise AuthError("a message of a chain that is over")
    return stepped, plaintext, kdf.token(header_key, number)


def locks(state: State) -> dict[bytes, Place]:
    """The locks that letters to us may have: dense windows of both chains, and what was jumped over."""
    found = _locks_between(state, 0, WINDOW)
    for place in state.skipped:
        found[lock_at(place)] = place
    return found


def deep_locks(state: State) -> dict[bytes, Place]:
    """The locks behind the dense windows, as far as a jump may go."""
    return _locks_between(state, WINDOW, JUMP)


def places(header_key: bytes, first: int, end: int) -> list[Place]:
    """The places from ``first`` to before ``end``."""
    return list(map(Place, repeat(header_key), range(first, end)))


def lock_at(place: Place) -> bytes:
    """The lock of the message at ``place``, 12 bytes."""
    return kdf.lock_of(kdf.token(*place))


def _locks_between(state: State, start: int, end: int) -> dict[bytes, Place]:
    found: dict[bytes, Place] = {}
    for header_key, first in ((state.hkr, state.nr), (state.nhkr, 0)):
        if header_key:
            some = kdf.locks(header_key, first + start, first + end)
            found.update(zip(some, places(header_key, first + start, first + end), strict=True))
    return found


# A conversation has few sizes.
_body_size = lru_cache(maxsize=256)(padded_body_size)


def _turned(state: State, root: bytes, their_public: bytes, random: Random) -> State:
    """The Diffie-Hellman step that answers theirs: a new key and a new chain to write on."""
    dhs = random(keys.KEY_BYTES)
    rk, cks, nhks = kdf.root_step(root, keys.dh(dhs, their_public))
    return state.changed(
        rk=rk,
        dhs=dhs,
        dhp=keys.dh_public(dhs),
        dhr=their_public,
        cks=cks,
        hks=state.nhks,
        nhks=nhks,
        pn=state.ns,
        ns=0,
    )


def _kept(state: State, passed: Mapping[Place, bytes]) -> Mapping[Place, bytes]:
    """The keys of skipped messages with new ones, as many as may be kept."""
    if not passed:
        return state.skipped
    kept = {**state.skipped, **passed}
    return dict(islice(kept.items(), max(0, len(kept) - SKIPPED_KEYS), None))


def _open(state: State, message_key: bytes, lock: bytes, body: bytes, header_bytes: int) -> bytes:
    """The plaintext. AuthError where it is not authentic."""
    associated = state.ad + lock + body[:header_bytes]
    return keys.unpad(keys.unseal(kdf.seal_key(message_key), body[header_bytes:], associated))


def _header(place: Place, body: bytes) -> tuple[int, bytes, int]:
    """(size, ratchet key, length of the previous chain) behind the mask."""
    if len(body) < _LONG_HEADER_BYTES:
        raise PeerError("a damaged message")
    header = kdf.masked(*place, body[:_LONG_HEADER_BYTES])
    if header[keys.KEY_BYTES] != _LONG_MARK:
        return _SHORT_HEADER_BYTES, header[: keys.KEY_BYTES], header[keys.KEY_BYTES]
    previous = int.from_bytes(header[_SHORT_HEADER_BYTES:], "big")
    return _LONG_HEADER_BYTES, header[: keys.KEY_BYTES], previous


def _advance(
    chain: bytes, header_key: bytes, at: int, number: int
) -> tuple[bytes, bytes, dict[Place, bytes]]:
    """(chain key behind message ``number``, its key, the keys of those passed from ``at`` on).

    With ``number`` as the length of a chain that is over, the passed ones are all that were left.
    """
    if number - at > JUMP:
        raise PeerError("a jump above the limit")
    passed: dict[Place, bytes] = {}
    first_kept = number - SKIPPED_KEYS
    while at < number:
        chain, message_key = kdf.chain_step(chain)
        if at >= first_kept:
            passed[Place(header_key, at)] = message_key
        at += 1
    chain, message_key = kdf.chain_step(chain)
    return chain, message_key, passed
