"""Life after life of one board on one flash, each ended by a cut."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from hedgerow_lab.powercut import plan
from hedgerow_lab.powercut.image import Operation, blank, tear
from hedgerow_lab.powercut.ledger import Ledger, Verdict
from hedgerow_lab.powercut.life import Bench, LifeError, Report
from hedgerow_lab.powercut.plan import Plan, Verb

CHAIN_CUTS = 50
_FILLED = 700  # letters, about twice what makes the store compact
_SENTENCES = 20


@dataclass
class Tally:
    """Counts of everything, and the first ``failed`` sentences."""

    cuts: int = 0
    lost_acknowledged: int = 0
    unmountable: int = 0
    strangers: int = 0
    came_back: int = 0
    failed_writes: int = 0
    acknowledged: int = 0
    compactions: int = 0
    moves: int = 0
    cuts_in: dict[str, int] = field(default_factory=dict)
    boot_us: list[int] = field(default_factory=list)
    boot_reads: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Count what ``other`` counted, too."""
        for name in ("cuts", "lost_acknowledged", "unmountable", "strangers", "came_back", "failed_writes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.acknowledged += other.acknowledged
        self.compactions += other.compactions
        self.moves += other.moves
        for phase, count in other.cuts_in.items():
            self.cuts_in[phase] = self.cuts_in.get(phase, 0) + count
        self.boot_us += other.boot_us
        self.boot_reads += other.boot_reads
        self.failed = (self.failed + other.failed)[:_SENTENCES]

    def cut(self, phase: str) -> None:
        """The power went in ``phase``."""
        self.cuts += 1
        self.cuts_in[phase] = self.cuts_in.get(phase, 0) + 1

    def booted(self, report: Report) -> None:
        """A boot was measured."""
        if report.boot is not None:
            self.boot_us.append(report.boot["us"])
            self.boot_reads.append(report.boot["counters"][0])

    def judged(self, where: str, verdict: Verdict) -> None:
        """A verdict on what is there."""
        self.lost_acknowledged += len(verdict.lost)
        self.strangers += len(verdict.strangers)
        self.came_back += len(verdict.came_back)
        self.failed += [f"{where}: {sentence}." for sentence in verdict.sentences()]
        del self.failed[_SENTENCES:]

    def failure(self, where: str, sentence: str) -> None:
        """Something else is wrong."""
        self.failed = [*self.failed, f"{where}: {sentence}"][:_SENTENCES]


class Board:
    """A flash, and the ledger of what must be on it."""

    def __init__(self, bench: Bench) -> None:
        self.image = blank(bench.make.blocks)
        self.ledger = Ledger(bench.make.max_count)
        self.minute = 0
        self.fresh = True
        self._bench = bench
        self._unanswered: list[Verb] = []

    def copy(self, bench: Bench) -> "Board":
        """The same board on ``bench``, to go another way from here."""
        other = Board(bench)
        other.image = bytearray(self.image)
        other.ledger = self.ledger.copy()
        other.minute, other.fresh = self.minute, self.fresh
        other._unanswered = list(self._unanswered)
        return other

    def live(self, life: Plan, tally: Tally, where: str) -> Report:
        """One life; what was wrong at its boot or in it is counted. LifeError where it has no end."""
        try:
            report, _ = self._bench.live(self.image, life, self.fresh)
        except LifeError as error:
            raise LifeError(f"{where}: {error}") from None
        self.take(report, life, tally, where)
        return report

    def take(self, report: Report, life: Plan, tally: Tally, where: str) -> None:
        """Compare a life with the ledger."""
        if report.boot is None:
            if report.error:
                tally.unmountable += 1
                tally.failure(where, f"the board does not start: {report.error}")
                self._start_anew()
            return
        tally.booted(report)
        tally.compactions += report.compactions
        tally.moves += report.moves
        self.fresh = False
        tally.judged(where, self.ledger.judge(report, self._unanswered, life.minute))
        for verb, reply in zip(life.verbs, report.replies, strict=False):
            tally.judged(where, self.ledger.reply(verb, reply))
            tally.acknowledged += verb.name == "put" and reply.answer == 1
        self._unanswered = life.verbs[len(report.replies) :]
        if report.error:
            tally.failed_writes += 1
            tally.failure(where, f"the board stopped at {report.phase}: {report.error}")
        reached = life.verbs[: len(report.replies) + 1]
        self.minute = reached[-1].minute if reached else life.minute

    def tear(self, operation: Operation, dice: random.Random) -> None:
        """The power went in the middle of ``operation``."""
        tear(self.image, operation, dice)

    def expect(self, unanswered: list[Verb]) -> None:
        """The power went while the first of these verbs was in progress."""
        self._unanswered = unanswered

    def _start_anew(self) -> None:
        self.image = blank(self._bench.make.blocks)
        self.ledger = Ledger(self._bench.make.max_count)
        self.fresh = True
        self._unanswered = []


def filled(bench: Bench, seed: int) -> Board:
    """A board that worked for a while, so that compaction is near."""
    board = Board(bench)
    dice = random.Random(f"powercut {seed} filled")
    board.live(plan.filling(dice, _FILLED, 20), Tally(), f"Seed {seed}, before the first cut")
    return board


def run(bench: Bench, seed: int, number: int, cuts: int, old: Board, step: Callable[[], None]) -> Tally:
    """Chain ``number`` of ``seed``: every fourth begins with a new flash, the others with that of ``old``."""
    dice = random.Random(f"powercut {seed} {number}")
    board = Board(bench) if number % 4 == 0 else old.copy(bench)
    tally = Tally()
    for cut in range(cuts):
        where = f"Seed {seed}, before cut {number * CHAIN_CUTS + cut + 1}"
        life = plan.life(dice, board.minute, board.ledger.letters(), board.fresh)
        report = board.live(life, tally, where)
        tally.cut(report.phase)
        if report.torn is not None:
            board.tear(report.torn, dice)
        step()
    board.live(Plan(board.minute), tally, f"Seed {seed}, after cut {number * CHAIN_CUTS + cuts}")
    return tally
