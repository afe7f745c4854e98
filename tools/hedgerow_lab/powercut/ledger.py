"""What must, may and must not be on a shelf after a cut. It knows nothing of how a store works."""

import copy
from dataclasses import dataclass, field

from hedgerow_lab.powercut.letters import Letter
from hedgerow_lab.powercut.life import Reply, Report
from hedgerow_lab.powercut.plan import Verb

KEPT = 1
PROVED = 4


@dataclass
class Verdict:
    """What is wrong, as sentences; each letter counts once."""

    lost: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    came_back: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """All of them."""
        return [*self.lost, *self.strangers, *self.came_back]


class Ledger:
    """Follows the replies of a board; ids are hexadecimal."""

    def __init__(self, max_count: int) -> None:
        self.must: dict[str, Letter] = {}  # acknowledged: put or proved, and flushed since
        self._known: dict[str, Letter] = {}  # everything ever put
        self._proofs: dict[str, Letter] = {}  # by the id of the proof
        self._put: dict[str, Letter] = {}  # not flushed yet
        self._leaving: set[str] = set()  # dropped or evicted, not flushed yet
        self._gone: set[str] = set()  # dropped or evicted, and flushed since
        self._count = 0
        self._max_count = max_count

    def copy(self) -> "Ledger":
        """The same, to go another way from here."""
        other = copy.copy(self)
        for name in ("must", "_known", "_proofs", "_put", "_leaving", "_gone"):
            setattr(other, name, getattr(self, name).copy())
        return other

    def letters(self) -> list[Letter]:
        """Letters that must be there; no proofs."""
        return [letter for identity, letter in self.must.items() if identity == letter.id]

    # While it lives

    def reply(self, verb: Verb, reply: Reply) -> Verdict:
        """Take in what the board answered; what is wrong already."""
        verdict = Verdict()
        subject, answer, vanished = verb.subject, reply.answer, reply.vanished
        full = self._count >= self._max_count
        self._count = reply.count
        if verb.name == "get" and subject is not None:
            there = subject.id in self.must or subject.id in self._put
            if there and not (isinstance(answer, str) and subject.is_told_by(answer, verb.minute)):
                verdict.lost.append(f"letter {subject.id} was not given back as it was put")
        allowed = 1 if verb.name == "put" else len(vanished)
        for identity in vanished:
            letter = self.must.get(identity) or self._put.get(identity)
            if letter is None:
                continue
            if not (allowed > 0 and self._may_go(verb, identity, letter, full)):
                verdict.lost.append(f"letter {identity} vanished at {verb.name}")
            allowed -= 1
            self.must.pop(identity, None)
            self._put.pop(identity, None)
            if verb.name == "expire" or letter.expiry <= verb.minute:
                # Its record says when it is over: the clock of a restart goes back, so it may be here again.
                continue
            self._leaving.add(identity)
        if verb.name == "put" and subject is not None and answer == KEPT:
            self._known[subject.id] = self._put[subject.id] = subject
            self._leaving.discard(subject.id)
            self._gone.discard(subject.id)
        elif verb.name == "prove" and subject is not None:
            self._proofs[subject.proof] = subject
            if answer == PROVED:
                self._put[subject.proof] = subject
        elif verb.name == "flush":
            self.must.update(self._put)
            self._put.clear()
            self._gone |= self._leaving
            self._leaving.clear()
        return verdict

    def _may_go(self, verb: Verb, identity: str, letter: Letter, full: bool) -> bool:
        """Whether an element may leave the shelf at ``verb``."""
        if letter.expiry <= verb.minute:
            return True
        subject = verb.subject
        if subject is None:
            return False
        if verb.name == "put":
            return full and letter.rank <= subject.rank
        return identity == subject.id

    # After a cut

    def judge(self, report: Report, verbs: list[Verb], minute: int) -> Verdict:
        """Compare with what a board found at boot after the power went during ``verbs`` (those that it had
        not answered yet, the one in progress first). What it found is what must be there from now on."""
        verdict = Verdict()
        progress = verbs[0] if verbs else None
        full = self._count >= self._max_count
        excused = 1
        for identity, letter in self.must.items():
            if identity in report.found or letter.expiry <= minute:
                continue
            if progress is not None and excused and self._may_go(progress, identity, letter, full):
                excused -= progress.name == "put"  # which evicts one, at most
                continue
            verdict.lost.append(f"{self._what(identity)}, acknowledged, is gone")
        known = dict(self._known)
        proofs = dict(self._proofs)
        if progress is not None and progress.subject is not None:
            known.setdefault(progress.subject.id, progress.subject)
            proofs.setdefault(progress.subject.proof, progress.subject)
        present: dict[str, Letter] = {}
        for identity, data in report.found.items():
            if identity in proofs:
                present[identity] = proofs[identity]
                if data not in ("", proofs[identity].token.hex()):
                    verdict.lost.append(f"proof {identity} has other bytes")
                continue
            told = known.get(identity)
            if told is None:
                verdict.strangers.append(f"{identity} was never put")
            elif not told.is_told_by(data, minute):
                verdict.lost.append(f"letter {identity} has other bytes")
            else:
                present[identity] = self._known[identity] = told
                if identity in self._gone and told.expiry > minute:
                    verdict.came_back.append(f"letter {identity}, dropped and flushed, is back")
        self._gone.difference_update(present)
        self._gone.update(identity for identity in self._put if identity not in present)
        self._put.clear()
        self._leaving.clear()
        self._proofs = proofs
        self._count = len(report.found)
        self.must = present
        return verdict

    def _what(self, identity: str) -> str:
        return f"{'proof' if identity in self._proofs else 'letter'} {identity}"
