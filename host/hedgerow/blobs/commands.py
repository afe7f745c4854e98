"""What a user does with files."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hedgerow import errors
from hedgerow.blobs import blocks, pieces
from hedgerow.blobs.exchange import Offer, offered, value_of
from hedgerow.chat import operation as operations
from hedgerow.chat.operation import Operation
from hedgerow.chat.view import parsed
from hedgerow.database import Database
from hedgerow.events import File

if TYPE_CHECKING:
    from hedgerow.chat.commands import ChatCommands
    from hedgerow.desk import Desk

ASK_BYTES = 64 << 10  # above it the user is asked first


def letters_of(size: int) -> int:
    """About how many letters a file of this size needs."""
    return -(-size // pieces.PIECE_BYTES) + 2


class Files:
    """For ``Node.files``."""

    def __init__(self, desk: "Desk", database: Database, chat: "ChatCommands") -> None:
        self._desk = desk
        self._database = database
        self._chat = chat

    def send(
        self, name: str, file_name: str, data: bytes, now: int, told: Callable[[int], None] | None = None
    ) -> int:
        """Offer a file in a conversation; the number of the letter. FileTooLarge, FileEmpty."""
        if len(data) > blocks.FILE_BYTES:
            raise errors.FileTooLarge(size=len(data), limit=blocks.FILE_BYTES)
        if not data:
            raise errors.FileEmpty
        contact = self._desk.book.conversation_of(name)
        with self._desk.changing(now):
            root = self._desk.blobs.keep(data, told)
            value = value_of(Offer(root, len(data), operations.file_name(file_name)))
            operation = Operation(operations.FILE, None, value)
            number = self._chat.say(contact, name, operation, now)
            self._desk.blobs.said(number, contact, None, operation, now)
        return number

    def all(self, name: str | None = None) -> list[File]:
        """The files of a conversation, or of all."""
        contact = None if name is None else self._desk.book.conversation_of(name)
        found = []
        for row in self._database.rows(
            "SELECT u.*, c.name, e.mine, e.written_ms, unseal(e.text) AS text FROM blob_uses u"
            " JOIN entries e ON e.id = u.entry JOIN contacts c ON c.id = u.contact"
            " WHERE (? IS NULL OR u.contact = ?) AND e.refused = 0 AND c.blocked_ms IS NULL ORDER BY u.entry",
            contact,
            contact,
        ):
            offer = offered(parsed(row["text"]))
            if offer is not None:
                here = row["size"] if row["done_ms"] is not None else self._desk.blobs.here(offer.root)
                wanted = row["wanted_ms"] is not None
                found.append(File(row["entry"], row["name"], offer.name, row["size"], here, wanted))
        return found

    def fetch(self, number: int, now: int) -> tuple[File, bytes | None]:
        """A file with its bytes; without them where it is not here: then it is wanted from now on. NoFile."""
        for file in self.all():
            if file.number == number:
                row = self._database.rows("SELECT root FROM blob_uses WHERE entry = ?", number)[0]
                data = self._desk.blobs.read(bytes(row["root"]))
                if data is None:
                    with self._desk.changing(now):
                        self._desk.blobs.want(number, now)
                        self._desk.blobs.ask(now)
                    self._desk.send_waiting(now)
                return file, data
        raise errors.NoFile(number=number)
