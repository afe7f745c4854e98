"""The mesh clock M: minutes that all boards of a mesh count alike (docs/protocol.md, "Mesh clock")."""

from hedgerow_core import limits
from hedgerow_core.clock import Clock

_MINUTE_MS = 60_000


class MeshClock(Clock):
    """M of one board. ``now`` is in ms and never falls, M is in minutes; both may start anywhere.

    ``minute`` is M as it was last written down, 0 where it never was. Where ``gap_ms`` is known, that was
    exactly so many ms ago, and the clock is as ``certain`` as it was then. Where it is None and the clock
    is not ``certain``, power was lost: M is 10 minutes more than was written down, nobody knows how long
    the gap was, and M is uncertain for ``wait`` minutes at most.

    A clock is kept as its zero, the ``now`` at which M was 0: the earlier, the higher is M. It only ever
    moves to an earlier one, so a certain M never goes back; what was added for the gap may be taken back by
    who knows better. Calls that may move it give the minutes by which they did.

    By up to ``slack_ms`` even members may move it while it is certain: what timed the gap may be so slow.
    """

    def __init__(
        self,
        now: int,
        minute: int = 0,
        certain: bool = False,
        gap_ms: "int | None" = None,
        wait: int = limits.M_WAIT_MINUTES,
        slack_ms: int = 0,
    ) -> None:
        self.certain = certain
        self.slack_ms = slack_ms
        lost = gap_ms is None and not certain
        # Who never wrote M down has no letters that a jump could age.
        self._new = lost and minute == 0
        self._zero = now - minute * _MINUTE_MS - (gap_ms or 0)
        # What was written down is sure; that it was up to 10 minutes ago, only likely.
        self._sure = self._zero
        if lost:
            self._zero -= limits.M_CHECKPOINT_MINUTES * _MINUTE_MS
        self._hearsay = self._zero  # the earliest zero that uncertain members told, within the cap
        self._met: dict[bytes, int] = {}  # zeros of certain members
        self._settle = now + wait * _MINUTE_MS
        # After a loss of power the first checkpoint waits: a board that starts in vain must not count up.
        self._due = now + limits.M_CHECKPOINT_MINUTES * _MINUTE_MS if lost else now

    def minute(self, now: int) -> int:
        """M."""
        return (now - self._zero) // _MINUTE_MS

    def into_minute(self, now: int) -> int:
        """Milliseconds since M became what it is."""
        return (now - self._zero) % _MINUTE_MS

    def told(self, now: int) -> int:
        """M as others should hear it: while it is uncertain, the highest that uncertain members know."""
        return self.minute(now) if self.certain else (now - self._hearsay) // _MINUTE_MS

    def wait(self, now: int) -> int:
        """For how many minutes more it waits for somebody who knows, at least 1; 0 where it is certain."""
        return 0 if self.certain else max(1, (self._settle - now + _MINUTE_MS - 1) // _MINUTE_MS)

    def learn(self, member: bytes, minute: int, certain: bool, now: int) -> None:
        """Somebody says what M is: a ``member``, or the paired host (empty)."""
        if member:
            self.learn_from_member(member, minute, certain, now)
        else:
            self.learn_from_host(minute, now)

    def learn_from_host(self, minute: int, now: int) -> int:
        """The paired host says what M is: it is right unless M would go back. The minutes M moved."""
        if not self.certain and self._behind(minute, now):
            return 0  # its clock is wrong: we wrote down a later M than that
        return self._move(now - minute * _MINUTE_MS, now)

    def learn_from_member(self, member: bytes, minute: int, certain: bool, now: int) -> int:
        """``member`` of the mesh says what its M is. The minutes M moved.

        A certain clock stays as it is, but for its slack, and where no host ever told it. Of certain members
        the first ones count, each with what it said last; one is enough where it confirms our guess, or where
        we never knew the time. What uncertain ones say waits until it is clear that there is no certain one.
        """
        zero = now - minute * _MINUTE_MS
        if self.certain:
            behind = self._zero - zero
            guessed = self.minute(now) < limits.M_TOLD <= minute
            if not certain or behind <= 0 or not (guessed or behind <= self.slack_ms):
                return 0
            if not guessed:
                self.slack_ms -= behind
            return self._move(zero, now)
        if not certain:
            self._hearsay = min(self._hearsay, self._capped(zero))
        elif not self._behind(minute, now):
            self._met[member] = zero
            near = minute <= self.minute(now) + limits.M_NEAR_MINUTES
            if near or self._new or len(self._met) == limits.M_MEMBERS:
                return self._move(max(self._met.values()), now)
        return 0

    def tick(self, now: int) -> int:
        """Be certain of the best guess when nobody who knows came for long enough. The minutes M moved."""
        if self.certain or now < self._settle:
            return 0
        return self._move(self._capped(max(self._met.values())) if self._met else self._hearsay, now)

    def deadline(self) -> int:
        """When ``tick`` has something to do or a checkpoint is due, in ms."""
        return self._due if self.certain else min(self._due, self._settle)

    def checkpoint_due(self, now: int) -> bool:
        """Whether M should be written down now."""
        return now >= self._due

    def checkpointed(self, now: int) -> None:
        """M was written down."""
        self._due = now + limits.M_CHECKPOINT_MINUTES * _MINUTE_MS

    def _behind(self, minute: int, now: int) -> bool:
        return minute < (now - self._sure) // _MINUTE_MS - limits.M_BEHIND_MINUTES

    def _capped(self, zero: int) -> int:
        return zero if self._new else max(zero, self._zero - limits.M_JUMP_MINUTES * _MINUTE_MS)

    def _move(self, zero: int, now: int) -> int:
        """Be certain of ``zero``, or of what was written down where that is earlier."""
        before = self.minute(now)
        if not self.certain:
            self._zero = self._sure
        self._zero = min(self._zero, zero)
        moved = self.minute(now) - before
        if moved:
            self._due = now  # lest a loss of power takes it back
        self.certain = True
        self._met.clear()
        return moved
