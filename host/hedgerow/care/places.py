"""Where we are in the commands of a board: which numbers were used, which it took (docs/protocol.md, "Care").

``boards.care_next`` is the first number that was given to no command. What the board is known to have taken,
and whether we know where it is at all, belongs to one care key: with another one it begins anew.
"""

from dataclasses import dataclass

from hedgerow.boards.paired import Boards, Paired
from hedgerow.database import Database
from hedgerow_core import limits, sealed
from hedgerow_core.errors import LimitError


@dataclass(frozen=True)
class Place:
    """As ``hedgerow_core.sealed.choose`` wants it."""

    unused: int
    known: int
    doubt: int

    def next(self) -> int:
        """The number of the next command. LimitError where none is left."""
        return sealed.choose(self.unused, self.known, self.doubt)


class Places:
    """The places of all boards."""

    def __init__(self, database: Database, boards: Boards) -> None:
        self._database = database
        self._boards = boards

    def of(self, board: Paired) -> Place:
        """Where we are. Before the first answer nobody knows where the board is."""
        row = self._database.row("SELECT known, doubt FROM care WHERE board = ? AND of = ?", *_key(board))
        if row is None:
            return Place(board.care_next, 0, 1)
        return Place(board.care_next, row["known"], row["doubt"])

    def exhausted(self, board: Paired) -> bool:
        """Whether no number is left for a command."""
        place = self.of(board)
        try:
            place.next()
        except LimitError:
            return True
        return False

    def used(self, board: Paired, number: int) -> None:
        """A command got ``number``. One that is tried from far is not used up by that."""
        place = self.of(board)
        if not place.doubt and number == place.unused:
            self._keep(board, Place(number + 1, place.known, 0))

    def heard(self, board: Paired, number: int, ours: bool) -> None:
        """The board took ``number``; ``ours``: it answered a command of ours."""
        place = self.of(board)
        known = max(place.known, number + 1)
        self._keep(board, Place(max(place.unused, number + 1), known, 0 if ours else place.doubt))

    def silent(self, board: Paired) -> None:
        """No answer came in time."""
        place = self.of(board)
        if place.doubt or place.unused >= place.known + limits.CARE_WINDOW:
            self._keep(board, Place(place.unused, place.known, place.doubt + 1))

    def _keep(self, board: Paired, place: Place) -> None:
        if place.unused != board.care_next:
            self._boards.change(board.id, care_next=place.unused)
        self._database.run(
            "INSERT OR REPLACE INTO care (board, of, known, doubt) VALUES (?, ?, ?, ?)",
            *_key(board),
            place.known,
            place.doubt,
        )


def _key(board: Paired) -> tuple[int, bytes]:
    return board.id, sealed.board_id(board.care_key or b"")
