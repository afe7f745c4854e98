"""The REPL behind the escape: what mpremote sends, and what a person types, on a board that runs Hedgerow."""

import os
import select
import time
import tty
from contextlib import contextmanager

import pytest
from test_commands import Person, eventually, running_lab

# mpremote 1.29.0, mpremote/transport_serial.py: enter_raw_repl.
INTERRUPT, RAW_REPL, SOFT_RESET, FRIENDLY_REPL = b"\r\x03", b"\r\x01", b"\x04", b"\r\x02"
BANNER = b"raw REPL; CTRL-B to exit\r\n"
PATIENCE_S = 10


@pytest.fixture
def village(tmp_path):
    """A board that runs Hedgerow, and Alice, who has just used it."""
    with running_lab(tmp_path) as (boards, _):
        alice = Person("Alice", tmp_path, boards["mill"], boards["mill"]["tcp"])
        alice.sync()
        yield boards["mill"]["pty"], alice


class Line:
    """A program that has a board's port open."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def write(self, data: bytes) -> None:
        os.write(self.fd, data)

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._byte(data)
        return data

    def until(self, ending: bytes) -> bytes:
        data = b""
        while not data.endswith(ending):
            data += self._byte(data)
        return data

    def _byte(self, before: bytes) -> bytes:
        assert select.select([self.fd], [], [], PATIENCE_S)[0], f"nothing more after {before!r}"
        return os.read(self.fd, 1)

    def flush(self) -> None:
        while select.select([self.fd], [], [], 0)[0]:
            os.read(self.fd, 1024)

    def enter_raw_repl(self, soft_reset: bool = True) -> None:
        self.write(INTERRUPT)
        self.flush()
        self.write(RAW_REPL)
        if soft_reset:
            self.until(BANNER + b">")
            self.write(SOFT_RESET)
            self.until(b"soft reboot\r\n")
        self.until(BANNER)

    def paste(self, program: bytes) -> None:
        """Raw paste mode: as much at a time as the board has room for."""
        self.until(b">")
        self.write(b"\x05A\x01")
        assert self.read(2) == b"R\x01"
        window = int.from_bytes(self.read(2), "little")
        room = window
        while program:
            while not room:
                assert self.read(1) == b"\x01"
                room += window
            self.write(program[:room])
            program, room = program[room:], room - len(program[:room])
        self.write(b"\x04")
        self.until(b"\x04")

    def type_raw(self, program: bytes) -> None:
        self.until(b">")
        self.write(program + b"\x04")
        assert self.read(2) == b"OK"

    def answer(self) -> tuple[bytes, bytes]:
        return self.until(b"\x04")[:-1], self.until(b"\x04")[:-1]


@contextmanager
def plugged_in(port):
    fd = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(fd)
        yield Line(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize("soft_reset", [True, False])
def test_mpremote_gets_the_raw_repl_at_its_first_try(village, soft_reset):
    with plugged_in(village[0]) as line:
        started = time.monotonic()
        line.enter_raw_repl(soft_reset)
        assert time.monotonic() - started < PATIENCE_S
        line.paste(b"print(6*7)")
        assert line.answer() == (b"42\r\n", b"")
        line.type_raw(b"import os; print(os.listdir('/'))")
        out, error = line.answer()
        assert b"'settings.a'" in out and not error
        line.paste(b"x = '" + b"." * 1000 + b"'\nprint(len(x))\nx + 1")
        out, error = line.answer()
        assert out == b"1000\r\n" and b"TypeError" in error
        line.until(b">")
        line.write(FRIENDLY_REPL)
        line.until(b">>> ")


def test_the_next_program_finds_the_repl_as_mpremote_left_it(village):
    for number in (b"1", b"2", b"3"):
        with plugged_in(village[0]) as line:
            line.enter_raw_repl()
            line.paste(b"print(" + number + b")")
            assert line.answer() == (number + b"\r\n", b"")
            line.until(b">")
            line.write(FRIENDLY_REPL)
        time.sleep(0.3)


def test_ctrl_c_gives_a_person_the_prompt_and_a_reset_starts_hedgerow_again(village):
    port, alice = village
    with plugged_in(port) as line:
        line.write(b"\x03")
        assert BANNER not in line.until(b">>> ")
        line.write(b"6*6\x7f7\r")
        assert line.until(b">>> ").endswith(b"\r\n42\r\n>>> ")
        line.write(b"for n in range(2):\r  print(n + 20)\r\r")
        assert line.until(b">>> ").endswith(b"\r\n20\r\n21\r\n>>> ")
        line.write(b"import machine\r")
        line.until(b">>> ")
        line.write(b"machine.reset()\r")
        line.until(b"\r\n")
    eventually(lambda: alice.type("sync", *alice.board).returncode == 0)


def test_ctrl_d_at_the_prompt_starts_hedgerow_again(village):
    port, alice = village
    with plugged_in(port) as line:
        line.write(b"\x03")
        line.until(b">>> ")
        line.write(b"\x04")
        line.until(b"MPY: soft reboot\r\n")
    eventually(lambda: alice.type("sync", *alice.board).returncode == 0)


def test_half_a_frame_of_a_program_that_was_killed_is_not_in_the_way(village):
    port, _ = village
    with plugged_in(port) as line:
        line.write(b"\0\x09half")
        time.sleep(0.3)  # or the lab does not see that somebody was there
    time.sleep(1)
    with plugged_in(port) as line:
        line.enter_raw_repl()
        line.paste(b"print(1)")
        assert line.answer() == (b"1\r\n", b"")
