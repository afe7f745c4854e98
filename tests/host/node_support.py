"""What the tests of whole nodes share: people with homes, and somebody who carries envelopes between them."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from people_support import NOW, source

from hedgerow.events import Connected, Received
from hedgerow.node import Node
from hedgerow.vault import datakey, marks
from hedgerow_core.shelf import PROVED, UNMATCHED

DAY_MS = 24 * 3_600_000
MINUTE_MS = 60_000


def settle(home):
    """Let a copied home pass for the original, as a disk that was copied whole would."""
    paths = datakey.slot_file(home).paths
    with closing(sqlite3.connect(home / "hedgerow.db")) as connection:
        connection.execute("UPDATE vault SET mark_a = ?, mark_b = ?", tuple(map(marks.mark_of, paths)))
        connection.commit()


class Village:
    """People, each with a node in a home of their own, and a clock. Leave it with ``with``."""

    def __init__(self, *names):
        self.folder = Path(tempfile.mkdtemp(prefix="hedgerow-test-"))
        self.now = NOW
        self.nodes = {}
        self.events = {}
        self.on_air = []  # the immutable part of each envelope, and each proof, that went from one to another
        for name in names:
            self.join(name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for node in self.nodes.values():
            node.close()
        shutil.rmtree(self.folder)

    def home(self, who):
        return self.folder / who

    def join(self, who, name=None):
        """``who`` is how the test calls them, ``name`` what they call themselves."""
        node = Node.create(self.home(who), who if name is None else name, source(f"node {who}"), self.now)
        self.nodes[who] = node
        self.events[who] = []
        return node

    def reopen(self, who):
        """Their computer restarts."""
        self.nodes[who].close()
        self.nodes[who] = Node.open(self.home(who), source(f"again {who} {self.now}"), self.now)

    def restore(self, who, copy):
        """Their computer broke; they take a copy of the home."""
        self.nodes[who].close()
        shutil.rmtree(self.home(who))
        shutil.copytree(copy, self.home(who))
        settle(self.home(who))
        self.nodes[who] = Node.open(self.home(who), source(f"restored {who} {self.now}"), self.now)

    def copy(self, who):
        """A copy of their home, made while nothing runs."""
        self.nodes[who].close()
        copy = self.folder / f"copy of {who}"
        shutil.copytree(self.home(who), copy)
        self.nodes[who] = Node.open(self.home(who), source(f"copied {who} {self.now}"), self.now)
        return copy

    def envelopes(self, who):
        """What lies on their shelf, as it would be handed on."""
        shelf = self.nodes[who].shelf
        found = [shelf.get(identity, self.now) for identity in shelf.ids()]
        return [envelope.carried(envelope.hops + 1, envelope.age) for envelope in found if envelope]

    def proofs(self, who):
        """The proofs on their shelf."""
        shelf = self.nodes[who].shelf
        return [proof for proof in map(shelf.proof, shelf.ids()) if proof]

    def put(self, envelope, who):
        self.on_air.append(envelope.prefix())
        self.nodes[who].shelf.put(envelope, self.now)

    def prove(self, proof, who):
        """What a link does with a proof."""
        self.on_air.append(proof)
        if self.nodes[who].shelf.prove(proof, self.now) in (PROVED, UNMATCHED):
            self.nodes[who].proof(proof, self.now)

    def carry(self, giver, taker):
        """Everything that ``giver`` has to ``taker``, who does not look at it yet."""
        for envelope in self.envelopes(giver):
            self.put(envelope, taker)
        for proof in self.proofs(giver):
            self.prove(proof, taker)

    def poll(self, who):
        """What happened to them."""
        happened = self.nodes[who].poll(self.now)
        self.events[who] += happened
        return happened

    def exchange(self):
        """Everything to everybody, until nothing is new."""
        while True:
            before = [node.shelf.serial for node in self.nodes.values()]
            for giver in self.nodes:
                for taker in self.nodes:
                    if giver != taker:
                        self.carry(giver, taker)
            for who in self.nodes:
                self.poll(who)
            if [node.shelf.serial for node in self.nodes.values()] == before:
                return

    def befriend(self, inviter, asker):
        """Contacts by invite, over and done."""
        self.nodes[asker].add(self.nodes[inviter].invite(self.now), self.now)
        self.exchange()

    def send(self, writer, reader, text):
        return self.nodes[writer].send(reader, text, self.now)

    def received(self, who):
        """(name, text) of each letter they were told of, in that order."""
        return [(event.name, event.text) for event in self.events[who] if isinstance(event, Received)]

    def states(self, who):
        """The states of their own letters, the first written first."""
        return [letter.state for letter in self.nodes[who].sent()]

    def connected(self, who):
        return [event.name for event in self.events[who] if isinstance(event, Connected)]

    def read(self, who, name=None):
        """(name, text) of the letters of others in their inbox, in the order shown."""
        letters = self.nodes[who].inbox(name)
        return [(letter.name, letter.text) for letter in letters if not letter.mine]
