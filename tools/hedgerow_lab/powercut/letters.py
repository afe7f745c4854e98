"""What the tool puts on a shelf: sealed letters with random bodies, whose proofs it knows."""

import random
from dataclasses import dataclass

from hedgerow_core import envelope as env
from hedgerow_core.errors import PeerError
from hedgerow_core.mac import sha256

_TOKEN_BYTES = 16
# Classes of lifetime: half an hour to a day, and some that stay for 14 days.
_SHORT = (0, 1, 2, 3, 4, 5, 7)
_LONG = 15


@dataclass(frozen=True)
class Letter:
    """An envelope, the token that proves it was read, and the minute at which it was put."""

    envelope: env.Envelope
    token: bytes
    minute: int

    @property
    def id(self) -> str:
        """Its id in hexadecimal, as reports have it."""
        return self.envelope.id.hex()

    @property
    def proof(self) -> str:
        """The id of its proof."""
        return sha256(b"proof" + self.token)[:8].hex()

    @property
    def expiry(self) -> int:
        """The minute at which it may go."""
        return self.minute + env.TTL_MINUTES[self.envelope.ttl] - self.envelope.age

    @property
    def rank(self) -> int:
        """0 is evicted first."""
        return {env.BULK: 0, env.NORMAL: 1, env.URGENT: 2}[self.envelope.priority]

    def is_told_by(self, data: str, minute: int) -> bool:
        """Whether ``data`` (hexadecimal) is this letter to the byte, aged by no more than the time since."""
        try:
            told = env.decode(bytes.fromhex(data))
        except PeerError:
            return False
        aged = told.age - self.envelope.age
        same = told.prefix() == self.envelope.prefix() and told.hops == self.envelope.hops
        return same and 0 <= aged <= minute - self.minute


def letter(dice: random.Random, minute: int) -> Letter:
    """A new letter; most are short-lived, some stay and must be moved by compaction."""
    token = dice.randbytes(_TOKEN_BYTES)
    ttl = _LONG if dice.random() < 0.1 else dice.choice(_SHORT)
    priority = dice.choice((env.NORMAL, env.NORMAL, env.URGENT, env.BULK))
    text = dice.randint(20, 150) if dice.random() < 0.8 else dice.randint(150, 900)
    body = dice.randbytes(env.padded_body_size(text))
    made = env.make(priority, ttl, sha256(token)[:12], body, dice.randrange(10))
    return Letter(made.carried(made.hops, dice.randrange(20)), token, minute)
