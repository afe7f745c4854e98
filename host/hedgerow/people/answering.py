"""Our answers to who waits: yes, no, or yes to another key of a contact."""

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hedgerow import errors
from hedgerow.database import Database
from hedgerow.people.waiting import OFFERS, WOULD_KNOW

if TYPE_CHECKING:
    from hedgerow.desk import Desk


@dataclass(frozen=True)
class Waiting:
    """A row of ``hedgerow requests``. ``new_device`` and ``new_account``: it would change the keys of the
    contact ``contact``; ``introduced_by`` names a contact, whom we verified where ``vouched``;
    ``group`` is the group that they would become a member of."""

    id: int
    name: str
    account_key: bytes
    received_ms: int
    expires_ms: int
    contact: str | None
    new_device: bool
    new_account: bool
    introduced_by: str | None
    vouched: bool
    group: str | None = None


class Answers:
    """A part of ``desk``; times are unix time in ms."""

    def __init__(self, desk: "Desk", database: Database) -> None:
        self._desk = desk
        self._database = database

    def waiting(self, now: int) -> list[Waiting]:
        """Who waits, the first first."""
        rows = self._database.rows(
            "SELECT r.*, c.name AS contact_name, c.account_key AS contact_key, i.name AS introducer,"
            " i.verified_ms, g.name AS group_name FROM requests r LEFT JOIN contacts c ON c.id = r.contact"
            " LEFT JOIN contacts g ON g.id = r.for_group"
            " LEFT JOIN contacts i ON i.id = r.introduced_by WHERE r.expires_ms > ? ORDER BY r.id",
            now,
        )
        return [
            Waiting(
                row["id"],
                row["name"],
                bytes(row["account_key"]),
                row["received_ms"],
                row["expires_ms"],
                row["contact_name"],
                row["contact"] is not None and row["contact_key"] == row["account_key"],
                row["contact"] is not None and row["contact_key"] != row["account_key"],
                row["introducer"],
                row["verified_ms"] is not None,
                row["group_name"],
            )
            for row in rows
        ]

    def accept(self, wanted: str, new_key: bool, now: int) -> tuple[str, bool]:
        """Say yes to who waits as ``wanted``, a number or a name; with ``new_key`` to other keys of
        a contact.

        (name here, whether they are a contact now: of those introduced to us not yet).
        """
        row = self._find(wanted, now)
        if row is None:
            return self._accept_checked(wanted, new_key, now), True
        if row["kind"] == WOULD_KNOW:
            self._desk.introducing.offer(row, now)
            return str(row["name"]), False
        if row["kind"] == OFFERS:
            return self._desk.introducing.take(row, now), False
        same = row["contact"] is not None and self._key_of(row["contact"]) == row["account_key"]
        if same and not new_key:
            raise errors.KeyChanged(name=self._name_of(row["contact"]))
        with self._desk.changing(now):
            contact = row["contact"] if new_key else None
            requests = self._desk.requests
            name = requests.take(requests.asked(row), contact, row["introduced_by"], now)
            if row["for_group"] is not None:
                # Where we may not do that any more, they are a contact all the same.
                with suppress(errors.NotAdmin, errors.GroupLeft, errors.GroupFull, errors.AlreadyMember):
                    self._desk.groups.add(row["for_group"], [name], now)
        if contact is not None:
            self._desk.requests.go_on(contact, now)
        return name, True

    def _accept_checked(self, wanted: str, new_key: bool, now: int) -> str:
        """There is nobody waiting: a contact whose new key is in use already, to be verified."""
        contact = self._desk.requests.named(wanted)
        if contact is None:
            raise errors.UnknownRequest(name=wanted)
        if contact["changed_ms"] is None:
            raise errors.NotChanged(name=contact["name"]) if new_key else errors.UnknownRequest(name=wanted)
        if not new_key:
            raise errors.KeyChanged(name=contact["name"])
        self._desk.requests.go_on(contact["id"], now)
        return str(contact["name"])

    def refuse(self, wanted: str, now: int) -> str:
        """Say no: nothing is sent. Their name."""
        row = self._find(wanted, now)
        if row is None:
            contact = self._desk.requests.named(wanted)
            if contact is not None and contact["changed_ms"] is not None:
                raise errors.KeyChecked(name=contact["name"])
            raise errors.UnknownRequest(name=wanted)
        with self._desk.changing(now):
            self._database.run("DELETE FROM requests WHERE id = ?", row["id"])
            self._desk.inviting.forget_taken(bytes(row["account_key"]))
            if row["contact"] is not None and self._key_of(row["contact"]) == row["account_key"]:
                self._database.run("UPDATE contacts SET changed_ms = NULL WHERE id = ?", row["contact"])
        self._desk.send_waiting(now)
        return str(row["name"])

    def _find(self, wanted: str, now: int) -> sqlite3.Row | None:
        rows = self._database.rows(
            "SELECT r.*, unseal(r.secret) AS opened FROM requests r LEFT JOIN contacts c ON c.id = r.contact"
            " WHERE r.expires_ms > ? AND (CAST(r.id AS TEXT) = ? OR r.name = ? COLLATE NOCASE OR c.name = ?)"
            " ORDER BY CAST(r.id AS TEXT) != ?, r.id",
            now,
            *[wanted] * 4,
        )
        if len(rows) > 1 and str(rows[0]["id"]) != wanted:
            numbers = ", ".join(str(row["id"]) for row in rows)
            raise errors.SeveralRequests(name=wanted, numbers=numbers)
        return rows[0] if rows else None

    def _key_of(self, contact: int) -> bytes:
        return bytes(self._database.rows("SELECT account_key FROM contacts WHERE id = ?", contact)[0][0])

    def _name_of(self, contact: int) -> str:
        return str(self._database.rows("SELECT name FROM contacts WHERE id = ?", contact)[0][0])
