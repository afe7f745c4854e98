"""The membership of a group: a CRDT of signed operations (docs/protocol.md, "Groups").

State in, state out. Whoever has the same operations has the same members, whatever order they came in.
An operation must be allowed by what its author had seen: its causal past, which its parents name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from hedgerow.groups import limits, operation
from hedgerow.groups.members import Members
from hedgerow.groups.operation import ADD, CREATE, LEAVE, PROMOTE, REMOVE, RENAME, REVOKE, Operation
from hedgerow.groups.resolve import Node, Rank, evaluate
from hedgerow_core.errors import LimitError, PeerError

_NO_ADMIN = 1 << 30


@dataclass(frozen=True, repr=False)
class Membership:
    """``nodes`` in the order in which they could be placed; ``held`` wait for their parents, by id."""

    nodes: tuple[Node, ...] = ()
    index: Mapping[bytes, int] = field(default_factory=dict)
    held: Mapping[bytes, Operation] = field(default_factory=dict)

    @cached_property
    def members(self) -> Members:
        """Who is in, after all operations."""
        return evaluate(self.nodes, (1 << len(self.nodes)) - 1)

    @property
    def group(self) -> bytes:
        """The id of the group, 16 bytes; empty where nothing is known of it."""
        return self.nodes[0].operation.group if self.nodes else b""

    @cached_property
    def heads(self) -> tuple[bytes, ...]:
        """The operations that no other one names as a parent, at most ``limits.PARENTS`` of them."""
        named = {parent for node in self.nodes for parent in node.operation.parents}
        found = sorted(node.operation.id for node in self.nodes if node.operation.id not in named)
        return tuple(found[: limits.PARENTS])

    def at(self, heads: Iterable[bytes]) -> Members | None:
        """Who is in after ``heads`` and all that they rest on; None where one of them is not here."""
        present = 0
        for head in heads:
            if head not in self.index:
                return None
            node = self.nodes[self.index[head]]
            present |= node.past | 1 << node.index
        return evaluate(self.nodes, present)

    def missing(self) -> set[bytes]:
        """The parents that are waited for."""
        named = {parent for waiting in self.held.values() for parent in waiting.parents}
        return named - set(self.index) - set(self.held)

    def take(self, data: bytes) -> "Membership":
        """With one more operation, which may wait for its parents.

        PeerError where it is damaged, forged, not allowed, or of another group. Nothing changes then.
        """
        found = operation.decode(data)
        if found.id in self.index or found.id in self.held:
            return self
        if found.group != self.group if self.nodes else found.kind != CREATE:
            raise PeerError("an operation of another group")
        if any(parent not in self.index for parent in found.parents):
            if len(self.held) >= limits.HELD:
                raise LimitError("too many operations that wait")
            return replace(self, held={**self.held, found.id: found})
        return self._place(found)._release()

    def _release(self) -> "Membership":
        """Place what waited for what is here now; what is not allowed is let go."""
        state = self
        while True:
            ready = [
                one for one in state.held.values() if all(parent in state.index for parent in one.parents)
            ]
            if not ready:
                return state
            for one in sorted(ready, key=lambda other: other.id):
                state = replace(
                    state, held={key: value for key, value in state.held.items() if key != one.id}
                )
                try:
                    state = state._place(one)
                except PeerError:
                    continue

    def _place(self, found: Operation) -> "Membership":
        if len(self.nodes) >= limits.OPERATIONS:
            raise LimitError("too many operations")
        past, depth = 0, 0
        for parent in found.parents:
            node = self.nodes[self.index[parent]]
            past |= node.past | 1 << node.index
            depth = max(depth, node.depth + 1)
        before = evaluate(self.nodes, past)
        node = self._judged(found, past, depth, before)
        return Membership((*self.nodes, node), {**self.index, found.id: node.index}, self.held)

    def _judged(self, found: Operation, past: int, depth: int, before: Members) -> Node:
        """Its node. PeerError where its author may not do that, by what it had seen."""
        here = len(self.nodes)
        if found.kind == CREATE:
            if self.nodes:
                raise PeerError("a group that began twice")
            return Node(here, found, past, depth, found.account, b"", (0, found.id), (), (), False)
        account = before.account_of(found.author)
        if not account:
            raise PeerError("an operation of somebody who is not in")
        target = b""
        own = False
        if found.kind == ADD:
            if found.card is None or found.card.device_key in before.cards:
                raise PeerError("a device that is in already")
            owner = before.owners.get(found.card.device_key, frozenset({found.account}))
            if found.account not in owner:
                raise PeerError("a device of another account")
            own = found.account == account
        elif found.kind in (REMOVE, LEAVE):
            target = found.account
            if target not in before.accounts or (found.kind == LEAVE) != (target == account):
                raise PeerError("a removal of somebody else")
            own = found.kind == LEAVE
        elif found.kind == REVOKE:
            target = before.account_of(found.lasts[0][0])
            if not target:
                raise PeerError("a device that is not in")
            own = target == account
        elif found.kind == PROMOTE and found.account not in before.accounts:
            raise PeerError("somebody who is not in")
        needs_admin = not own or found.kind in (PROMOTE, RENAME)
        if needs_admin and not before.is_admin(account):
            raise PeerError("an operation that only an admin may do")
        adds = before.adds[found.author]
        promotions = before.promotions.get(account, ()) if needs_admin else ()
        return Node(
            here,
            found,
            past,
            depth,
            account,
            target,
            self._rank(account, before, found.id),
            adds,
            promotions,
            needs_admin,
        )

    def _rank(self, account: bytes, before: Members, identity: bytes) -> Rank:
        """Who was promoted first is the senior one; then the smaller id."""
        since = [self.nodes[at].depth for at in before.promotions.get(account, ())]
        return (min(since) if since else _NO_ADMIN, identity)

    # What we do ourselves; each is an operation to take, and to hand on

    def device_sequences(self, device: bytes) -> int:
        """The greatest sequence that a device signed operations with."""
        return max(
            (node.operation.sequence for node in self.nodes if node.operation.author == device), default=0
        )

    def count_of(self, heads: Iterable[bytes]) -> int:
        """How many of the operations, as they are placed here, stand before the first that is new to who
        knows ``heads``."""
        present = 0
        for head in heads:
            node = self.nodes[self.index[head]]
            present |= node.past | 1 << node.index
        count = 0
        while present >> count & 1:
            count += 1
        return count

    def operations(self) -> list[bytes]:
        """All that are placed, parents before children."""
        return [node.operation.data for node in self.nodes]
