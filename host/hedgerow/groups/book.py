"""The groups of one home: who is in, and what we do with them, as the database keeps it.

A group is a row of ``contacts`` with the role GROUP; its members' devices are rows of their own, with or
without a ratchet. All methods are a part of their caller's transaction; times are unix time in ms.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hedgerow import errors, roles
from hedgerow.database import Database
from hedgerow.events import GROUP_JOINED, GROUP_LEFT, Noticed
from hedgerow.groups import control, limits, operation
from hedgerow.groups.control import Control
from hedgerow.groups.epoch import Epoch
from hedgerow.groups.epochs import Epochs, split
from hedgerow.groups.letters import Letters
from hedgerow.groups.members import Member
from hedgerow.groups.membership import Membership
from hedgerow.identity.account import Card
from hedgerow.log import entry as entries
from hedgerow.people.names import checked_name, clean_name
from hedgerow.ratchet.sessions import Sessions
from hedgerow_core.errors import LimitError, PeerError

if TYPE_CHECKING:
    from hedgerow.desk import Desk


@dataclass(frozen=True)
class GroupMember:
    """``name`` is ours for them where they are a contact; ``us``: it is our own account."""

    name: str
    admin: bool
    us: bool
    devices: int
    contact: bool
    account_key: bytes


@dataclass(frozen=True)
class Group:
    """A row of ``hedgerow group list``; ``contradicted`` names who said two things in one place."""

    name: str
    id: bytes
    members: tuple[GroupMember, ...]
    admin: bool
    left: bool
    contradicted: tuple[str, ...]


class Groups:
    """A part of ``desk``; ``epochs`` and ``letters`` are its own."""

    def __init__(self, desk: "Desk", database: Database, random: Callable[[int], bytes]) -> None:
        self._desk = desk
        self._database = database
        self._random = random
        self._states: dict[int, tuple[int, Membership]] = {}
        self.epochs = Epochs(self, desk, database, random)
        self.letters = Letters(self, desk, database, random)

    def all(self) -> list[Group]:
        """Every group that we are or were in."""
        found = []
        for row in self._rows():
            members = self.state(row["id"]).members
            account = self._desk.account.account_key
            found.append(
                Group(
                    row["name"],
                    bytes(row["account_key"]),
                    tuple(self._member(one) for one in members.accounts.values()),
                    members.is_admin(account) and row["left_ms"] is None,
                    row["left_ms"] is not None,
                    self._contradicted(row["id"]),
                )
            )
        return found

    def _member(self, found: Member) -> GroupMember:
        us = found.account == self._desk.account.account_key
        known = self._database.row(
            "SELECT name FROM contacts WHERE account_key = ? AND role = ?", found.account, roles.CONTACT
        )
        name = self._desk.name if us else known["name"] if known else clean_name(found.name)
        return GroupMember(name, found.admin, us, len(found.devices), known is not None, found.account)

    def _contradicted(self, group: int) -> tuple[str, ...]:
        rows = self._database.rows(
            "SELECT DISTINCT device FROM group_contradictions WHERE contact = ?", group
        )
        return tuple(self.author_name(group, bytes(row["device"])) for row in rows)

    def author_name(self, group: int, device: bytes) -> str:
        """How somebody is called who wrote to a group."""
        for member in self.state(group).members.accounts.values():
            if any(card.device_key == device for card in member.devices):
                return self._member(member).name
        row = self._database.row(
            "SELECT ifnull(p.name, c.name) AS name, c.label FROM contacts c"
            " LEFT JOIN contacts p ON p.id = c.person WHERE c.device_key = ?",
            device,
        )
        return str((row["name"] or row["label"]) if row else "") or "a former member"

    def _rows(self) -> list[sqlite3.Row]:
        return self._database.rows(
            "SELECT c.*, g.joined_ms, g.left_ms, g.digest_ms FROM contacts c"
            " JOIN group_states g ON g.contact = c.id ORDER BY c.id"
        )

    def row(self, group: int) -> sqlite3.Row:
        return self._database.rows(
            "SELECT c.*, g.joined_ms, g.left_ms, g.digest_ms FROM contacts c"
            " JOIN group_states g ON g.contact = c.id WHERE c.id = ?",
            group,
        )[0]

    def named(self, name: str) -> int:
        """The row of a group. UnknownGroup, GroupLeft."""
        for row in self._rows():
            if row["name"].casefold() == name.casefold():
                if row["left_ms"] is not None:
                    raise errors.GroupLeft(name=row["name"])
                return int(row["id"])
        raise errors.UnknownGroup(name=name)

    def state(self, group: int) -> Membership:
        """The operations of a group, as the database has them."""
        (count,) = self._database.rows(
            "SELECT count(*) AS n, ifnull(max(place), 0) AS last FROM group_operations WHERE contact = ?",
            group,
        )
        kept = self._states.get(group)
        if kept is not None and kept[0] == count["n"]:
            return kept[1]
        found = Membership()
        for row in self._database.rows(
            "SELECT data FROM group_operations WHERE contact = ? ORDER BY place", group
        ):
            data = bytes(row["data"])
            found = self._desk.kept(found.take, data)
        self._states[group] = (count["n"], found)
        return found

    def create(self, name: str, people: list[str], now: int) -> int:
        """Begin a group with some contacts; its row. BadName, NameTaken, and as ``add``."""
        desk = self._desk
        name = checked_name(name)
        if len(name.encode()) > limits.NAME_BYTES:
            raise errors.BadName(name=name)
        if self._database.row("SELECT 1 FROM contacts WHERE name = ?", name) is not None:
            raise errors.NameTaken(name=name)
        data = operation.create(desk.account.device_seed, 1, name, desk.account.card(desk.name), self._random)
        group = self._insert(operation.decode(data).group, name)
        self._keep(group, data)
        self._joined(group, now)
        self._database.run("UPDATE contacts SET sequence = 1 WHERE id = ?", group)
        self.add(group, people, now)
        return group

    def add(self, group: int, people: list[str], now: int) -> None:
        """Take contacts in, in one new epoch. UnknownContact, NotConnected, AlreadyMember, NoCertificate,
        NotAdmin, GroupFull."""
        for name in people:
            contact = self._database.rows("SELECT * FROM contacts WHERE id = ?", self._desk.book.id_of(name))[
                0
            ]
            if contact["role"] != roles.CONTACT:
                raise errors.UnknownContact(name=name)
            if not contact["connected"]:
                raise errors.NotConnected(name=name)
            if contact["changed_ms"] is not None:
                raise errors.KeyChanged(name=name)
            if contact["account_key"] in self.state(group).members.accounts:
                raise errors.AlreadyMember(name=name)
            if contact["certificate"] is None:
                raise errors.NoCertificate(name=name)
            card = Card(
                name[: limits.NAME_BYTES // 4],
                bytes(contact["account_key"]),
                bytes(contact["device_key"]),
                bytes(contact["device_dh"]),
                bytes(contact["certificate"]),
            )
            self._add(group, card)
        self.add_own(group)
        self.epochs.begin_anew(group, now)

    def _add(self, group: int, card: Card) -> None:
        members = self.state(group).members
        if len(members.cards) >= limits.DEVICES:
            raise errors.GroupFull(most=limits.DEVICES)
        # What they said in this group before they were put out does not hold again.
        start = self._greatest(group, card.device_key) + 1
        self._do(group, operation.add, card, start)

    def add_own(self, group: int) -> bool:
        """Take our other devices in, where we can certify them and there is room; whether there was one."""
        desk = self._desk
        members = self.state(group).members
        if not desk.account.account_seed or desk.account.account_key not in members.accounts:
            return False
        found = [one for one in desk.devices.all() if one.device_key not in members.cards]
        added = 0
        for one in found:
            (row,) = self._database.rows(
                "SELECT device_dh FROM contacts WHERE role = ? AND device_key = ?", roles.OWN, one.device_key
            )
            device_dh = bytes(row["device_dh"])
            certificate = desk.account.certify(one.device_key, device_dh)
            card = Card(desk.name, desk.account.account_key, one.device_key, device_dh, certificate)
            with suppress(errors.GroupFull, errors.NotAdmin):
                self._add(group, card)
                added += 1
        return added > 0

    def own_devices_changed(self, now: int) -> None:
        """Our devices are others: the groups hear of that."""
        listed = {one.device_key for one in self._desk.devices.all()}
        for row in self._rows():
            group = int(row["id"])
            members = self.state(group).members
            mine = members.accounts.get(self._desk.account.account_key)
            if row["left_ms"] is not None or mine is None:
                continue
            gone = [card.device_key for card in mine.devices if card.device_key not in listed]
            for device in gone:
                self._do(group, operation.revoke, ((device, self._greatest(group, device)),))
            if self.add_own(group) or gone:
                self.epochs.begin_anew(group, now)

    def remove(self, group: int, name: str, now: int) -> None:
        """Put a member out; what they write from now on is refused. UnknownMember, NotAdmin."""
        before = self.state(group)
        member = self._find(group, name)
        account = before.members.accounts[member.account_key]
        lasts = tuple((card.device_key, self._greatest(group, card.device_key)) for card in account.devices)
        self._do(group, operation.remove, member.account_key, lasts)
        self.epochs.begin_anew(group, now)
        # They learn it, too: else they would wait for letters for ever.
        self.tell(group, [card.device_key for card in account.devices], before.heads, None, now)

    def promote(self, group: int, name: str, now: int) -> None:
        """Make a member an admin. UnknownMember, NotAdmin."""
        before = self.state(group)
        member = self._find(group, name)
        self._do(group, operation.promote, member.account_key)
        self.tell(group, list(before.members.cards), before.heads, None, now)

    def rename(self, group: int, name: str, now: int) -> None:
        """Give a group another name, for all. BadName, NotAdmin."""
        name = checked_name(name)
        if len(name.encode()) > limits.NAME_BYTES:
            raise errors.BadName(name=name)
        before = self.state(group)
        self._do(group, operation.rename, name)
        self.tell(group, list(before.members.cards), before.heads, None, now)
        self.changed(group, now)

    def leave(self, group: int, now: int) -> None:
        """Go, with all our devices. LastAdmin where nobody could act for the others."""
        before = self.state(group)
        account = before.members.accounts.get(self._desk.account.account_key)
        if account is None:
            raise errors.GroupLeft(name=self.row(group)["name"])
        others = [one for one in before.members.accounts.values() if one.account != account.account]
        if others and account.admin and not any(one.admin for one in others):
            raise errors.LastAdmin
        lasts = tuple(
            (card.device_key, self._greatest(group, card.device_key) + 1) for card in account.devices
        )
        self._do(group, operation.leave, account.account, lasts)
        self.tell(group, list(before.members.cards), before.heads, None, now)
        self.changed(group, now)

    def check_admin(self, group: int) -> None:
        """NotAdmin where we are none."""
        if not self.state(group).members.is_admin(self._desk.account.account_key):
            raise errors.NotAdmin(name=self.row(group)["name"])

    def _find(self, group: int, name: str) -> GroupMember:
        members = self.state(group).members
        for member in map(self._member, members.accounts.values()):
            if member.name.casefold() == name.casefold() and not member.us:
                return member
        raise errors.UnknownMember(name=name)

    def _do(self, group: int, make: Callable[..., bytes], *what: object) -> None:
        """Sign an operation. NotAdmin where it does not hold."""
        state = self.state(group)
        sequence = self.row(group)["sequence"] + 1
        data = make(self._desk.account.device_seed, state.group, sequence, state.heads, *what)
        try:
            state.take(data)
        except LimitError:
            raise errors.GroupFull(most=limits.DEVICES) from None
        except PeerError:
            raise errors.NotAdmin(name=self.row(group)["name"]) from None
        self._keep(group, data)
        self._database.run("UPDATE contacts SET sequence = ? WHERE id = ?", sequence, group)

    def _greatest(self, group: int, device: bytes) -> int:
        """The greatest sequence that we know of a device in a group."""
        signed = self.state(group).device_sequences(device)
        row = self._database.row(
            "SELECT max(e.sequence) AS last FROM entries e JOIN contacts c ON c.id = e.device"
            " WHERE e.contact = ? AND c.device_key = ?",
            group,
            device,
        )
        said = row["last"] if row is not None and row["last"] is not None else 0
        if device == self._desk.account.device_key:
            said = self.row(group)["sequence"]
        return max(signed, int(said))

    def _insert(self, identity: bytes, name: str) -> int:
        group = self._database.run(
            "INSERT INTO contacts (role, name, account_key, device_key, connected, ratchet)"
            " VALUES (?, ?, ?, X'', 1, seal_hour(?))",
            roles.GROUP,
            self._desk.free_name(name),
            identity,
            Sessions(None).to_cbor(),
        )
        self._database.run("INSERT INTO group_states (contact) VALUES (?)", group)
        return group

    def _keep(self, group: int, data: bytes) -> None:
        self._database.run(
            "INSERT OR IGNORE INTO group_operations (contact, data) VALUES (?, ?)", group, data
        )

    def tell(
        self, group: int, devices: list[bytes], before: tuple[bytes, ...], made: Epoch | None, now: int
    ) -> None:
        """Post to some devices what they need: operations that they may lack, and the epoch."""
        state = self.state(group)
        past = state.at(before)
        known = past.cards if past is not None else {}
        operations = state.operations()
        news = operations[state.count_of(before) :] if past is not None else operations
        for device in devices:
            row = self.device_row(group, device, now)
            if row is not None:
                some = news if device in known else operations
                self._post(row, Control(state.group, tuple(some), made), now)

    def _post(self, row: int, found: Control, now: int) -> None:
        for data in control.encode(found):
            self._desk.sealer.post(row, entries.GROUP, data, now)
        self._desk.devices.want(row)

    def device_row(self, group: int, device: bytes, now: int) -> int | None:
        """The row of a device of a group; made where we did not know it. None for our own."""
        if device == self._desk.account.device_key:
            return None
        found = self._database.row(
            "SELECT id, revoked_ms FROM contacts WHERE device_key = ? AND role != ?", device, roles.GROUP
        )
        if found is not None:
            return int(found["id"]) if found["revoked_ms"] is None else None
        card = self.state(group).members.cards.get(device)
        if card is None:
            return None
        first = self._database.row(
            "SELECT id FROM contacts WHERE account_key = ? AND role = ? AND person IS NULL",
            card.account_key,
            roles.MEMBER,
        )
        return self._desk.devices.begin(
            roles.MEMBER,
            None if first is None else int(first["id"]),
            card.account_key,
            card.device_key,
            card.device_dh,
            now,
            ask=False,
        )

    def heard(self, device: int, data: bytes, now: int) -> None:
        """A device told us something about a group. PeerError where it may not, or is not whole yet."""
        sender = self._database.rows("SELECT * FROM contacts WHERE id = ?", device)[0]
        found = control.decode(data, bytes(sender["device_key"]))
        row = self._database.row(
            "SELECT id FROM contacts WHERE account_key = ? AND role = ?", found.group, roles.GROUP
        )
        if row is None:
            if sender["role"] == roles.MEMBER or not found.operations:
                raise PeerError("a group of a stranger's")
            first = operation.decode(found.operations[0])
            if first.kind != operation.CREATE or first.group != found.group:
                raise PeerError("a group whose beginning is not here")
            group = self._insert(found.group, clean_name(first.name))
        else:
            group = int(row["id"])
        state = self.state(group)
        # Whoever is not in cannot fill the room of operations that wait for others.
        may_wait = (
            self.row(group)["joined_ms"] is None
            or sender["role"] == roles.OWN
            or bytes(sender["device_key"]) in state.members.spans
        )
        for part in found.operations:
            try:
                taken = state.take(part)
            except PeerError:
                continue  # one that does not hold keeps none from those that do
            if taken is not state and (may_wait or len(taken.nodes) > len(state.nodes)):
                state = taken
                self._keep(group, part)
        if found.epoch is not None:
            self.epochs.take(group, found.epoch, now)
        for waiting in self._database.rows(
            "SELECT *, unseal(secret) AS opened FROM group_epochs WHERE contact = ? AND devices IS NULL",
            group,
        ):
            heads = split(bytes(waiting["heads"]))
            self.epochs.take(
                group,
                Epoch(
                    found.group, waiting["number"], heads, bytes(waiting["maker"]), bytes(waiting["opened"])
                ),
                now,
            )
        missing = self._missing(group)
        if missing and sender["revoked_ms"] is None:
            self._post(device, Control(found.group, wants=tuple(sorted(missing))), now)
        if found.wants and bytes(sender["device_key"]) in self.state(group).members.spans:
            here = self.state(group)
            some = tuple(
                here.nodes[here.index[one]].operation.data for one in found.wants if one in here.index
            )
            if some:
                self._post(device, Control(found.group, some), now)
        self.changed(group, now)

    def _missing(self, group: int) -> set[bytes]:
        state = self.state(group)
        found = state.missing()
        for row in self._database.rows(
            "SELECT heads FROM group_epochs WHERE contact = ? AND devices IS NULL", group
        ):
            found |= {head for head in split(bytes(row["heads"])) if head not in state.index}
        return found

    def changed(self, group: int, now: int) -> None:
        """The operations are others: name, what is refused, and whether we are in."""
        members = self.state(group).members
        row = self.row(group)
        for device in members.cards:
            self.device_row(group, device, now)  # from now on their resets are answered
        here = self._desk.account.device_key in members.cards
        if members.name and clean_name(members.name) != row["name"]:
            name = clean_name(members.name)
            if self._database.row("SELECT 1 FROM contacts WHERE name = ? AND id != ?", name, group) is None:
                self._database.run("UPDATE contacts SET name = ? WHERE id = ?", name, group)
                row = self.row(group)
        for said in self._database.rows(
            "SELECT e.id, e.sequence, e.refused, c.device_key FROM entries e"
            " JOIN contacts c ON c.id = e.device WHERE e.contact = ?",
            group,
        ):
            refused = not members.accepts(bytes(said["device_key"]), said["sequence"])
            if refused != bool(said["refused"]):
                self._database.run("UPDATE entries SET refused = ? WHERE id = ?", int(refused), said["id"])
        newest = self.epochs.newest(group, now)
        if here and newest is not None and row["joined_ms"] is None:
            # Not before the first epoch: it names all that was done before.
            self._joined(group, now)
            self._desk.tell(Noticed(GROUP_JOINED, row["name"]))
            if self.add_own(group):
                self.epochs.begin_anew(group, now)
        elif here and newest is not None and bytes(newest["maker"]) == self._desk.account.device_key:
            # Something was done at the same time as our epoch: who made the newest one unites all.
            if self.epochs.present(group, now) is None:
                self.epochs.begin_anew(group, now)
        elif not here and row["joined_ms"] is not None:
            self._database.run(
                "UPDATE group_states SET joined_ms = NULL, left_ms = ? WHERE contact = ?", now, group
            )
            for one in self._database.rows("SELECT id FROM group_epochs WHERE contact = ?", group):
                self.epochs.forget(group, one["id"])
            self._desk.tell(Noticed(GROUP_LEFT, row["name"]))

    def _joined(self, group: int, now: int) -> None:
        self._database.run(
            "UPDATE group_states SET joined_ms = ?, left_ms = NULL WHERE contact = ?", now, group
        )
