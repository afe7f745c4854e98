"""Neighbours that only send beacons: for trials of one board that needs a crowd in earshot."""

import random

from hedgerow_core import beacon
from hedgerow_lab.air import Radio
from hedgerow_lab.world import Lab

_BEACON_US = 1_000_000
_FOLLOW_MS = 5_000
_ROTATE_MS = 15 * 60_000


class Passer:
    """One of them. Its places for links are all taken; it knows what ``subject`` knew seconds ago, and takes
    another beacon id and address every 15 minutes."""

    def __init__(self, lab: Lab, name: str, mesh_key: bytes, subject: str, seed: int) -> None:
        self.name = name
        self._lab = lab
        self._mesh_key = mesh_key
        self._subject = subject
        self._dice = random.Random(f"passer {name} {seed}")
        self._told = bytes(6)  # count and summary in the last beacon of the subject
        self._radio = Radio(self)
        lab.air.radios[name] = self._radio
        lab.air.advert_watchers.append(self._overhear)
        lab.at(self._dice.randrange(_ROTATE_MS), self._rotate)
        self._take_names()
        lab.at(self._dice.randrange(_FOLLOW_MS), self._follow)

    def _take_names(self) -> None:
        self._radio.address = (1, bytes((self._dice.randrange(64),)) + self._dice.randbytes(5))
        self._id = self._dice.randbytes(6)

    def _rotate(self) -> None:
        self._take_names()
        self._lab.at(self._lab.now_ms + _ROTATE_MS, self._rotate)

    def _overhear(self, name: str, data: bytes) -> None:
        if name == self._subject and beacon.is_ours(data):
            self._told = data[14:20]

    def _follow(self) -> None:
        count = int.from_bytes(self._told[:2], "big")
        data = beacon.encode(self._mesh_key, self._radio.address[1], self._id, count, self._told[2:], 0)
        self._lab.air.advertise(self._radio, _BEACON_US, False, data, b"")
        self._lab.at(self._lab.now_ms + _FOLLOW_MS, self._follow)

    # The air's Listener: it never listens, and nobody can connect to it.

    def scan_result(self, address: tuple[int, bytes], kind: int, rssi: int, data: bytes) -> None:
        """Nothing is heard."""

    def scan_done(self) -> None:
        """Nothing was heard."""

    def connected(self, handle: int, role: int, address: tuple[int, bytes]) -> None:
        """Nobody connects."""

    def disconnected(self, handle: int, role: int, address: tuple[int, bytes]) -> None:
        """Nobody was connected."""

    def connect_failed(self, address: tuple[int, bytes]) -> None:
        """It calls nobody."""

    def packet(self, handle: int, data: bytes) -> None:
        """There is no link."""

    def sent(self, handle: int, count: int) -> None:
        """There is no link."""
