"""Probes on their way through this board; imported when one comes, and forgotten afterwards."""

from hedgerow_core import limits, probe
from hedgerow_core.service import PROBE, TRACE
from hedgerow_core.session import MESH


def _say(line: object, message: bytes) -> None:
    if message and line.link.established:
        line.link.service(message)
        line.wake()


def answer(board: object, line: object, message: bytes) -> bytes:
    """Take a probe, an echo or the host's question. Without a message the link over ``line`` is new; without
    a line either it is time to forget."""
    now = board.now()
    probes = board.probes
    name = board.settings.name
    probe.forget(probes, now)
    if not message:
        if line is not None:
            for waiting in probe.waiting(probes, line):
                _say(line, waiting)
    elif message[0] in (TRACE, PROBE):
        reply, onward = probe.take(probes, message, line, name, now)
        _say(line, reply)
        if onward:
            # Who knows what we know has no reason for a link: it is called all the same.
            board.carrier.seek_until = now + limits.SEEK_MS
            for other in board.lines:
                if other is not line and other.link.kind == MESH:
                    _say(other, onward)
    else:
        to, echo = probe.back(probes, message, line, name, now)
        if to in board.lines:
            if to.link.kind != MESH:
                echo = probe.to_host(echo)
            _say(to, echo)
    return b""
