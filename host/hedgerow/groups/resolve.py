"""What a set of operations comes to, whatever order they came in (docs/protocol.md, "Groups", "Conflicts").

An operation that a concurrent removal names as too late does not hold; nor does what rests on it. Where
removals strike each other, in pairs or in rings, that of the junior does not strike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hedgerow.groups import limits
from hedgerow.groups.members import Member, Members, Span
from hedgerow.groups.operation import ADD, CREATE, LEAVE, PROMOTE, REMOVE, RENAME, REVOKE, Operation
from hedgerow.identity.account import Card

Rank = tuple[int, bytes]


@dataclass(frozen=True, repr=False)
class Node:
    """An operation in its place: ``past`` has a bit for each index before it, ``depth`` is its longest way
    from the beginning. ``account`` is the author's, ``target`` the one that a removal is about; it rests on
    one of ``adds`` and, where only an admin may do it, on one of ``promotions``. The smaller ``rank`` is the
    senior one."""

    index: int
    operation: Operation
    past: int
    depth: int
    account: bytes
    target: bytes
    rank: Rank
    adds: tuple[int, ...]
    promotions: tuple[int, ...]
    needs_admin: bool

    def covers(self, account: bytes, device: bytes) -> bool:
        """Whether this removal is about that device."""
        if self.operation.kind == REVOKE:
            return device == self.operation.lasts[0][0]
        return account == self.target

    def last(self, device: bytes) -> int:
        """The last sequence of a removed device that holds; 0 for one that it does not name."""
        return dict(self.operation.lasts).get(device, 0)


def evaluate(nodes: Sequence[Node], present: int) -> Members:
    """The members after the operations with a bit in ``present``, which has the past of each of them."""
    chosen = [node for node in nodes if present >> node.index & 1]
    if not chosen:
        return Members()
    removals = [node for node in chosen if node.operation.removes]
    strikes = _strikes(chosen, removals) if removals else {}
    holds = _holding(chosen, strikes)
    return _members([node for node in chosen if holds[node.index]])


def _strikes(chosen: list[Node], removals: list[Node]) -> dict[int, set[int]]:
    """By index of an operation, the indices of those that strike it out if they hold."""
    by_account: dict[bytes, list[Node]] = {}
    for node in chosen:
        by_account.setdefault(node.account, []).append(node)
    creator = chosen[0].account
    strikes: dict[int, set[int]] = {}
    for removal in removals:
        for other in by_account.get(removal.target, ()):
            concurrent = not (removal.past >> other.index & 1 or other.past >> removal.index & 1)
            if other is removal or not concurrent:
                continue
            if not removal.covers(other.account, other.operation.author):
                continue
            if removal.target == creator != removal.account:
                # The creator is not removed by who has not seen all that the creator did.
                strikes.setdefault(removal.index, set()).add(other.index)
            else:
                # Whatever its sequence: who is removed could sign with an old one for ever. What the remover
                # had accepted is in the removal's past.
                strikes.setdefault(other.index, set()).add(removal.index)
    return strikes


def _holding(chosen: list[Node], strikes: dict[int, set[int]]) -> dict[int, bool]:
    """By index, whether an operation holds."""
    holds: dict[int, bool] = {}
    open_nodes = chosen
    while open_nodes:
        left = []
        for node in open_nodes:
            verdict = _verdict(node, strikes.get(node.index, ()), holds)
            if verdict is None:
                left.append(node)
            else:
                holds[node.index] = verdict
        if len(left) == len(open_nodes):
            _break_rings(left, strikes, holds)
        open_nodes = left
    return holds


def _verdict(node: Node, strikers: Iterable[int], holds: dict[int, bool]) -> bool | None:
    known = [holds.get(index) for index in strikers]
    if any(known):
        return False
    rests = [node.adds, node.promotions] if node.needs_admin else [node.adds]
    verdict: bool | None = None if None in known else True
    if node.operation.kind == CREATE:
        return verdict
    for grounds in rests:
        found = [holds.get(index) for index in grounds]
        if not any(found):
            if None not in found:
                return False
            verdict = None
    return verdict


def _break_rings(left: list[Node], strikes: dict[int, set[int]], holds: dict[int, bool]) -> None:
    """Where operations wait for each other, the most junior of those that strike in the ring strikes none of
    it. Only rings that wait for nobody else: what hangs on them may be decided by them."""
    waiting = {node.index: node for node in left}
    needs = {
        index: {
            other
            for other in (*strikes.get(index, ()), *node.adds, *node.promotions)
            if other in waiting and other not in holds
        }
        for index, node in waiting.items()
    }
    for ring in _rings(needs):
        if any(needs[index] - ring for index in ring):
            continue
        strikers = {other for index in ring for other in strikes.get(index, ()) if other in ring}
        junior = max(strikers, key=lambda index: waiting[index].rank)
        for index in ring:
            strikes.get(index, set()).discard(junior)


def _rings(needs: dict[int, set[int]]) -> list[set[int]]:
    """The strongly connected parts with more than one operation (Tarjan, without recursion)."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    rings: list[set[int]] = []
    done: set[int] = set()
    for root in needs:
        if root in order:
            continue
        work = [(root, iter(sorted(needs[root])))]
        order[root] = low[root] = len(order)
        stack.append(root)
        while work:
            index, others = work[-1]
            for other in others:
                if other not in order:
                    order[other] = low[other] = len(order)
                    stack.append(other)
                    work.append((other, iter(sorted(needs[other]))))
                    break
                if other not in done:
                    low[index] = min(low[index], order[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[index])
                if low[index] == order[index]:
                    part = set()
                    while index not in part:
                        part.add(stack.pop())
                    done |= part
                    if len(part) > 1:
                        rings.append(part)
    return rings


def _members(holding: list[Node]) -> Members:
    """What the operations that hold come to."""
    ordered = sorted(holding, key=lambda node: (node.depth, node.operation.id))
    removals: dict[bytes, list[Node]] = {}
    for node in holding:
        if node.operation.removes:
            removals.setdefault(node.target, []).append(node)
    first = ordered[0].operation
    name = first.name
    spans: dict[bytes, set[Span]] = {}
    seats: dict[bytes, tuple[Card, tuple[int, ...]]] = {}
    owners: dict[bytes, frozenset[bytes]] = {}
    promotions: dict[bytes, list[int]] = {}
    counts: dict[bytes, int] = {}
    for node in ordered:
        operation = node.operation
        if operation.kind == RENAME:
            name = operation.name
        if operation.kind in (CREATE, PROMOTE):
            ended = [
                other
                for other in removals.get(operation.account, ())
                if other.operation.kind in (REMOVE, LEAVE) and not node.past >> other.index & 1
            ]
            if not ended:
                promotions.setdefault(operation.account, []).append(node.index)
        if operation.kind not in (CREATE, ADD) or operation.card is None:
            continue
        card, device = operation.card, operation.card.device_key
        owners[device] = owners.get(device, frozenset()) | {card.account_key}
        lasts = [
            other.last(device)
            for other in removals.get(card.account_key, ())
            if other.covers(card.account_key, device) and not node.past >> other.index & 1
        ]
        start = operation.start if operation.kind == ADD else operation.sequence
        if lasts:
            spans.setdefault(device, set()).add(Span(start, min(lasts)))
        elif device in seats:
            if seats[device][0].account_key == card.account_key:
                seats[device] = (seats[device][0], (*seats[device][1], node.index))
                spans[device].add(Span(start, limits.NUMBER_MAX))
        elif len(seats) < limits.DEVICES and counts.get(card.account_key, 0) < limits.ACCOUNT_DEVICES:
            # Who was added first sits; concurrent additions may be more than there are seats.
            counts[card.account_key] = counts.get(card.account_key, 0) + 1
            seats[device] = (card, (node.index,))
            spans.setdefault(device, set()).add(Span(start, limits.NUMBER_MAX))
    cards: dict[bytes, list[Card]] = {}
    for _, (card, _indices) in sorted(seats.items()):
        cards.setdefault(card.account_key, []).append(card)
    return Members(
        first.group,
        name,
        first.account,
        {account: Member(account, account in promotions, tuple(some)) for account, some in cards.items()},
        {
            device: tuple(sorted(some, key=lambda span: (span.start, span.last)))
            for device, some in spans.items()
        },
        {device: indices for device, (_, indices) in seats.items()},
        {account: tuple(some) for account, some in promotions.items()},
        owners,
    )
