"""The streets that this computer knows: says, hears, and keeps what was said.

Every change is one transaction; several processes may work on one home, and a letter is told once.
"""

import sqlite3
from collections.abc import Callable

from hedgerow import errors, roles
from hedgerow.database import Database
from hedgerow.events import Heard
from hedgerow.identity.account import Account
from hedgerow.people.names import clean_name
from hedgerow.street import keys as street_keys
from hedgerow.street import letter as letters
from hedgerow.street import rates
from hedgerow.street.letter import Said
from hedgerow_core.envelope import Envelope
from hedgerow_core.errors import PeerError
from hedgerow_core.shelf import KEPT, Shelf

SHOWN_MS = 24 * 3_600_000
KEPT_MS = 14 * 24 * 3_600_000
_KEPT = 1_000  # letters, of which those of strangers go first
_LEFT_OUT = 4_000  # as many as the shelf holds: what is left out is not looked at again
_STREETS = 8
_MARK = 4  # bytes of a pseudonym that are shown
_SKEW_MS = 3_600_000  # two clocks that nobody sets may differ by so much
_MINUTE_MS = 60_000
_AHEAD_MS = 3 * _MINUTE_MS  # what was said in one minute, three texts and an SOS, lies within these
_SOURCE_OWN = 2

# Contacts have their name here, whatever they call themselves.
_SHOWN = (
    "SELECT s.*, unseal(s.text) AS said, c.name AS contact_name FROM street_letters s"
    " LEFT JOIN contacts c ON c.id = s.contact WHERE s.left_out = 0 AND c.blocked_ms IS NULL"
)


class Street:
    """Works on the envelopes of ``shelf`` for ``account``, who calls themselves ``name``; times in unix ms.

    ``tell`` hears of each letter that is new; of what came late only where it is an SOS.
    """

    def __init__(
        self,
        database: Database,
        shelf: Shelf,
        account: Account,
        name: str,
        random: Callable[[int], bytes],
        tell: Callable[[Heard], None],
    ) -> None:
        self._database = database
        self._shelf = shelf
        self._account = account
        self._name = name
        self._random = random
        self._tell = tell
        self._streets: list[bytes] = []  # the last met first
        self._unread: list[bytes] = []  # for which the shelf has not been searched yet
        self.reload()
        self._unread = []  # the mailbox looks at the whole shelf when it starts

    def reload(self) -> None:
        """Take in the streets that another process was told of."""
        rows = self._database.rows("SELECT unseal(key) AS key FROM streets ORDER BY met_ms DESC")
        found = [bytes(row["key"]) for row in rows]
        self._unread += [street for street in found if street not in self._streets]
        self._streets = found

    @property
    def known(self) -> bool:
        """Whether there is a street to speak on."""
        return bool(self._streets)

    def learn(self, street: bytes, now: int) -> None:
        """A board told the street key of its mesh: what is said goes there from now on."""
        if self._streets[:1] == [street]:
            return
        with self._database.transaction():
            # Behind all others, whatever the clock said when those were met.
            last = self._database.rows("SELECT max(met_ms) AS last FROM streets")[0]["last"]
            met_ms = now if last is None else max(now, last + 1)
            self._database.run("DELETE FROM streets WHERE unseal(key) = ?", street)
            self._database.run("INSERT INTO streets (key, met_ms) VALUES (seal_long(?), ?)", street, met_ms)
            self._database.run(
                "DELETE FROM streets WHERE key NOT IN (SELECT key FROM streets ORDER BY met_ms DESC LIMIT ?)",
                _STREETS,
            )
        self.reload()

    # Speaking

    def say(self, text: str, sos: bool, now: int) -> Heard:
        """Say ``text`` to everybody on the street that was met last."""
        text = text.encode(errors="replace").decode()
        size = len(text.encode())
        if not text.strip():
            raise errors.NothingToSay
        if size > letters.TEXT_BYTES:
            raise errors.TextTooLong(size=size, limit=letters.TEXT_BYTES)
        if not self._streets:
            raise errors.NoStreet
        street = self._streets[0]
        with self._database.transaction():
            self._check_rate(sos, now)
            at = self._minute(now)
            writer = self._pseudonym(street, at)
            envelope = letters.seal(street, writer, self._name, text, sos, at, self._random)
            said = letters.open(street, envelope)
            self._insert(said, envelope, now, mine=True)
            if self._shelf.put(envelope, now, _SOURCE_OWN) != KEPT:
                raise errors.NoRoomToSay
        return self._rows("s.letter = ?", said.id)[0]

    def _minute(self, now: int) -> int:
        """Now, or the minute behind our last one, so that readers see them in order."""
        query = "SELECT max(written_ms) AS last FROM street_letters WHERE mine = 1 AND written_ms <= ?"
        last = self._database.rows(query, now + _AHEAD_MS)[0]["last"]
        return now if last is None else max(now, last + _MINUTE_MS)

    def _check_rate(self, sos: bool, now: int) -> None:
        rows = self._database.rows(
            "SELECT received_ms FROM street_letters WHERE mine = 1 AND sos = ? AND received_ms > ?"
            " ORDER BY received_ms",
            int(sos),
            now - rates.HOUR_MS,
        )
        wait = rates.wait_ms([row["received_ms"] for row in rows], sos, now)
        if wait:
            seconds = -(-wait // 1_000)
            shown = f"{seconds} s" if seconds < 90 else f"{-(-seconds // 60)} minutes"
            raise (errors.SosTooOften if sos else errors.SaidTooMuch)(wait=shown)

    def acked(self, identity: bytes, now: int) -> None:
        """A board keeps the envelope."""
        if self._database.row(
            "SELECT 1 FROM street_letters WHERE envelope = ? AND mine = 1 AND carried_ms IS NULL", identity
        ):
            self._database.run("UPDATE street_letters SET carried_ms = ? WHERE envelope = ?", now, identity)

    # Hearing

    def look(self, envelope: Envelope, now: int) -> None:
        """``envelope`` is new on the shelf. Whatever stands in it, this does not fail."""
        for street in self._streets:
            if letters.is_for(envelope, street):
                try:
                    said = letters.open(street, envelope)
                except PeerError:
                    return  # some member's forgery
                self._hear(street, said, envelope, now)
                return

    def work(self, now: int) -> None:
        """Search the shelf for what was said on a street that is new here."""
        while self._unread:
            for identity in self._shelf.ids():
                envelope = self._shelf.get(identity, now)
                if envelope is not None and letters.is_for(envelope, self._unread[-1]):
                    self.look(envelope, now)
            self._unread.pop()

    def _hear(self, street: bytes, said: Said, envelope: Envelope, now: int) -> None:
        # Reading first: that needs no lock on the home.
        if self._known(said):
            return
        with self._database.transaction():
            if self._known(said):
                return
            mine = said.key == self._pseudonym(street, said.written_ms).key
            contact = None if mine else self._contact(street, said)
            self._insert(said, envelope, now, mine, contact)
        for found in self._rows("s.letter = ?", said.id):
            # An SOS is worth a false alarm: the clock of who calls may be wrong. Its date is told, too.
            if not found.mine and (found.sos or not found.late):
                self._tell(found)

    def _known(self, said: Said) -> bool:
        return self._database.row("SELECT 1 FROM street_letters WHERE letter = ?", said.id) is not None

    def _pseudonym(self, street: bytes, written_ms: int) -> street_keys.Pseudonym:
        return street_keys.pseudonym(self._account.device_seed, street, letters.day_of(written_ms))

    def _contact(self, street: bytes, said: Said) -> int | None:
        """The contact who speaks, or None."""
        for row in self._database.rows(
            "SELECT ifnull(person, id) AS id, device_key FROM contacts WHERE role IN (?, ?)",
            roles.CONTACT,
            roles.FURTHER,
        ):
            if street_keys.belongs(said.certificate, row["device_key"], street, said.day, said.key):
                return int(row["id"])
        return None

    def _insert(
        self, said: Said, envelope: Envelope, now: int, mine: bool, contact: int | None = None
    ) -> None:
        late = not now - letters.TTL_MS - _SKEW_MS <= said.written_ms <= now + _SKEW_MS
        at_ms = now if late else said.written_ms
        left_out = not mine and self._too_much(said, contact, at_ms)
        self._database.run(
            "INSERT INTO street_letters (letter, mine, sos, pseudonym, contact, name, text, written_ms,"
            " received_ms, at_ms, late, left_out, envelope)"
            " VALUES (?, ?, ?, ?, ?, ?, seal_long(?), ?, ?, ?, ?, ?, ?)",
            said.id,
            int(mine),
            int(said.sos),
            said.key,
            contact,
            clean_name(said.name),
            "" if left_out else _harmless(said.text),
            said.written_ms,
            now,
            at_ms,
            int(late),
            int(left_out),
            envelope.id,
        )
        self._forget_old(now)

    def _too_much(self, said: Said, contact: int | None, at_ms: int) -> bool:
        """Whether this letter is one too many within its hour: of its writer, or of all strangers."""
        begin = at_ms // rates.HOUR_MS * rates.HOUR_MS
        within = "sos = ? AND left_out = 0 AND at_ms >= ? AND at_ms < ?"
        hour = (int(said.sos), begin, begin + rates.HOUR_MS)
        query = f"SELECT count(*) AS n FROM street_letters WHERE {within} AND "
        theirs = self._database.rows(query + "pseudonym = ?", *hour, said.key)[0]["n"]
        if theirs >= rates.most_an_hour(said.sos):
            return True
        if contact is not None:
            return False
        strangers = self._database.rows(query + "contact IS NULL AND mine = 0", *hour)[0]["n"]
        return bool(strangers >= rates.most_of_strangers(said.sos))

    def _forget_old(self, now: int) -> None:
        self._database.run("DELETE FROM street_letters WHERE received_ms < ?", now - KEPT_MS)
        for left_out, most in ((0, _KEPT), (1, _LEFT_OUT)):
            self._database.run(
                "DELETE FROM street_letters WHERE id IN (SELECT id FROM street_letters WHERE left_out = ?"
                " ORDER BY contact IS NULL AND mine = 0, at_ms DESC LIMIT -1 OFFSET ?)",
                left_out,
                most,
            )

    # Showing

    def heard(self, since_ms: int, after: int = 0) -> list[Heard]:
        """What was said since then, by us too, oldest first; ``after`` is the id of one that was shown."""
        return self._rows("s.at_ms >= ? AND s.id > ?", since_ms, after)

    def _rows(self, which: str, *values: object) -> list[Heard]:
        query = f"{_SHOWN} AND {which} ORDER BY s.at_ms, s.id"
        return [_heard(row) for row in self._database.rows(query, *values)]

    def left_out(self, since_ms: int) -> int:
        """Letters that came since then and are not shown, because their writers said too much."""
        query = "SELECT count(*) AS n FROM street_letters WHERE left_out = 1 AND received_ms >= ?"
        return int(self._database.rows(query, since_ms)[0]["n"])


def _heard(row: sqlite3.Row) -> Heard:
    known = row["contact_name"] is not None
    return Heard(
        row["id"],
        row["contact_name"] if known else row["name"],
        known,
        bytes(row["pseudonym"])[:_MARK].hex(),
        bool(row["mine"]),
        bool(row["sos"]),
        row["said"],
        row["written_ms"],
        row["received_ms"],
        row["at_ms"],
        bool(row["late"]),
        row["carried_ms"] is not None,
    )


def _harmless(text: str) -> str:
    """``text`` without what would move a cursor or turn the line around, and without empty lines."""
    lines = (
        "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
        for line in text.split("\n")
    )
    return "\n".join(line.rstrip() for line in lines if line.strip()) or "\N{REPLACEMENT CHARACTER}"
