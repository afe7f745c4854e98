"""The verifications of one home: runs are kept, flights come and go, digits are compared."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from hedgerow import errors
from hedgerow.database import Database
from hedgerow.events import DIFFERENT, DIGITS, Noticed
from hedgerow.log import entry as entries
from hedgerow.people import fingerprint, verification
from hedgerow.people.verification import Run, Sides
from hedgerow_core.errors import LimitError, PeerError

if TYPE_CHECKING:
    from hedgerow.desk import Desk

_AGAIN_MS = 24 * 3_600_000
_ASKED_AGAIN_MS = 3_600_000


class Verifying:
    """A part of ``desk``; times are unix time in ms."""

    def __init__(self, desk: "Desk", database: Database, random: Callable[[int], bytes]) -> None:
        self._desk = desk
        self._database = database
        self._random = random

    def digits(self, contact: int, now: int) -> str | None:
        """The six digits of the run with a contact; None where there are none yet."""
        run = self._run(contact)
        return None if run.over(now) or run.phase != verification.SHOWN else self._code(contact, run)

    def begin(self, contact: int, anew: bool, now: int) -> str | None:
        """Begin a run, or go on with the one there is; with ``anew`` never that. The digits, or None."""
        self._desk.requests.check_device(contact, now)
        row = self._contact(contact)
        if not row["connected"]:
            raise errors.NotConnected(name=row["name"])
        with self._desk.changing(now):
            run = self._run(contact)
            if anew or run.over(now):
                try:
                    run = verification.begin(run, self._sides(contact), now, self._random)
                except LimitError:
                    raise errors.TooManyRuns(name=row["name"], most=verification.RUNS) from None
                self._keep(contact, run, now)
                self._send(contact, run, now)
        return self.digits(contact, now)

    def compare(self, contact: int, typed: str, now: int) -> None:
        """They read ``typed`` aloud. CodeDiffers where that is not what we show; then the run is over."""
        row = self._contact(contact)
        heard = "".join(typed.split()).replace("-", "")
        if not (len(heard) == verification.CODE_DIGITS and heard.isascii() and heard.isdigit()):
            raise errors.BadCode(count=verification.CODE_DIGITS, name=row["name"])
        with self._database.transaction():
            run = self._run(contact)
            if run.over(now) or run.phase != verification.SHOWN:
                raise errors.NoDigits(name=row["name"])
            run = verification.compare(run, self._sides(contact), heard)
            self._keep(contact, run, now)
            if not run.confirmed:
                self._database.run("UPDATE contacts SET verified_ms = NULL WHERE id = ?", contact)
        if not run.confirmed:
            raise errors.CodeDiffers(name=row["name"])
        self.verified(contact, now)

    def fingerprint(self, contact: int) -> str:
        """The 60 digits of us and a contact. KeyChanged where it is not clear of which keys of theirs."""
        if self._desk.requests.waits(contact):
            raise errors.KeyChanged(name=self._contact(contact)["name"])
        sides = self._sides(contact)
        return fingerprint.digits(sides.ours, sides.theirs)

    def verified(self, contact: int, now: int) -> None:
        """We are sure of the keys of a contact: it is they."""
        changed = self._contact(contact)["changed_ms"] is not None
        with self._desk.changing(now):
            self._database.run("UPDATE contacts SET verified_ms = ? WHERE id = ?", now, contact)
            self._desk.devices.share_person(contact, now)
            if changed:
                self._desk.requests.go_on(contact, now)

    def heard(self, contact: int, text: str, order: int, now: int) -> None:
        """A flight of ``contact``, in their letter ``order``. What does not fit changes nothing."""
        try:
            data = bytes.fromhex(text)
        except ValueError:
            return
        if data.hex() != text:
            return
        with suppress(PeerError, errors.Unanswered), self._desk.changing(now):
            before = self._run(contact)
            run, answer = verification.receive(before, self._sides(contact), data, order, now, self._random)
            # What was sent already is not sent again for each copy of theirs.
            answer = answer and (run != before or now - self._sent_ms(contact) >= _ASKED_AGAIN_MS)
            if run != before or answer:
                self._keep(contact, run, now)
            if answer:
                self._send(contact, run, now)
            if run.phase != before.phase and run.phase in (verification.SHOWN, verification.DIFFERENT):
                what = DIGITS if run.phase == verification.SHOWN else DIFFERENT
                self._desk.tell(Noticed(what, self._contact(contact)["name"]))

    def repeat(self, now: int) -> None:
        """Send once a day what was not answered."""
        for row in self._database.rows(
            "SELECT v.contact FROM verifications v JOIN contacts c ON c.id = v.contact"
            " WHERE v.sent_ms <= ? AND c.connected = 1 AND c.blocked_ms IS NULL",
            now - _AGAIN_MS,
        ):
            with suppress(errors.Unanswered):
                run = self._run(row["contact"])
                if run.over(now) or run.phase not in (verification.BEGUN, verification.ANSWERED):
                    continue
                with self._desk.changing(now):
                    self._keep(row["contact"], run, now)
                    self._send(row["contact"], run, now)

    def forget(self, contact: int) -> None:
        """Their keys are others now: what was begun is over; within the caller's transaction."""
        run = self._run(contact)
        if run != Run():
            self._keep(contact, replace(Run(), ours=run.ours, theirs=run.theirs), 0)

    def _code(self, contact: int, run: Run) -> str:
        return verification.code(run, self._sides(contact))

    def _send(self, contact: int, run: Run, now: int) -> None:
        self._desk.seal(contact, entries.VERIFY, verification.flight(run).hex(), now)

    def _run(self, contact: int) -> Run:
        query = "SELECT unseal(run) AS run FROM verifications WHERE contact = ?"
        row = self._database.row(query, contact)
        return Run() if row is None else self._desk.kept(Run.from_cbor, row["run"])

    def _sent_ms(self, contact: int) -> int:
        row = self._database.row("SELECT sent_ms FROM verifications WHERE contact = ?", contact)
        return 0 if row is None else int(row["sent_ms"])

    def _keep(self, contact: int, run: Run, now: int) -> None:
        self._database.run(
            "INSERT OR REPLACE INTO verifications (contact, run, sent_ms) VALUES (?, seal_hour(?), ?)",
            contact,
            run.to_cbor(),
            now,
        )

    def _sides(self, contact: int) -> Sides:
        ours, row = self._desk.account, self._contact(contact)
        return Sides(ours.account_key + ours.device_key, row["account_key"] + row["device_key"])

    def _contact(self, contact: int) -> sqlite3.Row:
        return self._database.rows("SELECT * FROM contacts WHERE id = ?", contact)[0]
