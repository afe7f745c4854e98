"""The carrier: whom to meet, and how often to say that we are here."""

from hedgerow_core import limits
from hedgerow_core.beacon import Beacon
from hedgerow_core.rows import Rows

_FRESH_MS = 20_000  # who was not heard for longer is not called: it moved on, or took another address
_ANSWER_MS = 1_500  # how long the neighbour with the greater beacon id leaves the call to the other


# A row: beacon id 6, address 7, MAC of its last beacon 8, count 2, summary 4, rssi + 128 1, then times:
# heard, differs since, met, next try 5 each, back-off 3, mark 1. Objects would take ten times that.
_ADDRESS = 6
_MAC = 13
_COUNT = 21
_SUMMARY = 23
_RSSI = 27
_HEARD = 28
_DIFFERS = 33
_MET = 38
_NEXT = 43
_BACKOFF = 48
_ROW_BYTES = 52
_TIME_BYTES = 5


def _time(row: bytes, column: int) -> int:
    """The ms at ``column``, or -1 for never."""
    return int.from_bytes(row[column : column + _TIME_BYTES], "big") - 1


class Carrier:
    """Decides on meetings and on the beacon's interval.

    ``beacon_id`` is our own, 6 bytes; an ``address`` is what the radio calls a neighbour by, 7 bytes.
    """

    def __init__(self, beacon_id: bytes, now: int) -> None:
        self.beacon_id = beacon_id
        self._rows = Rows(_ROW_BYTES, limits.NEIGHBOURS)
        self._busy: list[bytes] = []
        self._changed = now

    def rotate(self, beacon_id: bytes) -> None:
        """Take a new beacon id."""
        self.beacon_id = beacon_id

    def changed(self, now: int) -> None:
        """The shelf changed: say so soon."""
        self._changed = now

    def _set(self, slot: int, column: int, time: int) -> None:
        self._rows.write(slot, column, (time + 1).to_bytes(_TIME_BYTES, "big"))

    def again(self, mac: bytes, address: bytes, rssi: int, now: int) -> bool:
        """Whether ``address`` sent the beacon with this MAC before, so that nobody need check it again."""
        slot = self._rows.find(address + mac, _ADDRESS)
        if slot < 0:
            return False
        self._seen(slot, rssi, now)
        return True

    def heard(self, beacon: Beacon, address: bytes, rssi: int, now: int) -> None:
        """A beacon of this mesh came from ``address``."""
        rows = self._rows
        slot = rows.find(beacon.beacon_id)
        if slot < 0:
            if beacon.beacon_id == self.beacon_id:
                return
            if rows.full():
                rows.free(min(rows.slots(), key=self._heard_at))
            slot = rows.add(beacon.beacon_id + bytes(_ROW_BYTES - len(beacon.beacon_id)))
        told = min(beacon.count, 0xFFFF).to_bytes(2, "big") + beacon.summary
        if rows.row(slot)[_COUNT:_RSSI] != told:
            self._set(slot, _DIFFERS, -1)
        rows.write(slot, _ADDRESS, address + beacon.mac + told)
        self._seen(slot, rssi, now)

    def _seen(self, slot: int, rssi: int, now: int) -> None:
        self._rows.write(slot, _RSSI, bytes((min(max(rssi + 128, 0), 255),)))
        self._set(slot, _HEARD, now)

    def _heard_at(self, slot: int) -> int:
        return _time(self._rows.row(slot), _HEARD)

    def neighbours(self, now: int) -> list[int]:
        """The boards heard lately, as numbers that hold until the next is heard."""
        found = []
        for slot in self._rows.slots():
            if now - self._heard_at(slot) > limits.NEIGHBOUR_FORGET_MS:
                self._rows.free(slot)
            else:
                found.append(slot)
        return found

    def meeting(self, summary: bytes, count: int, now: int) -> bytes | None:
        """The address of the neighbour to call now, or None.

        Who knows other ids than we do, longest unmet first. Of two boards the one with the smaller beacon
        id calls, the other only when nothing came of that, so their calls do not cross for ever.
        """
        best = None
        best_order = None
        ours = min(count, 0xFFFF).to_bytes(2, "big") + summary
        for slot in self._rows.slots():
            row = self._rows.row(slot)
            heard = _time(row, _HEARD)
            if now - heard > limits.NEIGHBOUR_FORGET_MS:
                self._rows.free(slot)
                continue
            differs = _time(row, _DIFFERS)
            if row[_COUNT:_RSSI] == ours:
                if differs >= 0:
                    self._set(slot, _DIFFERS, -1)
                continue
            if differs < 0:
                # An inconsistency resets the timer (RFC 6206, 4.2): whoever calls us should find us soon.
                differs = now
                self._set(slot, _DIFFERS, now)
                self._changed = now
            address = row[_ADDRESS:_MAC]
            if now < _time(row, _NEXT) or now - heard > _FRESH_MS or address in self._busy:
                continue
            if row[:_ADDRESS] < self.beacon_id and now - differs < _ANSWER_MS:
                continue
            order = (_time(row, _MET), -row[_RSSI])
            if best_order is None or order < best_order:
                best = address
                best_order = order
        return best

    def busy(self, address: bytes, linked: bool) -> None:
        """Whether there is a link to ``address``, which needs no call then."""
        if linked:
            self._busy.append(address)
        elif address in self._busy:
            self._busy.remove(address)

    def met(self, address: bytes, now: int, ok: bool) -> None:
        """A meeting with ``address`` ended: envelopes moved, or nothing came of it."""
        slot = self._rows.find(address, _ADDRESS)
        if slot < 0:
            return
        if ok:
            self._set(slot, _MET, now)
            self._rows.write(slot, _BACKOFF, bytes(3))
            # What its last beacon said is history: wait for the next.
            self._set(slot, _NEXT, now + limits.BEACON_MIN_MS)
            self._set(slot, _DIFFERS, -1)
            return
        row = self._rows.row(slot)
        backoff = int.from_bytes(row[_BACKOFF : _BACKOFF + 3], "big")
        doubled = min(max(backoff * 2, limits.BACKOFF_MIN_MS), limits.BACKOFF_MAX_MS)
        self._rows.write(slot, _BACKOFF, doubled.to_bytes(3, "big"))
        # Spread by the ids, so that two boards that failed together do not try together.
        spread = doubled * (self.beacon_id[0] ^ row[_ADDRESS - 1]) // 512
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
