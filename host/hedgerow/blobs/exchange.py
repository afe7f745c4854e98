"""Fetches files, and gives them: who wants one asks for its pieces, so many at a time, until it has all.

All methods are a part of their caller's transaction. What is here of a file outlives the end of the program.
"""

import base64
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hedgerow import errors, roles
from hedgerow.blobs import blocks, pieces
from hedgerow.blobs.blocks import Root
from hedgerow.chat import operation as operations
from hedgerow.chat.operation import Operation
from hedgerow.database import Database
from hedgerow.log import entry as entries
from hedgerow_core.errors import PeerError

if TYPE_CHECKING:
    from hedgerow.desk import Desk

AUTOMATIC_BYTES = 512 << 10  # larger files wait until the user wants them
WINDOW = 64  # pieces that are on their way to us at once
# Pieces live half an hour, so that their proofs do not fill the shelves of boards; what did not come until
# then is asked for again, of the next who may have it, and lives longer.
_TTL, _LONG_TTL = 0, 5
AGAIN_MS = 45 * 60_000
LONG_MS = 14 * 3_600_000
A_MINUTE = 6  # pieces that leave: a board lets go of a third of its shelf in that time, and texts find room
_MINUTE_MS = 60_000
_QUESTIONS = 32  # without anything that came
_WAITING = 256  # pieces that wait for one device at most


@dataclass(frozen=True)
class Offer:
    """What an operation says of a file."""

    root: bytes
    size: int
    name: str


def value_of(offer: Offer) -> str:
    """The value of the operation."""
    root = base64.urlsafe_b64encode(offer.root).decode().rstrip("=")
    return f"{root} {offer.size} {offer.name}"


def offered(operation: Operation | None) -> Offer | None:
    """The file of an operation; None where it is about none."""
    if operation is None or operation.mark != operations.FILE:
        return None
    root, size, name = operation.value.split(" ", 2)
    return Offer(base64.urlsafe_b64decode(root + "="), int(size), operations.file_name(name))


class Blobs:
    """A part of ``desk``."""

    def __init__(self, desk: "Desk", database: Database) -> None:
        self._desk = desk
        self._database = database

    # What is here

    def keep(self, data: bytes, told: Callable[[int], None] | None = None) -> bytes:
        """Keep a file of ours; the id of its root."""
        parts = blocks.cut(data)
        for at, part in enumerate(parts):
            self._put(part)
            if told is not None:
                told(at + 1)
        return self._put(blocks.root_of(parts).encode())

    def _put(self, block: bytes) -> bytes:
        name = blocks.identity(block)
        self._database.run("INSERT OR IGNORE INTO blocks (block, data) VALUES (?, seal_long(?))", name, block)
        return name

    def _block(self, name: bytes) -> bytes | None:
        row = self._database.row("SELECT unseal(data) AS data FROM blocks WHERE block = ?", name)
        return None if row is None else bytes(row["data"])

    def root(self, name: bytes) -> Root | None:
        """The root of a file, where that is here. PeerError where it is none."""
        data = self._block(name)
        return None if data is None else blocks.read_root(data)

    def read(self, name: bytes) -> bytes | None:
        """A whole file; None where not all of it is here."""
        root = self._honest(name)
        parts = [] if root is None else [self._block(part) for part, _ in root.parts]
        if root is None or any(part is None for part in parts):
            return None
        return b"".join(part for part in parts if part is not None)

    def here(self, name: bytes) -> int:
        """How many bytes of a file are here."""
        root = self._honest(name)
        if root is None:
            return 0
        found = 0
        for part, length in root.parts:
            if self._has(part):
                found += length
            else:
                row = self._database.rows(
                    "SELECT count(data) AS n FROM block_pieces WHERE block = ?", part[: pieces.NAME_BYTES]
                )[0]
                found += min(length, row["n"] * pieces.PIECE_BYTES)
        return found

    def _has(self, block: bytes) -> bool:
        return self._database.row("SELECT 1 FROM blocks WHERE block = ?", block) is not None

    # What is said of files

    def said(self, entry: int, contact: int, author: int | None, operation: Operation, now: int) -> None:
        """A file was offered; ``author`` is the row of the device, None for ours. Small ones are fetched."""
        offer = offered(operation)
        if offer is None or offer.size > blocks.FILE_BYTES:
            return
        wanted = None if offer.size > AUTOMATIC_BYTES else now
        self._database.run(
            "INSERT OR IGNORE INTO blob_uses (entry, contact, author, root, size, wanted_ms)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            *(entry, contact, author or 0, offer.root, offer.size, wanted),
        )
        self._finished(offer.root, now)
        self._desk.hurry()

    def want(self, entry: int, now: int) -> None:
        """The user wants a file that was offered."""
        self._database.run(
            "UPDATE blob_uses SET wanted_ms = ?, tries = 0 WHERE entry = ? AND done_ms IS NULL", now, entry
        )
        self._desk.hurry()

    def forget(self, entry: int) -> None:
        """A letter was erased: its file goes with it, where no other letter has it."""
        row = self._database.row("SELECT root FROM blob_uses WHERE entry = ?", entry)
        if row is None:
            return
        root = bytes(row["root"])
        parts = self._parts(root)
        self._database.run("DELETE FROM blob_uses WHERE entry = ?", entry)
        others = [
            bytes(other["root"]) for other in self._database.rows("SELECT DISTINCT root FROM blob_uses")
        ]
        if root in others:
            return
        used = {part for other in others for part in self._parts(other)}
        for block in {root, *parts} - used:
            self._database.run("DELETE FROM blocks WHERE block = ?", block)
            self._database.run("DELETE FROM block_pieces WHERE block = ?", block[: pieces.NAME_BYTES])

    def _parts(self, root: bytes) -> set[bytes]:
        found = self._honest(root)
        return set() if found is None else {part for part, _ in found.parts}

    def _honest(self, root: bytes) -> Root | None:
        with suppress(PeerError):
            return self.root(root)
        return None

    # Asking

    def due(self, now: int) -> list[sqlite3.Row]:
        """Files that we want and have not."""
        return self._database.rows(
            "SELECT u.* FROM blob_uses u JOIN contacts c ON c.id = u.contact WHERE u.wanted_ms IS NOT NULL"
            " AND u.done_ms IS NULL AND u.tries < ? AND c.blocked_ms IS NULL AND c.changed_ms IS NULL"
            " ORDER BY u.entry",
            _QUESTIONS,
        )

    def ask(self, now: int) -> None:
        """Ask for what is missing, as far as there is room on the way."""
        room = (
            WINDOW
            - self._database.rows(
                "SELECT count(*) AS n FROM block_pieces WHERE data IS NULL AND until_ms > ?", now
            )[0]["n"]
        )
        for use in self.due(now):
            # Half a window at once: a question is a letter, too.
            if room < WINDOW // 2:
                return
            wanted, late = self._wanted(bytes(use["root"]), room, now)
            holders = self._holders(use, now)
            if not wanted or not holders:
                continue
            # Nothing came for a long time: somebody else may have it.
            holder = holders[(use["tries"] + late) % len(holders)]
            if late:
                self._database.run("UPDATE blob_uses SET tries = tries + 1 WHERE entry = ?", use["entry"])
            question = pieces.ask(_LONG_TTL if late else _TTL, wanted)
            for name, indexes in wanted.items():
                room -= len(indexes)
                for index in indexes:
                    self._database.run(
                        "INSERT INTO block_pieces (block, piece, until_ms) VALUES (?, ?, ?)"
                        " ON CONFLICT DO UPDATE SET until_ms = excluded.until_ms",
                        *(name, index, now + (LONG_MS if late else AGAIN_MS)),
                    )
            self._desk.sealer.post(holder, entries.WANT_PIECES, question, now)

    def _wanted(self, root: bytes, room: int, now: int) -> tuple[dict[bytes, list[int]], bool]:
        """(pieces to ask for by the name of the block, whether some of them were asked for before)."""
        try:
            found = self.root(root)
        except PeerError:
            return {}, False
        late = False
        todo = [(root, 0)] if found is None else [part for part in found.parts if not self._has(part[0])]
        wanted: dict[bytes, list[int]] = {}
        for block, length in todo:
            name = block[: pieces.NAME_BYTES]
            rows = self._database.rows(
                "SELECT piece, data IS NOT NULL OR until_ms > ? AS there, count FROM block_pieces"
                " WHERE block = ?",
                now,
                name,
            )
            there = {row["piece"] for row in rows if row["there"]}
            known = max((row["count"] or 0 for row in rows), default=0)
            count = pieces.count_of(length) if found is not None else max(known, 1)
            missing = [index for index in range(count) if index not in there][: max(room, 0)]
            if missing:
                wanted[name] = missing
                late = late or not {row["piece"] for row in rows}.isdisjoint(missing)
                room -= len(missing)
        return wanted, late

    def _holders(self, use: sqlite3.Row, now: int) -> list[int]:
        author = use["author"] or use["contact"]
        return self._desk.gaps.holders(use["contact"], author, now)

    # Giving

    def asked(self, device: int, data: bytes, now: int) -> None:
        """A question of the device in a row of contacts. PeerError where it is damaged."""
        ttl, wanted = pieces.read_question(data)
        waiting = self._database.rows("SELECT count(*) AS n FROM pieces_due WHERE contact = ?", device)[0][
            "n"
        ]
        allowed = self._allowed(device)
        for name, index in wanted[: max(0, _WAITING - waiting)]:
            if name in allowed:
                self._database.run(
                    "INSERT OR IGNORE INTO pieces_due (contact, block, piece, ttl) VALUES (?, ?, ?, ?)",
                    *(device, allowed[name], index, ttl),
                )
        self.give(now)

    @property
    def giving(self) -> bool:
        """Whether somebody waits for pieces."""
        return self._database.row("SELECT 1 FROM pieces_due LIMIT 1") is not None

    def give(self, now: int) -> None:
        """Send what others asked for, as many pieces in a minute as boards bear."""
        left = (
            A_MINUTE
            - self._database.rows(
                "SELECT count(*) AS n FROM entries WHERE mine = 1 AND kind = ? AND written_ms > ?",
                entries.PIECE,
                now - _MINUTE_MS,
            )[0]["n"]
        )
        for due in self._database.rows(
            "SELECT d.rowid AS id, d.* FROM pieces_due d JOIN contacts c ON c.id = d.contact"
            " WHERE c.connected = 1 ORDER BY d.rowid LIMIT ?",
            max(left, 0),
        ):
            self._database.run("DELETE FROM pieces_due WHERE rowid = ?", due["id"])
            block = self._block(bytes(due["block"]))
            name = bytes(due["block"])[: pieces.NAME_BYTES]
            piece = None if block is None else pieces.piece_of(name, block, due["piece"])
            if piece is not None:
                with suppress(errors.Unanswered, errors.SessionPending):
                    state, _, _ = self._desk.sealer.new(
                        due["contact"], entries.PIECE, "", now, piece, bulk_ttl=due["ttl"]
                    )
                    self._desk.adopt(due["contact"], state)

    def _allowed(self, device: int) -> dict[bytes, bytes]:
        """Blocks of what was said where the device can hear it, by their names."""
        asker = self._database.rows("SELECT account_key, device_key FROM contacts WHERE id = ?", device)[0]
        own = bytes(asker["account_key"]) == self._desk.account.account_key
        found: dict[bytes, bytes] = {}
        for use in self._database.rows(
            "SELECT DISTINCT u.root, u.contact, c.role, c.account_key FROM blob_uses u"
            " JOIN contacts c ON c.id = u.contact"
        ):
            if use["role"] == roles.GROUP:
                members = self._desk.groups.state(use["contact"]).members
                hears = own or bool(members.account_of(bytes(asker["device_key"])))
            else:
                hears = own or use["account_key"] == asker["account_key"]
            if hears:
                root = bytes(use["root"])
                for block in {root, *self._parts(root)}:
                    found[block[: pieces.NAME_BYTES]] = block
        return found

    # Taking

    def came(self, data: bytes, now: int) -> None:
        """A piece came; one that nobody asked for changes nothing. PeerError where it is damaged."""
        piece = pieces.read_piece(data)
        asked = self._database.row(
            "SELECT data IS NULL AS missing FROM block_pieces WHERE block = ? AND piece = ?",
            piece.block,
            piece.index,
        )
        if asked is not None and asked["missing"]:
            self._database.run(
                "UPDATE block_pieces SET data = seal_long(?), count = ? WHERE block = ? AND piece = ?",
                *(piece.data, piece.count, piece.block, piece.index),
            )
            self._assemble(piece, now)
            self._desk.hurry()

    def _assemble(self, piece: pieces.Piece, now: int) -> None:
        """Put a block together that is whole. One that is not what its name says is asked for anew."""
        rows = self._database.rows(
            "SELECT unseal(data) AS data FROM block_pieces WHERE block = ? AND data IS NOT NULL"
            " AND count = ? ORDER BY piece",
            piece.block,
            piece.count,
        )
        if len(rows) < piece.count:
            return
        block = b"".join(bytes(row["data"]) for row in rows)
        name = blocks.identity(block)
        for use in self.due(now):
            root = bytes(use["root"])
            if name == root or name in self._parts(root):
                self._put(block)
                self._database.run("UPDATE blob_uses SET tries = 0 WHERE root = ?", root)
                self._finished(root, now)
        self._database.run("DELETE FROM block_pieces WHERE block = ?", piece.block)

    def _finished(self, root: bytes, now: int) -> None:
        try:
            found = self.root(root)
        except PeerError:
            # It lies about itself: nobody asks for it any more.
            self._database.run("UPDATE blob_uses SET wanted_ms = NULL WHERE root = ?", root)
            return
        if found is not None and all(self._has(part) for part, _ in found.parts):
            self._database.run(
                "UPDATE blob_uses SET done_ms = ? WHERE root = ? AND done_ms IS NULL", now, root
            )


def check_size(size: int) -> None:
    """FileTooLarge."""
    if size > blocks.FILE_BYTES:
        raise errors.FileTooLarge(size=size, limit=blocks.FILE_BYTES)
