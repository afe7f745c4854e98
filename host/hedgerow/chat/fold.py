"""What a conversation looks like after all operations: a pure function of its entries in their order."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hedgerow.chat import operation as operations
from hedgerow.chat.operation import Operation, Target


@dataclass(frozen=True)
class Done:
    """An operation in its place: what names it, which person did it (an account key)."""

    place: Target
    person: bytes
    operation: Operation


@dataclass
class Poll:
    """A question; ``votes`` has the choices of each person."""

    question: str
    choices: list[str]
    many: bool
    votes: dict[bytes, list[int]] = field(default_factory=dict)

    def counts(self) -> list[int]:
        """How many chose each."""
        return [
            sum(number in chosen for chosen in self.votes.values()) for number in range(len(self.choices))
        ]


@dataclass
class About:
    """What was done to one entry: ``text`` where it was edited, symbols by person, whether it is pinned."""

    reply_to: Target | None = None
    text: str | None = None
    reactions: dict[bytes, str] = field(default_factory=dict)
    pinned: bool = False
    poll: Poll | None = None


@dataclass
class Chat:
    """A conversation: what was done to its entries, and how people want to be called."""

    about: dict[Target, About] = field(default_factory=dict)
    names: dict[bytes, str] = field(default_factory=dict)

    def of(self, place: Target) -> About:
        """What was done to an entry."""
        return self.about.get(place) or About()


def fold(authors: dict[Target, bytes], done: Iterable[Done]) -> Chat:
    """``authors`` says which person wrote each entry that can be edited; ``done`` comes in the total order.

    Of two operations on one thing the later holds, so it does not matter in which order they came.
    """
    chat = Chat()
    votes: list[Done] = []
    for one in done:
        found = one.operation
        if found.mark in (operations.POLL, operations.POLL_MANY):
            question, *choices = found.lines
            poll = Poll(question, choices, found.mark == operations.POLL_MANY)
            chat.about.setdefault(one.place, About()).poll = poll
        elif found.mark == operations.NAME:
            chat.names[one.person] = found.value
        elif found.target is None:
            continue
        elif found.mark == operations.REPLY:
            chat.about.setdefault(one.place, About()).reply_to = found.target
        elif found.mark == operations.EDIT:
            if authors.get(found.target) == one.person:
                chat.about.setdefault(found.target, About()).text = found.value
        elif found.mark == operations.REACT:
            reactions = chat.about.setdefault(found.target, About()).reactions
            reactions.pop(one.person, None)
            if found.value:
                reactions[one.person] = found.value
        elif found.mark == operations.PIN:
            chat.about.setdefault(found.target, About()).pinned = found.value == "1"
        elif found.mark == operations.VOTE:
            votes.append(one)
    for one in votes:
        # A vote that stands before its poll in the order counts too.
        target = one.operation.target
        poll_here = None if target is None else chat.of(target).poll
        if poll_here is None:
            continue
        chosen = [number for number in one.operation.choices if number < len(poll_here.choices)]
        poll_here.votes.pop(one.person, None)
        if chosen:
            poll_here.votes[one.person] = chosen if poll_here.many else chosen[:1]
    return chat
