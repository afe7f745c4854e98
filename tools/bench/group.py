"""What a group of 100 people costs: to begin it, to say something, and to put somebody out, in real homes.

100 nodes in one process, each with its own database; one carries everything between the admin and each of the
others. A removal has reached somebody when they can read what the admin says afterwards; who was put out must
not.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from hedgerow.node import Node
from hedgerow_core import envelope as envelopes

PEERS: list[str] = []

_NOW = 1_800_000_000_000
_MINUTE_MS = 60_000
_GROUP = "The valley"


class Valley:
    """One admin and ``count`` - 1 others, who know only the admin."""

    def __init__(self, folder: Path, count: int) -> None:
        self.now = _NOW
        names = ["admin", *(f"person {number}" for number in range(1, count))]
        self.nodes = {name: Node.create(folder / name, name, os.urandom, self.now) for name in names}
        self.admin = self.nodes["admin"]
        self.others = {name: node for name, node in self.nodes.items() if name != "admin"}
        for name, node in self.others.items():
            node.add(self.admin.invite(self.now), self.now)
            for _ in range(2):
                self._there(node)
                self._back(name, node)

    def _there(self, node: Node) -> None:
        """What somebody wrote, and proved, to the admin."""
        for row in node._database.rows("SELECT record FROM sendings WHERE record IS NOT NULL"):
            self.admin.shelf.put(envelopes.decode(row["record"]), self.now)
        for identity in node.shelf.ids():
            proof = node.shelf.proof(identity)
            if proof:
                self.admin.shelf.prove(proof, self.now)
                self.admin.proof(proof, self.now)
        self.admin.poll(self.now)

    def _back(self, name: str, node: Node) -> None:
        """What the admin wrote to somebody, or to the group. A carrier hands on all, for it cannot tell."""
        for row in self.admin._database.rows(
            "SELECT s.record FROM sendings s JOIN contacts c ON c.id = s.contact"
            " WHERE s.record IS NOT NULL AND c.name IN (?, ?)",
            name,
            _GROUP,
        ):
            node.shelf.put(envelopes.decode(row["record"]), self.now)
        node.poll(self.now)

    def exchange(self) -> None:
        """The admin's letters to all, and what they answer, twice."""
        for _ in range(2):
            self.now += _MINUTE_MS
            self.admin.poll(self.now)
            for name, node in self.others.items():
                self._back(name, node)
                self._there(node)

    def sent(self) -> tuple[int, int]:
        """(envelopes, their bytes) that the admin ever made."""
        rows = self.admin._database.rows("SELECT count(*) AS n, max(rowid) AS last FROM sendings")
        return int(rows[0]["n"]), int(rows[0]["last"] or 0)

    def sizes_since(self, last: int) -> list[int]:
        """The bytes of each envelope that the admin made since, while they are kept."""
        rows = self.admin._database.rows("SELECT record FROM sendings WHERE rowid > ?", last)
        return [len(row["record"]) for row in rows if row["record"] is not None]

    def readers(self, text: str) -> list[str]:
        """Who shows ``text``."""
        return [name for name, node in self.others.items() if text in [one.text for one in node.inbox()]]


def main(quick: bool) -> None:
    """One line for each figure."""
    count = 20 if quick else 100
    folder = Path(tempfile.mkdtemp(prefix="hedgerow-bench-"))
    try:
        valley = Valley(folder, count)
        people = list(valley.others)
        _, before = valley.sent()
        began = time.process_time()
        valley.admin.groups.create(_GROUP, people, valley.now)
        began = time.process_time() - began
        made = valley.sizes_since(before)
        for _ in range(4):
            valley.exchange()
        valley.admin.send(_GROUP, "hello all", valley.now)
        valley.exchange()
        if valley.readers("hello all") != people:
            raise SystemExit("not all heard what was said to the group")
        _, before = valley.sent()
        started = time.process_time()
        valley.admin.groups.remove(_GROUP, people[-1], valley.now)
        seconds = time.process_time() - started
        sizes = valley.sizes_since(before)
        valley.exchange()
        valley.admin.send(_GROUP, "without you", valley.now)
        valley.exchange()
        if valley.readers("without you") != people[:-1]:
            raise SystemExit("the removal did not reach all, or who was put out still reads")
    finally:
        for node in valley.nodes.values():
            node.close()
        shutil.rmtree(folder)
    _print(f"group_create_envelopes_{count}", len(made), "envelopes", f"a group of {count} begins")
    _print(f"group_create_bytes_{count}", sum(made), "bytes", "all of them at their origin")
    _print(f"group_create_ms_{count}", round(began * 1000), "ms (noisy)", "the admin's processor")
    how = f"one of {count} is put out: a new secret for each of the others, and the news for who was"
    _print(f"group_removal_envelopes_{count}", len(sizes), "envelopes", how, count - 1)
    _print(f"group_removal_bytes_{count}", sum(sizes), "bytes", "all of them at their origin")
    _print(f"group_removal_ms_{count}", round(seconds * 1000), "ms (noisy)", "the admin's processor")


def _print(metric: str, value: int, unit: str, how: str, goal: int | None = None) -> None:
    fields = {"metric": metric, "value": value, "unit": unit, "goal": goal, "peers": {}, "how": how}
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    try:
        main("--quick" in sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
