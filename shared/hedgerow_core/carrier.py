"""The carrier: whom to meet, which links stay open, and how often to say that we are here.

The first two links stay open when all is exchanged, the third ends then and makes room for the next neighbour
whose beacon says something else. Whatever stays open, knowledge so crosses every pair of neighbours that
differ, and the mesh stays in one piece (tests/core/test_meeting_properties.py).
"""

from hedgerow_core import counts, limits
from hedgerow_core.beacon import Beacon
from hedgerow_core.rows import Rows

_FRESH_MS = 20_000  # who was not heard for longer is not called: it moved on, or took another address
_ANSWER_MS = 1_500  # how long the neighbour with the greater beacon id leaves the call to the other
_WAIT_MS = 10_000  # a neighbour that there is no place for waits so long before a link is ended for it
_STAY_MS = 30_000  # what a link has at least, that would stay
_MEET_MS = 60_000  # what one has at most, that would not, while somebody waits
_IDLE_MS = 10 * 60_000  # a link that carried nothing for so long leaves its place to one that does
_APART_MS = 5 * 60_000  # who knows other things for so long, over an open link, has to start anew

# A row: beacon id 6, address 7, MAC of its last beacon 8, count 2, summary 4, load 1, rssi + 128 1, version 1
# and battery 1 (0: unknown), then times: heard, differs, met, next try 5 each, back-off 3, takes calls 1.
# Objects would take ten times that.
ADDRESS = 6
MAC = 13
COUNT = 21
LOAD = 27
RSSI = 28
VERSION = 29
HEARD = 31
_DIFFERS = 36
_MET = 41
_NEXT = 46
_BACKOFF = 51
OPEN = 54
_ROW_BYTES = 55
_TIME_BYTES = 5


def _time(row: bytes, column: int) -> int:
    """The ms at ``column``, or -1 for never."""
    return int.from_bytes(row[column : column + _TIME_BYTES], "big") - 1


def _backoff(row: bytes) -> int:
    return int.from_bytes(row[_BACKOFF : _BACKOFF + 3], "big")


class Carrier:
    """Decides on meetings, on links and on the beacon's interval.

    ``beacon_id`` is our own, 6 bytes; an ``address`` is what the radio calls a neighbour by, 7 bytes; a
    ``handle`` is what it calls a link by. At most ``standing`` links stay open.
    """

    def __init__(self, beacon_id: bytes, now: int, standing: int = limits.STANDING_LINKS) -> None:
        self.beacon_id = beacon_id
        self.rows = Rows(_ROW_BYTES, limits.NEIGHBOURS)
        self._standing = standing
        # [handle, address, when it last carried something, when it began]: those that stay come first.
        self.links: list[list] = []  # type: ignore[type-arg]
        self._awaited = False  # whether a neighbour has waited long enough for a place
        self._changed = now
        self.counts = counts.made()
        self.seek_until = 0  # until then who knows the same is called, too

    def rotate(self, beacon_id: bytes) -> None:
        """Take a new beacon id."""
        self.beacon_id = beacon_id

    def changed(self, now: int) -> None:
        """The shelf changed: say so soon."""
        self._changed = now

    def _set(self, slot: int, column: int, time: int) -> None:
        self.rows.write(slot, column, (time + 1).to_bytes(_TIME_BYTES, "big"))

    def again(self, mac: bytes, address: bytes, rssi: int, now: int, takes_calls: bool = True) -> bool:
        """Whether ``address`` sent the beacon with this MAC before, so that nobody need check it again."""
        slot = self.rows.find(address + mac, ADDRESS)
        if slot < 0:
            return False
        self._seen(slot, rssi, now, takes_calls)
        return True

    def heard(self, beacon: Beacon, address: bytes, rssi: int, now: int, takes_calls: bool = True) -> None:
        """A beacon of this mesh came from ``address``, which has a place for a call or has not."""
        rows = self.rows
        slot = rows.find(beacon.beacon_id)
        if slot < 0:
            if beacon.beacon_id == self.beacon_id:
                return
            if rows.full():
                rows.free(min(rows.slots(), key=self._heard_at))
            slot = rows.add(beacon.beacon_id + bytes(_ROW_BYTES - len(beacon.beacon_id)))
        told = min(beacon.count, 0xFFFF).to_bytes(2, "big") + beacon.summary + bytes((beacon.load,))
        rows.write(slot, ADDRESS, address + beacon.mac + told)
        self._seen(slot, rssi, now, takes_calls)

    def _seen(self, slot: int, rssi: int, now: int, takes_calls: bool) -> None:
        self.counts[counts.HEARD] = (self.counts[counts.HEARD] + 1) & counts.WRAP
        self.rows.write(slot, RSSI, bytes((min(max(rssi + 128, 0), 255),)))
        if takes_calls and not self.rows.row(slot)[OPEN]:
            self.rows.write(slot, _NEXT, bytes(_ROW_BYTES - _NEXT))  # nothing stands against a call now
        self.rows.write(slot, OPEN, bytes((takes_calls,)))
        self._set(slot, HEARD, now)

    def _heard_at(self, slot: int) -> int:
        return _time(self.rows.row(slot), HEARD)

    def neighbours(self, now: int) -> list[int]:
        """The boards heard lately, as numbers that hold until the next is heard."""
        found = []
        for slot in self.rows.slots():
            if now - self._heard_at(slot) > limits.NEIGHBOUR_FORGET_MS:
                self.rows.free(slot)
            else:
                found.append(slot)
        return found

    def meeting(self, summary: bytes, count: int, now: int, room: bool = True) -> bytes | None:
        """The address of the neighbour to call now, or None; ``room`` is whether there is a place for a link.

        Who knows other ids than we do, longest unmet first. Of two boards the one with the smaller beacon
        id calls, the other only when nothing came of that, so their calls do not cross for ever.
        """
        best = None
        best_order = None
        self._awaited = False
        ours = min(count, 0xFFFF).to_bytes(2, "big") + summary
        for slot in self.rows.slots():
            row = self.rows.row(slot)
            heard = _time(row, HEARD)
            if now - heard > limits.NEIGHBOUR_FORGET_MS:
                self.rows.free(slot)
                continue
            differs = _time(row, _DIFFERS)
            if row[COUNT:LOAD] == ours and now >= self.seek_until:
                if differs >= 0:
                    self._set(slot, _DIFFERS, -1)
                continue
            address = row[ADDRESS:MAC]
            linked = self._linked(address)
            if differs < 0:
                differs = now
                self._set(slot, _DIFFERS, now)
                if not linked:
                    # An inconsistency resets the timer (RFC 6206, 4.2): whoever calls us should find us soon.
                    self._changed = now
            if linked or now < _time(row, _NEXT) or now - heard > _FRESH_MS:
                continue
            if row[:ADDRESS] < self.beacon_id and now - differs < _ANSWER_MS:
                continue
            if now - differs >= (_WAIT_MS if _backoff(row) <= limits.BACKOFF_MIN_MS else _APART_MS):
                # Who failed more than once waits longer until a link is ended for it: two boards without a
                # place would wait for each other for ever.
                self._awaited = True
            if not row[OPEN]:
                if room:
                    # There is a place here and none there: as a call that failed, until its beacon changes.
                    self.met(address, now, False)
                continue
            order = (_time(row, _MET), -row[RSSI])
            if best_order is None or order < best_order:
                best = address
                best_order = order
        return best if room else None

    # Links

    def _linked(self, address: bytes) -> bool:
        return any([link[1] == address for link in self.links])

    def opened(self, handle: int, address: bytes, now: int) -> None:
        """A link to ``address`` is there, from either side."""
        self.links.append([handle, address, now, now])

    def forget(self, handle: int) -> None:
        """This link is a host's: none of ours."""
        self.links = [link for link in self.links if link[0] != handle]

    def stays(self, handle: int) -> bool:
        """Whether a link stays open when there is nothing left to exchange."""
        return any([link[0] == handle for link in self.links[: self._standing]])

    def moved(self, handle: int, now: int) -> None:
        """An envelope moved over a link. One that stays and has been idle for long leaves its place to it."""
        links = self.links
        for at, link in enumerate(links):
            if link[0] == handle:
                link[2] = now
                for other in range(self._standing if at >= self._standing else 0):
                    if now - links[other][2] >= _IDLE_MS:
                        links[at] = links[other]
                        links[other] = link
                        return

    def named(self, handle: int, beacon_id: bytes, address: bytes, about: bytes = b"") -> int:
        """The board at the other end of a link says who it is now: the handle of a link to it that is one too
        many, or -1. Of two boards the one with the smaller beacon id ends that. ``about``: more columns."""
        former = b""
        for link in self.links:
            if link[0] == handle:
                former = link[1]
                link[1] = address
        double = [(link[3], link[0]) for link in self.links if link[1] == address]
        slot = self.rows.find(former, ADDRESS) if former and former != address else -1
        if slot >= 0:
            if self.rows.find(beacon_id) >= 0:
                self.rows.free(slot)
            else:
                self.rows.write(slot, 0, beacon_id + address)
        slot = self.rows.find(beacon_id)
        if slot >= 0:
            self.rows.write(slot, VERSION, about)
        # Both names come over both links: the older is meant, whichever comes first.
        return int(min(double)[1]) if len(double) > 1 and self.beacon_id < beacon_id else -1

    def to_end(self, hosts: int, now: int) -> int:
        """The handle of the link to end at once, or -1: it is one too many with so many ``hosts``,
        somebody waits for its place, or it brings nothing although the other side knows other things."""
        links = self.links
        taken = len(links) + hosts
        if taken > limits.LINKS and links:
            return int(links[-1][0])
        if taken >= limits.LINKS and self._awaited:
            rotating = links[self._standing :]
            if rotating:
                if now - rotating[0][3] >= _MEET_MS:
                    return int(rotating[0][0])
            else:
                idle = min(links, key=lambda link: link[2])
                if now - idle[3] >= _STAY_MS:
                    return int(idle[0])
        for link in links:
            row = self.rows.row(self.rows.find(link[1], ADDRESS))
            since = _time(row, _DIFFERS) if row else -1
            if 0 <= since <= now - _APART_MS and now - link[2] >= _APART_MS:
                return int(link[0])
        return -1

    def ended(self, handle: int, now: int, ok: bool) -> None:
        """A link is gone; ``ok`` as in ``met``."""
        for link in self.links:
            if link[0] == handle:
                self.links.remove(link)
                self.met(link[1], now, ok)
                return

    def met(self, address: bytes, now: int, ok: bool) -> None:
        """A meeting with ``address`` ended: envelopes moved, or nothing came of it."""
        if not ok:
            self.counts[counts.VAIN] += 1
        slot = self.rows.find(address, ADDRESS)
        if slot < 0:
            return
        if ok:
            self._set(slot, _MET, now)
            self.rows.write(slot, _BACKOFF, bytes(3))
            # What its last beacon said is history: wait for the next.
            self._set(slot, _NEXT, now + limits.BEACON_MIN_MS)
            self._set(slot, _DIFFERS, -1)
            return
        row = self.rows.row(slot)
        doubled = min(max(_backoff(row) * 2, limits.BACKOFF_MIN_MS), limits.BACKOFF_MAX_MS)
        self.rows.write(slot, _BACKOFF, doubled.to_bytes(3, "big"))
        # Spread by the ids, so that two boards that failed together do not try together.
        spread = doubled * (self.beacon_id[0] ^ row[ADDRESS - 1]) // 512
        self._set(slot, _NEXT, now + doubled + spread)

    def beacon_interval_ms(self, now: int) -> int:
        """Milliseconds between beacons: fast after a change, then doubling (RFC 6206) up to the maximum."""
        quiet = now - self._changed
        if quiet < limits.BEACON_FAST_FOR_MS:
            return limits.BEACON_FAST_MS
        interval = limits.BEACON_MIN_MS
        quiet -= limits.BEACON_FAST_FOR_MS
        while interval < limits.BEACON_MAX_MS and quiet >= interval * 4:
            quiet -= interval * 4
            interval *= 2
        return min(interval, limits.BEACON_MAX_MS)
