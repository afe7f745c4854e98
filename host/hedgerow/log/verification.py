"""Looking at what is kept, entry by entry."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from hedgerow.log import canonical
from hedgerow.log.bounds import PAGE_ENTRIES, PROBLEMS
from hedgerow.log.canonical import Entry
from hedgerow.log.errors import UnknownEntry
from hedgerow.log.graph import Graph
from hedgerow.log.records import Record, Rows
from hedgerow.log.table import PROVISIONAL, WRONG

_WORTH_THREADS = 64  # signatures; below, threads cost more than they save


def authentic_all(entries: list[Entry]) -> list[bool]:
    """Whether each entry is signed by its author. libsodium lets go of the interpreter, so threads help."""
    workers = min(os.cpu_count() or 1, 8)
    if workers < 2 or len(entries) < _WORTH_THREADS:
        return list(map(canonical.authentic, entries))
    size = -(-len(entries) // workers)
    parts = [entries[at : at + size] for at in range(0, len(entries), size)]
    with ThreadPoolExecutor(workers) as pool:
        return [good for part in pool.map(_authentic, parts) for good in part]


def _authentic(entries: list[Entry]) -> list[bool]:
    return list(map(canonical.authentic, entries))


def step(rows: Rows, entry: Entry, sequence: int) -> Entry:
    """The author's entry furthest back that ``entry`` refers to, none before ``sequence``. UnknownEntry."""
    furthest = [(1 << power, name) for power, name in enumerate(entry.references, 1)]
    assert entry.previous is not None
    for distance, name in [*reversed(furthest), (1, entry.previous)]:
        if entry.sequence - distance < sequence:
            continue
        record = rows.find(name)
        if record is not None and follows(entry, record.entry, distance):
            return record.entry
    raise UnknownEntry(entry=entry.previous.hex())


def follows(entry: Entry, older: Entry, distance: int) -> bool:
    """Whether ``older`` is what a reference of ``entry`` says that it is."""
    return older.author == entry.author and older.sequence == entry.sequence - distance


def verify(rows: Rows, graph: Graph, signed: bool, told: Callable[[int], None] | None) -> list[str]:
    """What is wrong, in sentences."""
    problems: list[str] = []
    place = seen = 0
    while len(problems) < PROBLEMS:
        page = rows.newer(place, f"ORDER BY place LIMIT {PAGE_ENTRIES}")
        if not page:
            break
        place, seen = page[-1].place, seen + len(page)
        readable = [record for record in page if record.readable]
        good = authentic_all([record.entry for record in readable]) if signed else [True] * len(readable)
        for record in page:
            if not record.readable:
                problems.append(f"{_name(record)}: its text does not open")
        for record, authentic in zip(readable, good, strict=True):
            if hashlib.sha256(canonical.encode(record.entry)).digest() != record.entry.id:
                problems.append(f"{_name(record)}: it was changed")
            elif not authentic:
                problems.append(f"{_name(record)}: its signature is not authentic")
        for record in page:
            problems += _links(rows, record)
        if told is not None:
            told(seen)
    return [*problems, *_heads(rows, graph)][:PROBLEMS]


def _name(record: Record) -> str:
    return f"entry {record.entry.id.hex()[:16]}"


def _links(rows: Rows, record: Record) -> list[str]:
    entry, problems = record.entry, []
    parents = [rows.known(parent) for parent in entry.parents]
    held = [known for known in parents if known is not None]
    whole = len(held) == len(parents) and not any(known.state & PROVISIONAL for known in held)
    if whole == record.provisional:
        problems.append(f"{_name(record)}: it is not known whether its past is here")
    highest = max((known.clock for known in held), default=0)
    if whole and not record.state & WRONG and entry.clock != highest + 1:
        problems.append(f"{_name(record)}: its clock contradicts its parents")
    named = [(1, entry.previous)] if entry.previous is not None else []
    for distance, name in [*named, *((1 << power, ref) for power, ref in enumerate(entry.references, 1))]:
        older = rows.find(name)
        if older is not None and not follows(entry, older.entry, distance):
            problems.append(f"{_name(record)}: it refers to an entry that is none of its author's before it")
    return problems


def _heads(rows: Rows, graph: Graph) -> list[str]:
    heads = {place for place in rows.shown_places() if not rows.shown_child(place)}
    problems = [] if heads == graph.load().heads else ["the heads are not those that nothing follows"]
    row = rows.count()
    if row != graph.meta.count:
        problems.append(f"{row} entries are here, {graph.meta.count} are counted")
    return problems
