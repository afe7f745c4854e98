"""A long correspondence over a cable that somebody keeps pulling out."""

import asyncio
import contextlib
import os
import random
import time
from functools import partial
from pathlib import Path

from test_live import up

from hedgerow import errors
from hedgerow.events import Received
from hedgerow.links.keeper import LINKED, Keeper
from hedgerow.node import Node
from hedgerow_lab.courier import key
from hedgerow_lab.scenario import parse
from hedgerow_lab.simulate import Simulation

LETTERS = 1_000
CUTS = 50
SCENARIO = """
title = "A thousand letters"
duration = "1h"
[[boards]]
name = "mill"
shelf_count = 1_200
[[hosts]]
name = "Alice"
board = "mill"
"""
EVERY_MS = 400
REAL_LETTERS = 150
REAL_CUTS = 8


def test_a_thousand_letters_survive_fifty_cuts_of_the_cable(tmp_path, capsys):
    dice = random.Random(1)
    simulation = Simulation(parse(SCENARIO), 1, tmp_path)
    lab, alice = simulation.lab, simulation.people["Alice"]
    free = []
    pairing_key = key("pairing", "mill")
    try:
        bob = simulation.add_person("Bob")
        lab.run_until(10_000)
        # They meet over the one board, one after the other.
        bob.node.add(alice.node.invite(alice.unix_ms), bob.unix_ms)
        for person in (bob, alice, bob, alice):
            person.plug("mill", pairing_key)
            lab.run_until(lab.now_ms + 5_000)
            person.unplug()
        assert [contact.connected for contact in alice.node.contacts()] == [True]

        alice.plug("mill", pairing_key)
        start = lab.now_ms
        for number in range(LETTERS):
            lab.at(start + number * EVERY_MS, partial(simulation.write, "Alice", "Bob", f"letter {number}"))
        for _ in range(CUTS):
            # The cable comes out at any moment, in the middle of a frame too.
            cut = start + dice.randrange(LETTERS * EVERY_MS)
            lab.at(cut, alice.unplug)
            lab.at(cut + dice.randrange(200, 3_000), partial(alice.plug, "mill", pairing_key))
        lab.run_until(start + LETTERS * EVERY_MS + 60_000)
        alice.unplug()
        bob.plug("mill", pairing_key)
        lab.run_until(lab.now_ms + 300_000)
        arrived = [letter.copies for letter in simulation.letters.values()]
        with capsys.disabled():
            print(f"\n  {sum(map(bool, arrived))} of {len(arrived)} letters over a cable cut {CUTS} times")
        assert arrived == [1] * LETTERS
        assert lab.log("mill") == []

        # Nothing is left behind by a link: the heap is as free after many more as before.
        for _ in range(40):
            bob.plug("mill", pairing_key)
            lab.run_until(lab.now_ms + 6_000)
            free.append(bob.status[5])
        assert max(free) - min(free) < 4_000
        assert abs(free[-1] - free[0]) < 2_000
    finally:
        simulation.close()


class Cable:
    """A serial cable that is pulled out and put in again: what was on its way is gone."""

    def __init__(self, port):
        self.cuts = 0
        self._port = port
        self._writers = []

    async def start(self):
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return f"serial:socket://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _connected(self, reader, writer):
        with contextlib.suppress(OSError):
            board_reader, board_writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._writers = [writer, board_writer]
            await asyncio.gather(self._move(reader, board_writer), self._move(board_reader, writer))

    async def _move(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(100):
                writer.write(data)
                await writer.drain()
        writer.close()

    def cut(self):
        self.cuts += 1
        for writer in self._writers:
            writer.transport.abort()

    def close(self):
        self.cut()
        self._server.close()


def milliseconds():
    return time.time_ns() // 1_000_000


async def correspond(board, alice, bob, texts, dice):
    """Alice writes while the cable is cut; then Bob fetches. What he read, the cuts, and the free heaps."""
    pairing_key = bytes.fromhex(Path(board["pairing_key_file"]).read_text())
    cable = Cable(int(board["tcp"].rpartition(":")[2]))
    url = await cable.start()
    read, free, states = [], [], []

    def told(event):
        if isinstance(event, Received):
            read.append(event.text)

    def keeper(node):
        return Keeper(node, url, [pairing_key], milliseconds, told, lambda state, error: states.append(state))

    async def meet(node):
        link = keeper(node)
        while states[-1:] != [LINKED]:
            # The board may not have noticed yet that the last link is over.
            with contextlib.suppress(errors.PortLost, errors.PortMissing):
                await link.open()
        await link.settle()
        free.append((await link.status())[0][5])
        await link.close()
        states.append("unplugged")

    async def written():
        for text in texts:
            alice.send("Bob", text, milliseconds())
            await asyncio.sleep(0.01)

    for node in (bob, alice, bob, alice):
        await meet(node)
    link = keeper(alice)
    linked = asyncio.create_task(link.keep())
    writing = asyncio.create_task(written())
    for _ in range(REAL_CUTS):
        # Only a cable that is in can be pulled out.
        while states[-1] != LINKED:
            await asyncio.sleep(0.02)
        await asyncio.sleep(dice.uniform(0, 2))
        cable.cut()
        states.append("cut")
    await writing
    linked.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await linked
    await meet(alice)
    await meet(bob)
    cuts = cable.cuts
    for _ in range(5):
        await meet(bob)
    cable.close()
    return read, cuts, free


def test_letters_survive_cuts_of_the_cable_in_real_time_too(tmp_path, capsys):
    texts = [f"letter {number}" for number in range(REAL_LETTERS)]
    people = [Node.create(tmp_path / name, name, os.urandom, milliseconds()) for name in ("Alice", "Bob")]
    alice, bob = people
    try:
        bob.add(alice.invite(milliseconds()), milliseconds())
        with up(tmp_path / "lab", text=SCENARIO.partition("[[hosts]]")[0]) as lab:
            board = lab.boards["mill"]
            read, cuts, free = asyncio.run(correspond(board, alice, bob, texts, random.Random(1)))
        with capsys.disabled():
            print(f"\n  {len(read)} letters in real time, {cuts} cuts; free heap of the board {free}")
        assert cuts == REAL_CUTS
        assert sorted(read) == sorted(texts)
        assert max(free[-5:]) - min(free[-5:]) < 2_000
    finally:
        for node in people:
            node.close()
