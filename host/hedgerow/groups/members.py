"""Who is in a group: what a set of operations comes to."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from hedgerow.groups import limits
from hedgerow.identity.account import Card
from hedgerow_core import cbor


@dataclass(frozen=True)
class Span:
    """The sequences of a device that hold: from ``start`` to ``last``, both inclusive."""

    start: int
    last: int

    @property
    def open(self) -> bool:
        """Whether the device is in the group."""
        return self.last == limits.NUMBER_MAX


@dataclass(frozen=True)
class Member:
    """An account in the group, with the cards of its devices in order of their keys."""

    account: bytes
    admin: bool
    devices: tuple[Card, ...]

    @property
    def name(self) -> str:
        """The name on the card of its first device."""
        return self.devices[0].name


@dataclass(frozen=True, repr=False)
class Members:
    """``accounts`` by account key; ``spans`` of every device that ever was in, by its key. ``adds`` and
    ``promotions`` say which operations put a device in and made an account an admin (their indices)."""

    group: bytes = b""
    name: str = ""
    creator: bytes = b""
    accounts: Mapping[bytes, Member] = field(default_factory=dict)
    spans: Mapping[bytes, tuple[Span, ...]] = field(default_factory=dict)
    adds: Mapping[bytes, tuple[int, ...]] = field(default_factory=dict)
    promotions: Mapping[bytes, tuple[int, ...]] = field(default_factory=dict)
    owners: Mapping[bytes, frozenset[bytes]] = field(default_factory=dict)

    @cached_property
    def cards(self) -> dict[bytes, Card]:
        """The card of each device that is in, in order of the keys."""
        cards = {card.device_key: card for member in self.accounts.values() for card in member.devices}
        return dict(sorted(cards.items()))

    @cached_property
    def hash(self) -> bytes:
        """32 bytes that name who is in, who are admins, and which entries of whom hold."""
        rows = [
            [account, member.admin, [card.device_key for card in member.devices]]
            for account, member in sorted(self.accounts.items())
        ]
        spans = [
            [device, [[span.start, span.last] for span in some]]
            for device, some in sorted(self.spans.items())
        ]
        content = cbor.encode([self.group, self.creator, rows, spans])
        return hashlib.sha256(b"hedgerow group members" + content).digest()

    def account_of(self, device: bytes) -> bytes:
        """The account of a device that is in; empty where it is not."""
        card = self.cards.get(device)
        return card.account_key if card else b""

    def is_admin(self, account: bytes) -> bool:
        """Whether this account may act on the group."""
        member = self.accounts.get(account)
        return member is not None and member.admin

    def accepts(self, device: bytes, sequence: int) -> bool:
        """Whether an entry of a device holds: a removal ends what came after its last accepted one."""
        return any(span.start <= sequence <= span.last for span in self.spans.get(device, ()))
