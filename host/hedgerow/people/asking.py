"""Asking somebody to become a contact, with an invite of theirs."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hedgerow import errors, roles
from hedgerow.database import Database
from hedgerow.people import invite as invites
from hedgerow.people import request as requests
from hedgerow.people.invite import Invite
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet.sessions import Sessions
from hedgerow.uri import OtherVersion
from hedgerow_core.errors import PeerError

if TYPE_CHECKING:
    from hedgerow.desk import Desk


class Asking:
    """A part of ``desk``; times are unix time in ms."""

    def __init__(self, desk: "Desk", database: Database, random: Callable[[int], bytes]) -> None:
        self._desk = desk
        self._database = database
        self._random = random

    def add(self, uri: str, now: int, introduced_by: int | None = None) -> str:
        """Ask whoever made the invite to become a contact; their name here."""
        try:
            invite = invites.parse(uri, now)
        except invites.Expired:
            raise errors.InviteExpired from None
        except OtherVersion:
            raise errors.InviteVersion from None
        except PeerError:
            raise errors.InviteDamaged from None
        desk = self._desk
        if invite.card.account_key == desk.account.account_key:
            raise errors.InviteOwn
        sent = requests.create(desk.account, desk.name, invite, self._random)
        state = ratchet.start_reader(sent.root, sent.ad, sent.ephemeral_private)
        started = Sessions(state)
        with desk.changing(now):
            known = self._known(invite)
            if known is None:
                name = desk.free_name(invite.card.name)
                contact = desk.insert_contact(name, invite.card, False, started)
                self._database.run(
                    "UPDATE contacts SET introduced_by = ? WHERE id = ?", introduced_by, contact
                )
            else:
                contact, name, new_device = known
                started = desk.replace(contact, invite.card, state)
                if new_device:
                    desk.requests.mark_changed(contact, now)
            self._database.run(
                "UPDATE contacts SET request = seal_hour(?), asked_ms = ?, arrived_ms = NULL,"
                " ask_until_ms = ? WHERE id = ?",
                sent.to_cbor(),
                now,
                invite.expiry_ms,
                contact,
            )
            self._database.run("DELETE FROM sendings WHERE contact = ? AND entry IS NULL", contact)
            desk.sealer.request(contact, sent, now)
        desk.adopt(contact, started)
        return name

    def _known(self, invite: Invite) -> tuple[int, str, bool] | None:
        """(row, name, whether this is another device of theirs) of whom we know already.

        AlreadyContact where nothing is to be asked; Blocked.
        """
        card = invite.card
        row = self._database.row(
            "SELECT id, name, connected, device_key, certificate, blocked_ms, unseal(request) AS request"
            " FROM contacts WHERE account_key = ? AND role = ?",
            card.account_key,
            roles.CONTACT,
        )
        if row is None:
            return None
        name = str(row["name"])
        if row["blocked_ms"] is not None:
            raise errors.Blocked(name=name)
        new_device = row["device_key"] != card.device_key
        if row["connected"] and not new_device and row["certificate"] is not None:
            raise errors.AlreadyContact(name=name)
        if row["request"] is not None:
            sent = self._desk.kept(requests.RequestSent.from_cbor, row["request"])
            if sent.invite_secret == invite.secret:
                raise errors.AlreadyContact(name=name)
        return int(row["id"]), name, new_device
