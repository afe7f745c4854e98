"""Admission: how much each link may bring, so that a member who floods takes its share and no more
(docs/protocol.md, "Admission").

Each neighbour has a bucket of bytes that drains by a sixteenth a minute. It may fill up to what all buckets
leave free, so whoever brings most is stopped first and room is left for whoever brings little (dynamic
thresholds: A. K. Choudhury, E. L. Hahne, IEEE/ACM Transactions on Networking 6 (2), 1998).
"""

from hedgerow_core import limits

HOST = 0  # the paired host has a bucket for itself
YOUNG = 1  # what those brought whose bucket somebody else got; on the shelf the number of all young links
_BUCKETS = 8  # those two, and one for each member met lately
_TAG_BYTES = 3  # of an address


class Admission:
    """The buckets of a carrier whose shelf holds ``capacity`` bytes; a link goes by its bucket's number."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._minute = 0
        self._used = [0] * _BUCKETS
        self._tags = [-1] * _BUCKETS  # whose it is
        self._open = [0] * _BUCKETS  # links
        self._late = [0] * _BUCKETS  # letters refused in this minute
        self._since = [0] * _BUCKETS  # the minute in which the first of them came

    def open(self, member: bytes, now: int) -> int:
        """The bucket of a new link to ``member``, an address: who comes back finds what it left."""
        tag = int.from_bytes(member[-_TAG_BYTES:], "big")
        number = -1
        for each in range(YOUNG + 1, _BUCKETS):
            if self._tags[each] == tag:
                number = each
                break
            if not self._open[each] and (number < 0 or self._used[each] < self._used[number]):
                number = each
        if number < 0:
            return YOUNG
        if self._tags[number] != tag:
            # What the former owner brought counts against all young links: a new address is no new share.
            self._tags[number] = tag
            self._used[YOUNG] += self._used[number]
            self._used[number] = 0
        if not self._open[number]:
            self._since[number] = now // 60_000
        self._open[number] += 1
        return number

    def close(self, number: int) -> None:
        """The link is over, and with the last one of a member its age."""
        if self._open[number]:
            self._open[number] -= 1

    def share(self, number: int, now: int) -> int:
        """Whose part of the shelf counts what this link brings: its own, or that of all young links."""
        if not self._open[number] or now // 60_000 - self._since[number] < limits.YOUNG_MINUTES:
            return min(number, YOUNG)
        return number

    def room(self, number: int, now: int) -> int:
        """Bytes that this link may bring now; zero or less where it must wait."""
        steps = min(now // 60_000 - self._minute, limits.BUCKET_MINUTES)
        if steps:
            self._minute = now // 60_000
        total = young = 0
        for each in range(_BUCKETS):
            used = self._used[each]
            if steps:
                # Who goes on all the same gets nothing more until it stops.
                drains = steps - 1 if self._late[each] > limits.LATE_A_MINUTE else steps
                used -= (used * drains + limits.BUCKET_MINUTES - 1) // limits.BUCKET_MINUTES
                self._used[each] = used
                self._late[each] = 0
            if each != HOST:
                total += used
                if self.share(each, now) == YOUNG:
                    young += used
        if number == HOST:
            return self._capacity - self._used[HOST]
        free = self._capacity - total
        if self.share(number, now) == YOUNG:
            free = min(free, self._capacity // 2 - young)
        return free - (self._used[number] if number != YOUNG else 0)

    def flooded(self, now: int) -> bool:
        """Whether somebody brings much at present: within some minutes an eighth of what the shelf holds."""
        parts = [0] * _BUCKETS
        for each in range(_BUCKETS):
            parts[self.share(each, now)] += self._used[each]
        return max(parts) * 8 >= self._capacity

    def admits(self, number: int, size: int, now: int, spare: bool) -> bool:
        """Whether an element of ``size`` bytes may come, which is counted then. With ``spare`` room on the
        shelf everything may."""
        size += limits.ELEMENT_BYTES
        room = self.room(number, now)
        if room < size and not spare:
            self._late[number] += 1
            return False
        self._used[number] += max(min(size, room), 0)
        return True
