"""The invites of one home: made, listed, withdrawn, used up; and what of their keys is still there."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hedgerow import errors
from hedgerow.database import Database
from hedgerow.people import invite as invites

if TYPE_CHECKING:
    from hedgerow.desk import Desk

DAYS_MAX = 365
MOST = 100  # that hold; each has 256 locks to look for
_DAY_MS = 24 * 3_600_000
_ID_DIGITS = 8


@dataclass(frozen=True)
class Open:
    """An invite that still holds: ``many`` people may use it, ``ask``: each waits for our yes; ``used`` by so
    many so far. ``introduced``: it was made for one who was introduced to us. ``group``: whose members they
    become."""

    id: str
    many: bool
    ask: bool
    made_ms: int
    expires_ms: int
    used: int
    introduced: bool
    group: str | None = None


class Inviting:
    """A part of ``desk``. ``random`` gives so many secret random bytes; times are unix time in ms."""

    def __init__(self, desk: "Desk", database: Database, random: Callable[[int], bytes]) -> None:
        self._desk = desk
        self._database = database
        self._random = random

    def create(
        self,
        now: int,
        days: int | None = None,
        many: bool = False,
        ask: bool = False,
        only_for: bytes | None = None,
        introduced_by: int | None = None,
        for_group: int | None = None,
    ) -> str:
        """A new invite as a URI; for ``only_for``, account key | device key, where that is given; who is
        accepted becomes a member of ``for_group``."""
        if days is not None and not 1 <= days <= DAYS_MAX:
            raise errors.BadDays(most=DAYS_MAX)
        if len(self.open(now)) >= MOST:
            raise errors.TooManyInvites(most=MOST)
        lifetime_ms = invites.LIFETIME_MS if days is None else days * _DAY_MS
        desk = self._desk
        secret, uri = invites.create(desk.account, desk.name, self._random, now, lifetime_ms)
        with self._database.transaction():
            self._database.run(
                "INSERT INTO invites (id, secret, expires_ms, many, ask, made_ms, only_for, introduced_by,"
                " for_group) VALUES (?, seal_hour(?), ?, ?, ?, ?, ?, ?, ?)",
                secret.id,
                secret.to_cbor(),
                secret.expiry_ms,
                int(many),
                int(many or ask),
                now,
                only_for,
                introduced_by,
                for_group,
            )
        desk.watch_invite(secret)
        return uri

    def open(self, now: int) -> list[Open]:
        """Those that still hold, the oldest first."""
        rows = self._database.rows(
            "SELECT i.*, g.name AS group_name,"
            " (SELECT count(*) FROM requests_seen r WHERE r.invite = i.id) AS used FROM invites i"
            " LEFT JOIN contacts g ON g.id = i.for_group WHERE i.expires_ms > ? ORDER BY i.made_ms, i.id",
            now,
        )
        return [
            Open(
                row["id"].hex()[:_ID_DIGITS],
                bool(row["many"]),
                bool(row["ask"]),
                row["made_ms"],
                row["expires_ms"],
                row["used"],
                row["only_for"] is not None,
                row["group_name"],
            )
            for row in rows
        ]

    def withdraw(self, wanted: str, now: int) -> None:
        """Let an invite hold no more: who uses it is not heard. Its keys are gone at once."""
        wanted = wanted.strip().lower()
        found = [
            bytes(row["id"])
            for row in self._database.rows("SELECT id FROM invites WHERE expires_ms > ?", now)
            if wanted and row["id"].hex().startswith(wanted)
        ]
        if len(found) != 1:
            raise errors.UnknownInvite(id=wanted)
        with self._desk.changing(now):
            self._forget(found[0])
        # Its keys are sealed under the data key of this hour: that goes, too.
        with suppress(errors.HomeBusy, errors.CannotWrite):
            self._database.vault.rotate(now)

    def forget_used(self) -> None:
        """Let go of one-time invites whose request was answered, once the answer is known to have come."""
        # Until then their request may come again, and want the answer again.
        query = (
            "SELECT i.id FROM invites i JOIN contacts c ON c.account_key = i.taken_by WHERE i.many = 0"
            " AND NOT EXISTS (SELECT 1 FROM requests r WHERE r.account_key = i.taken_by) AND EXISTS"
            " (SELECT 1 FROM entries e WHERE e.contact = c.id AND (e.received_ms >= i.made_ms"
            " OR e.delivered_ms IS NOT NULL AND e.written_ms >= i.made_ms))"
        )
        for row in self._database.rows(query):
            with self._database.transaction():
                self._forget(bytes(row["id"]))

    def forget_taken(self, account_key: bytes) -> None:
        """Let go of one-time invites whose request was refused; within the caller's transaction."""
        for row in self._database.rows("SELECT id FROM invites WHERE many = 0 AND taken_by = ?", account_key):
            self._forget(bytes(row["id"]))

    def _forget(self, identity: bytes) -> None:
        self._database.run("DELETE FROM invites WHERE id = ?", identity)
        self._desk.mailbox.forget(identity)
