"""A cut at every operation of one cycle: a new flash is formatted and filled until the store compacts.

The cycle runs once and all its operations are kept; each cut is then a boot from the first k of them and a
part of the next.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from hedgerow_lab.powercut import plan
from hedgerow_lab.powercut.chain import Board, Tally
from hedgerow_lab.powercut.image import Operation, apply
from hedgerow_lab.powercut.letters import letter
from hedgerow_lab.powercut.life import Bench, LifeError, Report
from hedgerow_lab.powercut.plan import Plan, Verb

_LETTERS = 300  # at first; more, until the store compacts
_MOST_LETTERS = 5_000


@dataclass(frozen=True)
class Cycle:
    """The life, what it replied, and its operations, each with the number of the verb that it is of."""

    seed: int
    life: Plan
    report: Report
    operations: list[tuple[int, Operation]]


def record(bench: Bench, seed: int) -> Cycle:
    """Run the cycle. LifeError where it does not work, or nothing is ever compacted."""
    letters = _LETTERS
    while letters <= _MOST_LETTERS:
        life = plan.filling(random.Random(f"powercut {seed} cycle"), letters, 10)
        board = Board(bench)
        report, operations = bench.live(board.image, life, True, log=True)
        if report.error:
            raise LifeError(f"The cycle stops before any cut: {report.error}.")
        if report.compactions:
            return Cycle(seed, life, report, operations)
        letters += letters // 2
    raise LifeError(f"The store compacts nothing in {_MOST_LETTERS} letters: the cycle has no end.")


def run(bench: Bench, cycle: Cycle, first: int, last: int, step: Callable[[], None]) -> Tally:
    """The cuts ``first`` to ``last`` of the cycle, counted from 1."""
    board = Board(bench)
    life, report = cycle.life, cycle.report
    assert report.boot is not None
    _, _, programs, _, erases = report.boot["counters"]
    tally = Tally()
    answered = -1
    for number, (verb, operation) in enumerate(cycle.operations[:last], 1):
        # The ledger as it is when the verb that the operation belongs to begins.
        if number > programs + erases and answered < 0:
            board.fresh = False
            answered = 0
        while 0 <= answered < verb:
            board.ledger.reply(life.verbs[answered], report.replies[answered])
            answered += 1
        board.minute = life.verbs[verb].minute if verb < len(life.verbs) else life.end
        if number >= first:
            dice = random.Random(f"powercut {cycle.seed} cycle {number}")
            other = board.copy(bench)
            other.expect(life.verbs[max(answered, 0) :] if answered >= 0 else [])
            other.tear(operation, dice)
            new = letter(dice, board.minute)
            steps = [Verb(name, board.minute, new) for name in ("put", "flush", "get")]
            other.live(Plan(board.minute, steps), tally, f"Seed {cycle.seed}, cut at operation {number}")
            tally.cut("boot" if answered < 0 else life.verbs[verb].name if verb < len(life.verbs) else "idle")
            step()
        apply(board.image, operation)
    return tally
