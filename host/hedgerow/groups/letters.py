"""What is said to groups, and who has it: seals our letters, opens those of others, acknowledges, repeats.

All methods are a part of their caller's transaction; times are unix time in ms.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from hedgerow import errors
from hedgerow.chat import view
from hedgerow.database import Database
from hedgerow.devices import sync
from hedgerow.events import EQUIVOCATED, Noticed, Received
from hedgerow.groups import letter, limits
from hedgerow.groups.epoch import Chain
from hedgerow.groups.epochs import GroupLock
from hedgerow.groups.letter import Letter
from hedgerow.log import entry as entries
from hedgerow.log import rows
from hedgerow_core.envelope import TTL_MINUTES, Envelope
from hedgerow_core.errors import LimitError, PeerError

if TYPE_CHECKING:
    from hedgerow.desk import Desk
    from hedgerow.groups.book import Groups

TEXT_BYTES = 820
_MINUTE_MS = 60_000
_DIGEST_LEAST_MS = 10 * _MINUTE_MS
_DIGEST_A_DEVICE_MS = 2 * _MINUTE_MS
_DIGEST_REFERENCES = 100
_SKEW_MS = 3_600_000


class Letters:
    """A part of ``groups``."""

    def __init__(
        self, groups: "Groups", desk: "Desk", database: Database, random: Callable[[int], bytes]
    ) -> None:
        self._groups = groups
        self._desk = desk
        self._database = database
        self._random = random

    def write(self, group: int, kind: int, text: str, data: bytes, now: int) -> Envelope:
        """Say something to a group. GroupLeft."""
        row = self._groups.row(group)
        if row["left_ms"] is not None:
            raise errors.GroupLeft(name=row["name"])
        if self._groups.epochs.present(group, now) is None:
            self._groups.epochs.begin_anew(group, now)
        timer = row["timer"] if kind in entries.WORDS else 0
        sequence = self._groups.row(group)["sequence"] + 1
        written = entries.Entry(
            kind, sequence, entries.next_clock(row["clock"], sequence), 0, now, text, 0, timer, data
        )
        most = _DIGEST_REFERENCES if kind == entries.GROUP else limits.REFERENCES
        envelope = self._seal(group, Letter(written, self._references(group, most)), now)
        entry = self._database.run(
            "INSERT INTO entries (contact, mine, kind, sequence, clock, reference, written_ms, text,"
            " envelope, hops, timer, read_ms, content)"
            " VALUES (?, 1, ?, ?, ?, 0, ?, seal_long(?), ?, ?, ?, iif(?, ?, NULL), seal_hour(?))",
            *(group, kind, sequence, written.clock, now, text, envelope.id, envelope.hops, timer, timer, now),
            rows.kept(written),
        )
        self._database.run(
            "UPDATE contacts SET sequence = ?, clock = ? WHERE id = ?", sequence, written.clock, group
        )
        self._database.run("UPDATE sendings SET entry = ? WHERE envelope = ?", entry, envelope.id)
        self._prove(entry, self._signed)
        return envelope

    def _prove(self, entry: int, signed: bytes) -> None:
        """Keep what any member can pass on to another one."""
        self._database.run("UPDATE entries SET proof = seal_long(?) WHERE id = ?", signed, entry)

    def again(self, entry: int, now: int) -> Envelope | None:
        """Say a text once more that may not have reached all; who has it shows it once."""
        row = self._database.rows(
            "SELECT *, unseal(text) AS opened FROM entries WHERE id = ? AND mine = 1", entry
        )[0]
        group = int(row["contact"])
        if (
            row["kind"] not in entries.WORDS
            or not row["opened"]
            or self._groups.row(group)["left_ms"] is not None
        ):
            return None
        if self._groups.epochs.present(group, now) is None:
            self._groups.epochs.begin_anew(group, now)
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
        found = self._groups.epochs.present(group, now)
        if found is None:
            raise errors.GroupLeft(name=self._groups.row(group)["name"])
        row, chain = found
        identity = self._groups.state(group).group
        seed = self._desk.account.device_seed
        try:
            chain, lock, body, stop = letter.seal(chain, identity, bytes(row["epoch"]), seed, said)
        except LimitError:
            raise errors.TextTooLong(size=len(said.entry.text.encode()), limit=TEXT_BYTES) from None
        self._groups.epochs.keep_chain(row["id"], self._desk.account.device_key, chain)
        self._signed = letter.signed(identity, bytes(row["epoch"]), body[: letter.STOP_BYTES], seed, said)
        return self._desk.sealer.to_group(group, lock, body, stop, now)

    def _references(self, group: int, most: int) -> tuple[tuple[bytes, int], ...]:
        """Up to where we have the others, as far as we did not say that yet."""
        found: list[tuple[bytes, int]] = []
        for device in self._groups.state(group).members.cards:
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
        nodes = self._groups.state(group).nodes
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
        row = self._groups.row(group)
        if found is None or row["left_ms"] is not None:
            return
        state = self._groups.state(group)
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
        device = self._groups.device_row(group, owner.device, now)
        if device is None:
            raise PeerError("a letter of a device that was revoked")
        self._groups.epochs.keep_chain(owner.epoch, owner.device, chain)
        self._database.run("UPDATE contacts SET clock = max(clock, ?) WHERE id = ?", written.clock, group)
        self._acknowledged(group, owner.device, said.references, now)
        lifetime_ms = TTL_MINUTES[envelope.ttl] * _MINUTE_MS
        late = now - written.sealed_ms > lifetime_ms + _SKEW_MS
        new = self._take(group, owner.device, device, said, envelope, late, now)
        self._groups.epochs.watch(group, owner.epoch, owner.device, chain)
        digest_ms = self._groups.row(group)["digest_ms"]
        if digest_ms is None:
            self._plan_digest(group, now)
        mine = state.members.account_of(owner.device) == self._desk.account.account_key
        if new and written.kind in entries.SAID:
            readers = self._database.rows("SELECT device FROM group_chains WHERE epoch = ?", owner.epoch)
            (entry,) = self._database.rows("SELECT max(id) AS id FROM entries WHERE contact = ?", group)
            self._desk.devices.share_group(entry["id"], {bytes(one["device"]) for one in readers}, now)
        text = view.words(written.kind, written.text) if written.kind in entries.WORDS else ""
        if new and text and not mine:
            name = f"{self._groups.author_name(group, owner.device)} in {row['name']}"
            self._desk.tell(
                Received(
                    *(
                        name,
                        text,
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
        said: Letter,
        envelope: Envelope | None,
        late: bool,
        now: int,
    ) -> bool:
        """Keep what a device said; whether it is new. Two things in one place are a lie, and shown."""
        written = said.entry
        others = self._database.rows(
            "SELECT kind, clock, written_ms, unseal(text) AS text, removed_ms FROM entries WHERE contact = ?"
            " AND device = ? AND sequence = ?",
            group,
            device,
            written.sequence,
        )
        signed = any(
            node.operation.author == key and node.operation.sequence == written.sequence
            for node in self._groups.state(group).nodes
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
            self._desk.tell(Noticed(EQUIVOCATED, self._groups.author_name(group, key)))
        if written.kind in entries.SAID and written.kind != entries.READ:
            mine = self._groups.state(group).members.account_of(key) == self._desk.account.account_key
            new = self._desk.conversations.take(group, mine, device, written, now, envelope, late)
            if new:
                row = self._database.rows("SELECT max(id) AS id FROM entries WHERE contact = ?", group)[0]
                self._prove(row["id"], said.signed)
            return new
        entry = self._database.run(
            "INSERT INTO entries (contact, mine, device, kind, sequence, clock, reference, written_ms,"
            " received_ms, text) VALUES (?, 0, ?, ?, ?, ?, 0, ?, ?, '')",
            *(group, device, written.kind, written.sequence, written.clock, written.written_ms, now),
        )
        self._prove(entry, said.signed)
        self._desk.gaps.came(group, device, written.sequence, now)
        return True

    def relayed(self, group: int, tag: bytes, data: bytes, now: int) -> None:
        """Another member passes on what a device said. PeerError where that did not sign it, or is not in."""
        state = self._groups.state(group)
        for key in state.members.cards:
            if sync.tag(key) != tag or key == self._desk.account.device_key:
                continue
            said = letter.check(state.group, key, data)
            device = self._groups.device_row(group, key, now)
            if device is None or not state.members.accepts(key, said.entry.sequence):
                raise PeerError("a letter of somebody who is not in")
            clock = said.entry.clock
            self._database.run("UPDATE contacts SET clock = max(clock, ?) WHERE id = ?", clock, group)
            self._take(group, key, device, said, None, False, now)
            return
        raise PeerError("a letter of somebody who is not in")

    def _acknowledged(
        self, group: int, device: bytes, references: tuple[tuple[bytes, int], ...], now: int
    ) -> None:
        ours = sync.tag(self._desk.account.device_key)
        reached = max((sequence for tag, sequence in references if tag == ours), default=0)
        if not reached or reached > self._groups.row(group)["sequence"]:
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
            for account, member in self._groups.state(group).members.accounts.items()
            if account != self._desk.account.account_key
        ]
        got = [
            member
            for member in others
            if any(acks.get(card.device_key, 0) >= sequence for card in member.devices)
        ]
        return len(got), len(others)

    def _plan_digest(self, group: int, now: int) -> None:
        count = len(self._groups.state(group).members.cards)
        wait = min(max(_DIGEST_LEAST_MS, count * _DIGEST_A_DEVICE_MS), limits.DIGEST_MS)
        # Not all at once.
        wait += int.from_bytes(self._random(2), "big") * wait >> 17
        self._database.run("UPDATE group_states SET digest_ms = ? WHERE contact = ?", now + wait, group)

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
        return [
            int(row["contact"]) for row in rows if own in self._groups.state(row["contact"]).members.cards
        ]

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
                with suppress(errors.GroupLeft):  # we are out, and have heard of no epoch since
                    self.write(group, entries.GROUP, "", b"", now)
        for group in (*self._old(now), *self._lost()):
            self._groups.epochs.begin_anew(group, now)
        for row in self._database.rows(
            "SELECT e.contact, e.id FROM group_epochs e WHERE e.made_ms < ? AND EXISTS (SELECT 1 FROM"
            " group_epochs n WHERE n.contact = e.contact AND n.devices IS NOT NULL AND n.number > e.number)",
            now - limits.OLD_EPOCH_MS,
        ):
            self._groups.epochs.forget(row["contact"], row["id"])

    def _others(self, group: int) -> list[bytes]:
        own = self._desk.account.device_key
        return [device for device in self._groups.state(group).members.cards if device != own]

    def _said(self, group: int, device: bytes) -> int:
        row = self._database.row(
            "SELECT ours FROM group_acks WHERE contact = ? AND device = ?", group, device
        )
        return int(row["ours"]) if row is not None else 0
