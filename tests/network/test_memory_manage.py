"""A busy board with a full shelf and full settings in the smallest heap does what its owner asks."""

import random

import pytest

from hedgerow_board.flash import FlashStore
from hedgerow_core import cbor, envelope, limits, manage, service
from hedgerow_core.clock import EPOCH_MINUTES, Clock
from hedgerow_core.manage import CODE, DONE, GUEST, NO_ROOM, OWNER
from hedgerow_core.shelf import Shelf
from hedgerow_lab.memory import SUBJECT, Trial
from hedgerow_lab.person import EPOCH_MS
from hedgerow_lab.world import LabError, find_micropython

try:
    find_micropython(32)
except LabError:
    pytest.skip("there is no 32-bit MicroPython for this machine", allow_module_level=True)

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
    "care_key": b"c" * manage.KEY_BYTES,
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

    def ask(self, question, kind):
        """The answer; a host asks again where none came, and is told then."""
        self.host.answers.pop(kind, None)
        for _ in range(3):
            self.lab.run_until(self.lab.now_ms + ANSWER_MS, lambda: self.host.connected)
            self.host.ask(question)
            self.lab.run_until(self.lab.now_ms + ANSWER_MS, lambda: kind in self.host.answers)
            if kind in self.host.answers:
                return self.host.answers[kind]
        raise AssertionError("no answer")

    def status(self):
        """(letters, links)"""
        numbers, _ = service.decode_status(self.ask(bytes((service.STATUS,)), service.STATUS_IS))
        return numbers[0], numbers[8]

    def command(self, op, more=b""):
        """(status, data) of a reply."""
        answer = self.ask(bytes((service.MANAGE, op)) + more, service.MANAGE_IS)
        return answer[1], answer[2:]

    def pairings(self):
        status, data = self.command(manage.PAIRINGS)
        assert status == DONE
        return {identity for _, _, identity, _ in manage.decode_pairings(data)}

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
        """Whether a letter gets through."""
        written = self.host.write()
        self.lab.run_until(self.lab.now_ms + ANSWER_MS, lambda: written in self.host.acked)
        return written in self.host.acked


@pytest.mark.parametrize("seed", [1, 2])
def test_an_owner_is_answered_by_a_busy_board_with_600_letters_and_three_links_in_100_kilobytes(
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
        assert owner.command(manage.CONFIG_SET, cbor.encode({"name": "the mill", "trace": False})) == (
            DONE,
            b"\0",
        )
        assert owner.command(manage.PAIR, record(7))[0] == DONE
        assert owner.pairings() == {*there, identity(7)}
        assert owner.command(manage.PAIR, record(8))[0] == NO_ROOM
        assert owner.command(manage.UNPAIR, identity(7))[0] == DONE
        assert owner.pairings() == there
        assert owner.command(manage.NEW_CODE, record(9, CODE))[0] == DONE
        status, data = owner.command(manage.CONFIG_GET)
        assert status == DONE and cbor.decode(data)["name"] == "the mill"
        assert owner.letter()
        owner.until_busy(trial.hosts)
        assert trial.lab.log(SUBJECT) == []
    finally:
        trial.lab.close()
