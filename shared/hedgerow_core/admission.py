"""Admission: how much each link may bring, so that a member who floods takes its share and no more
(docs/protocol.md, "Admission").

Each link has a bucket of bytes that drains by a sixteenth a minute. It may fill up to what all buckets
leave free, so whoever brings most is stopped first and room is left for whoever brings little (dynamic
thresholds: A. K. Choudhury, E. L. Hahne, IEEE/ACM Transactions on Networking 6 (2), 1998).
"""

from hedgerow_core import limits

HOST = 0  # the paired host has a bucket for itself
YOUNG = 1  # what links brought that are over, and the number of every young link on the shelf
_LINKS = 8  # buckets: two of those, and one for each open link
_FREE = -1


def _minute(now: int) -> int:
    return now // 60_000


class Admission:
    """The buckets of a carrier whose shelf holds ``capacity`` bytes; a link goes by its bucket's number."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._minute = 0
        self._used = [0] * _LINKS
        self._since = [_FREE] * _LINKS  # the minute in which the link came

    def open(self, now: int) -> int:
        """The bucket of a new link of the mesh. Where none is free, that of those who are gone."""
        for number in range(YOUNG + 1, _LINKS):
            if self._since[number] == _FREE:
                self._since[number] = _minute(now)
                return number
        return YOUNG

    def close(self, number: int) -> None:
        """The link is over. What it brought counts against all young ones: a new link is no new share."""
        if number > YOUNG:
            self._used[YOUNG] += self._used[number]
            self._used[number] = 0
            self._since[number] = _FREE

    def share(self, number: int, now: int) -> int:
        """Whose part of the shelf counts what this link brings: its own, or that of all young links."""
        if number > YOUNG and _minute(now) - self._since[number] < limits.YOUNG_MINUTES:
            return YOUNG
        return number

    def room(self, number: int, now: int) -> int:
        """Bytes that this link may bring now; zero or less where it must wait."""
        steps = min(_minute(now) - self._minute, limits.BUCKET_MINUTES)
        if steps:
            self._minute = _minute(now)
        total = young = 0
        for each in range(_LINKS):
            used = self._used[each]
            used -= (used * steps + limits.BUCKET_MINUTES - 1) // limits.BUCKET_MINUTES
            self._used[each] = used
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

    def admits(self, number: int, size: int, now: int, spare: bool) -> bool:
        """Whether an element of ``size`` bytes may come, which is counted then. With ``spare`` room on the
        shelf everything may."""
        size += limits.ELEMENT_BYTES
        room = self.room(number, now)
        if room < size and not spare:
            return False
        self._used[number] += max(min(size, room), 0)
        return True
