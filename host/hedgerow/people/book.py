"""The book of contacts: who they are, and how sure of that we are."""

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

from hedgerow import errors, roles
from hedgerow.database import Database
from hedgerow.events import Contact
from hedgerow.people.names import checked_name

if TYPE_CHECKING:
    from hedgerow.desk import Desk


class Book:
    """A part of ``desk``; times are unix time in ms. Every name that is not a contact's is UnknownContact."""

    def __init__(self, desk: "Desk", database: Database, random: Callable[[int], bytes]) -> None:
        self._desk = desk
        self._database = database

    def all(self, now: int) -> list[Contact]:
        """Everybody, in the order in which they came."""
        rows = self._database.rows(
            "SELECT c.*, i.name AS introducer,"
            " EXISTS (SELECT 1 FROM requests r WHERE r.contact = c.id AND r.account_key != c.account_key)"
            " AS rivalled"
            " FROM contacts c LEFT JOIN contacts i ON i.id = c.introduced_by WHERE c.role = ? ORDER BY c.id",
            roles.CONTACT,
        )
        return [
            Contact(
                row["name"],
                bool(row["connected"]),
                row["account_key"],
                not row["connected"] and row["arrived_ms"] is not None,
                row["verified_ms"] is not None and row["changed_ms"] is None,
                row["changed_ms"] is not None,
                bool(row["rivalled"]),
                row["blocked_ms"] is not None,
                row["introducer"],
                not row["connected"] and row["ask_until_ms"] is not None and row["ask_until_ms"] <= now,
            )
            for row in rows
        ]

    def rename(self, name: str, new: str, now: int) -> None:
        """Call a contact ``new`` from now on. BadName, or NameTaken."""
        new = checked_name(new)
        with self._database.transaction():
            contact = self._row(name)
            other = self._database.row("SELECT id FROM contacts WHERE name = ?", new)
            if other is not None and other["id"] != contact["id"]:
                raise errors.NameTaken(name=new)
            self._database.run("UPDATE contacts SET name = ? WHERE id = ?", new, contact["id"])
            if contact["role"] == roles.CONTACT:
                self._desk.devices.share_person(contact["id"], now)

    def block(self, name: str, now: int) -> None:
        """Let nothing of theirs be shown or answered any more. They learn nothing of that."""
        contact = self._row(name)
        if contact["blocked_ms"] is not None:
            raise errors.Blocked(name=contact["name"])
        with self._desk.changing(now):
            self._database.run(
                "UPDATE contacts SET blocked_ms = ? WHERE ? IN (id, person)", now, contact["id"]
            )
            # What they asked, and whom they introduced, is theirs, too.
            self._database.run(
                "DELETE FROM requests WHERE account_key = ? OR introduced_by = ?",
                contact["account_key"],
                contact["id"],
            )
            self._desk.devices.share_person(contact["id"], now)
        for device in (contact["id"], *self._desk.conversations.devices_of(contact["id"])):
            self._desk.turn_away(device)
        self._desk.send_waiting(now)

    def unblock(self, name: str, now: int) -> None:
        """Hear a contact again; what they wrote meanwhile is opened where it is still carried."""
        contact = self._row(name)
        if contact["blocked_ms"] is None:
            raise errors.NotBlocked(name=contact["name"])
        with self._desk.changing(now):
            self._database.run("UPDATE contacts SET blocked_ms = NULL WHERE ? IN (id, person)", contact["id"])
            self._desk.devices.share_person(contact["id"], now)
        self._desk.reload(now)

    def id_of(self, name: str) -> int:
        """The row of a contact who is not blocked. Blocked, IsGroup."""
        contact = self._row(name)
        if contact["blocked_ms"] is not None:
            raise errors.Blocked(name=contact["name"])
        return int(contact["id"])

    def conversation_of(self, name: str) -> int:
        """The row of a contact who is not blocked, or of a group. Blocked."""
        row = self._any(name)
        if row["blocked_ms"] is not None:
            raise errors.Blocked(name=row["name"])
        return int(row["id"])

    def _row(self, name: str) -> sqlite3.Row:
        found = self._any(name)
        if found["role"] == roles.GROUP:
            raise errors.IsGroup(name=found["name"])
        return found

    def _any(self, name: str) -> sqlite3.Row:
        # A command line may bring halves of characters.
        name = name.encode(errors="replace").decode()
        found = self._database.row("SELECT * FROM contacts WHERE name = ?", name)
        if found is None:
            raise errors.UnknownContact(name=name)
        return found
