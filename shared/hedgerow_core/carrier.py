"""The carrier: whom to meet, and how often to say that we are here."""

from hedgerow_core import limits
from hedgerow_core.beacon import Beacon

_FRESH_MS = 20_000  # who was not heard for longer is not called: it moved on, or took another address
_ANSWER_MS = 1_500  # how long the neighbour with the greater beacon id leaves the call to the other


class Neighbour:
    """What we know of a board in earshot; ``address`` is whatever the radio calls it by."""

    def __init__(self, beacon_id: bytes) -> None:
        self.beacon_id = beacon_id
        self.address: object = None
        self.rssi = 0
        self.count = 0
        self.summary = b""
        self.load = 0
        self.heard_at = 0
        self.differs_since: int | None = None
        self.met_at: int | None = None
        self.next_try = 0
        self.backoff_ms = 0


class Carrier:
    """Decides on meetings and on the beacon's interval. ``beacon_id`` is our own, 6 bytes."""

    def __init__(self, beacon_id: bytes, now: int) -> None:
        self.beacon_id = beacon_id
        self._neighbours: dict[bytes, Neighbour] = {}
        self._busy: list[object] = []
        self._changed = now

    def rotate(self, beacon_id: bytes) -> None:
        """Take a new beacon id."""
        self.beacon_id = beacon_id

    def changed(self, now: int) -> None:
        """The shelf changed: say so soon."""
        self._changed = now

    def heard(self, beacon: Beacon, address: object, rssi: int, now: int) -> None:
        """A beacon of this mesh came from ``address``."""
        entry = self._neighbours.get(beacon.beacon_id)
        if entry is None:
            if beacon.beacon_id == self.beacon_id:
                return
            if len(self._neighbours) >= limits.NEIGHBOURS:
                self._forget_one()
            entry = Neighbour(beacon.beacon_id)
            self._neighbours[beacon.beacon_id] = entry
        if beacon.summary != entry.summary or beacon.count != entry.count:
            entry.differs_since = None
        entry.address = address
        entry.rssi = rssi
        entry.count = beacon.count
        entry.summary = beacon.summary
        entry.load = beacon.load
        entry.heard_at = now

    def _forget_one(self) -> None:
        oldest = min(self._neighbours.values(), key=_heard_at)
        del self._neighbours[oldest.beacon_id]

    def neighbours(self, now: int) -> list[Neighbour]:
        """The boards heard lately."""
        gone = [
            key
            for key, entry in self._neighbours.items()
            if now - entry.heard_at > limits.NEIGHBOUR_FORGET_MS
        ]
        for key in gone:
            del self._neighbours[key]
        return list(self._neighbours.values())

    def meeting(self, summary: bytes, count: int, now: int) -> object:
        """The address of the neighbour to call now, or None.

        Who knows other ids than we do, longest unmet first. Of two boards the one with the smaller beacon
        id calls, the other only when nothing came of that, so their calls do not cross for ever.
        """
        best = None
        best_order = None
        for entry in self.neighbours(now):
            if entry.summary == summary and entry.count == min(count, 0xFFFF):
                entry.differs_since = None
                continue
            if entry.differs_since is None:
                # An inconsistency resets the timer (RFC 6206, 4.2): whoever calls us should find us soon.
                entry.differs_since = now
                self._changed = now
            if now < entry.next_try or now - entry.heard_at > _FRESH_MS or entry.address in self._busy:
                continue
            if entry.beacon_id < self.beacon_id and now - entry.differs_since < _ANSWER_MS:
                continue
            order = (-1 if entry.met_at is None else entry.met_at, -entry.rssi)
            if best_order is None or order < best_order:
                best = entry
                best_order = order
        return None if best is None else best.address

    def busy(self, address: object, linked: bool) -> None:
        """Whether there is a link to ``address``, which needs no call then."""
        if linked:
            self._busy.append(address)
        elif address in self._busy:
            self._busy.remove(address)

    def met(self, address: object, now: int, ok: bool) -> None:
        """A meeting with ``address`` ended: envelopes moved, or nothing came of it."""
        for entry in self._neighbours.values():
            if entry.address == address:
                break
        else:
            return
        if ok:
            entry.met_at = now
            entry.backoff_ms = 0
            # What its last beacon said is history: wait for the next.
            entry.next_try = now + limits.BEACON_MIN_MS
            entry.differs_since = None
            return
        doubled = min(max(entry.backoff_ms * 2, limits.BACKOFF_MIN_MS), limits.BACKOFF_MAX_MS)
        entry.backoff_ms = doubled
        # Spread by the ids, so that two boards that failed together do not try together.
        entry.next_try = now + doubled + doubled * (self.beacon_id[0] ^ entry.beacon_id[5]) // 512

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


def _heard_at(entry: Neighbour) -> int:
    return entry.heard_at
