"""The DAG as it grows: what an entry's parents say of it, what waits for what, and what the heads are.

The state of an entry is a function of the entries that are here, never of the order in which they came.
"""

from dataclasses import dataclass

from hedgerow.log import bounds
from hedgerow.log.access import Access, Pasts
from hedgerow.log.canonical import Entry
from hedgerow.log.records import Rows, key_of, targets
from hedgerow.log.table import DENIED, PROVISIONAL, TAIL, WRONG, Known, Table
from hedgerow_core import cbor

ADDED = "added"
DUPLICATE = "duplicate"
PRUNED = "pruned"

_PLACE_BYTES = 8


@dataclass(slots=True)
class Meta:
    """A log's own row. ``tip`` is the highest clock of the entries all of whose past is here, ``far`` counts
    those that are held back, ``epoch`` grows when an entry that was here comes into the order, or leaves."""

    tip: int
    count: int
    far: int
    base: int
    epoch: int
    heads: set[int]

    @property
    def limit(self) -> int:
        """The highest clock that is shown."""
        return self.tip + bounds.CLOCK_JUMP


@dataclass(slots=True)
class Tail:
    """An author's newest entry, where it is the only head and nothing waits: what comes next needs to look at
    nothing else. ``recent`` are the author's newest ids by sequence."""

    author: bytes
    clock: int
    sequence: int
    id: bytes
    recent: dict[int, bytes]
    meta: Meta


class Graph:
    """One log in the table. What changes it runs in a transaction and between ``load`` and ``save``."""

    def __init__(self, table: Table, log: int, rows: Rows, access: Access) -> None:
        self.pasts = Pasts(table, log, rows)
        self.access = access
        self._table = table
        self._log = log
        self._rows = rows
        self.meta = self.load()

    def load(self) -> Meta:
        """The log's row as it is now."""
        row = self._table.row(
            "SELECT tip, count, far, base, epoch, heads FROM log_logs WHERE log = ?", self._log
        )
        assert row is not None
        heads = row[5]
        places = {
            int.from_bytes(heads[at : at + _PLACE_BYTES], "big") for at in range(0, len(heads), _PLACE_BYTES)
        }
        tip, count, far, base, epoch = row[:5]
        self.meta = Meta(tip, count, far, base, epoch, places)
        # No entry but of the tail has a clock above the tip and all of its past here.
        added, clock, place = self._table.rows(
            "SELECT count(*), max(clock), max(place) FROM log_entries"
            " WHERE log = ? AND clock > ? AND state < 2 AND state = 0",
            self._log,
            tip,
        )[0]
        if added:
            self.meta.tip, self.meta.count, self.meta.heads = clock, count + added, {place}
        return self.meta

    def save(self) -> None:
        """Write the log's row."""
        meta = self.meta
        heads = b"".join(place.to_bytes(_PLACE_BYTES, "big") for place in sorted(meta.heads))
        self._table.run(
            "UPDATE log_logs SET tip = ?, count = ?, far = ?, base = ?, epoch = ?, heads = ? WHERE log = ?",
            meta.tip,
            meta.count,
            meta.far,
            meta.base,
            meta.epoch,
            heads,
            self._log,
        )

    def tail(self, author: bytes) -> Tail | None:
        """What an author's next entry follows, where no more than that is to be known."""
        tail: Tail | None = self._table.tails.get(self._log)
        if tail is None or tail.author != author:
            return None
        self.meta = tail.meta
        return tail

    def end(self, entry: Entry) -> None:
        """Remember an author's own entry as the tail, where it is one."""
        known = self._rows.known(entry.id)
        if known is None or known.state or self.meta.heads != {known.place} or self.meta.far:
            return
        if self._table.row("SELECT 1 FROM log_waits WHERE log = ? LIMIT 1", self._log) is None:
            recent = {entry.sequence: entry.id}
            self._table.tails[self._log] = Tail(
                entry.author, entry.clock, entry.sequence, entry.id, recent, self.meta
            )

    def extend(self, tail: Tail, entry: Entry) -> bool:
        """Take in the author's entry behind its tail; whether the rule allows it."""
        place = self._rows.insert(entry, 0, TAIL)
        self._table.tail()
        self._rows.remember(entry.id, Known(place, entry.clock, 0))
        if not self._allowed(entry, place, 0):
            return False
        meta = self.meta
        meta.tip, meta.count, meta.heads = entry.clock, meta.count + 1, {place}
        tail.clock, tail.sequence, tail.id = entry.clock, entry.sequence, entry.id
        tail.recent[entry.sequence] = entry.id
        tail.recent.pop(entry.sequence - bounds.RECENT, None)
        if not entry.sequence % bounds.TAIL:
            self.save()
        return True

    def add(self, entry: Entry) -> str:
        """Take in an entry that is authentic: ADDED, DUPLICATE or PRUNED."""
        self._table.tails.pop(self._log, None)
        kept = bool(self.meta.base) and self._rows.awaited(entry.id)
        if self._rows.known(entry.id) is not None and not kept:
            return DUPLICATE
        author = self._rows.introduce(entry.author)
        if self.meta.base and not kept and self._covered(author, entry):
            self._bury(entry)
            return PRUNED
        if kept:
            self._add_kept(entry)
            return ADDED
        parents = [self._rows.known(parent) for parent in entry.parents]
        here = [parent for parent in parents if parent is not None]
        state = 0
        if len(here) < len(parents) or any(parent.state & PROVISIONAL for parent in here):
            state = PROVISIONAL
        state |= self._clock_state(entry.clock, here, len(parents), not state)
        lift = entry.clock if len(here) < len(parents) else self._lift(here)
        place = self._rows.insert(entry, state, lift)
        self._rows.remember(entry.id, Known(place, entry.clock, state))
        for parent, known in zip(entry.parents, parents, strict=True):
            if known is not None:
                self._edge(known.place, place)
            if known is None or known.state & PROVISIONAL:
                missing = int(known is None)
                self._table.run(
                    "INSERT INTO log_waits VALUES (?, ?, ?, ?)", self._log, parent, place, missing
                )
        if not state & WRONG and not self._allowed(entry, place, state):
            state |= DENIED
            self._set_state(entry.id, place, entry.clock, state)
        self._find_fork(author, entry, place)
        waiting = self._waiting(entry.id)
        for source in waiting:
            self._edge(place, source)
        if state < WRONG:
            self.meta.count += 1
            self._show(place, [known.place for known in here], bool(waiting))
            if entry.clock > self.meta.limit:
                self.meta.far += 1
        if not state & PROVISIONAL:
            self._completed(entry.id, entry.clock, state)
        elif waiting:
            self._table.run(
                "UPDATE log_waits SET missing = 0 WHERE log = ? AND target = ?", self._log, entry.id
            )
            for source in waiting:
                self._parent_came(source)
        return ADDED

    def _add_kept(self, entry: Entry) -> None:
        """Take in an entry that the snapshot names: nothing is asked of its past, which is behind it."""
        vector = self._rows.buried_vector(entry.id)
        place = self._rows.insert(entry, 0, 0)
        self._rows.remember(entry.id, Known(place, entry.clock, 0))
        self._table.run("INSERT OR REPLACE INTO log_vectors VALUES (?, ?)", place, cbor.encode(vector or {}))
        parents = [known.place for name in entry.parents if (known := self._rows.known(name)) and known.place]
        waiting = self._naming(entry.id)
        for source in waiting:
            self._edge(place, source)
        for parent in parents:
            self._edge(parent, place)
        row = self._table.row(
            "SELECT kept FROM log_pruned WHERE log = ? AND key = ?", self._log, key_of(entry.id)
        )
        followed = row is not None and row[0] > 1
        if followed:
            self.follow(place)
        self.meta.count += 1
        self._show(place, parents, followed or bool(waiting))
        self._raise_tip(entry.clock)

    def follow(self, place: int) -> None:
        """Something that left for a snapshot follows an entry that stayed."""
        self._table.run("INSERT OR IGNORE INTO log_edges VALUES (?, 0)", place)

    def _naming(self, entry_id: bytes) -> list[int]:
        """Entries that name one that was not here as their parent."""
        rows = self._table.rows(
            "SELECT place, links FROM log_entries WHERE log = ? AND instr(links, ?)", self._log, entry_id
        )
        return [place for place, links in rows if entry_id in targets(links, place)[: links[0]]]

    def _lift(self, parents: list[Known]) -> int:
        lift = 0
        for parent in parents:
            if parent.state & PROVISIONAL:
                row = self._table.row("SELECT lift FROM log_entries WHERE place = ?", parent.place)
                lift = lift if row is None else max(lift, row[0])
        return lift

    def _covered(self, author: int, entry: Entry) -> bool:
        row = self._table.row(
            "SELECT sequence FROM log_covered WHERE log = ? AND author = ?", self._log, author
        )
        return row is not None and entry.sequence <= row[0]

    def _bury(self, entry: Entry) -> None:
        """Remember of an entry behind the snapshot what its children ask for."""
        self._table.run(
            "INSERT OR IGNORE INTO log_pruned (log, key, clock) VALUES (?, ?, ?)",
            *(self._log, key_of(entry.id), entry.clock),
        )
        # Nobody can check this clock any more, but none behind the snapshot was higher than its base.
        state = 0 if entry.clock <= self.meta.base else WRONG
        self._rows.remember(entry.id, Known(0, entry.clock, state))
        self._completed(entry.id, entry.clock, WRONG)

    def _clock_state(self, clock: int, parents: list[Known], named: int, whole: bool) -> int:
        """WRONG where the clock cannot be. What is said of an entry with a part of its past stays true."""
        highest = max((parent.clock for parent in parents), default=0)
        if clock <= highest or (len(parents) == named and clock != highest + 1):
            return WRONG
        if whole:
            # An honest author may have built on a clock that nobody could check; see ``bounds.CLOCK_JUMP``.
            right = max((parent.clock for parent in parents if not parent.state & WRONG), default=0)
            if highest > right + bounds.CLOCK_JUMP:
                return WRONG
        return 0

    def _allowed(self, entry: Entry, place: int, state: int) -> bool:
        return self.access(entry, None if state & PROVISIONAL else self.pasts.of(place))

    def _edge(self, parent: int, child: int) -> None:
        if parent and parent + 1 != child:
            self._table.run("INSERT OR IGNORE INTO log_edges VALUES (?, ?)", parent, child)

    def _waiting(self, entry_id: bytes) -> list[int]:
        rows = self._table.rows(
            "SELECT source FROM log_waits WHERE log = ? AND target = ?", self._log, entry_id
        )
        return [row[0] for row in rows]

    def _find_fork(self, author: int, entry: Entry, place: int) -> None:
        row = self._table.row(
            "SELECT 1 FROM log_entries"
            " WHERE log = ? AND author = ? AND sequence = ? AND lift <> 1 AND place <> ?",
            self._log,
            author,
            entry.sequence,
            place,
        )
        if row is not None:
            self._table.run(
                "INSERT OR IGNORE INTO log_forks VALUES (?, ?, ?)", self._log, author, entry.sequence
            )

    def _set_state(self, entry_id: bytes, place: int, clock: int, state: int) -> None:
        self._table.run("UPDATE log_entries SET state = ? WHERE place = ?", state, place)
        self._rows.remember(entry_id, Known(place, clock, state))

    def _show(self, place: int, parents: list[int], has_children: bool) -> None:
        """Heads, where an entry comes into the order."""
        self.meta.heads.difference_update(parents)
        if not has_children or not self._rows.shown_child(place):
            self.meta.heads.add(place)

    def _hide(self, place: int, parents: list[int]) -> None:
        """Heads, where an entry leaves the order."""
        self.meta.heads.discard(place)
        for parent in parents:
            row = self._table.row("SELECT state FROM log_entries WHERE place = ?", parent)
            if row is not None and row[0] < WRONG and not self._rows.shown_child(parent):
                self.meta.heads.add(parent)

    def _completed(self, entry_id: bytes, clock: int, state: int) -> None:
        """All of an entry's past is here: so may be that of its children."""
        todo = [(entry_id, clock, state)]
        while todo:
            target, clock, state = todo.pop()
            if not state & WRONG:
                self._raise_tip(clock)
            sources = self._waiting(target)
            if not sources:
                continue
            self._table.run("DELETE FROM log_waits WHERE log = ? AND target = ?", self._log, target)
            for source in sources:
                if self._table.row("SELECT 1 FROM log_waits WHERE source = ?", source):
                    self._parent_came(source)
                else:
                    todo.append(self._complete(source))

    def _complete(self, place: int) -> tuple[bytes, int, int]:
        """Judge an entry for good: its id, clock and state."""
        record = self._rows.at(place)
        assert record is not None
        entry = record.entry
        parents = [known for known in map(self._rows.known, entry.parents) if known is not None]
        state = record.state & WRONG or self._clock_state(entry.clock, parents, len(entry.parents), True)
        if not state and not self._allowed(entry, place, 0):
            state = DENIED
        self._change(entry.id, place, entry.clock, record.state, state, [known.place for known in parents])
        return entry.id, entry.clock, state

    def _parent_came(self, place: int) -> None:
        """A parent is here, but not yet all of the past."""
        row = self._table.row("SELECT id, clock, state, links FROM log_entries WHERE place = ?", place)
        assert row is not None
        entry_id, clock, state, links = row
        names = self._rows.names(links, place)[0]
        parents = [known for known in map(self._rows.known, names) if known is not None]
        wrong = self._clock_state(clock, parents, len(names), False)
        places = [known.place for known in parents]
        if wrong and not state & WRONG:
            self._change(entry_id, place, clock, state, state | WRONG, places)
        elif state < WRONG:
            self.meta.heads.difference_update(places)

    def _change(
        self, entry_id: bytes, place: int, clock: int, before: int, after: int, parents: list[int]
    ) -> None:
        """Write a new state, with all that follows from it."""
        held_back = clock > self.meta.limit
        self._set_state(entry_id, place, clock, after)
        if before < WRONG <= after:
            self.meta.count -= 1
            self.meta.far -= held_back
            self.meta.epoch += 1
            self._hide(place, parents)
        elif after < WRONG <= before:
            self.meta.count += 1
            self.meta.epoch += 1
            self._show(place, parents, True)
        elif after < WRONG:
            self.meta.heads.difference_update(parents)
            if held_back and not after & PROVISIONAL:
                self.meta.far -= 1
                self.meta.epoch += 1

    def _raise_tip(self, clock: int) -> None:
        limit = self.meta.limit
        self.meta.tip = max(self.meta.tip, clock)
        if self.meta.far and self.meta.limit > limit:
            row = self._table.row(
                "SELECT count(*) FROM log_entries WHERE log = ? AND state = 1 AND clock > ? AND clock <= ?",
                self._log,
                limit,
                self.meta.limit,
            )
            if row is not None and row[0]:
                self.meta.far -= row[0]
                self.meta.epoch += 1

    def judge_again(self, author: bytes | None) -> None:
        """Ask the rule once more about entries whose past is here, of one author or of all."""
        self._table.tails.pop(self._log, None)
        rest, values = "", []
        if author is not None:
            rest, values = "AND author = ? AND lift <> 1", [self._rows.author_number(author)]
        for record in self._rows.select(f"AND state IN (0, {DENIED}) {rest} ORDER BY clock, id", *values):
            state = 0 if self._allowed(record.entry, record.place, 0) else DENIED
            if state != record.state:
                parents = self._rows.parents(record.place)
                entry = record.entry
                self._change(entry.id, record.place, entry.clock, record.state, state, parents)
