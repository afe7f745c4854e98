"""Finding letters by their words: an index in memory (SQLite FTS5); no text stands unsealed on the disk."""

import sqlite3
from collections.abc import Iterable

from hedgerow.events import Letter

FOUND_MOST = 1_000


def search(letters: Iterable[Letter], wanted: str) -> list[Letter]:
    """The letters that have all the words, each as the beginning of one; the best first, then the newest.

    Words are what Unicode calls so, without regard to case and accents.
    """
    by_id = {letter.id: letter for letter in letters}
    index = sqlite3.connect(":memory:")
    try:
        index.execute(
            "CREATE VIRTUAL TABLE letters USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2')"
        )
        index.executemany(
            "INSERT INTO letters (rowid, text) VALUES (?, ?)",
            ((one.id, words_of(one)) for one in by_id.values()),
        )
        # Each word quoted: nothing that is looked for is a query of its own.
        parts = ['"' + word.replace('"', '""') + '"*' for word in wanted.replace("\0", " ").split()]
        if not parts:
            return []
        rows = index.execute(
            "SELECT rowid FROM letters WHERE letters MATCH ? ORDER BY round(rank, 3), rowid DESC LIMIT ?",
            (" ".join(parts), FOUND_MOST),
        ).fetchall()
    finally:
        index.close()
    return [by_id[row[0]] for row in rows]


def words_of(letter: Letter) -> str:
    """What is looked at: the text, and the choices of a poll."""
    return "\n".join([letter.text, *(choice.text for choice in letter.marks.poll)])
