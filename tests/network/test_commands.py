"""The ordinary commands against boards in real time, as two people in two shells would type them."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
LAB = [sys.executable, "-c", "from hedgerow_lab.cli import main; main()"]
HEDGEROW = [sys.executable, "-m", "hedgerow.cli"]
SCENARIO = """
title = "Two boards"
duration = "1h"
boards = ["mill", "school"]
layout = "line"
"""
PATIENCE_S = 30


def environment() -> dict[str, str]:
    paths = os.pathsep.join(str(TOP / folder) for folder in ("shared", "host", "tools"))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HEDGEROW_B")}
    return {**clean, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}


@contextmanager
def running_lab(folder: Path, scenario: str = SCENARIO):
    """The boards of a lab, by name, and a function that steers it."""
    file = folder / "lab.toml"
    file.write_text(scenario)
    place = ["--run-dir", str(folder / "run")]
    lab = subprocess.Popen(
        [*LAB, "up", str(file), *place, "--json"], stdout=subprocess.PIPE, text=True, env=environment()
    )
    boards = {}
    for line in lab.stdout:
        found = json.loads(line)
        if found.get("ready"):
            break
        boards[found["board"]] = found

    def steer(*words: str) -> None:
        subprocess.run([*LAB, *words, *place], check=True, env=environment(), timeout=PATIENCE_S)

    try:
        yield boards, steer
    finally:
        lab.send_signal(signal.SIGINT)
        assert lab.wait(PATIENCE_S) == 0


class Person:
    """Somebody with a home, who types commands."""

    def __init__(self, name: str, folder: Path, board: dict[str, str], url: str) -> None:
        self.home = folder / name
        self.board = ["--board", url, "--key-file", board["pairing_key_file"]]
        assert self.type("init", "--name", name).returncode == 0

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*HEDGEROW, "--home", str(self.home), *words],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=PATIENCE_S,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """A command that goes on."""
        return subprocess.Popen(
            [*HEDGEROW, "--home", str(self.home), *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )

    def sync(self) -> str:
        done = self.type("sync", *self.board)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *words: str) -> str:
        done = self.type(*words)
        assert done.returncode == 1, done.stdout
        assert done.stderr.startswith("hedgerow: ") and done.stderr.count("\n") == 1, done.stderr
        return done.stderr


def eventually(what, patience_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def two_people(folder: Path, boards: dict) -> tuple[Person, Person]:
    alice = Person("Alice", folder, boards["mill"], boards["mill"]["tcp"])
    bob = Person("Bob", folder, boards["school"], "serial:" + boards["school"]["pty"])
    invite = alice.type("invite").stdout.strip()
    assert bob.type("add", invite).returncode == 0
    bob.sync()
    eventually(lambda: "Bob is a contact now" in alice.sync() or "Bob" in alice.type("contacts").stdout)
    eventually(lambda: "Alice  contact" in (bob.sync(), bob.type("contacts").stdout)[1])
    return alice, bob


class Terminal:
    """A command in a pseudo-terminal, and what it showed."""

    def __init__(self, *words: str) -> None:
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execvpe(words[0], words, environment())
        os.set_blocking(self.fd, False)
        self.text = ""

    def shows(self, text: str) -> bool:
        with suppress(OSError):
            while data := os.read(self.fd, 65_536):
                self.text += data.decode(errors="replace")
        return text in self.text

    def write(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def interrupt(self) -> int:
        """Ctrl-C; the exit status."""
        os.write(self.fd, b"\x03")
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self.shows("")
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError("Ctrl-C did not end it")


def test_a_letter_typed_in_one_shell_appears_in_the_other_though_the_board_was_off_in_between(tmp_path):
    with running_lab(tmp_path) as (boards, steer):
        alice, bob = two_people(tmp_path, boards)
        reading = Terminal(*HEDGEROW, "--home", str(bob.home), "inbox", "--follow", *bob.board)
        eventually(lambda: reading.shows("linked"))
        assert alice.type("send", "bob", "hello", *alice.board).returncode == 0
        eventually(lambda: reading.shows("hello"))
        steer("power", "off", "school")
        assert alice.type("send", "bob", "while you were dark", *alice.board).returncode == 0
        steer("power", "on", "school")
        eventually(lambda: reading.shows("while you were dark"), 60)
        assert "Traceback" not in reading.text
        assert reading.interrupt() == 0


def test_run_keeps_the_link_while_other_processes_write_and_read_in_the_same_home(tmp_path):
    with running_lab(tmp_path) as (boards, _):
        alice, bob = two_people(tmp_path, boards)
        keeping = [
            Terminal(*HEDGEROW, "--home", str(person.home), "run", *person.board) for person in (alice, bob)
        ]
        for terminal in keeping:
            eventually(lambda terminal=terminal: terminal.shows("linked"))
        texts = [f"letter {number}" for number in range(6)]
        for text in texts:
            assert alice.type("send", "Bob", text).returncode == 0
            assert bob.type("send", "Alice", text).returncode == 0
        for person in (alice, bob):
            eventually(lambda person=person: _received(person) == texts)
        for terminal in keeping:
            assert "Traceback" not in terminal.text
            assert terminal.interrupt() == 0


def _received(person: Person) -> list[str]:
    letters = [json.loads(line) for line in person.type("inbox", "--json").stdout.splitlines()]
    return [letter["text"] for letter in letters if not letter["mine"]]


def test_a_board_says_how_it_is(tmp_path):
    with running_lab(tmp_path) as (boards, _):
        alice = Person("Alice", tmp_path, boards["mill"], boards["mill"]["tcp"])
        done = alice.type("board", "status", *alice.board, "--json")
        assert done.returncode == 0, done.stderr
        state = json.loads(done.stdout)
        assert state["name"] == "mill"
        assert state["starts"] == 1
        assert state["free_bytes"] > 0
        assert (state["damage"], state["safe_mode"]) == (0, False)


def test_what_cannot_be_a_board_is_told_in_one_sentence(tmp_path):
    with running_lab(tmp_path) as (boards, steer):
        alice = Person("Alice", tmp_path, boards["mill"], boards["mill"]["tcp"])
        mill, school = boards["mill"], boards["school"]
        key = ["--key-file", mill["pairing_key_file"]]
        assert "no board named bluetooth" in alice.refused("sync", "--board", "bluetooth", *key)
        assert "names no way" in alice.refused("sync", "--board", "usb:mill", *key)
        assert "nothing at tcp:127.0.0.1:1" in alice.refused("sync", "--board", "tcp:127.0.0.1:1", *key)
        assert "nothing at serial:/dev/none" in alice.refused("sync", "--board", "serial:/dev/none", *key)
        assert "No pairing key" in alice.refused("sync", "--board", mill["tcp"])
        wrong = ["--board", mill["tcp"], "--key-file", school["pairing_key_file"]]
        assert "refuses the pairing key" in alice.refused("sync", *wrong)
        bad = tmp_path / "bad.key"
        bad.write_text("no key\n")
        assert "holds no pairing key" in alice.refused("sync", "--board", mill["tcp"], "--key-file", str(bad))
        steer("power", "off", "mill")
        assert "does not answer" in alice.refused("sync", *alice.board)
        steer("power", "on", "mill")
        eventually(lambda: alice.type("sync", *alice.board).returncode == 0)


def test_a_port_in_use_is_told_and_free_again_afterwards(tmp_path):
    with running_lab(tmp_path) as (boards, _):
        bob = Person("Bob", tmp_path, boards["school"], "serial:" + boards["school"]["pty"])
        keeping = Terminal(*HEDGEROW, "--home", str(bob.home), "run", *bob.board)
        eventually(lambda: keeping.shows("linked"))
        assert "Another program uses" in bob.refused("sync", *bob.board)
        assert keeping.interrupt() == 0
        eventually(lambda: bob.type("sync", *bob.board).returncode == 0)


@pytest.mark.parametrize("moment_s", [0.3, 0.6, 1.0])
def test_ctrl_c_at_any_moment_ends_without_a_traceback(tmp_path, moment_s):
    with running_lab(tmp_path) as (boards, _):
        alice = Person("Alice", tmp_path, boards["mill"], boards["mill"]["tcp"])
        keeping = Terminal(*HEDGEROW, "--home", str(alice.home), "run", *alice.board)
        time.sleep(moment_s)
        keeping.interrupt()
        assert "Traceback" not in keeping.text
