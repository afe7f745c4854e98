"""How a board makes its store and shelf and speaks to them: the only place here that knows."""

from files import FilesStore

import hedgerow_board.flash as flash
from hedgerow_core.shelf import Shelf

MINUTE_MS = 60_000


class Checkpoint:
    """The clock of a board that met nobody yet: it goes on from the last minute that its store remembers."""

    def __init__(self, minute):
        self._minute = minute

    def minute(self, now):
        return self._minute + now // MINUTE_MS


class Ways:
    def make(self, plan):
        """A shelf as after power on, at 0 ms."""
        # ``store_bytes`` is little in the lab, so that compaction has letters to move.
        files = plan["store"] == "files"
        store = FilesStore() if files else flash.FlashStore("/shelf", plan["store_bytes"])
        bounds = (plan["max_count"], plan["max_bytes"], plan["tombstones"])
        return Shelf(store, Checkpoint(store.minute), 0, *bounds)

    def element(self, shelf, identity):
        """An envelope or the token of a proof, or None."""
        found = shelf.get(identity, 0)
        return shelf.proof(identity) if found is None else found

    def flush(self, shelf, now):
        return shelf.flush(now)

    def prove(self, shelf, token, now):
        return shelf.prove(token, now)


def wilfully_broken(kind):
    """Faults that the tool must find; for its own tests."""
    store = flash.FlashStore
    if kind == "flush":
        # What was written is only in memory.
        store.flush = lambda *arguments: None
    elif kind == "drop":
        store.drop = lambda *arguments: None
    elif kind == "bytes":
        append = store.append
        store.append = lambda self, record: append(self, record[:-12] + b"\x00" + record[-11:])
