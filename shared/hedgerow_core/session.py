"""A link's session: mutual challenge and response, then AES-CTR and HMAC (docs/protocol.md, "Session").

    initiator                                   responder
    HELLO   version, kind, Na, hint   ->
                                      <-        REPLY  version, Nb, MAC(auth, "responder" | transcript)
    CONFIRM MAC(auth, "initiator" | transcript) ->
    DATA    counter, ciphertext, tag  <->       DATA

A board may be paired with several hosts: the hint, of HELLO of kind PAIR only, lets it find the key, and
tells nobody else which one it is.

A running session is replaced only by a handshake that authenticated, so a board that restarted and a host
that restarted both find back, and forged bytes change nothing. There is no forward secrecy of links.
"""

from hedgerow_core import limits
from hedgerow_core.errors import AuthError, LimitError, PeerError, VersionError
from hedgerow_core.mac import aes_ctr, equal, hkdf, hmac_sha256

VERSION = 1
INITIATOR = 0
RESPONDER = 1
# Which key opens the link.
MESH = 1
PAIR = 2

_HELLO = 1
_REPLY = 2
_CONFIRM = 3
_DATA = 4
_REJECT = 5

_REASONS = {1: "wrong key", 2: "version", 3: "no session"}
_WRONG_KEY = 1
_OTHER_VERSION = 2
_NO_SESSION = 3

_MAC_BYTES = 16
_HELLO_BYTES = 3 + limits.SESSION_NONCE_BYTES
_HINT_BYTES = 8
_ECHO_BYTES = 8
_REPEAT_MS = 1_000
_REFUSALS = 3
OVERHEAD = 3 + limits.TAG_BYTES
PLAINTEXT_BYTES = limits.FRAME_BYTES - OVERHEAD


def _derive(role: int, key: bytes, kind: int, nonce_i: bytes, nonce_r: bytes) -> bytes:
    """The keys of one handshake, in one piece, for a board has little room: our encryption and MAC, theirs,
    32 bytes each, then the proofs of the initiator and of the responder, 16 each."""
    transcript = b"hedgerow session" + bytes((VERSION, kind)) + nonce_i + nonce_r
    okm = hkdf(key, nonce_i + nonce_r, transcript, 160)
    auth = okm[:32]
    proof_i = hmac_sha256(auth, b"initiator" + transcript)[:_MAC_BYTES]
    proof_r = hmac_sha256(auth, b"responder" + transcript)[:_MAC_BYTES]
    ours, theirs = (okm[32:96], okm[96:]) if role == INITIATOR else (okm[96:], okm[32:96])
    return ours + theirs + proof_i + proof_r


def _proof_i(keys: bytes) -> bytes:
    return keys[128:144]


def _proof_r(keys: bytes) -> bytes:
    return keys[144:160]


def _hint(key: bytes, nonce: bytes) -> bytes:
    return hmac_sha256(key, b"hedgerow hello" + nonce)[:_HINT_BYTES]


class Session:
    """One end of a session.

    ``keys`` maps MESH or PAIR to a 32-byte key (the initiator has exactly one), on the responder PAIR to one
    or to a list of them, which may change meanwhile, as may ``guests``: those of them that are lent. ``seed``
    is 16 bytes or more of secret randomness, which this end's nonces come from. ``pairing`` is the key of
    kind PAIR that authenticated, else empty.
    """

    def __init__(
        self,
        role: int,
        keys: "dict[int, bytes | list[bytes]]",
        seed: bytes,
        now: int,
        guests: "list[bytes] | None" = None,
    ) -> None:
        self.role = role
        self._guests = [] if guests is None else guests
        self.pairing = b""
        self.kind = 0
        self.closed = False
        self.reason = ""
        self.generation = 0  # counts handshakes that authenticated
        self.bad = 0  # frames that were refused
        self.gaps = 0  # frames that never came
        self._all_keys = keys
        self._seed = seed
        self._nonces = 0
        self._keys = b""
        self._sent = 0
        self._received = -1
        self._out: list[bytes] = []
        self._pending = b""
        self._pending_kind = 0
        self._pending_key = b""
        self._refused = 0  # answers that somebody gave who does not hold the key
        self._nonce = b""
        self._hello = b""
        self._reply = b""
        self._expires: int | None = now + limits.HANDSHAKE_MS
        self._repeat: int | None = None
        if role == INITIATOR:
            self._start(now)

    @property
    def established(self) -> bool:
        """Whether the other end proved that it holds the key."""
        return bool(self._keys) and not self.closed

    @property
    def guest(self) -> bool:
        """Whether the other end holds a pairing that is lent, or a code."""
        return self.pairing in self._guests

    def _fresh_nonce(self) -> bytes:
        self._nonces += 1
        return hmac_sha256(self._seed, b"nonce" + self._nonces.to_bytes(4, "big"))[
            : limits.SESSION_NONCE_BYTES
        ]

    def _start(self, now: int) -> None:
        self._nonce = self._fresh_nonce()
        for kind, key in self._all_keys.items():
            self._pending_kind = kind
            self._pending_key = bytes(key)  # type: ignore[arg-type]
        self._hello = bytes((_HELLO, VERSION, self._pending_kind)) + self._nonce
        if self._pending_kind == PAIR:
            self._hello += _hint(self._pending_key, self._nonce)
        self._out.append(self._hello)
        self._repeat = now + _REPEAT_MS
        self._expires = now + limits.HANDSHAKE_MS

    def close(self, reason: str = "closed") -> None:
        """End the session; what was not sent is dropped."""
        if not self.closed:
            self.closed = True
            self.reason = reason
            self._expires = self._repeat = None

    def deadline(self) -> int | None:
        """When ``tick`` has something to do, in ms, or None."""
        if self._repeat is None:
            return self._expires
        if self._expires is None:
            return self._repeat
        return min(self._repeat, self._expires)

    def tick(self, now: int) -> None:
        """Repeat what was lost, give up what takes too long."""
        if self.closed:
            return
        if self._expires is not None and now >= self._expires:
            self._expires = self._repeat = None
            self._hello = b""
            if not self._keys:
                self.close("timeout")
            return
        if self._repeat is not None and now >= self._repeat:
            self._repeat = now + _REPEAT_MS
            self._out.append(self._hello if self.role == INITIATOR else self._reply)

    def outgoing(self) -> list[bytes]:
        """Frames to send, in order; each call gives them once."""
        out = self._out
        self._out = []
        return out

    def send(self, plaintext: bytes) -> None:
        """Encrypt ``plaintext`` (at most ``PLAINTEXT_BYTES``) into a frame."""
        keys = self._keys
        if not keys or self.closed:
            raise LimitError("the session is not established")
        if len(plaintext) > PLAINTEXT_BYTES:
            raise LimitError("a message above the limit")
        if self._sent >= limits.SESSION_FRAMES:
            self.close("worn out")
            return
        counter = self._sent.to_bytes(4, "big")
        self._sent += 1
        content = aes_ctr(keys[:32], bytes(8) + counter + bytes(4), plaintext)
        tag = hmac_sha256(keys[32:64], counter + content)[: limits.TAG_BYTES]
        self._out.append(bytes((_DATA,)) + counter[2:] + content + tag)

    def receive(self, frame: bytes, now: int) -> list[bytes]:
        """Take a frame; the plaintexts it brought (none or one). PeerError where it is refused."""
        if self.closed:
            return []
        try:
            return self._receive(frame, now)
        except PeerError:
            self.bad += 1
            raise

    def _receive(self, frame: bytes, now: int) -> list[bytes]:
        kind = frame[0] if frame else 0
        if kind == _DATA:
            return self._receive_data(frame)
        if kind == _HELLO and self.role == RESPONDER:
            self._receive_hello(frame, now)
        elif kind == _REPLY and self.role == INITIATOR:
            self._receive_reply(frame)
        elif kind == _CONFIRM and self.role == RESPONDER:
            self._receive_confirm(frame)
        elif kind == _REJECT and self.role == INITIATOR and len(frame) > 1:
            self._receive_reject(frame, now)
        else:
            raise PeerError("an unexpected frame")
        return []

    def _receive_hello(self, frame: bytes, now: int) -> None:
        if len(frame) < 2 or frame[1] != VERSION:
            self._reject(_OTHER_VERSION, frame)
            raise VersionError("the other side speaks another version")
        kind = frame[2] if len(frame) > 2 else 0
        if len(frame) != (_HELLO_BYTES + _HINT_BYTES if kind == PAIR else _HELLO_BYTES):
            raise PeerError("a damaged hello")
        if frame == self._hello and self._reply:
            self._out.append(self._reply)
            return
        theirs = bytes(frame[3:_HELLO_BYTES])
        key = self._key_of(kind, theirs, bytes(frame[_HELLO_BYTES:]))
        if not key and kind == PAIR:
            # Who repeats a hello that was recorded is not to learn by it which board this is.
            key = hmac_sha256(self._seed, b"nobody")
        if not key:
            self._reject(_WRONG_KEY, frame)
            raise AuthError("no key for this link")
        nonce = self._fresh_nonce()
        if nonce == theirs:
            raise PeerError("equal nonces")
        pending = _derive(RESPONDER, key, kind, theirs, nonce)
        self._hello = bytes(frame)
        self._pending = pending
        self._pending_kind = kind
        self._pending_key = key
        self._reply = bytes((_REPLY, VERSION)) + nonce + _proof_r(pending)
        self._out.append(self._reply)
        self._repeat = now + _REPEAT_MS
        # The first hello must lead to keys in time, however many hellos come.
        if self._keys or self._expires is None:
            self._expires = now + limits.HANDSHAKE_MS

    def _key_of(self, kind: int, nonce: bytes, hint: bytes) -> bytes:
        """The key that a hello means; empty where we have none."""
        found = self._all_keys.get(kind, b"")
        if kind != PAIR:
            return bytes(found)  # type: ignore[arg-type]
        for key in [found] if isinstance(found, bytes) else found:
            if key and equal(_hint(key, nonce), hint):
                return key
        return b""

    def _receive_reply(self, frame: bytes) -> None:
        if len(frame) < 2 or frame[1] != VERSION:
            raise VersionError("the other side speaks another version")
        if len(frame) != 2 + limits.SESSION_NONCE_BYTES + _MAC_BYTES:
            raise PeerError("a damaged reply")
        if not self._hello:
            if frame == self._reply and self._keys:
                # Our confirmation was lost.
                self._out.append(bytes((_CONFIRM,)) + _proof_i(self._keys))
            return
        nonce = bytes(frame[2:18])
        if nonce == self._nonce:
            raise PeerError("equal nonces")
        keys = _derive(INITIATOR, self._pending_key, self._pending_kind, self._nonce, nonce)
        if not equal(_proof_r(keys), bytes(frame[18:])):
            self._refused += 1
            if not self._keys and (self._pending_kind == MESH or self._refused >= _REFUSALS):
                self.close("wrong key")
            elif self._refused < _REFUSALS:
                # It may be the answer to somebody who called before us: let ours be said again.
                self._out.append(self._hello)
            raise AuthError("the other side does not hold the key")
        self._reply = bytes(frame)
        self._out.append(bytes((_CONFIRM,)) + _proof_i(keys))
        self._adopt(keys)

    def _receive_confirm(self, frame: bytes) -> None:
        pending = self._pending
        if not pending:
            return  # repeated
        if not equal(_proof_i(pending), bytes(frame[1:])):
            self._pending = b""
            self._reply = b""
            self._repeat = None
            self._reject(_WRONG_KEY, self._hello)
            raise AuthError("the other side does not hold the key")
        self._adopt(pending)

    def _adopt(self, keys: bytes) -> None:
        self._keys = keys[:144]
        self._sent = 0
        self._received = -1
        self._pending = b""
        self.kind = self._pending_kind
        self.pairing = self._pending_key if self.kind == PAIR else b""
        self._hello = b"" if self.role == INITIATOR else self._hello
        self._expires = self._repeat = None
        self.generation += 1

    def _reject(self, code: int, hello: bytes) -> None:
        """Refuse a hello: with its first bytes, for another one may be on its way."""
        self._out.append(bytes((_REJECT, code)) + bytes(hello[3 : 3 + _ECHO_BYTES]))

    def _receive_reject(self, frame: bytes, now: int) -> None:
        code = frame[1]
        if self._keys:
            # The other end lost its keys, or somebody says so: try again, keep what we have until it worked.
            if code == _NO_SESSION and not self._hello:
                self._start(now)
        elif code != _NO_SESSION and frame[2:] == self._nonce[:_ECHO_BYTES]:
            self.close(_REASONS.get(code, "refused"))

    def _receive_data(self, frame: bytes) -> list[bytes]:
        keys = self._keys
        if not keys:
            if self.role == RESPONDER and not self._pending:
                self._out.append(bytes((_REJECT, _NO_SESSION)))
            raise PeerError("a frame before the handshake")
        if not OVERHEAD <= len(frame) <= limits.FRAME_BYTES:
            raise PeerError("a damaged frame")
        # The high half of the counter is not sent: it is the next one that fits.
        number = (self._received + 1 & ~0xFFFF) | frame[1] << 8 | frame[2]
        if number <= self._received:
            number += 0x10000
        if number >= limits.SESSION_FRAMES:
            raise PeerError("a session that is worn out")
        counter = number.to_bytes(4, "big")
        content = bytes(frame[3 : -limits.TAG_BYTES])
        tag = hmac_sha256(keys[96:128], counter + content)[: limits.TAG_BYTES]
        if not equal(tag, bytes(frame[-limits.TAG_BYTES :])):
            raise AuthError("a frame that is not authentic")
        self.gaps += number - self._received - 1
        self._received = number
        return [aes_ctr(keys[64:96], bytes(8) + counter + bytes(4), content)]
