"""People whose computers reach boards of the lab over the air, by bleak, in virtual time."""

import asyncio
import random

from hedgerow.events import Received
from hedgerow.links import ble
from hedgerow.links.keeper import LINKED, Keeper
from hedgerow.node import Node
from hedgerow_lab.bleak_air import Computer
from hedgerow_lab.central import Central
from hedgerow_lab.loop import run
from hedgerow_lab.person import EPOCH_MS
from hedgerow_lab.world import Lab, find_aioble

MESH = bytes(range(32))
PAIRING = bytes(range(32, 64))


def pairing_of(name):
    return name.encode().ljust(32, b"p")


def finding_of(name):
    return name.encode().ljust(16, b"f")


def board(lab, name, source=None, **more):
    return lab.add_board(
        name,
        source=source,
        settings={
            "name": name,
            "mesh_key": MESH,
            "pairing_key": pairing_of(name),
            "finding": finding_of(name),
            **more,
        },
    )


def open_lab(folder, *names, **more):
    """Boards in a row, each with keys of its own name."""
    lab = Lab(1, workdir=folder, aioble=find_aioble())
    for at, name in enumerate(names):
        board(lab, name, **more)
        if at:
            lab.hear(names[at - 1], name)
    lab.run_until(3_000)
    return lab


class Someone:
    """A person with a home and a computer that hears the boards ``near``."""

    def __init__(self, lab, name, folder, near, mtu=517):
        self.lab = lab
        self.name = name
        self.events = []
        self.states = []
        self.computer = Computer(Central(lab, f"pc of {name}", near), mtu)
        self.node = Node.create(folder / name, name, random.Random(name).randbytes, self.now())
        self.bluetooth = None

    def now(self):
        return EPOCH_MS + self.lab.now_ms

    def know(self, name):
        self.node.boards.add(name, pairing_of(name), self.now(), finding=finding_of(name))

    def keeper(self, url, keys=(), **more):
        return Keeper(
            self.node,
            url,
            list(keys),
            self.now,
            self.events.append,
            lambda state, error: self.states.append((state, error)),
            bluetooth=self.radio(),
            **more,
        )

    def radio(self):
        if self.bluetooth is None:
            self.bluetooth = ble.Bluetooth(self.computer.client, self.computer.scanner)
        return self.bluetooth

    @property
    def linked(self):
        return [state for state, _ in self.states].count(LINKED)

    @property
    def texts(self):
        return [event.text for event in self.events if isinstance(event, Received)]


async def until(lab, what, patience_s=60.0):
    """Let the world run until ``what``."""
    async with asyncio.timeout(patience_s):
        while not what():
            await asyncio.sleep(0.1)


__all__ = ["PAIRING", "Someone", "board", "finding_of", "open_lab", "pairing_of", "run", "until"]
