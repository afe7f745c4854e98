"""Probes: which way a board is reached, and how long each hop takes (docs/protocol.md, "Trace").

A probe goes from board to board over open links until it finds the one whose name it asks for. The echo comes
back the same way, and each board on it adds its name and how long it waited for the echo. A probe names a
board by a hash, and only boards whose owner agreed to it take part: no other does anything at all.

``probes`` is a board's memory of them: [nonce, source, when it came, the message that goes on]. A source is
the line over which it came, and None when the echo went back over it: one probe has one echo.
"""

from hedgerow_core import limits
from hedgerow_core.compat import utf8
from hedgerow_core.errors import PeerError
from hedgerow_core.mac import sha256
from hedgerow_core.service import ECHO, PROBE, TRACE, TRACE_IS

NONCE_BYTES = 8
_TARGET_BYTES = 8
_LEFT = 1 + NONCE_BYTES
_PROBE_BYTES = _LEFT + 1 + _TARGET_BYTES
_TIME_BYTES = 2
_NAME_BYTES = 20


def target(nonce: bytes, name: str) -> bytes:
    """What a probe names a board by."""
    return sha256(b"hedgerow trace" + nonce + name.encode())[:_TARGET_BYTES]


def question(nonce: bytes, name: str, hops: int = limits.TRACE_HOPS) -> bytes:
    """What a host says to its board that is to look for ``name``, at most ``hops`` links away."""
    return bytes((TRACE,)) + nonce + bytes((hops,)) + target(nonce, name)


def _record(waited_ms: int, name: str) -> bytes:
    raw = name.encode()[:_NAME_BYTES]
    # A name may end in the middle of a character otherwise.
    while raw and not _is_text(raw):
        raw = raw[:-1]
    return min(max(waited_ms, 0), 0xFFFF).to_bytes(_TIME_BYTES, "big") + bytes((len(raw),)) + raw


def _is_text(raw: bytes) -> bool:
    try:
        utf8(raw)
        return True
    except ValueError:
        return False


def hops_of(message: bytes) -> "tuple[bytes, list[tuple[int, str]]]":
    """(nonce, hops) of an echo or of a host's answer; a hop is how long the board waited for the echo, in ms,
    and its name. The board that was looked for is the first. PeerError where it is damaged."""
    if not _LEFT < len(message) <= limits.ANSWER_BYTES or message[0] not in (ECHO, TRACE_IS):
        raise PeerError("a damaged echo")
    hops = []
    at = _LEFT
    while at < len(message):
        head = at + _TIME_BYTES + 1
        name = message[head : head + message[head - 1]] if head <= len(message) else b""
        if head > len(message) or len(name) != message[head - 1] or len(name) > _NAME_BYTES:
            raise PeerError("a damaged echo")
        try:
            hops.append((message[at] << 8 | message[at + 1], utf8(name)))
        except ValueError:
            raise PeerError("a damaged echo")
        at = head + len(name)
    if len(hops) > limits.TRACE_HOPS + 1:
        raise PeerError("an echo of too many hops")
    return message[1:_LEFT], hops


def _find(probes: list, nonce: bytes) -> "list | None":  # type: ignore[type-arg]
    for probe in probes:
        if probe[0] == nonce:
            return probe  # type: ignore[no-any-return]
    return None


def take(probes: list, message: bytes, source: object, name: str, now: int) -> "tuple[bytes, bytes]":  # type: ignore[type-arg]
    """(what to answer ``source``, what to say to all other neighbours) to the probe of a neighbour, or to the
    question of our host; nothing where it is damaged, came before, or is one too many. ``name`` is ours."""
    if len(message) != _PROBE_BYTES or message[_LEFT] > limits.TRACE_HOPS:
        return b"", b""
    nonce, left = message[1:_LEFT], message[_LEFT]
    ours = message[0] == TRACE
    # The last place is our host's.
    if len(probes) >= limits.PROBES - (not ours) or _find(probes, nonce) is not None:
        return b"", b""
    probe = [nonce, None, now, b""]
    probes.append(probe)
    if message[_LEFT + 1 :] == target(nonce, name):
        return bytes((TRACE_IS if ours else ECHO,)) + nonce + _record(0, name), b""
    if left:
        probe[1] = source
        probe[3] = bytes((PROBE,)) + nonce + bytes((left - 1,)) + message[_LEFT + 1 :]
    return b"", probe[3]


def back(probes: list, message: bytes, source: object, name: str, now: int) -> "tuple[object, bytes]":  # type: ignore[type-arg]
    """(over which line, what) to say to an echo that came over ``source``; (None, b"") where it is damaged, or
    answers nothing that we asked there. The first echo counts."""
    try:
        nonce, hops = hops_of(message)
    except PeerError:
        return None, b""
    probe = _find(probes, nonce)
    if probe is None or probe[1] is None or probe[1] is source or len(hops) > limits.TRACE_HOPS:
        return None, b""
    to, probe[1], probe[3] = probe[1], None, b""
    return to, message + _record(now - probe[2], name)


def forget(probes: list, now: int) -> None:  # type: ignore[type-arg]
    """Let go of probes that are over."""
    for probe in list(probes):
        if now - probe[2] >= limits.PROBE_MS:
            probes.remove(probe)


def waiting(probes: list, source: object) -> "list[bytes]":  # type: ignore[type-arg]
    """What to say to a neighbour whose link, ``source``, is new."""
    return [probe[3] for probe in probes if probe[3] and probe[1] is not source]


def to_host(echo: bytes) -> bytes:
    """An echo as a host gets it."""
    return bytes((TRACE_IS,)) + echo[1:]
