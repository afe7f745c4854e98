"""What a log knows that it has not, and what it has twice."""

from dataclasses import dataclass

from hedgerow.log.bounds import WANTS
from hedgerow.log.canonical import Entry
from hedgerow.log.records import Rows
from hedgerow.log.table import Table

_LOOKED_AT = 16 * WANTS  # rows of the table, whatever a forger puts there


@dataclass(frozen=True)
class Gap:
    """An entry that is not here: ``followers`` name it as their parent. It belongs before ``clock``."""

    id: bytes
    clock: int
    followers: tuple[bytes, ...]


@dataclass(frozen=True)
class Fork:
    """Entries of one author with one sequence: the author, or somebody with its key, says one thing here and
    another there. All are in the order."""

    author: bytes
    sequence: int
    entries: tuple[Entry, ...]


def find(rows: Rows, table: Table, log: int) -> list[Gap]:
    """The gaps, oldest first."""
    found: dict[bytes, list[tuple[int, bytes]]] = {}
    for target, clock, entry_id in table.rows(
        "SELECT target, clock, id FROM log_waits INDEXED BY log_missing JOIN log_entries ON place = source"
        " WHERE log_waits.log = ? AND missing = 1",
        log,
    ):
        found.setdefault(target, []).append((clock, entry_id))
    gaps = [
        Gap(target, min(followers)[0], tuple(entry_id for _, entry_id in sorted(followers)))
        for target, followers in found.items()
    ]
    return sorted(gaps, key=lambda gap: (gap.clock, gap.id))


def wants(rows: Rows, table: Table, log: int, limit: int) -> list[bytes]:
    """Ids to ask for: missing parents, then what entries without a past refer to, which comes from further
    back and saves questions. Authors take turns, so none can fill the list with what does not exist."""
    missing: dict[int, dict[bytes, None]] = {}
    further: dict[int, dict[bytes, None]] = {}
    for target, author, place in table.rows(
        "SELECT target, author, source FROM log_waits INDEXED BY log_missing"
        f" JOIN log_entries ON place = source WHERE log_waits.log = ? AND missing = 1 LIMIT {_LOOKED_AT}",
        log,
    ):
        missing.setdefault(author, {})[target] = None
        if len(further) < WANTS:
            record = rows.at(place)
            assert record is not None
            for reference in record.entry.references:
                if rows.known(reference) is None:
                    further.setdefault(author, {})[reference] = None
    ids: dict[bytes, None] = {}
    for groups in (missing, further):
        queues = [list(group) for group in groups.values()]
        for turn in range(max(map(len, queues), default=0)):
            for queue in queues:
                if turn < len(queue):
                    ids[queue[turn]] = None
    return list(ids)[:limit]


def forks(rows: Rows, table: Table, log: int) -> list[Fork]:
    """All forks."""
    found = []
    for author, sequence in table.rows("SELECT author, sequence FROM log_forks WHERE log = ?", log):
        records = rows.select(
            "AND author = ? AND sequence = ? AND lift <> 1 ORDER BY clock, id", author, sequence
        )
        if len(records) > 1:
            entries = tuple(record.entry for record in records)
            found.append(Fork(rows.author_key(author), sequence, entries))
    return found
