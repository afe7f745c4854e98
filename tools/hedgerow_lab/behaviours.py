"""What a hostile member says once it shook hands (hedgerow_lab.hostile)."""

import random
from collections import Counter
from collections.abc import Callable

from hedgerow_core import envelope, limits
from hedgerow_core.clock import decode_clock, encode_clock
from hedgerow_lab.hostile import Behaviour

# Messages of the exchange (docs/protocol.md).
OFFER, WANT, PUT, ACK, GONE, AGAIN, PROOF, DECLINE, CLOCK = range(1, 10)
_LAST = b"\1"
_PUT_WHOLE = 0x80
_FLOOD_BYTES = 77  # of body: the smallest letter
_BURST = 8  # letters of a flood at once
_SLOW_MS = 15_000  # just often enough not to be given up
_MILLION = 1_000_000


class Script:
    """What all have in common: it tells the board's own time, so that the exchange begins. ``did`` counts
    what it did, over all its links."""

    def __init__(self, dice: random.Random, did: Counter[str]) -> None:
        self.did = did
        self._dice = dice

    def begin(self, now: int) -> list[bytes]:
        """Wait for their clock."""
        return []

    def receive(self, message: bytes, now: int) -> list[bytes]:
        """Answer their clock with their own time, and what they say else with nothing."""
        if message[0] == CLOCK:
            minute = decode_clock(message[1:])[0]
            return [bytes((CLOCK,)) + encode_clock(minute, True), *self.opened(now)]
        for kind, name in ((WANT, "wanted"), (ACK, "acked"), (DECLINE, "declined")):
            if message[0] == kind:
                self.did[name] += len(message) // limits.ID_BYTES
        return self.heard(message, now)

    def opened(self, now: int) -> list[bytes]:
        """The clocks were told."""
        return [bytes((OFFER,)) + _LAST]

    def heard(self, message: bytes, now: int) -> list[bytes]:
        """They said something of the exchange."""
        return []

    def tick(self, now: int) -> list[bytes]:
        """Say more."""
        return []


class Flood(Script):
    """Puts letters of the longest lifetime that nobody asked for, as fast as the link takes them."""

    def tick(self, now: int) -> list[bytes]:
        """A burst."""
        return [self._letter() for _ in range(_BURST)]

    def _letter(self) -> bytes:
        lock = self._dice.randbytes(limits.LOCK_BYTES)
        made = envelope.make(envelope.NORMAL, 15, lock, self._dice.randbytes(_FLOOD_BYTES))
        self.did["put"] += 1
        return bytes((PUT, _PUT_WHOLE)) + made.encode()


class Announce(Script):
    """Offers letters that do not exist, and never gives one."""

    def opened(self, now: int) -> list[bytes]:
        """Two frames full of ids."""
        return [self._offer(b"\0"), self._offer(_LAST)]

    def _offer(self, flags: bytes) -> bytes:
        self.did["announced"] += limits.OFFER_IDS
        return bytes((OFFER,)) + flags + self._dice.randbytes(limits.OFFER_IDS * limits.ID_BYTES)


class Swallow(Script):
    """Wants everything, acknowledges everything, keeps nothing."""

    def heard(self, message: bytes, now: int) -> list[bytes]:
        """ACK what was put, want what is offered."""
        if message[0] == OFFER and len(message) > 2:
            return [bytes((WANT,)) + message[2:]]
        if message[0] == PUT and message[1] == _PUT_WHOLE:
            self.did["swallowed"] += 1
            return [bytes((ACK,)) + envelope.decode(message[2:]).id]
        if message[0] == PROOF:
            size = limits.PROOF_BYTES
            tokens = [message[at : at + size] for at in range(1, len(message), size)]
            self.did["swallowed"] += len(tokens)
            return [bytes((ACK,)) + b"".join(envelope.proof_id(token) for token in tokens)]
        return []


class Stop(Script):
    """Begins a letter and says no more."""

    def opened(self, now: int) -> list[bytes]:
        """The first part of two."""
        self.did["begun"] += 1
        return [bytes((PUT, 0)) + bytes(limits.PUT_BYTES)]


class Slow(Script):
    """Says just enough, for ever, not to be given up."""

    def __init__(self, dice: random.Random, did: Counter[str]) -> None:
        super().__init__(dice, did)
        self._next = 0

    def tick(self, now: int) -> list[bytes]:
        """An offer of one id that does not exist."""
        if now < self._next:
            return []
        self._next = now + _SLOW_MS
        self.did["said"] += 1
        return [bytes((OFFER, 0)) + self._dice.randbytes(limits.ID_BYTES)]


class Million(Script):
    """Offers a million ids."""

    def tick(self, now: int) -> list[bytes]:
        """The next of them."""
        if self.did["offered"] >= _MILLION:
            return []
        self.did["offered"] += limits.OFFER_IDS * _BURST
        size = limits.OFFER_IDS * limits.ID_BYTES
        return [bytes((OFFER, 0)) + self._dice.randbytes(size) for _ in range(_BURST)]


class Babble(Script):
    """Says bytes that mean nothing, well encrypted."""

    def tick(self, now: int) -> list[bytes]:
        """Any kind of message, any length."""
        self.did["said"] += 1
        return [self._dice.randbytes(self._dice.randrange(1, 230))]


KINDS: dict[str, type[Script]] = {
    "flood": Flood,
    "announce": Announce,
    "swallow": Swallow,
    "stop": Stop,
    "slow": Slow,
    "million": Million,
    "babble": Babble,
}


def maker(kind: str, name: str, seed: int, did: Counter[str]) -> Callable[[], Behaviour]:
    """What makes a behaviour for each link of a member called ``name``."""
    dice = random.Random(f"behaviour {name} {seed}")
    return lambda: KINDS[kind](dice, did)
