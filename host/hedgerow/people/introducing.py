"""Introductions of one home: ours of two contacts, and those by contacts of ours."""

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

from hedgerow import errors, roles, stored
from hedgerow.database import Database
from hedgerow.events import INTRODUCED, Noticed
from hedgerow.log import entry as entries
from hedgerow.people import introduction, waiting
from hedgerow.people import invite as invites
from hedgerow.people.introduction import Flight
from hedgerow_core.errors import PeerError

if TYPE_CHECKING:
    from hedgerow.desk import Desk

KEPT_MS = 14 * 24 * 3_600_000
MOST = 16  # that wait here from one contact


class Introducing:
    """A part of ``desk``; times are unix time in ms."""

    def __init__(self, desk: "Desk", database: Database, random: Callable[[int], bytes]) -> None:
        self._desk = desk
        self._database = database
        self._random = random

    def introduce(self, first: int, second: int, now: int) -> None:
        """Ask the contact ``first`` whether they would like to know ``second``; both are verified."""
        if first == second:
            raise errors.IntroduceSelf
        for contact in (first, second):
            row = self._contact(contact)
            if row["blocked_ms"] is not None:
                raise errors.Blocked(name=row["name"])
            if row["verified_ms"] is None or row["changed_ms"] is not None:
                raise errors.IntroduceUnverified(name=row["name"])
        other = self._contact(second)
        identity = self._random(introduction.ID_BYTES)
        flight = Flight(
            introduction.ASK, identity, other["account_key"], other["device_key"], name=other["name"]
        )
        with self._desk.changing(now):
            self._database.run("DELETE FROM introductions WHERE made_ms <= ?", now - KEPT_MS)
            self._database.run(
                "INSERT INTO introductions (id, asked, other, made_ms) VALUES (?, ?, ?, ?)",
                identity,
                first,
                second,
                now,
            )
            self._send(first, flight, now)

    def heard(self, contact: int, text: str, now: int) -> None:
        """A flight of ``contact``. What does not fit changes nothing."""
        try:
            flight = introduction.decode(text)
            with self._desk.changing(now):
                if flight.step == introduction.ASK:
                    told = self._asked(contact, flight, now)
                elif flight.step == introduction.OFFER:
                    told = self._pass_on(contact, flight, now)
                else:
                    told = self._offered(contact, flight, now)
        except (PeerError, errors.Unanswered):
            return
        if told:
            self._desk.tell(Noticed(INTRODUCED, told))

    def _asked(self, introducer: int, flight: Flight, now: int) -> str:
        if not self._is_stranger(flight.account_key):
            return ""
        self._wait(
            waiting.WOULD_KNOW,
            introducer,
            flight.name,
            flight.account_key + flight.device_key,
            stored.write([flight.id]),
            now,
            now + KEPT_MS,
        )
        return self._contact(introducer)["name"] or ""

    def _offered(self, introducer: int, flight: Flight, now: int) -> str:
        invite = invites.parse(flight.uri, now)
        if not self._is_stranger(invite.card.account_key):
            return ""
        who = invite.card.account_key + invite.card.device_key
        secret = stored.write([flight.uri])
        self._wait(waiting.OFFERS, introducer, invite.card.name, who, secret, now, invite.expiry_ms)
        return self._contact(introducer)["name"] or ""

    def _pass_on(self, contact: int, flight: Flight, now: int) -> str:
        """Whom we asked agreed: their invite goes to the other one, if it is theirs."""
        row = self._database.row(
            "SELECT other FROM introductions WHERE id = ? AND asked = ? AND made_ms > ?",
            flight.id,
            contact,
            now - KEPT_MS,
        )
        if row is None:
            return ""
        card = invites.parse(flight.uri, now).card
        giver, other = self._contact(contact), self._contact(row["other"])
        theirs = (giver["account_key"], giver["device_key"]) == (card.account_key, card.device_key)
        if theirs and other["verified_ms"] is not None and other["blocked_ms"] is None:
            self._send(row["other"], Flight(introduction.PASS, flight.id, uri=flight.uri), now)
            self._database.run("DELETE FROM introductions WHERE id = ?", flight.id)
        return ""

    def _wait(
        self, kind: int, introducer: int, name: str, who: bytes, secret: bytes, now: int, expires_ms: int
    ) -> None:
        query = "SELECT count(*) AS n FROM requests WHERE introduced_by = ?"
        if self._database.rows(query, introducer)[0]["n"] >= MOST:
            raise PeerError("too many introductions")
        self._desk.requests.insert(kind, name, who[:32], who[32:], secret, now, expires_ms, introducer)

    def _is_stranger(self, account_key: bytes) -> bool:
        ours = account_key == self._desk.account.account_key
        query = "SELECT 1 FROM contacts WHERE account_key = ? AND role = ?"
        return not ours and self._database.row(query, account_key, roles.CONTACT) is None

    # Our yes

    def offer(self, row: sqlite3.Row, now: int) -> None:
        """Give the introducer an invite that only the other one can use."""
        self._check(row["introduced_by"])
        (identity,) = self._desk.kept(lambda data: stored.read(data, bytes), row["opened"])
        with self._desk.changing(now):
            who = bytes(row["account_key"]) + bytes(row["device_key"])
            uri = self._desk.inviting.create(now, only_for=who, introduced_by=row["introduced_by"])
            self._send(row["introduced_by"], Flight(introduction.OFFER, identity, uri=uri), now)
            self._database.run("DELETE FROM requests WHERE id = ?", row["id"])

    def take(self, row: sqlite3.Row, now: int) -> str:
        """Ask the other one with the invite that came; their name here."""
        (uri,) = self._desk.kept(lambda data: stored.read(data, str), row["opened"])
        try:
            return self._desk.asking.add(uri, now, row["introduced_by"])
        finally:
            # Also where they became a contact meanwhile.
            self._database.run("DELETE FROM requests WHERE id = ?", row["id"])

    def _check(self, introducer: int) -> None:
        row = self._contact(introducer)
        if row["blocked_ms"] is not None:
            raise errors.Blocked(name=row["name"])
        if not row["connected"]:
            raise errors.NotConnected(name=row["name"])

    def _send(self, contact: int, flight: Flight, now: int) -> None:
        self._desk.seal(contact, entries.INTRODUCE, introduction.encode(flight), now)

    def _contact(self, contact: int) -> sqlite3.Row:
        return self._database.rows("SELECT * FROM contacts WHERE id = ?", contact)[0]
