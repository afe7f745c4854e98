"""The epochs of groups as the database keeps them: a chain for each device that was in, and no secret.

All methods are a part of their caller's transaction; times are unix time in ms.
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hedgerow.database import Database
from hedgerow.groups import epoch, limits
from hedgerow.groups.epoch import Chain, Epoch
from hedgerow.groups.members import Members
from hedgerow.log import entry as entries

if TYPE_CHECKING:
    from hedgerow.desk import Desk
    from hedgerow.groups.book import Groups

_MINUTE_MS = 60_000
_AHEAD_MINUTES = 24 * 60


@dataclass(frozen=True)
class GroupLock:
    """Whose letter may lie under a lock: number ``number`` of ``device`` in the epoch of row ``epoch``."""

    group: int
    epoch: int
    device: bytes
    number: int


class Epochs:
    """A part of ``groups``."""

    def __init__(
        self, groups: "Groups", desk: "Desk", database: Database, random: Callable[[int], bytes]
    ) -> None:
        self._groups = groups
        self._desk = desk
        self._database = database
        self._random = random

    def begin_anew(self, group: int, now: int) -> None:
        """A new secret for all who are in, with the operations that are not in the newest epoch yet."""
        state = self._groups.state(group)
        (row,) = self._database.rows(
            "SELECT ifnull(max(number), 0) AS n FROM group_epochs WHERE contact = ? AND number <= ?",
            group,
            _plausible(now),
        )
        secret = self._random(epoch.SECRET_BYTES)
        # By the clock, so that a home that lost its epochs begins a newer one than those it does not know.
        number = max(row["n"] + 1, now // _MINUTE_MS - entries.EPOCH_MINUTES)
        made = Epoch(state.group, number, state.heads, self._desk.account.device_key, secret)
        newest = self.newest(group, now)
        before = () if newest is None else split(bytes(newest["heads"]))
        self.begin(group, made, state.members, now)
        self._groups.tell(group, list(state.members.cards), before, made, now)
        self._groups.changed(group, now)

    def newest(self, group: int, now: int) -> sqlite3.Row | None:
        """The row of the newest epoch that we can read; None where we have none. Those that a clock ahead of
        ours numbered come last, so that nobody can be the newest for ever."""
        return self._database.row(
            "SELECT * FROM group_epochs WHERE contact = ? AND devices IS NOT NULL"
            " ORDER BY number > ?, number DESC, epoch DESC LIMIT 1",
            group,
            _plausible(now),
        )

    def begin(self, group: int, made: Epoch, members: Members, now: int) -> None:
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
            self.keep_chain(row, device, chain)
            self.watch(group, row, device, chain)
        self._make_room(group, now)

    def _make_room(self, group: int, now: int) -> None:
        """Forget the oldest epochs above the limit, of the account that made most: whoever makes many pushes
        out its own, and not those that letters of others are still on their way in."""
        owners = self._groups.state(group).members.owners
        kept = [
            (row["id"], owners.get(bytes(row["maker"]), frozenset({bytes(row["maker"])})))
            for row in self._database.rows(
                "SELECT id, maker FROM group_epochs WHERE contact = ? AND devices IS NOT NULL"
                " ORDER BY number > ?, number DESC, epoch DESC",
                group,
                _plausible(now),
            )
        ]
        while len(kept) > limits.EPOCHS:
            counts = Counter(owner for _, owner in kept)
            most = max(counts.values())
            # Reversed, the oldest is first.
            old = next(one for one in reversed(kept) if counts[one[1]] == most)
            kept.remove(old)
            self.forget(group, old[0])

    def keep_chain(self, row: int, device: bytes, chain: Chain) -> None:
        self._database.run(
            "INSERT OR REPLACE INTO group_chains (epoch, device, state) VALUES (?, ?, seal_hour(?))",
            row,
            device,
            chain.to_cbor(),
        )

    def forget(self, group: int, row: int) -> None:
        for chain in self._database.rows("SELECT device FROM group_chains WHERE epoch = ?", row):
            self._desk.mailbox.forget(("group", row, bytes(chain["device"])))
        self._database.run("DELETE FROM group_chains WHERE epoch = ?", row)
        self._database.run("DELETE FROM group_epochs WHERE id = ?", row)

    def watch(self, group: int, row: int, device: bytes, chain: Chain, ahead: int = limits.WINDOW) -> None:
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
            self.watch(row["contact"], row["id"], bytes(row["device"]), chain, ahead)

    def present(self, group: int, now: int) -> tuple[sqlite3.Row, Chain] | None:
        """The newest epoch for exactly those who are in now, with our chain; None where there is none."""
        members = self._groups.state(group).members
        for row in self._database.rows(
            "SELECT e.*, unseal(c.state) AS state FROM group_epochs e JOIN group_chains c ON c.epoch = e.id"
            " WHERE e.contact = ? AND e.devices = ? AND c.device = ?"
            " ORDER BY e.number > ?, e.number DESC, e.epoch DESC",
            group,
            _devices_hash(members),
            self._desk.account.device_key,
            _plausible(now),
        ):
            chain = self._desk.kept(Chain.from_cbor, row["state"])
            if chain.number < limits.EPOCH_MESSAGES:
                return row, chain
        return None

    def take(self, group: int, made: Epoch, now: int) -> None:
        """A device began an epoch, or one that waited may begin now."""
        known = self._database.row(
            "SELECT devices FROM group_epochs WHERE contact = ? AND epoch = ?", group, made.id
        )
        if known is not None and known["devices"] is not None:
            return
        members = self._groups.state(group).at(made.heads)
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
        self.begin(group, made, members, now)


def _plausible(now: int) -> int:
    """The greatest number that an epoch of today has by our clock."""
    return now // _MINUTE_MS - entries.EPOCH_MINUTES + _AHEAD_MINUTES


def split(heads: bytes) -> tuple[bytes, ...]:
    """The ids of operations that stand one behind the other."""
    return tuple(heads[at : at + epoch.HEAD_BYTES] for at in range(0, len(heads), epoch.HEAD_BYTES))


def _devices_hash(members: Members) -> bytes:
    return hashlib.sha256(b"".join(members.cards)).digest()[:8]
