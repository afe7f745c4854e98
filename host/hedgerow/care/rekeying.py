"""Another key for a mesh: which boards have it, and when it holds here.

Until its minute the mesh key stays as it is, here and on the boards; a board that is flashed meanwhile gets
the command like the others.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from hedgerow import errors
from hedgerow.boards.meshes import Meshes, fingerprint
from hedgerow.boards.paired import Boards, Paired
from hedgerow.care import words
from hedgerow.care.sending import Care
from hedgerow.database import Database
from hedgerow_core import manage
from hedgerow_core.clock import EPOCH_MINUTES

LEAST_MINUTES = 10  # so long a command takes at least through a mesh of some size
_LATE_MS = 14 * 24 * 3_600_000  # so long who missed it is told of it
_MINUTE_MS = 60_000
LEFT_OUT = "left out"
NO_WAY = "no care key"


@dataclass(frozen=True)
class Rekeying:
    """The next key of a mesh. ``boards``: name -> state as in ``hedgerow.care.words``, LEFT_OUT or NO_WAY."""

    mesh: str
    fingerprint: str
    at_ms: int
    boards: dict[str, str]

    @property
    def missing(self) -> list[str]:
        """Boards that did not say that they have it."""
        return [name for name, state in self.boards.items() if state not in (words.ANSWERED, LEFT_OUT)]


class Rekeyings:
    """Those of one home."""

    def __init__(
        self,
        database: Database,
        meshes: Meshes,
        boards: Boards,
        care: Care,
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._meshes = meshes
        self._boards = boards
        self._care = care
        self._random = random

    def begin(self, name: str, at_ms: int, without: list[str], now: int) -> Rekeying:
        """Send another key to all boards of mesh ``name`` but ``without``, to hold from ``at_ms`` on.

        Who was shut out before stays so, until it is flashed. UnknownMesh, UnknownBoard, NotMaker,
        RekeyingAlready where the former one is not over, NoneToRekey where no board would get it.
        """
        mesh = self._meshes.named(name)
        if mesh.admin is None:
            raise errors.NotMaker(name=mesh.name)
        left_out = {self._boards.named(board).id for board in without}
        with self._database.transaction():
            if self._row(mesh.id) is not None:
                raise errors.RekeyingAlready(name=mesh.name)
            key = self._random(manage.KEY_BYTES)
            self._database.run("DELETE FROM rekeyed WHERE mesh = ? AND left_out = 0", mesh.id)
            self._database.run(
                "UPDATE meshes SET next_key = seal_long(?), next_ms = ? WHERE id = ?", key, at_ms, mesh.id
            )
            for board in left_out:
                self._database.run(
                    "INSERT OR IGNORE INTO rekeyed (mesh, board, left_out) VALUES (?, ?, 1)", mesh.id, board
                )
            if not any(self._gets_it(mesh.id, board) for board in self._boards.all()):
                # With the old key, its boards would be lost to who made the mesh.
                raise errors.NoneToRekey(name=mesh.name)
            self.work(now)
        found = self.of(mesh.name, now)
        assert found is not None
        return found

    def _gets_it(self, mesh: int, board: Paired) -> bool:
        """Whether a change of the key that begins now can tell this board."""
        return board.mesh == mesh and _takes(board) and not self.left_out(board)

    def _tell(self, mesh: int, board: Paired, key: bytes, at_ms: int, now: int) -> None:
        """TooManyCommands, NoCareLeft."""
        number = None
        if _takes(board):
            minute = max(at_ms // _MINUTE_MS - EPOCH_MINUTES, 1)
            command = bytes((manage.REKEY,)) + minute.to_bytes(4, "big") + key
            number = self._care.ask(board.name, command, max(at_ms, now) + _LATE_MS, now)
        self._database.run(
            "INSERT INTO rekeyed (mesh, board, left_out, command) VALUES (?, ?, 0, ?)", mesh, board.id, number
        )

    def of(self, name: str, now: int) -> Rekeying | None:
        """The change of key of mesh ``name`` that is under way, or was the last; None without one."""
        mesh = self._meshes.named(name)
        row = self._database.rows(
            "SELECT unseal(next_key) AS key, next_ms FROM meshes WHERE id = ?", mesh.id
        )[0]
        if row["next_ms"] is None:
            return None
        # Those that had no room for it yet are told later: until its minute.
        rows = self._database.rows(
            "SELECT b.name, r.board, r.left_out, r.command FROM boards b"
            " LEFT JOIN rekeyed r ON r.board = b.id AND r.mesh = ?1"
            " WHERE r.board IS NOT NULL OR (b.mesh = ?1 AND ?2) ORDER BY b.name",
            mesh.id,
            row["key"] is not None,
        )
        states = {}
        for board in rows:
            if board["board"] is None:
                states[board["name"]] = words.QUEUED
            elif board["left_out"]:
                states[board["name"]] = LEFT_OUT
            elif board["command"] is None:
                states[board["name"]] = NO_WAY
            else:
                command = self._care.command(board["command"], now)
                done = command.result in (None, "done")
                states[board["name"]] = command.state if done else str(command.result)
        key = mesh.key if row["key"] is None else bytes(row["key"])
        return Rekeying(mesh.name, fingerprint(key), row["next_ms"], states)

    def left_out(self, board: Paired) -> bool:
        """Whether a change of its mesh's key shut this board out."""
        return (
            self._database.row("SELECT 1 FROM rekeyed WHERE board = ? AND left_out = 1", board.id) is not None
        )

    def let_in(self, board: Paired) -> None:
        """A board that was shut out has new keys: it is one of its mesh again."""
        with self._database.transaction():
            self._database.run("DELETE FROM rekeyed WHERE board = ? AND left_out = 1", board.id)

    def due(self, now: int) -> bool:
        """Whether a key holds from now on, or a board of its mesh was not told of it."""
        query = (
            "SELECT 1 FROM meshes m WHERE next_key IS NOT NULL AND (next_ms <= ? OR EXISTS (SELECT 1 FROM"
            " boards b WHERE b.mesh = m.id AND b.id NOT IN (SELECT board FROM rekeyed WHERE mesh = m.id)))"
        )
        return self._database.row(query, now) is not None

    def work(self, now: int) -> None:
        """Let the keys hold whose time has come, and tell those who came since."""
        with self._database.transaction():
            for row in self._database.rows(
                "SELECT m.id, unseal(next_key) AS key, next_ms, b.name FROM meshes m JOIN boards b"
                " ON b.mesh = m.id WHERE next_key IS NOT NULL AND b.id NOT IN"
                " (SELECT board FROM rekeyed WHERE mesh = m.id)"
            ):
                board = self._boards.named(row["name"])
                # It takes no more commands now: later.
                with suppress(errors.TooManyCommands, errors.NoCareLeft):
                    self._tell(row["id"], board, bytes(row["key"]), row["next_ms"], now)
            for row in self._database.rows(
                "SELECT id, unseal(key) AS key, former FROM meshes"
                " WHERE next_key IS NOT NULL AND next_ms <= ?",
                now,
            ):
                self._database.run(
                    "UPDATE meshes SET key = next_key, next_key = NULL, former = ? WHERE id = ?",
                    bytes(row["former"]) + bytes.fromhex(fingerprint(bytes(row["key"]))),
                    row["id"],
                )

    def _row(self, mesh: int) -> object:
        return self._database.row("SELECT 1 FROM meshes WHERE id = ? AND next_key IS NOT NULL", mesh)


def _takes(board: Paired) -> bool:
    """Whether it takes commands over the mesh from us."""
    return board.owned and bool(board.care_key)
