"""How much anybody may say on a street. Who speaks keeps to it, and who hears leaves out what is more."""

from collections.abc import Iterable

_MINUTE_MS = 60_000
HOUR_MS = 60 * _MINUTE_MS

# (letters at once, ms until one more is allowed)
_SAID = (3, 5 * _MINUTE_MS)
_SOS = (1, 10 * _MINUTE_MS)

# People we do not know, all together within an hour: whoever makes a new key for each letter is bounded too.
_STRANGERS_SAID = 60
_STRANGERS_SOS = 20


def wait_ms(sent_ms: Iterable[int], sos: bool, now: int) -> int:
    """How long to wait for the next; 0 for not at all. ``sent_ms``: of the last hour, oldest first."""
    burst, every = _SOS if sos else _SAID
    full = 0
    for sent in sent_ms:
        # A clock that was set back must not silence us for longer than this.
        full = max(full, min(sent, now)) + every
    return max(0, max(full, now) + every - burst * every - now)


def most_an_hour(sos: bool) -> int:
    """Letters that who keeps to ``wait_ms`` can write within any hour, and one for a clock that was set."""
    burst, every = _SOS if sos else _SAID
    return burst + HOUR_MS // every


def most_of_strangers(sos: bool) -> int:
    """Letters within an hour that are shown of all whom we do not know."""
    return _STRANGERS_SOS if sos else _STRANGERS_SAID
