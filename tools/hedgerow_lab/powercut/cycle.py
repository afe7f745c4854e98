"""A cut at every operation of one cycle: a new flash is formatted and filled until the store compacts.

The cycle runs once and all its operations are kept; each cut is then a boot from the first k of them and a
part of the next.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from hedgerow_lab.powercut import plan
from hedgerow_lab.powercut.chain import Board, Tally
from hedgerow_lab.powercut.image import apply
from hedgerow_lab.powercut.letters import letter
from hedgerow_lab.powercut.life import Bench, LifeError, Logged, Report
from hedgerow_lab.powercut.plan import Plan, Verb

_LETTERS = 300  # at first; more, until the store compacts
_MOST_LETTERS = 5_000
_STARTING = ("mount", "format", "boot")


@dataclass(frozen=True)
class Cycle:
    """The life, what it replied, and its operations."""

    seed: int
    life: Plan
    report: Report
    operations: list[Logged]


def record(bench: Bench, seed: int) -> Cycle:
    """Run the cycle. LifeError where it does not work, or compaction never moves a letter."""
    letters = _LETTERS
    while letters <= _MOST_LETTERS:
        life = plan.filling(random.Random(f"powercut {seed} cycle"), letters, 10)
        board = Board(bench)
        report, operations = bench.live(board.image, life, True, log=True)
        if report.error:
            raise LifeError(f"The cycle stops before any cut: {report.error}.")
        if report.moves:
            return Cycle(seed, life, report, operations)
        letters += letters // 2
    raise LifeError(f"The store compacts nothing in {_MOST_LETTERS} letters: the cycle has no end.")


def run(bench: Bench, cycle: Cycle, first: int, last: int, step: Callable[[], None]) -> Tally:
    """The cuts ``first`` to ``last`` of the cycle, counted from 1."""
    board = Board(bench)
    life, report = cycle.life, cycle.report
    tally = Tally()
    answered = 0
    for number, logged in enumerate(cycle.operations[:last], 1):
        if logged.phase not in _STARTING:
            # The ledger as it is when the verb that the operation belongs to begins.
            board.fresh = False
            while answered < logged.verb:
                board.ledger.reply(life.verbs[answered], report.replies[answered])
                answered += 1
        unanswered = [] if board.fresh else life.verbs[answered:]
        board.minute = unanswered[0].minute if unanswered else life.minute
        if number >= first:
            dice = random.Random(f"powercut {cycle.seed} cycle {number}")
            other = board.copy(bench)
            other.expect(unanswered)
            other.tear(logged.operation, dice)
            new = letter(dice, board.minute)
            steps = [Verb(name, board.minute, new) for name in ("put", "flush", "get")]
            other.live(Plan(board.minute, steps), tally, f"Seed {cycle.seed}, cut at operation {number}")
            tally.cut(logged.phase)
            step()
        apply(board.image, logged.operation)
    return tally
