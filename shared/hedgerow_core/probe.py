"""Probes: which way a board is reached, and how long each hop takes (docs/protocol.md, "Trace").

A probe goes from board to board over open links until it finds the one whose name it asks for. The echo comes
back the same way, and each board on it adds its name and how long it waited for the echo. A probe names a
board by a hash, and only boards whose owner agreed to it take part: no other does anything at all.

``probes`` is a board's memory of them. A source is the line over which one came.
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


class Probe:
    """``onward`` is the message that goes on; ``source`` where it came from, None when it has its echo."""

    def __init__(self, nonce: bytes, source: object, came: int, onward: bytes) -> None:
        self.nonce = nonce
        self.source = source
        self.came = came
        self.onward = onward


def _find(probes: "list[Probe]", nonce: bytes) -> "Probe | None":
    for probe in probes:
        if probe.nonce == nonce:
            return probe
    return None


def take(probes: "list[Probe]", message: bytes, source: object, name: str, now: int) -> "tuple[bytes, bytes]":
    """(what to answer ``source``, what to say to all other neighbours) to the probe of a neighbour, or to the
    question of our host; nothing where it is damaged, came before, or is one too many. ``name`` is ours."""
    if len(message) != _PROBE_BYTES or message[_LEFT] > limits.TRACE_HOPS:
        return b"", b""
    nonce, left, wanted = message[1:_LEFT], message[_LEFT], message[_LEFT + 1 :]
    ours = message[0] == TRACE
    # The last place is our host's.
    if len(probes) >= limits.PROBES - (not ours) or _find(probes, nonce) is not None:
        return b"", b""
    if wanted == target(nonce, name):
        probes.append(Probe(nonce, None, now, b""))
        return bytes((TRACE_IS if ours else ECHO,)) + nonce + _record(0, name), b""
    onward = bytes((PROBE,)) + nonce + bytes((left - 1,)) + wanted if left else b""
    probes.append(Probe(nonce, source, now, onward))
    return b"", onward


def back(
    probes: "list[Probe]", message: bytes, source: object, name: str, now: int
) -> "tuple[object, bytes]":
    """(over which line, what) to say to an echo that came over ``source``; (None, b"") where it is damaged,
    or answers nothing that we asked there. The first echo counts."""
    try:
        nonce, hops = hops_of(message)
    except PeerError:
        return None, b""
    probe = _find(probes, nonce)
    if probe is None or not probe.onward or probe.source is source or len(hops) > limits.TRACE_HOPS:
        return None, b""
    to = probe.source
    probe.source, probe.onward = None, b""
    return to, message + _record(now - probe.came, name)


def to_host(echo: bytes) -> bytes:
    """An echo as a host gets it."""
    return bytes((TRACE_IS,)) + echo[1:]


def forget(probes: "list[Probe]", now: int) -> None:
    """Let go of probes that are over: those that had their echo sooner than those that wait for it."""
    for probe in list(probes):
        if now - probe.came >= (limits.PROBE_MS if probe.onward else limits.PROBE_DONE_MS):
            probes.remove(probe)


def waiting(probes: "list[Probe]", source: object) -> "list[bytes]":
    """What to say to a neighbour whose link, ``source``, is new."""
    return [probe.onward for probe in probes if probe.onward and probe.source is not source]
