"""What a board does in one life, thrown with dice: verbs for child/main.py."""

import random
from dataclasses import dataclass, field

from hedgerow_lab.powercut.letters import Letter, letter

# A cut falls into boot and the first operations, somewhere in the work, or late.
_CUTS = ((0.15, 12), (0.65, 300), (0.2, 900))
# About as many operations take the verbs of one batch, by measurement; the plan may be too long.
_OPERATIONS_A_BATCH = 14


@dataclass(frozen=True)
class Verb:
    """``subject`` is the letter that it is about; ``minute`` the time at which it happens."""

    name: str
    minute: int
    subject: Letter | None = None

    def told(self) -> list[object]:
        """As the child reads it."""
        letter = self.subject
        argument = ""
        if letter is not None:
            argument = letter.id
            if self.name == "put":
                argument = letter.envelope.encode().hex()
            elif self.name == "prove":
                argument = letter.token.hex()
        return [self.name, argument, self.minute]


@dataclass
class Plan:
    """One life: the power goes at operation ``cut_at``, with 0 when all verbs are done."""

    minute: int
    verbs: list[Verb] = field(default_factory=list)
    cut_at: int = 0

    @property
    def end(self) -> int:
        """The minute of the last verb."""
        return self.verbs[-1].minute if self.verbs else self.minute


# What a board does before it is ready the first time.
_FORMAT = 12


def life(dice: random.Random, minute: int, there: list[Letter], fresh: bool) -> Plan:
    """A life that begins at ``minute`` with the letters ``there``, up to a random cut.

    That of a ``fresh`` board is cut early, mostly before it is formatted.
    """
    (most,) = dice.choices([most for _, most in _CUTS], [share for share, _ in _CUTS])
    plan = Plan(minute, cut_at=dice.randint(1, _FORMAT if fresh else most))
    there = list(there)
    for _ in range(plan.cut_at // _OPERATIONS_A_BATCH + 1):
        _batch(dice, plan, there, dice.choice((1, 1, 1, 2, 5, 8, 20)))
    return plan


def filling(dice: random.Random, letters: int, batch: int) -> Plan:
    """A life without a cut that puts ``letters`` onto a new board."""
    plan = Plan(0)
    there: list[Letter] = []
    while letters > 0:
        _batch(dice, plan, there, batch)
        letters -= batch
    return plan


def _batch(dice: random.Random, plan: Plan, there: list[Letter], puts: int) -> None:
    """Some letters come and some go, then all is flushed, which is the acknowledgement."""
    minute = plan.end + (dice.randint(1, 30) if dice.random() < 0.4 else 0)
    for _ in range(puts):
        # What is known already comes again, by another way.
        again = there and dice.random() < 0.05
        new = dice.choice(there) if again else letter(dice, minute)
        plan.verbs.append(Verb("put", minute, new))
        if not again:
            there.append(new)
    draw = dice.random()
    if draw < 0.2:
        plan.verbs.append(Verb("expire", minute))
    for name, below in (("drop", 0.3), ("prove", 0.5), ("get", 0.7)):
        if there and dice.random() < below:
            plan.verbs.append(Verb(name, minute, dice.choice(there[-200:])))
    if dice.random() < 0.95:
        plan.verbs.append(Verb("flush", minute))
