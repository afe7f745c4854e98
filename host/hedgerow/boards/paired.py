"""The boards that this computer is paired with: one row for each pairing key that it holds."""

import sqlite3
from dataclasses import dataclass, field

from hedgerow import errors
from hedgerow.boards.naming import checked_name, numbered
from hedgerow.database import Database
from hedgerow_core import manage

_NAMELESS = "board"
_AIR = "ble:"
_SEALED = ("pairing_key", "finding", "care_key")
_PLAIN = (
    "id",
    "name",
    "mesh",
    "care_next",
    "board_id",
    "rights",
    "expires_ms",
    "kind",
    "url",
    "firmware",
    "unique_id",
    "paired_ms",
    "used_ms",
)
_COLUMNS = ", ".join((*_PLAIN, *(f"unseal({name}) AS {name}" for name in _SEALED)))


@dataclass(frozen=True)
class Paired:
    """A board, as the table has it (hedgerow.migrations.BOARDS); ``rights`` as in hedgerow_core.manage. Times
    are unix time in ms."""

    id: int
    name: str
    mesh: int | None
    care_next: int
    board_id: bytes | None
    rights: int
    expires_ms: int | None
    kind: str | None
    url: str | None
    firmware: int | None
    unique_id: bytes | None
    paired_ms: int
    used_ms: int
    pairing_key: bytes = field(repr=False)
    finding: bytes | None = field(repr=False)
    care_key: bytes | None = field(repr=False)

    @property
    def address(self) -> str:
        """Where it is to be looked for: at its last line, else over the air."""
        return self.url if self.url and not self.url.startswith(_AIR) else _AIR + self.name

    @property
    def owned(self) -> bool:
        """Whether the pairing lets us manage it."""
        return self.rights == manage.OWNER


class Boards:
    """The table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Paired]:
        """All of them, the last used first."""
        return [_paired(row) for row in self._rows("1")]

    def named(self, name: str) -> Paired:
        """The one called ``name``. UnknownBoard."""
        for row in self._rows("name = ?", name):
            return _paired(row)
        raise errors.UnknownBoard(name=name)

    def of_number(self, number: int) -> Paired:
        """The one in row ``number``."""
        return _paired(self._rows("id = ?", number)[0])

    def of_key(self, pairing_key: bytes) -> Paired | None:
        """The one that takes this key."""
        return next((board for board in self.all() if board.pairing_key == pairing_key), None)

    def keys(self) -> list[bytes]:
        """The pairing keys, the last used first."""
        return [board.pairing_key for board in self.all()]

    def add(self, name: str, pairing_key: bytes, now: int, **fields: object) -> Paired:
        """A board that takes ``pairing_key`` from now on; ``fields`` as in ``Paired``.

        A name that is taken gets a number. One that took the key before is changed instead, and so is the
        one with the same ``board_id``: a board has one pairing for each computer.
        """
        with self._database.transaction():
            there = self.of_key(pairing_key) or self.of_board(fields.get("board_id"))
            if there is None:
                name = numbered(checked_name(name), {board.name for board in self.all()})
                number = self._database.run(
                    "INSERT INTO boards (name, pairing_key, paired_ms, used_ms)"
                    " VALUES (?, seal_long(?), ?, ?)",
                    name,
                    pairing_key,
                    now,
                    now,
                )
            else:
                number = there.id
                self.change(number, pairing_key=pairing_key, paired_ms=now, used_ms=now)
            self.change(number, **fields)
        return self.of_number(number)

    def of_board(self, board_id: object) -> Paired | None:
        """The one with this id, where it has one."""
        rows = self._rows("board_id = ?", board_id) if board_id else []
        return _paired(rows[0]) if rows else None

    def change(self, number: int, **fields: object) -> None:
        """Write ``fields`` of board ``number``; the name has ``rename``."""
        with self._database.transaction():
            for name, value in fields.items():
                if name not in (*_PLAIN, *_SEALED):
                    raise KeyError(name)
                place = "seal_long(?)" if name in _SEALED else "?"
                self._database.run(f"UPDATE boards SET {name} = {place} WHERE id = ?", value, number)

    def rename(self, number: int, name: str) -> str:
        """Call a board ``name`` here; the name. BadBoardName, or BoardNameTaken."""
        name = checked_name(name)
        with self._database.transaction():
            if any(row["id"] != number for row in self._rows("name = ?", name)):
                raise errors.BoardNameTaken(name=name)
            self._database.run("UPDATE boards SET name = ? WHERE id = ?", name, number)
        return name

    def forget(self, number: int) -> None:
        """The pairing is gone."""
        with self._database.transaction():
            self._database.run("DELETE FROM boards WHERE id = ?", number)

    def worked(self, pairing_key: bytes, now: int, url: str | None = None) -> None:
        """A board took this key just now, at ``url``. One that nobody paired here is called "board"."""
        with self._database.transaction():
            there = self.of_key(pairing_key)
            if there is None:
                self.add(f"{_NAMELESS} {len(self.all()) + 1}", pairing_key, now, url=url)
            else:
                self.change(there.id, used_ms=now)
                if url is not None and url != there.url:
                    self.change(there.id, url=url)

    def _rows(self, which: str, *values: object) -> list[sqlite3.Row]:
        return self._database.rows(
            f"SELECT {_COLUMNS} FROM boards WHERE {which} ORDER BY used_ms DESC, id", *values
        )


def _paired(row: sqlite3.Row) -> Paired:
    return Paired(*(row[name] for name in (*_PLAIN, *_SEALED)))
