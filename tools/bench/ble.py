"""How many letters and bytes a second a host gives to its board, over the air and over the cable.

A host with sealed letters on its shelf links to an empty board, then one without to that board, by bleak over
the lab's air and by cable, in the same run. Cryptography and flash cost virtual time; connection events come
every 30 ms, a twentieth of all packets is lost. The figures repeat to one percent.
"""

import asyncio
import json
import random
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

from hedgerow import links
from hedgerow.links import ble
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node
from hedgerow_core import envelope, limits
from hedgerow_lab.bleak_air import Computer
from hedgerow_lab.cable_port import CablePort
from hedgerow_lab.central import Central
from hedgerow_lab.courier import key
from hedgerow_lab.loop import run
from hedgerow_lab.person import EPOCH_MS
from hedgerow_lab.world import Lab

PEERS: list[str] = []
_LETTERS = 200
_LETTER_BYTES = 165  # of body: an envelope of some 200 bytes
_LOSS = 0.05
_FINDING = b"bench of the air"
_PATIENCE_S = 3_600
_BLUEZ, _MACOS, _OLD = 517, 185, 23  # MTU that a system asks for


class Host:
    """A computer that only carries, in an empty home; ``mtu`` 0 has a cable."""

    def __init__(self, lab: Lab, folder: Path, mtu: int) -> None:
        self._lab = lab
        name = f"host{len(lab.air.radios)}"
        self.node = Node.create(folder / name, name, random.Random(name).randbytes, self.now())
        self.computer = Computer(Central(lab, name, []), mtu)
        lab.hear(name, "mill", loss=_LOSS)
        self._radio = ble.Bluetooth(self.computer.client, self.computer.scanner)
        self.keeper = Keeper(
            self.node,
            "ble:" if mtu else "serial:mill",
            [key("pairing", "mill")],
            self.now,
            lambda event: None,
            finding=_FINDING,
            bluetooth=self._radio,
        )

    def now(self) -> int:
        """Unix time in ms."""
        return EPOCH_MS + self._lab.now_ms

    def write(self, count: int) -> int:
        """Put so many letters on the shelf; their bytes."""
        dice = random.Random(count)
        size = 0
        for _ in range(count):
            body = dice.randbytes(envelope.padded_body_size(_LETTER_BYTES))
            made = envelope.make(envelope.NORMAL, 15, dice.randbytes(limits.LOCK_BYTES), body)
            self.node.shelf.put(made, self.now())
            size += len(made.encode())
        return size


@asynccontextmanager
async def linked(host: Host) -> AsyncIterator[Keeper]:
    """Its link to the board."""
    await host.keeper.open()
    try:
        yield host.keeper
    finally:
        await host.keeper.close()
        host.node.close()


async def both_ways(lab: Lab, folder: Path, count: int, mtu: int) -> tuple[float, float, int]:
    """Virtual seconds in which the board has all letters, and a second host has them; their bytes."""
    giver, taker = Host(lab, folder, mtu), Host(lab, folder, mtu)
    size = giver.write(count)
    loop = asyncio.get_running_loop()
    with patch.object(links, "open", lambda url: _plugged(lab)):
        async with linked(giver) as link:
            start = loop.time()
            if not await link.watch(lambda: link.given >= count, _PATIENCE_S):
                sys.exit("bench: The board did not take all letters.")
            given_s = loop.time() - start
        async with linked(taker) as link:
            start = loop.time()
            if not await link.watch(lambda: link.taken >= count, _PATIENCE_S):
                sys.exit("bench: The board did not give all letters.")
            return given_s, loop.time() - start, size


async def _plugged(lab: Lab) -> CablePort:
    return CablePort(lab, "mill")


def measured(count: int, mtu: int) -> tuple[float, float, int]:
    """One board, and two hosts one after the other."""
    folder = Path(tempfile.mkdtemp(prefix="hedgerow-bench-"))
    lab = Lab(1, workdir=folder / "lab")
    try:
        settings: dict[str, object] = {
            "name": "mill",
            "mesh_key": key("mesh", ""),
            "pairing_key": key("pairing", "mill"),
            "finding": _FINDING,
        }
        lab.add_board("mill", settings=settings)
        lab.run_until(3_000)
        return run(lab.clock, both_ways(lab, folder, count, mtu))
    finally:
        lab.close()
        shutil.rmtree(folder, ignore_errors=True)


def main(quick: bool) -> None:
    """Four lines for each way."""
    count = 20 if quick else _LETTERS
    cable: dict[str, float] = {}
    for name, mtu, what in (
        ("cable", 0, "a cable of 115,200 baud, as the host spares the board's UART"),
        ("air", _BLUEZ, "the air, 247 bytes a packet"),
        ("air_185", _MACOS, "the air, 185 bytes a packet as on CoreBluetooth"),
        ("air_23", _OLD, "the air, 23 bytes a packet as where nobody asks for more"),
    ):
        given_s, taken_s, size = measured(count, mtu)
        how = f"{count} letters of some 200 bytes over {what}; virtual time"
        for way, seconds in (("to_board", given_s), ("to_host", taken_s)):
            rate = round(count / seconds, 1)
            beside = {"cable": cable[way]} if way in cable else {}
            print_line(f"{name}_letters_s_{way}", rate, "letters/s", beside, how)
            print_line(f"{name}_bytes_s_{way}", round(size / seconds), "B/s", {}, how)
            cable.setdefault(way, rate)


def print_line(metric: str, value: float, unit: str, peers: dict[str, float], how: str) -> None:
    """One figure."""
    fields = {"metric": metric, "value": value, "unit": unit, "goal": None, "peers": peers, "how": how}
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    try:
        main("--quick" in sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
