"""Six digits that two people compare, over three flights that may take days (docs/protocol.md,
"Verification").

    1 | commitment 32      SHA-256("hedgerow verify commitment" | transcript | nA)
    2 | run 8 | nB 32      run = commitment[:8]
    3 | run 8 | nA 32

A run is a value: each call takes one and gives the next, and what is refused changes nothing. Whoever stands
in between has to fix what it says on both sides before it learns what makes the digits: one guess a run.
"""

import hashlib
from dataclasses import dataclass, field, replace

from hedgerow import stored
from hedgerow.identity.keys import Random
from hedgerow_core.errors import AuthError, LimitError, PeerError
from hedgerow_core.mac import equal, hkdf

NONE, BEGUN, ANSWERED, SHOWN, DIFFERENT = range(5)
LIFETIME_MS = 14 * 24 * 3_600_000
RUNS = 8  # begun by one side, within
RUNS_MS = 30 * 24 * 3_600_000
CODE_DIGITS = 6
_COMMIT, _ANSWER, _REVEAL = 1, 2, 3
_NONCE_BYTES = 32
_RUN_BYTES = 8


@dataclass(frozen=True)
class Sides:
    """Who we and they are: account key | device key, 64 bytes each."""

    ours: bytes
    theirs: bytes

    @property
    def leads(self) -> bool:
        """Whether our run is gone on with where both began one."""
        return self.ours < self.theirs

    def transcript(self, began: bool) -> bytes:
        """Accounts and devices, those of who began first; ``began``: that is us."""
        first, second = (self.ours, self.theirs) if began else (self.theirs, self.ours)
        return first[:32] + second[:32] + first[32:] + second[32:]


@dataclass(frozen=True)
class Run:
    """What is kept of one contact. ``began``: we did. ``ours`` and ``theirs`` are when we and they began
    runs lately, unix ms; ``order`` is the clock of their letter that was last used.

    ``phase``: NONE; BEGUN, our commitment is on its way; ANSWERED, so is our answer to theirs; SHOWN, there
    are digits; DIFFERENT, they were not those of the other side, or a flight was altered.
    """

    phase: int = NONE
    began: bool = False
    commitment: bytes = b""
    nonce_a: bytes = field(default=b"", repr=False)
    nonce_b: bytes = field(default=b"", repr=False)
    started_ms: int = 0
    ours: tuple[int, ...] = ()
    theirs: tuple[int, ...] = ()
    order: int = 0
    confirmed: bool = False

    def to_cbor(self) -> bytes:
        """For the database."""
        head = [self.phase, self.began, self.commitment, self.nonce_a, self.nonce_b, self.started_ms]
        return stored.write([*head, list(self.ours), list(self.theirs), self.order, self.confirmed])

    @classmethod
    def from_cbor(cls, data: bytes) -> "Run":
        """Read what ``to_cbor`` wrote. PeerError where it is damaged."""
        found = stored.read(data, int, bool, bytes, bytes, bytes, int, list, list, int, bool)
        for at in (6, 7):
            found[at] = tuple(stored.check(found[at], *[int] * len(found[at])))
        return cls(*found)

    def over(self, now: int) -> bool:
        """Whether there is nothing left of it to go on with."""
        return self.phase in (NONE, DIFFERENT) or not 0 <= now - self.started_ms < LIFETIME_MS


def begin(run: Run, sides: Sides, now: int, random: Random) -> Run:
    """A new run of ours; whatever there was is over. ``flight`` has what to send.

    LimitError where we began so many lately that the other side would not answer.
    """
    lately = _lately(run.ours, now)
    if len(lately) >= RUNS:
        raise LimitError("too many runs")
    nonce = random(_NONCE_BYTES)
    return Run(
        BEGUN, True, _commitment(sides, True, nonce), nonce, b"", now, (*lately, now), run.theirs, run.order
    )


def flight(run: Run) -> bytes:
    """What we sent last in this run; empty where there is nothing to send."""
    if run.phase == BEGUN:
        return bytes((_COMMIT,)) + run.commitment
    if run.phase == ANSWERED:
        return bytes((_ANSWER,)) + run.commitment[:_RUN_BYTES] + run.nonce_b
    if run.phase == SHOWN and run.began:
        return bytes((_REVEAL,)) + run.commitment[:_RUN_BYTES] + run.nonce_a
    return b""


def receive(run: Run, sides: Sides, data: bytes, order: int, now: int, random: Random) -> tuple[Run, bool]:
    """(run, whether ``flight`` is to be sent) after a flight of theirs. PeerError for one that is damaged.

    ``order`` is the clock of its letter: what was overtaken by a newer run begins none. A flight that
    fits nowhere changes nothing; one that was altered ends the run as DIFFERENT.
    """
    kind, size = data[:1], len(data) - 1
    if kind == bytes((_COMMIT,)) and size == _NONCE_BYTES:
        return _committed(run, sides, data[1:], order, now, random)
    if kind in (bytes((_ANSWER,)), bytes((_REVEAL,))) and size == _RUN_BYTES + _NONCE_BYTES:
        name, nonce = data[1 : 1 + _RUN_BYTES], data[1 + _RUN_BYTES :]
        if run.over(now) or name != run.commitment[:_RUN_BYTES]:
            return run, False
        if kind == bytes((_ANSWER,)):
            found, answer = _answered(run, nonce)
        else:
            found, answer = _revealed(run, sides, nonce), False
        return (found if found is run else replace(found, order=max(order, run.order))), answer
    raise PeerError("a damaged flight")


def _committed(
    run: Run, sides: Sides, commitment: bytes, order: int, now: int, random: Random
) -> tuple[Run, bool]:
    if run.commitment == commitment:
        # Our answer may have been lost. Once there are digits, it was not.
        return run, run.phase == ANSWERED
    if run.phase == BEGUN and not run.over(now) and sides.leads:
        return run, True
    # Each run that they begin is one guess of whoever stands in between: there are not many.
    lately = _lately(run.theirs, now)
    if order <= run.order or len(lately) >= RUNS:
        return run, False
    answer = random(_NONCE_BYTES)
    return Run(ANSWERED, False, commitment, b"", answer, now, run.ours, (*lately, now), order), True


def _answered(run: Run, nonce: bytes) -> tuple[Run, bool]:
    if run.phase == BEGUN:
        return replace(run, phase=SHOWN, nonce_b=nonce), True
    # They ask once more: what we showed may have been lost. Another nonce is none of this run.
    return run, run.phase == SHOWN and run.began and run.nonce_b == nonce


def _revealed(run: Run, sides: Sides, nonce: bytes) -> Run:
    if run.phase != ANSWERED:
        return run
    if not equal(_commitment(sides, False, nonce), run.commitment):
        return replace(run, phase=DIFFERENT)
    return replace(run, phase=SHOWN, nonce_a=nonce)


def _lately(began: tuple[int, ...], now: int) -> tuple[int, ...]:
    return tuple(then for then in began if 0 <= now - then < RUNS_MS)


def code(run: Run, sides: Sides) -> str:
    """The six digits. AuthError where there are none."""
    if run.phase != SHOWN:
        raise AuthError("a run without digits")
    info = b"hedgerow verify" + sides.transcript(run.began)
    value = int.from_bytes(hkdf(run.nonce_a + run.nonce_b, b"", info, 8), "big")
    return f"{value % 10**CODE_DIGITS:0{CODE_DIGITS}}"


def compare(run: Run, sides: Sides, heard: str) -> Run:
    """Whether the other side read ``heard`` aloud: ``confirmed``, or DIFFERENT. One try a run."""
    if heard == code(run, sides):
        return replace(run, confirmed=True)
    return replace(run, phase=DIFFERENT, confirmed=False)


def _commitment(sides: Sides, began: bool, nonce: bytes) -> bytes:
    message = b"hedgerow verify commitment" + sides.transcript(began) + nonce
    return hashlib.sha256(message).digest()
