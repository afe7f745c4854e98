"""Reading the total order page by page."""

from collections.abc import Iterator

from hedgerow.log.bounds import PAGE_ENTRIES
from hedgerow.log.records import Record, Rows

Place = tuple[int, bytes]  # clock and id


def read(
    rows: Rows,
    limit: int,
    after: Place | None,
    before: Place | None,
    newest_first: bool,
    kind: int | None,
    author: int | None,
) -> Iterator[Record]:
    """The records between two places, none with a clock above ``limit``."""
    # The plus keeps SQLite from sorting all of an author's entries for each page.
    where, values = "AND state < 2 AND clock <= ?", [limit]
    if kind is not None:
        where, values = where + " AND kind = ?", [*values, kind]
    if author is not None:
        where, values = where + " AND +author = ?", [*values, author]
    direction = " DESC" if newest_first else ""
    while True:
        bounds, ends = where, list[object](values)
        if after is not None:
            bounds += " AND clock >= ? AND (clock > ? OR id > ?)"
            ends += [after[0], *after]
        if before is not None:
            bounds += " AND clock <= ? AND (clock < ? OR id < ?)"
            ends += [before[0], *before]
        page = rows.select(f"{bounds} ORDER BY clock{direction}, id{direction} LIMIT {PAGE_ENTRIES}", *ends)
        yield from page
        if len(page) < PAGE_ENTRIES:
            return
        if newest_first:
            before = page[-1].entry.order
        else:
            after = page[-1].entry.order


def last(rows: Rows, limit: int, count: int) -> list[Record]:
    """The newest, oldest of them first."""
    page = rows.select("AND state < 2 AND clock <= ? ORDER BY clock DESC, id DESC LIMIT ?", limit, count)
    page.reverse()
    return page
