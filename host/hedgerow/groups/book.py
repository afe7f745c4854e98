"""The groups of one home: who is in, their epochs, and what is said, as the database keeps them.

A group is a row of ``contacts`` with the role GROUP; its members' devices are rows of their own, with or
without a ratchet. All methods are a part of their caller's transaction; times are unix time in ms.
"""

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hedgerow import errors, roles
from hedgerow.database import Database
from hedgerow.devices import sync
from hedgerow.events import EQUIVOCATED, GROUP_JOINED, GROUP_LEFT, Noticed, Received
from hedgerow.groups import control, epoch, letter, limits, operation
from hedgerow.groups.control import Control
from hedgerow.groups.epoch import Chain, Epoch
from hedgerow.groups.letter import Letter
from hedgerow.groups.members import Member, Members
from hedgerow.groups.membership import Membership
from hedgerow.identity.account import Card
from hedgerow.log import entry as entries
from hedgerow.people.names import checked_name, clean_name
from hedgerow.ratchet.sessions import Sessions
from hedgerow_core.envelope import TTL_MINUTES, Envelope
from hedgerow_core.errors import LimitError, PeerError

if TYPE_CHECKING:
    from hedgerow.desk import Desk

_MINUTE_MS = 60_000
_DIGEST_LEAST_MS = 10 * _MINUTE_MS
_DIGEST_A_DEVICE_MS = 2 * _MINUTE_MS
_DIGEST_REFERENCES = 100
_SKEW_MS = 3_600_000
_RENEW_AT = limits.EPOCH_MESSAGES - 100


@dataclass(frozen=True)
class GroupLock:
    """Whose letter may lie under a lock: number ``number`` of ``device`` in the epoch of row ``epoch``."""

    group: int
    epoch: int
    device: bytes
    number: int


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
    """A part of ``desk``."""

    def __init__(self, desk: "Desk", database: Database, random: Callable[[int], bytes]) -> None:
        self._desk = desk
        self._database = database
        self._random = random
        self._states: dict[int, tuple[int, Membership]] = {}

    # Listing

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
            "SELECT c.*, g.left_ms, g.digest_ms FROM contacts c JOIN group_states g ON g.contact = c.id"
            " ORDER BY c.id"
        )

    def _row(self, group: int) -> sqlite3.Row:
        return self._database.rows(
            "SELECT c.*, g.left_ms, g.digest_ms FROM contacts c JOIN group_states g ON g.contact = c.id"
            " WHERE c.id = ?",
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

    # What we do

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
        self._database.run("UPDATE contacts SET sequence = 1 WHERE id = ?", group)
        self.add(group, people, now)
        return group

    def add(self, group: int, people: list[str], now: int) -> None:
        """Take contacts in, in one new epoch. UnknownContact, NotConnected, AlreadyMember, NoCertificate,
        NotAdmin, GroupFull."""
        before = self.state(group).heads
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
        self._new_epoch(group, before, now)

    def _add(self, group: int, card: Card) -> None:
        members = self.state(group).members
        if len(members.cards) >= limits.DEVICES:
            raise errors.GroupFull(most=limits.DEVICES)
        # What they said in this group before they were put out does not hold again.
        start = self._greatest(group, card.device_key) + 1
        self._do(group, operation.add, card, start)

    def add_own(self, group: int) -> bool:
        """Take our other devices in, where we can certify them; whether there was one."""
        desk = self._desk
        members = self.state(group).members
        if not desk.account.account_seed or desk.account.account_key not in members.accounts:
            return False
        found = [one for one in desk.devices.all() if one.device_key not in members.cards]
        for one in found:
            (row,) = self._database.rows(
                "SELECT device_dh FROM contacts WHERE role = ? AND device_key = ?", roles.OWN, one.device_key
            )
            device_dh = bytes(row["device_dh"])
            certificate = desk.account.certify(one.device_key, device_dh)
            card = Card(desk.name, desk.account.account_key, one.device_key, device_dh, certificate)
            self._add(group, card)
        return bool(found)

    def own_devices_changed(self, now: int) -> None:
        """Our devices are others: the groups hear of that."""
        listed = {one.device_key for one in self._desk.devices.all()}
        for row in self._rows():
            group = int(row["id"])
            members = self.state(group).members
            mine = members.accounts.get(self._desk.account.account_key)
            if row["left_ms"] is not None or mine is None:
                continue
            before = self.state(group).heads
            gone = [card.device_key for card in mine.devices if card.device_key not in listed]
            for device in gone:
                self._do(group, operation.revoke, ((device, self._greatest(group, device)),))
            if self.add_own(group) or gone:
                self._new_epoch(group, before, now)

    def remove(self, group: int, name: str, now: int) -> None:
        """Put a member out; what they write from now on is refused. UnknownMember, NotAdmin."""
        before = self.state(group)
        member = self._find(group, name)
        account = before.members.accounts[member.account_key]
        lasts = tuple((card.device_key, self._greatest(group, card.device_key)) for card in account.devices)
        self._do(group, operation.remove, member.account_key, lasts)
        self._new_epoch(group, before.heads, now)
        # They learn it, too: else they would wait for letters for ever.
        self._tell(group, [card.device_key for card in account.devices], before.heads, None, now)

    def promote(self, group: int, name: str, now: int) -> None:
        """Make a member an admin. UnknownMember, NotAdmin."""
        before = self.state(group)
        member = self._find(group, name)
        self._do(group, operation.promote, member.account_key)
        self._tell(group, list(before.members.cards), before.heads, None, now)

    def rename(self, group: int, name: str, now: int) -> None:
        """Give a group another name, for all. BadName, NotAdmin."""
        name = checked_name(name)
        if len(name.encode()) > limits.NAME_BYTES:
            raise errors.BadName(name=name)
        before = self.state(group)
        self._do(group, operation.rename, name)
        self._tell(group, list(before.members.cards), before.heads, None, now)
        self._changed(group, now)

    def leave(self, group: int, now: int) -> None:
        """Go, with all our devices. LastAdmin where nobody could act for the others."""
        before = self.state(group)
        account = before.members.accounts[self._desk.account.account_key]
        others = [one for one in before.members.accounts.values() if one.account != account.account]
        if others and account.admin and not any(one.admin for one in others):
            raise errors.LastAdmin
        lasts = tuple(
            (card.device_key, self._greatest(group, card.device_key) + 1) for card in account.devices
        )
        self._do(group, operation.leave, account.account, lasts)
        self._tell(group, list(before.members.cards), before.heads, None, now)
        self._changed(group, now)

    def check_admin(self, group: int) -> None:
        """NotAdmin where we are none."""
        if not self.state(group).members.is_admin(self._desk.account.account_key):
            raise errors.NotAdmin(name=self._row(group)["name"])

    def _find(self, group: int, name: str) -> GroupMember:
        members = self.state(group).members
        for member in map(self._member, members.accounts.values()):
            if member.name.casefold() == name.casefold() and not member.us:
                return member
        raise errors.UnknownMember(name=name)

    def _do(self, group: int, make: Callable[..., bytes], *what: object) -> None:
        """Sign an operation. NotAdmin where it does not hold."""
        state = self.state(group)
        sequence = self._row(group)["sequence"] + 1
        data = make(self._desk.account.device_seed, state.group, sequence, state.heads, *what)
        try:
            state.take(data)
        except LimitError:
            raise errors.GroupFull(most=limits.DEVICES) from None
        except PeerError:
            raise errors.NotAdmin(name=self._row(group)["name"]) from None
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
            said = self._row(group)["sequence"]
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

    # Epochs

    def _new_epoch(self, group: int, before: tuple[bytes, ...], now: int) -> None:
        """A new secret for all who are in, with the operations since ``before``."""
        state = self.state(group)
        (row,) = self._database.rows(
            "SELECT ifnull(max(number), 0) AS n FROM group_epochs WHERE contact = ?", group
        )
        secret = self._random(epoch.SECRET_BYTES)
        # By the clock, so that a home that lost its epochs begins a newer one than those it does not know.
        number = max(row["n"] + 1, now // _MINUTE_MS - entries.EPOCH_MINUTES)
        made = Epoch(state.group, number, state.heads, self._desk.account.device_key, secret)
        self._begin(group, made, state.members, now)
        self._tell(group, list(state.members.cards), before, made, now)
        self._changed(group, now)

    def _begin(self, group: int, made: Epoch, members: Members, now: int) -> None:
        """Keep the chains of an epoch, and forget its secret."""
        self._database.run("DELETE FROM group_epochs WHERE contact = ? AND epoch = ?", group, made.id)
        row = self._database.run(
            "INSERT INTO group_epochs (contact, epoch, number, maker, heads, devices, made_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            group,
            made.id,
            made.number,
            made.maker,
            b"".join(made.heads),
            _devices_hash(members),
            now,
        )
        for device, chain in epoch.chains(made, members).items():
            self._keep_chain(row, device, chain)
            self._watch(group, row, device, chain)
        old = self._database.rows(
            "SELECT id FROM group_epochs WHERE contact = ? AND devices IS NOT NULL"
            " ORDER BY number DESC, epoch DESC LIMIT -1 OFFSET ?",
            group,
            limits.EPOCHS,
        )
        for one in old:
            self._forget_epoch(group, one["id"])

    def _keep_chain(self, row: int, device: bytes, chain: Chain) -> None:
        self._database.run(
            "INSERT OR REPLACE INTO group_chains (epoch, device, state) VALUES (?, ?, seal_hour(?))",
            row,
            device,
            chain.to_cbor(),
        )

    def _forget_epoch(self, group: int, row: int) -> None:
        for chain in self._database.rows("SELECT device FROM group_chains WHERE epoch = ?", row):
            self._desk.mailbox.forget(("group", row, bytes(chain["device"])))
        self._database.run("DELETE FROM group_chains WHERE epoch = ?", row)
        self._database.run("DELETE FROM group_epochs WHERE id = ?", row)

    def _watch(self, group: int, row: int, device: bytes, chain: Chain, ahead: int = limits.WINDOW) -> None:
        if device != self._desk.account.device_key:
            found = epoch.locks(chain, ahead)
            self._desk.mailbox.watch(
                ("group", row, device),
                {lock: GroupLock(group, row, device, number) for lock, number in found.items()},
            )

    def watch_all(self, ahead: int = limits.WINDOW) -> None:
        """Watch for the letters of all groups; with ``ahead`` for those behind a gap, too."""
        for row in self._database.rows(
            "SELECT e.contact, e.id, c.device, unseal(c.state) AS state FROM group_epochs e"
            " JOIN group_chains c ON c.epoch = e.id"
        ):
            chain = self._desk.kept(Chain.from_cbor, row["state"])
            self._watch(row["contact"], row["id"], bytes(row["device"]), chain, ahead)

    def _tell(
        self, group: int, devices: list[bytes], before: tuple[bytes, ...], made: Epoch | None, now: int
    ) -> None:
        """Post to some devices what they need: operations that they may lack, and the epoch."""
        state = self.state(group)
        past = state.at(before)
        known = past.cards if past is not None else {}
        operations = state.operations()
        news = operations[state.count_of(before) :] if past is not None else operations
        for device in devices:
            row = self._device_row(group, device, now)
            if row is not None:
                some = news if device in known else operations
                self._post(row, Control(state.group, tuple(some), made), now)

    def _post(self, row: int, found: Control, now: int) -> None:
        for data in control.encode(found):
            self._desk.sealer.post(row, entries.GROUP, data, now)
        self._desk.devices.want(row)

    def _device_row(self, group: int, device: bytes, now: int) -> int | None:
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

    def _present(self, group: int) -> tuple[sqlite3.Row, Chain] | None:
        """The newest epoch for exactly those who are in now, with our chain; None where there is none."""
        members = self.state(group).members
        for row in self._database.rows(
            "SELECT e.*, unseal(c.state) AS state FROM group_epochs e JOIN group_chains c ON c.epoch = e.id"
            " WHERE e.contact = ? AND e.devices = ? AND c.device = ? ORDER BY e.number DESC, e.epoch DESC",
            group,
            _devices_hash(members),
            self._desk.account.device_key,
        ):
            chain = self._desk.kept(Chain.from_cbor, row["state"])
            if chain.number < limits.EPOCH_MESSAGES:
                return row, chain
        return None

    # What comes from devices

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
        was_in = self._desk.account.device_key in state.members.cards
        for part in found.operations:
            try:
                taken = state.take(part)
            except PeerError:
                continue  # one that does not hold keeps none from those that do
            if taken is not state:
                state = taken
                self._keep(group, part)
        if found.epoch is not None:
            self._take_epoch(group, found.epoch, now)
        for waiting in self._database.rows(
            "SELECT *, unseal(secret) AS opened FROM group_epochs WHERE contact = ? AND devices IS NULL",
            group,
        ):
            heads = _split(bytes(waiting["heads"]))
            self._take_epoch(
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
        self._changed(group, now, was_in)

    def _missing(self, group: int) -> set[bytes]:
        state = self.state(group)
        found = state.missing()
        for row in self._database.rows(
            "SELECT heads FROM group_epochs WHERE contact = ? AND devices IS NULL", group
        ):
            found |= {head for head in _split(bytes(row["heads"])) if head not in state.index}
        return found

    def _take_epoch(self, group: int, made: Epoch, now: int) -> None:
        """A device began an epoch, or one that waited may begin now."""
        known = self._database.row(
            "SELECT devices FROM group_epochs WHERE contact = ? AND epoch = ?", group, made.id
        )
        if known is not None and known["devices"] is not None:
            return
        members = self.state(group).at(made.heads)
        if members is None:
            (count,) = self._database.rows(
                "SELECT count(*) AS n FROM group_epochs WHERE contact = ? AND devices IS NULL", group
            )
            if known is None and count["n"] < limits.WAITING_EPOCHS:
                self._database.run(
                    "INSERT INTO group_epochs (contact, epoch, number, maker, heads, secret, made_ms)"
                    " VALUES (?, ?, ?, ?, ?, seal_hour(?), ?)",
                    group,
                    made.id,
                    made.number,
                    made.maker,
                    b"".join(made.heads),
                    made.secret,
                    now,
                )
            return
        if made.maker not in members.cards or self._desk.account.device_key not in members.cards:
            self._database.run("DELETE FROM group_epochs WHERE contact = ? AND epoch = ?", group, made.id)
            return
        self._begin(group, made, members, now)

    def _changed(self, group: int, now: int, was_in: bool = True) -> None:
        """The operations are others: name, what is refused, and whether we are in."""
        members = self.state(group).members
        row = self._row(group)
        for device in members.cards:
            self._device_row(group, device, now)  # from now on their resets are answered
        here = self._desk.account.device_key in members.cards
        if members.name and clean_name(members.name) != row["name"]:
            name = clean_name(members.name)
            if self._database.row("SELECT 1 FROM contacts WHERE name = ? AND id != ?", name, group) is None:
                self._database.run("UPDATE contacts SET name = ? WHERE id = ?", name, group)
                row = self._row(group)
        for said in self._database.rows(
            "SELECT e.id, e.sequence, e.refused, c.device_key FROM entries e"
            " JOIN contacts c ON c.id = e.device WHERE e.contact = ?",
            group,
        ):
            refused = not members.accepts(bytes(said["device_key"]), said["sequence"])
            if refused != bool(said["refused"]):
                self._database.run("UPDATE entries SET refused = ? WHERE id = ?", int(refused), said["id"])
        if here and not was_in:
            self._database.run("UPDATE group_states SET left_ms = NULL WHERE contact = ?", group)
            self._desk.tell(Noticed(GROUP_JOINED, row["name"]))
            if self.add_own(group):
                self._new_epoch(group, self.state(group).heads, now)
        elif not here and was_in and row["left_ms"] is None:
            self._database.run("UPDATE group_states SET left_ms = ? WHERE contact = ?", now, group)
            for one in self._database.rows("SELECT id FROM group_epochs WHERE contact = ?", group):
                self._forget_epoch(group, one["id"])
            self._desk.tell(Noticed(GROUP_LEFT, row["name"]))

    # Letters

    def write(self, group: int, kind: int, text: str, data: bytes, now: int) -> Envelope:
        """Say something to a group. GroupLeft."""
        row = self._row(group)
        if row["left_ms"] is not None:
            raise errors.GroupLeft(name=row["name"])
        if self._present(group) is None:
            self._new_epoch(group, self.state(group).heads, now)
        timer = row["timer"] if kind == entries.TEXT else 0
        sequence = self._row(group)["sequence"] + 1
        written = entries.Entry(
            kind, sequence, max(row["clock"], sequence - 1) + 1, 0, now, text, 0, timer, data
        )
        most = _DIGEST_REFERENCES if kind == entries.GROUP else limits.REFERENCES
        envelope = self._seal(group, Letter(written, self._references(group, most)), now)
        entry = self._database.run(
            "INSERT INTO entries (contact, mine, kind, sequence, clock, reference, written_ms, text,"
            " envelope, hops, timer, read_ms)"
            " VALUES (?, 1, ?, ?, ?, 0, ?, seal_long(?), ?, ?, ?, iif(?, ?, NULL))",
            *(group, kind, sequence, written.clock, now, text, envelope.id, envelope.hops, timer, timer, now),
        )
        self._database.run(
            "UPDATE contacts SET sequence = ?, clock = ? WHERE id = ?", sequence, written.clock, group
        )
        self._database.run("UPDATE sendings SET entry = ? WHERE envelope = ?", entry, envelope.id)
        return envelope

    def again(self, entry: int, now: int) -> Envelope | None:
        """Say a text once more that may not have reached all; who has it shows it once."""
        row = self._database.rows(
            "SELECT *, unseal(text) AS opened FROM entries WHERE id = ? AND mine = 1", entry
        )[0]
        group = int(row["contact"])
        if row["kind"] != entries.TEXT or not row["opened"] or self._row(group)["left_ms"] is not None:
            return None
        if self._present(group) is None:
            self._new_epoch(group, self.state(group).heads, now)
        delay = max(0, (now - row["written_ms"]) // _MINUTE_MS)
        written = entries.Entry(
            *(
                row["kind"],
                row["sequence"],
                row["clock"],
                0,
                row["written_ms"],
                row["opened"],
                delay,
                row["timer"],
            )
        )
        envelope = self._seal(group, Letter(written, ()), now)
        self._database.run("UPDATE entries SET envelope = ? WHERE id = ?", envelope.id, entry)
        self._database.run("UPDATE sendings SET entry = ? WHERE envelope = ?", entry, envelope.id)
        return envelope

    def _seal(self, group: int, said: Letter, now: int) -> Envelope:
        found = self._present(group)
        if found is None:
            raise errors.GroupLeft(name=self._row(group)["name"])
        row, chain = found
        identity = self.state(group).group
        seed = self._desk.account.device_seed
        try:
            chain, lock, body, stop = letter.seal(chain, identity, bytes(row["epoch"]), seed, said)
        except LimitError:
            raise errors.TextTooLong(size=len(said.entry.text.encode()), limit=TEXT_BYTES) from None
        self._keep_chain(row["id"], self._desk.account.device_key, chain)
        return self._desk.sealer.to_group(group, lock, body, stop, now)

    def _references(self, group: int, most: int) -> tuple[tuple[bytes, int], ...]:
        """Up to where we have the others, as far as we did not say that yet."""
        found: list[tuple[bytes, int]] = []
        for device in self.state(group).members.cards:
            if device == self._desk.account.device_key or len(found) >= most:
                continue
            reached = self._reached(group, device)
            row = self._database.row(
                "SELECT ours FROM group_acks WHERE contact = ? AND device = ?", group, device
            )
            if reached > (row["ours"] if row else 0):
                found.append((sync.tag(device), reached))
                self._database.run(
                    "INSERT INTO group_acks (contact, device, ours) VALUES (?, ?, ?)"
                    " ON CONFLICT (contact, device) DO UPDATE SET ours = excluded.ours",
                    group,
                    device,
                    reached,
                )
        return tuple(found)

    def _reached(self, group: int, device: bytes) -> int:
        """The sequence of a device up to which we have all that it said since we know it."""
        rows = self._database.rows(
            "SELECT DISTINCT e.sequence FROM entries e JOIN contacts c ON c.id = e.device"
            " WHERE e.contact = ? AND c.device_key = ? ORDER BY e.sequence",
            group,
            device,
        )
        said = {int(row["sequence"]) for row in rows}
        if not said:
            return 0
        nodes = self.state(group).nodes
        said |= {node.operation.sequence for node in nodes if node.operation.author == device}
        at = int(rows[0]["sequence"])
        while True:
            # Who lost its home goes on behind a leap.
            leap = limits.after_leap(at)
            if at + 1 in said:
                at += 1
            elif leap in said:
                at = leap
            else:
                return at

    def open(self, envelope: Envelope, owner: GroupLock, now: int) -> None:
        """Read a letter. PeerError where it is forged, or its author is not in."""
        found = self._database.row(
            "SELECT e.epoch, unseal(c.state) AS state FROM group_epochs e"
            " JOIN group_chains c ON c.epoch = e.id WHERE e.id = ? AND c.device = ?",
            owner.epoch,
            owner.device,
        )
        group = owner.group
        row = self._row(group)
        if found is None or row["left_ms"] is not None:
            return
        state = self.state(group)
        chain, said = letter.open(
            self._desk.kept(Chain.from_cbor, found["state"]),
            owner.number,
            state.group,
            bytes(found["epoch"]),
            owner.device,
            envelope.body,
        )
        written = said.entry
        if not state.members.accepts(owner.device, written.sequence):
            raise PeerError("a letter of somebody who is not in")
        device = self._device_row(group, owner.device, now)
        if device is None:
            raise PeerError("a letter of a device that was revoked")
        self._keep_chain(owner.epoch, owner.device, chain)
        self._database.run("UPDATE contacts SET clock = max(clock, ?) WHERE id = ?", written.clock, group)
        self._acknowledged(group, owner.device, said.references, now)
        lifetime_ms = TTL_MINUTES[envelope.ttl] * _MINUTE_MS
        late = now - written.sealed_ms > lifetime_ms + _SKEW_MS
        new = self._take(group, owner.device, device, written, envelope, late, now)
        self._watch(group, owner.epoch, owner.device, chain)
        digest_ms = self._row(group)["digest_ms"]
        if digest_ms is None:
            self._plan_digest(group, now)
        mine = state.members.account_of(owner.device) == self._desk.account.account_key
        if new and written.kind == entries.TEXT and written.text and not mine:
            name = f"{self.author_name(group, owner.device)} in {row['name']}"
            self._desk.tell(
                Received(
                    *(
                        name,
                        written.text,
                        written.sequence,
                        envelope.hops,
                        written.written_ms,
                        envelope.id,
                        late,
                    )
                )
            )

    def _take(
        self,
        group: int,
        key: bytes,
        device: int,
        written: entries.Entry,
        envelope: Envelope,
        late: bool,
        now: int,
    ) -> bool:
        """Keep what a device said; whether it is new. Two things in one place are a lie, and shown."""
        others = self._database.rows(
            "SELECT kind, clock, written_ms, unseal(text) AS text, removed_ms FROM entries WHERE contact = ?"
            " AND device = ? AND sequence = ?",
            group,
            device,
            written.sequence,
        )
        signed = any(
            node.operation.author == key and node.operation.sequence == written.sequence
            for node in self.state(group).nodes
        )
        same = [
            other
            for other in others
            if (other["kind"], other["clock"], other["written_ms"])
            == (written.kind, written.clock, written.written_ms)
            and (other["text"] == written.text or other["removed_ms"] is not None)
        ]
        if same:
            return False
        if others or signed:
            self._database.run(
                "INSERT OR IGNORE INTO group_contradictions (contact, device, sequence) VALUES (?, ?, ?)",
                group,
                key,
                written.sequence,
            )
            self._desk.tell(Noticed(EQUIVOCATED, self.author_name(group, key)))
        if written.kind in entries.SAID and written.kind != entries.READ:
            mine = self.state(group).members.account_of(key) == self._desk.account.account_key
            return self._desk.conversations.take(group, mine, device, written, now, envelope, late)
        self._database.run(
            "INSERT INTO entries (contact, mine, device, kind, sequence, clock, reference, written_ms,"
            " received_ms, text) VALUES (?, 0, ?, ?, ?, ?, 0, ?, ?, '')",
            *(group, device, written.kind, written.sequence, written.clock, written.written_ms, now),
        )
        return True

    # Who has what

    def _acknowledged(
        self, group: int, device: bytes, references: tuple[tuple[bytes, int], ...], now: int
    ) -> None:
        ours = sync.tag(self._desk.account.device_key)
        reached = max((sequence for tag, sequence in references if tag == ours), default=0)
        if not reached or reached > self._row(group)["sequence"]:
            return
        self._database.run(
            "INSERT INTO group_acks (contact, device, theirs) VALUES (?, ?, ?)"
            " ON CONFLICT (contact, device) DO UPDATE SET theirs = max(theirs, excluded.theirs)",
            group,
            device,
            reached,
        )
        for row in self._database.rows(
            "SELECT e.id, e.sequence, e.written_ms FROM entries e WHERE e.contact = ? AND e.mine = 1"
            " AND e.device IS NULL AND e.sequence > 0 AND e.delivered_ms IS NULL AND e.sequence <= ?",
            group,
            reached,
        ):
            got, of = self.delivered(group, row["sequence"])
            if got == of:
                self._database.run("UPDATE entries SET delivered_ms = ? WHERE id = ?", now, row["id"])
                # All have it: carriers may let go of it. Nobody else knows these stops.
                for sending in self._database.rows(
                    "SELECT stop FROM sendings WHERE entry = ? AND stop IS NOT NULL", row["id"]
                ):
                    self._desk.proofs.keep(bytes(sending["stop"]), now)
                self._database.run("UPDATE sendings SET record = NULL WHERE entry = ?", row["id"])

    def delivered(self, group: int, sequence: int) -> tuple[int, int]:
        """(how many of the other people have what we said, how many there are)."""
        acks = {
            bytes(row["device"]): row["theirs"]
            for row in self._database.rows("SELECT device, theirs FROM group_acks WHERE contact = ?", group)
        }
        others = [
            member
            for account, member in self.state(group).members.accounts.items()
            if account != self._desk.account.account_key
        ]
        got = [
            member
            for member in others
            if any(acks.get(card.device_key, 0) >= sequence for card in member.devices)
        ]
        return len(got), len(others)

    def _plan_digest(self, group: int, now: int) -> None:
        count = len(self.state(group).members.cards)
        wait = min(max(_DIGEST_LEAST_MS, count * _DIGEST_A_DEVICE_MS), limits.DIGEST_MS)
        # Not all at once.
        wait += int.from_bytes(self._random(2), "big") * wait >> 17
        self._database.run("UPDATE group_states SET digest_ms = ? WHERE contact = ?", now + wait, group)

    # What is due

    def due(self, now: int) -> bool:
        """Whether ``work`` has something to do."""
        return bool(self._digests(now) or self._old(now) or self._lost())

    def _digests(self, now: int) -> list[int]:
        rows = self._database.rows(
            "SELECT contact FROM group_states WHERE digest_ms <= ? AND left_ms IS NULL", now
        )
        return [int(row["contact"]) for row in rows]

    def _lost(self) -> list[int]:
        """Groups of which a restored home has no epoch: nobody can be read before there is another one."""
        rows = self._database.rows(
            "SELECT g.contact FROM group_states g WHERE g.left_ms IS NULL AND NOT EXISTS"
            " (SELECT 1 FROM group_epochs e WHERE e.contact = g.contact)"
        )
        own = self._desk.account.device_key
        return [int(row["contact"]) for row in rows if own in self.state(row["contact"]).members.cards]

    def _old(self, now: int) -> list[int]:
        """Groups whose newest epoch is ours, and old; or anybody's, and a day older than that."""
        found = []
        for row in self._database.rows(
            "SELECT e.contact, e.maker, max(e.made_ms) AS made_ms FROM group_epochs e JOIN group_states g"
            " ON g.contact = e.contact WHERE g.left_ms IS NULL AND e.devices IS NOT NULL GROUP BY e.contact"
        ):
            ours = bytes(row["maker"]) == self._desk.account.device_key
            grace = 0 if ours else limits.EPOCH_MS // 7
            if now - row["made_ms"] >= limits.EPOCH_MS + grace:
                found.append(int(row["contact"]))
        return found

    def work(self, now: int) -> None:
        """Say what we have where we were silent, and begin new epochs in time."""
        for group in self._digests(now):
            self._database.run("UPDATE group_states SET digest_ms = NULL WHERE contact = ?", group)
            if any(
                self._reached(group, device) > self._said(group, device) for device in self._others(group)
            ):
                self.write(group, entries.GROUP, "", b"", now)
        for group in (*self._old(now), *self._lost()):
            self._new_epoch(group, self.state(group).heads, now)
        for row in self._database.rows(
            "SELECT e.contact, e.id FROM group_epochs e WHERE e.made_ms < ? AND EXISTS (SELECT 1 FROM"
            " group_epochs n WHERE n.contact = e.contact AND n.devices IS NOT NULL AND n.number > e.number)",
            now - limits.OLD_EPOCH_MS,
        ):
            self._forget_epoch(row["contact"], row["id"])

    def _others(self, group: int) -> list[bytes]:
        own = self._desk.account.device_key
        return [device for device in self.state(group).members.cards if device != own]

    def _said(self, group: int, device: bytes) -> int:
        row = self._database.row(
            "SELECT ours FROM group_acks WHERE contact = ? AND device = ?", group, device
        )
        return int(row["ours"]) if row is not None else 0


TEXT_BYTES = 820


def _devices_hash(members: Members) -> bytes:
    return hashlib.sha256(b"".join(members.cards)).digest()[:8]


def _split(heads: bytes) -> tuple[bytes, ...]:
    return tuple(heads[at : at + epoch.HEAD_BYTES] for at in range(0, len(heads), epoch.HEAD_BYTES))
