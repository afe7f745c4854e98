"""Rows in a few flat pieces: a board keeps hundreds, and objects for each row would cost it too much heap."""

from hedgerow_core import limits

_PIECE_BYTES = 512  # a board's heap has few places for more in one piece


class Table:
    """Rows of ``width`` bytes in the order in which they came; each begins with the id by which it is found.

    ``pieces`` are the rows, oldest first, some in each; to read, not to change.
    """

    def __init__(self, width: int) -> None:
        self.pieces: list[bytes] = []
        self._width = width
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, row: bytes) -> None:
        """Add ``row`` behind the others."""
        if self.pieces and len(self.pieces[-1]) + self._width <= _PIECE_BYTES:
            self.pieces[-1] += row
        else:
            self.pieces.append(row)
        self._count += 1

    def _where(self, identity: bytes) -> tuple[int, int]:
        """(piece, place in it) of a row; a negative place where there is none."""
        if len(identity) == limits.ID_BYTES:
            for index, piece in enumerate(self.pieces):
                at = piece.find(identity)
                while at >= 0:
                    # Elsewhere it is a piece of other rows, which happens to look like the id.
                    if at % self._width == 0:
                        return index, at
                    at = piece.find(identity, at + 1)
        return 0, -1

    def find(self, identity: bytes) -> bytes:
        """The row of ``identity``; empty where there is none."""
        index, at = self._where(identity)
        return b"" if at < 0 else self.pieces[index][at : at + self._width]

    def take(self, identity: bytes) -> bytes:
        """The row of ``identity``, which is gone then; empty where there is none."""
        index, at = self._where(identity)
        if at < 0:
            return b""
        piece = self.pieces[index]
        rest = piece[:at] + piece[at + self._width :]
        if index and len(self.pieces[index - 1]) + len(rest) <= _PIECE_BYTES:
            # Small rests come together again.
            self.pieces[index - 1] += rest
            rest = b""
        if rest:
            self.pieces[index] = rest
        else:
            self.pieces.pop(index)
        self._count -= 1
        return piece[at : at + self._width]
