"""A busy board with a full shelf and full settings in the smallest heap does what its owner asks."""

import random

import pytest
from memory_support import on_32_bits

from hedgerow_board.flash import FlashStore
from hedgerow_core import cbor, envelope, limits, manage, sealed, service, survey
from hedgerow_core.clock import EPOCH_MINUTES, Clock
from hedgerow_core.manage import CODE, DONE, GUEST, NO_ROOM, OWNER
from hedgerow_core.shelf import Shelf
from hedgerow_lab.memory import SUBJECT, Trial
from hedgerow_lab.person import EPOCH_MS

pytestmark = on_32_bits

CARE_KEY = b"c" * manage.KEY_BYTES
HEAP_BYTES = 102_400
LETTERS = 600
NEIGHBOURS = 12
LINKS = 3
ANSWER_MS = 8_000
CLOCK = Clock(EPOCH_MINUTES - EPOCH_MS // 60_000)  # of the hosts there


def record(number, rights=OWNER):
    return manage.encode_record(rights, 0, bytes([number]) * manage.KEY_BYTES, f"No. {number} of us")


def identity(number):
    return manage.pairing_id(bytes([number]) * manage.KEY_BYTES)


# With the one of the host that asks there are six pairings.
FULL = {
    "pairings": b"".join(
        record(number, OWNER if number % 2 else GUEST) for number in range(1, limits.PAIRINGS)
    ),
    "finding": b"f" * manage.FINDING_BYTES,
    "care_key": CARE_KEY,
    "update_key": b"u" * 56,
    "next_key": b"n" * manage.KEY_BYTES,
    "next_at": 500_000_000,
    "profile": "relay",
    "trace": True,
    "battery_pin": -1,
    "battery_ratio": 376,
    "led_pin": 2,
    "led_low": True,
    "button_pin": 9,
}


def shelf_of(folder, dice):
    """The files of a shelf that holds LETTERS letters."""
    folder.mkdir()
    shelf = Shelf(FlashStore(str(folder)), CLOCK, 0, LETTERS, 10**6)
    for _ in range(LETTERS):
        body = dice.randbytes(envelope.padded_body_size(165))
        shelf.put(envelope.make(envelope.NORMAL, 15, dice.randbytes(limits.LOCK_BYTES), body), 0)
    shelf.flush(0)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Owner:
    """The host on the cable of the board."""

    def __init__(self, trial):
        self.lab, self.host = trial.lab, trial.hosts[0]

    def ask(self, kind, *question):
        """The answer of this kind to what is asked once."""
        self.lab.run_until(self.lab.now_ms + ANSWER_MS, lambda: self.host.connected)
        self.host.answers.pop(kind, None)
        self.host.ask(bytes(question))
        self.lab.run_until(self.lab.now_ms + ANSWER_MS, lambda: kind in self.host.answers)
        assert kind in self.host.answers, f"no answer to {bytes(question[:2]).hex()}"
        return self.host.answers[kind]

    def status(self):
        """(letters, links)"""
        numbers, _ = service.decode_status(self.ask(service.STATUS_IS, service.STATUS))
        return numbers[0], numbers[8]

    def command(self, op, more=b""):
        """(status, data) of a reply."""
        answer = self.ask(service.MANAGE_IS, service.MANAGE, op, *more)
        return answer[1], answer[2:]

    def pairings(self):
        status, data = self.command(manage.PAIRINGS)
        assert status == DONE
        return {identity for _, _, identity, _ in manage.decode_pairings(data)}

    def config(self):
        status, data = self.command(manage.CONFIG_GET)
        assert status == DONE
        return cbor.decode(data)

    def from_afar(self, number, command):
        """The reply to a command that comes sealed over the mesh, as from a board that is further away."""
        until = CLOCK.minute(self.lab.now_ms) + 60
        lock = sealed.lock(CARE_KEY, sealed.UP, number)
        asked = sealed.seal(CARE_KEY, sealed.DOWN, number, until, command, bytes(8))
        # Of letters of one minute a full shelf declines those with the lowest ids.
        salts = (bytes((salt,)) * 8 for salt in range(1, 256))
        while asked.id[0] < 0x80:
            asked = sealed.seal(CARE_KEY, sealed.DOWN, number, until, command, next(salts))
        self.host.bring([asked])

        def replies():
            return [letter for _, letter in self.host.taken if letter.lock == lock]

        self.lab.run_until(self.lab.now_ms + 2 * ANSWER_MS, lambda: bool(replies()))
        assert replies(), f"no reply from afar to {command[:1].hex()}"
        return sealed.open_sealed(CARE_KEY, sealed.UP, number, replies()[0])[1][sealed.SALT_BYTES :]

    def until_busy(self, hosts):
        """Letters come from everywhere, until the shelf is full and there are all links."""
        for _ in range(20):
            for host in hosts:
                host.write()
            self.lab.run_until(self.lab.now_ms + 4_000)
            if self.status() == (LETTERS, LINKS):
                return
        raise AssertionError("the board is not busy")

    def letter(self):
        """Whether letters get through: a full shelf may do without one."""
        for _ in range(3):
            before = len(self.host.acked)
            self.host.write()
            self.lab.run_until(
                self.lab.now_ms + ANSWER_MS, lambda before=before: len(self.host.acked) > before
            )
            if len(self.host.acked) > before:
                return True
        return False


@pytest.mark.parametrize("seed", range(1, 5))
def test_an_owner_who_asks_once_is_answered_by_a_busy_board_with_600_letters_and_three_links_in_100_kilobytes(
    tmp_path, seed
):
    shelf = shelf_of(tmp_path / "shelf", random.Random(seed))
    trial = Trial(HEAP_BYTES, LETTERS, NEIGHBOURS, seed, tmp_path, FULL, shelf)
    try:
        owner = Owner(trial)
        owner.until_busy(trial.hosts)
        assert owner.letter()
        there = owner.pairings()
        assert len(there) == limits.PAIRINGS
        wanted = {"name": "the mill", "trace": False}
        assert owner.command(manage.CONFIG_SET, cbor.encode(wanted)) == (DONE, b"\0")
        assert owner.command(manage.PAIR, record(7))[0] == DONE
        assert owner.pairings() == {*there, identity(7)}
        assert owner.command(manage.PAIR, record(8))[0] == NO_ROOM
        assert owner.command(manage.LOCATE, b"\1") == (DONE, b"")
        assert owner.command(manage.REKEY, (500_000_001).to_bytes(4, "big") + b"k" * 32) == (DONE, b"")
        assert owner.from_afar(0, bytes((manage.CONFIG_SET,)) + cbor.encode({"name": "the inn"})) == b"\0\0"
        assert owner.from_afar(1, bytes((manage.PAIRINGS,)))[0] == DONE
        owner.until_busy(trial.hosts)
        assert owner.command(manage.UNPAIR, identity(7))[0] == DONE
        assert owner.pairings() == there
        assert owner.command(manage.NEW_CODE, record(9, CODE))[0] == DONE
        found = owner.config()
        assert (found["name"], found["next_at"]) == ("the inn", 500_000_001)
        assert owner.command(manage.STATUS)[0] == DONE
        assert owner.letter()
        owner.until_busy(trial.hosts)
        assert trial.lab.log(SUBJECT) == []
        assert owner.command(manage.REBOOT) == (DONE, b"")
        trial.lab.run_until(trial.lab.now_ms + ANSWER_MS)
        owner.until_busy(trial.hosts)
        assert owner.config()["name"] == "the inn"
    finally:
        trial.lab.close()


def test_a_busy_board_tells_whatever_its_owner_wants_to_see(tmp_path):
    shelf = shelf_of(tmp_path / "shelf", random.Random(5))
    trial = Trial(HEAP_BYTES, LETTERS, NEIGHBOURS, 5, tmp_path, FULL, shelf)
    try:
        owner = Owner(trial)
        owner.until_busy(trial.hosts)
        assert owner.ask(service.FINDING_IS, service.FINDING)[1:] == FULL["finding"]
        assert len(owner.ask(service.STREET_IS, service.STREET)) == 33
        assert owner.ask(service.LOG_IS, service.LOG, 0)
        assert survey.decode_counts(owner.ask(service.COUNTS_IS, service.COUNTS))
        assert owner.ask(service.NODES_IS, service.NODES, 0)
        assert owner.ask(service.UPDATE_IS, service.UPDATE)
        assert owner.status() == (LETTERS, LINKS)
        assert trial.lab.log(SUBJECT) == []
    finally:
        trial.lab.close()
