"""The conversations of a home with what was done in them, out of its database."""

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hedgerow import roles
from hedgerow.chat import fold
from hedgerow.chat import operation as operations
from hedgerow.chat.fold import About, Chat, Done
from hedgerow.chat.operation import Operation, Target
from hedgerow.database import Database
from hedgerow.events import Choice, Marks
from hedgerow.log import entry as entries
from hedgerow.people.names import clean_name
from hedgerow_core.errors import PeerError

if TYPE_CHECKING:
    from hedgerow.desk import Desk

SHOWN = (operations.REPLY, operations.FILE, operations.POLL, operations.POLL_MANY)  # letters of their own
# Of two with one clock the smaller author stands first, on all devices alike.
ORDER = "e.sequence = 0, e.clock, coalesce(a.device_key, iif(e.mine, ?, c.device_key)), e.id"


@dataclass
class View:
    """One conversation: ``rows`` has the entry in each place, ``people`` how those are called who wrote."""

    chat: Chat
    rows: dict[Target, int]
    people: dict[bytes, str]
    done: list[tuple[int, Done]]  # with their clocks, in the order

    def name(self, person: bytes) -> str:
        """How somebody is called."""
        return self.people.get(person, "a former member")


class Views:
    """A part of ``node``; each conversation is folded once."""

    def __init__(self, desk: "Desk", database: Database) -> None:
        self._desk = desk
        self._database = database
        self._views: dict[int, View] = {}

    def place(self, row: sqlite3.Row) -> Target:
        """What names an entry: a row with contact, mine, device and sequence."""
        tag = self._desk.conversations.author_tag(row["contact"], bool(row["mine"]), row["device"])
        return tag, int(row["sequence"])

    def about(self, row: sqlite3.Row) -> About:
        """What was done to an entry."""
        return self.of(int(row["contact"])).chat.of(self.place(row))

    def marks(self, row: sqlite3.Row) -> Marks:
        """What is shown of what was done to an entry."""
        found, about = self.of(int(row["contact"])), self.about(row)
        symbols: dict[str, list[str]] = {}
        for person, symbol in about.reactions.items():
            symbols.setdefault(symbol, []).append(found.name(person))
        choices: list[Choice] = []
        if about.poll is not None:
            ours = about.poll.votes.get(self._desk.account.account_key, [])
            counted = zip(about.poll.choices, about.poll.counts(), strict=True)
            choices = [Choice(text, votes, at in ours) for at, (text, votes) in enumerate(counted)]
        return Marks(
            None if about.reply_to is None else found.rows.get(about.reply_to),
            about.text is not None,
            about.pinned,
            tuple((symbol, tuple(sorted(names))) for symbol, names in sorted(symbols.items())),
            tuple(choices),
        )

    def called(self, name: str, account_key: bytes) -> str | None:
        """How a contact calls themselves, where that is another name than ours for them."""
        row = self._database.row("SELECT id FROM contacts WHERE name = ?", name)
        own = None if row is None else self.of(row["id"]).chat.names.get(account_key)
        return None if own is None or clean_name(own) == name else clean_name(own)

    def of(self, contact: int) -> View:
        """The conversation with a contact, or of a group."""
        if contact not in self._views:
            self._views[contact] = self._read(contact)
        return self._views[contact]

    def _read(self, contact: int) -> View:
        authors: dict[Target, bytes] = {}
        rows: dict[Target, int] = {}
        people: dict[bytes, str] = {}
        done: list[tuple[int, Done]] = []
        for row in self._database.rows(
            "SELECT e.id, e.contact, e.mine, e.device, e.sequence, e.clock, e.kind, c.role, c.name,"
            " iif(e.kind = ?, unseal(e.text), '') AS text, c.account_key AS theirs, a.account_key AS account,"
            " a.role AS device_role, a.device_key FROM entries e JOIN contacts c ON c.id = e.contact"
            " LEFT JOIN contacts a ON a.id = e.device"
            " WHERE e.contact = ? AND e.kind IN (?, ?) AND e.copy_of IS NULL AND e.refused = 0"
            f" AND e.sequence > 0 ORDER BY {ORDER}",
            *(entries.CHAT, contact, *entries.WORDS, self._desk.account.device_key),
        ):
            place = self.place(row)
            person, name = self.person(row)
            authors[place], rows[place] = person, int(row["id"])
            people.setdefault(person, name)
            found = parsed(row["text"])
            if found is not None:
                done.append((row["clock"], Done(place, person, found)))
        return View(fold.fold(authors, [one for _, one in done]), rows, people, done)

    def person(self, row: sqlite3.Row) -> tuple[bytes, str]:
        """(account key, name) of who wrote an entry."""
        ours = self._desk.account.account_key
        if row["role"] == roles.GROUP:
            if row["device"] is None or row["device_role"] == roles.OWN:
                return ours, self._desk.name
            name = self._desk.groups.author_name(row["contact"], bytes(row["device_key"]))
            return bytes(row["account"]), name
        return (ours, self._desk.name) if row["mine"] else (bytes(row["theirs"]), row["name"])


def parsed(text: str) -> Operation | None:
    """The operation of an entry of kind CHAT; None where it is none, or of a later version."""
    try:
        return operations.decode(text)
    except PeerError:
        return None


def words(kind: int, text: str) -> str:
    """What is to be shown of an entry as a letter; empty where nothing is."""
    if kind != entries.CHAT:
        return text
    found = parsed(text)
    if found is None or found.mark not in SHOWN:
        return ""
    if found.mark == operations.FILE:
        return operations.file_name(found.value.split(" ", 2)[2])
    return found.value if found.mark == operations.REPLY else found.lines[0]
