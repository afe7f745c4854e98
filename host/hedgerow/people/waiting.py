"""Who waits for our answer: contact requests, other keys of a contact, and people who are introduced to us.

Keys that changed are never taken in silence: whoever comes with another device, or under a contact's name
with another account, waits here, and letters to a contact on another device wait with them.
"""

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

from hedgerow import roles, stored
from hedgerow.database import Database
from hedgerow.events import ASKED, CHANGED, Connected, Noticed
from hedgerow.identity.account import Card
from hedgerow.log import entry as entries
from hedgerow.people.names import clean_name
from hedgerow.people.request import RequestReceived
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet.sessions import Sessions
from hedgerow_core.errors import PeerError

if TYPE_CHECKING:
    from hedgerow.desk import Desk

# Kinds: who asks with an invite of ours; who is introduced, and would get an invite; whose invite came so.
ASKS, WOULD_KNOW, OFFERS = 1, 2, 3
MOST = 1_000
_AGAIN_MS = 24 * 3_600_000


class Requests:
    """A part of ``desk``; times are unix time in ms."""

    def __init__(self, desk: "Desk", database: Database, random: Callable[[int], bytes]) -> None:
        self._desk = desk
        self._database = database
        self._random = random

    # What comes

    def receive(self, invite: sqlite3.Row, asked: RequestReceived, now: int) -> None:
        """A request that was opened; ``invite`` is the row of the invite that it answers."""
        card, desk = asked.card, self._desk
        known = self._contact(card.account_key)
        if known is not None and known["blocked_ms"] is not None:
            return
        # Most often all is said and done; that needs no lock on the home.
        same = (
            known is not None and known["device_key"] == card.device_key and known["certificate"] is not None
        )
        if known is not None and same and known["connected"] and known["seen"] > 0:
            desk.proofs.keep(asked.stop, now)
            return
        with desk.changing(now):
            event = self._decide(invite, asked, now)
        if event is not None:
            desk.tell(event)

    def _decide(self, invite: sqlite3.Row, asked: RequestReceived, now: int) -> Connected | Noticed | None:
        card, desk = asked.card, self._desk
        fits = invite["only_for"] in (None, card.account_key + card.device_key)
        used_up = not invite["many"] and invite["taken_by"] not in (None, card.account_key)
        if not fits or used_up:
            return None
        known = self._contact(card.account_key)
        if known is not None and self._further(known["id"], card.device_key):
            desk.proofs.keep(asked.stop, now)
            return None
        changed = known is not None and known["device_key"] != card.device_key
        anew = known is not None and (changed or known["certificate"] is None)
        if self._database.row("SELECT 1 FROM requests_seen WHERE ephemeral = ?", asked.ephemeral):
            desk.proofs.keep(asked.stop, now)
            if known is not None and known["connected"] and known["seen"] == 0 and not anew:
                self._answer_again(known["id"], now)
            return None
        if known is not None and known["connected"] and not anew:
            desk.proofs.keep(asked.stop, now)
            return None
        wanted = known is not None and known["asked"]
        # Who asked each other at the same time: the smaller key answers, the larger one waits for that.
        if wanted and desk.account.account_key > card.account_key:
            return None
        self._database.run(
            "INSERT INTO requests_seen (ephemeral, expires_ms, invite) VALUES (?, ?, ?)",
            asked.ephemeral,
            invite["expires_ms"],
            invite["id"],
        )
        self._database.run("UPDATE invites SET taken_by = ? WHERE id = ?", card.account_key, invite["id"])
        desk.proofs.keep(asked.stop, now)
        namesake = None if known is not None else self.named(clean_name(card.name))
        if changed or (invite["ask"] and not wanted) or (namesake is not None and not invite["only_for"]):
            contact = known["id"] if known is not None else namesake["id"] if namesake is not None else None
            self._wait(invite, asked, contact, now)
            if known is not None and changed:
                self.mark_changed(known["id"], now)
                return Noticed(CHANGED, known["name"])
            return Noticed(ASKED, clean_name(card.name))
        name = self.take(asked, known["id"] if known is not None else None, invite["introduced_by"], now)
        return Connected(name)

    def _wait(self, invite: sqlite3.Row, asked: RequestReceived, contact: int | None, now: int) -> None:
        secret = stored.write([asked.card.fields(), asked.root, asked.ad, asked.ephemeral])
        self.insert(
            ASKS,
            asked.card.name,
            asked.card.account_key,
            asked.card.device_key,
            secret,
            now,
            invite["expires_ms"],
            invite["introduced_by"],
            contact,
        )
        self._database.run(
            "UPDATE requests SET for_group = ? WHERE kind = ? AND account_key = ?",
            invite["for_group"],
            ASKS,
            asked.card.account_key,
        )

    def insert(
        self,
        kind: int,
        name: str,
        account_key: bytes,
        device_key: bytes,
        secret: bytes,
        now: int,
        expires_ms: int,
        introduced_by: int | None = None,
        contact: int | None = None,
    ) -> None:
        """Let somebody wait; who asks once more waits on in the same place. PeerError where too many do."""
        (waiting,) = self._database.rows("SELECT count(*) AS n FROM requests")
        if waiting["n"] >= MOST:
            raise PeerError("too many requests")
        self._database.run(
            "INSERT INTO requests (kind, name, account_key, device_key, contact, introduced_by, received_ms,"
            " expires_ms, secret) VALUES (?, ?, ?, ?, ?, ?, ?, ?, seal_hour(?))"
            " ON CONFLICT (kind, account_key) DO UPDATE SET name = excluded.name,"
            " device_key = excluded.device_key, contact = excluded.contact,"
            " introduced_by = excluded.introduced_by, expires_ms = max(expires_ms, excluded.expires_ms),"
            " secret = excluded.secret",
            kind,
            clean_name(name),
            account_key,
            device_key,
            contact,
            introduced_by,
            now,
            expires_ms,
            secret,
        )

    def mark_changed(self, contact: int, now: int) -> None:
        """Letters to a contact wait from now on; so does what comes from their new device. Digits that are
        there were about the former keys."""
        self._desk.verifying.forget(contact)
        self._database.run(
            "UPDATE contacts SET changed_ms = ? WHERE id = ? AND changed_ms IS NULL", now, contact
        )

    def _answer_again(self, contact: int, now: int) -> None:
        """Somebody still asks and never wrote: our answer may have been lost."""
        last = self._database.rows("SELECT max(written_ms) FROM entries WHERE contact = ?", contact)[0][0]
        if last is None or now - last >= _AGAIN_MS:
            self._desk.seal(contact, entries.HELLO, self._desk.name, now)

    def take(self, asked: RequestReceived, contact: int | None, introduced_by: int | None, now: int) -> str:
        """Answer: without that they could not write. The name of the contact."""
        desk, card = self._desk, asked.card
        fresh = ratchet.start_writer(asked.root, asked.ad, asked.ephemeral, self._random)
        if contact is None:
            contact = desk.insert_contact(desk.free_name(card.name), card, True, Sessions(fresh))
            self._database.run("UPDATE contacts SET introduced_by = ? WHERE id = ?", introduced_by, contact)
        else:
            desk.replace(contact, card, fresh)
            desk.outbox.answered(contact)
        self._database.run("DELETE FROM requests WHERE account_key = ?", card.account_key)
        desk.seal(contact, entries.HELLO, desk.name, now)
        desk.devices.announce(contact, now)
        desk.devices.share_person(contact, now)
        return str(self._database.rows("SELECT name FROM contacts WHERE id = ?", contact)[0]["name"])

    # What we decided

    def go_on(self, contact: int, now: int) -> None:
        """We said yes to other keys: what waited leaves, what may have been lost is sealed again."""
        with self._desk.changing(now):
            self._database.run("UPDATE contacts SET changed_ms = NULL WHERE id = ?", contact)
            self._desk.begin_anew(contact, now)

    def waits(self, contact: int) -> bool:
        """Whether a new device of a contact waits that nothing was said to yet."""
        query = (
            "SELECT 1 FROM requests r JOIN contacts c ON c.id = r.contact"
            " WHERE r.contact = ? AND r.account_key = c.account_key"
        )
        return self._database.row(query, contact) is not None

    def check_device(self, contact: int, now: int) -> None:
        """Talk to the new device of a contact, so that digits can be compared; letters go on to wait."""
        row = self._database.row(
            "SELECT r.*, unseal(r.secret) AS opened FROM requests r JOIN contacts c ON c.id = r.contact"
            " WHERE r.kind = ? AND r.contact = ? AND r.account_key = c.account_key AND r.expires_ms > ?",
            ASKS,
            contact,
            now,
        )
        if row is not None:
            with self._desk.changing(now):
                self.take(self.asked(row), contact, None, now)

    def forget_old(self, now: int) -> None:
        """Let go of who waited until their invite was over."""
        if self._database.row("SELECT 1 FROM requests WHERE expires_ms <= ?", now) is None:
            return
        with self._database.transaction():
            for row in self._database.rows(
                "SELECT r.contact FROM requests r JOIN contacts c ON c.id = r.contact"
                " WHERE r.expires_ms <= ? AND c.account_key = r.account_key",
                now,
            ):
                self._database.run("UPDATE contacts SET changed_ms = NULL WHERE id = ?", row["contact"])
            self._database.run("DELETE FROM requests WHERE expires_ms <= ?", now)

    def asked(self, row: sqlite3.Row) -> RequestReceived:
        """The request of a row of ``requests``."""

        def read(data: bytes) -> RequestReceived:
            card, root, ad, ephemeral = stored.read(data, list, bytes, bytes, bytes)
            return RequestReceived(Card.read(card), root, ad, ephemeral, b"")

        return self._desk.kept(read, row["opened"])

    def _contact(self, account_key: bytes) -> sqlite3.Row | None:
        return self._database.row(
            "SELECT id, name, connected, seen, device_key, certificate, blocked_ms,"
            " request IS NOT NULL AS asked FROM contacts WHERE account_key = ? AND role = ?",
            account_key,
            roles.CONTACT,
        )

    def _further(self, contact: int, device_key: bytes) -> bool:
        """Whether it is another device of theirs, which we know by their signed list."""
        query = "SELECT 1 FROM contacts WHERE person = ? AND device_key = ? AND revoked_ms IS NULL"
        return self._database.row(query, contact, device_key) is not None

    def named(self, name: str) -> sqlite3.Row | None:
        """The contact of that name, if there is one."""
        return self._database.row("SELECT id, name, changed_ms FROM contacts WHERE name = ?", name)
