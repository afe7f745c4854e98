"""The lab in real time: boards with real serial ports, steered while they run, and nothing left behind."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import serial

from hedgerow_core import envelope, limits
from hedgerow_core.clock import Clock
from hedgerow_core.link import Link, Stream
from hedgerow_core.session import INITIATOR, PAIR, Session
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore
from hedgerow_lab.cli import app
from hedgerow_lab.clock import RealClock
from hedgerow_lab.scenario import load

TOP = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "from hedgerow_lab.cli import main; main()"]
PAIR_OF_BOARDS = """
title = "Two boards"
duration = "1m"
boards = ["mill", "school"]
layout = "line"
"""
PATIENCE_S = 15


def environment(runtime):
    paths = os.pathsep.join(str(TOP / folder) for folder in ("shared", "host", "tools"))
    return {**os.environ, "PYTHONPATH": paths, "XDG_RUNTIME_DIR": str(runtime)}


def eventually(what, patience_s=PATIENCE_S):
    end = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.03)


def run(runtime, *arguments):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment(runtime),
        check=False,
        timeout=PATIENCE_S,
    )


def sentence(runtime, *arguments):
    """What a command refuses with."""
    done = run(runtime, *arguments)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("hedgerow-lab: ") and done.stderr.count("\n") == 1
    return done.stderr


def group(pid):
    """All processes below one, itself first."""
    found = [pid]
    for other in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(other.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(other.parent.name))
    return found


def lives(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@dataclass
class Running:
    """A lab that runs; ``boards`` are the lines that `up --json` printed."""

    process: subprocess.Popen
    boards: dict
    control: str
    runtime: Path
    errors: Path

    @property
    def run_dir(self):
        return Path(self.control).parent

    def do(self, *arguments):
        done = run(self.runtime, *arguments, "--run-dir", self.run_dir)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self):
        found = json.loads(self.do("status", "--json"))
        return {board["board"]: board for board in found["boards"]}

    def child(self, board):
        found = [
            pid
            for pid in group(self.process.pid)[1:]
            if f"/{board}.json" in Path(f"/proc/{pid}/cmdline").read_text()
        ]
        return found[0]


@contextmanager
def up(runtime, *arguments, text=PAIR_OF_BOARDS):
    runtime.mkdir(exist_ok=True)
    file = runtime / "scenario.toml"
    file.write_text(text)
    errors = runtime / f"errors-{time.monotonic_ns()}"
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "up", str(file), "--json", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=environment(runtime),
        )
    try:
        boards = {}
        for line in process.stdout:
            said = json.loads(line)
            if said.get("ready"):
                break
            boards[said["board"]] = said
        else:
            raise AssertionError(errors.read_text())
        yield Running(process, boards, said["control"], runtime, errors)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def lab(tmp_path):
    with up(tmp_path) as found:
        yield found


class Host:
    """A host that only carries, on pyserial; ``url`` is what `up` printed."""

    def __init__(self, board, way="tcp"):
        self.port = serial.serial_for_url(board[way].replace("tcp:", "socket://"), timeout=0.02)
        self.key = bytes.fromhex(Path(board["pairing_key_file"]).read_text())
        self.shelf = Shelf(MemoryStore(), Clock(0), self.now)
        self.events = []
        self.connect()

    @property
    def now(self):
        return time.monotonic_ns() // 1_000_000

    def connect(self):
        session = Session(INITIATOR, {PAIR: self.key}, os.urandom(32), self.now)
        self.link = Link(Stream(), session, self.shelf, self.now)

    def put(self):
        body = os.urandom(envelope.padded_body_size(60))
        made = envelope.make(envelope.NORMAL, envelope.TTL_DEFAULT, os.urandom(limits.LOCK_BYTES), body)
        self.shelf.put(made, self.now)
        self.link.push(self.now)
        return made.id

    def step(self):
        for data in self.link.outgoing(self.now):
            self.port.write(data)
        self.events += self.link.receive(self.port.read(512), self.now)
        self.events += self.link.tick(self.now)
        if self.link.closed:
            self.connect()

    def until(self, done, patience_s=PATIENCE_S, others=()):
        end = time.monotonic() + patience_s
        while not done():
            assert time.monotonic() < end, f"it did not happen in time: {self.events}"
            for host in (self, *others):
                host.step()

    def up(self):
        self.until(lambda: self.link.established)
        return self

    def has(self, *ids):
        return set(ids) <= set(self.shelf.ids())


def test_a_letter_given_to_one_board_by_tcp_is_fetched_from_the_other_by_its_terminal(lab):
    assert set(lab.boards["mill"]) == {"board", "pty", "tcp", "pairing_key_file"}
    key_file = Path(lab.boards["mill"]["pairing_key_file"])
    assert key_file.stat().st_mode & 0o777 == 0o600
    here, there = Host(lab.boards["mill"]), Host(lab.boards["school"], "pty")
    sent = here.put()
    here.until(lambda: there.has(sent), others=[there])
    assert {name: board["client"] for name, board in lab.status().items()} == {"mill": "tcp", "school": "pty"}
    here.port.close()
    there.port.close()
    # The terminal keeps its name, and serves the next program.
    eventually(lambda: lab.status()["school"]["client"] is None)
    again = Host(lab.boards["school"], "pty").up()
    again.until(lambda: again.has(sent))


def test_a_cut_a_switch_and_a_move_take_effect_while_letters_wait(lab):
    here, there = Host(lab.boards["mill"]), Host(lab.boards["school"])
    assert lab.do("cut", "mill", "school") == "mill and school do not hear each other.\n"
    cut = here.put()
    here.until(lambda: ("acked", cut) in here.events)
    assert lab.do("power", "off", "school") == "school is off.\n"
    found = lab.status()
    assert found["school"]["power"] == "off" and found["mill"]["hears"] == []
    lab.do("power", "on", "school")
    lab.do("hear", "school", "mill")
    here.until(lambda: there.has(cut), others=[there])
    assert lab.do("move", "school") == "school hears nobody.\n"
    assert lab.status()["mill"]["hears"] == []
    assert lab.do("move", "school", "mill") == "school hears mill.\n"
    found = lab.status()
    assert found["mill"]["hears"] == ["school"] and found["school"]["hears"] == ["mill"]


def test_status_tells_what_a_person_asks(lab):
    eventually(lambda: lab.status()["school"]["known"] == 0)
    found = json.loads(run(lab.runtime, "status", "--json").stdout)
    assert found["title"] == "Two boards" and found["run_dir"] == str(lab.run_dir)
    assert found["up_ms"] > 0 and found["counters"]["adverts"] > 0 and found["counters"]["wakes"] > 0
    assert [board["power"] for board in found["boards"]] == ["on", "on"]
    text = run(lab.runtime, "status").stdout
    assert "mill is on: hears school" in text
    assert all(len(line) <= 110 for line in text.splitlines()[1:])
    unread = subprocess.Popen(
        [*COMMAND, "status"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(lab.runtime),
    )
    unread.stdout.close()
    assert unread.stderr.read() == ""
    unread.wait()


def test_a_second_tcp_client_is_refused_and_the_first_goes_on(lab):
    first = Host(lab.boards["mill"]).up()
    port = int(lab.boards["mill"]["tcp"].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as second:
        assert second.recv(1) == b""
    sent = first.put()
    first.until(lambda: ("acked", sent) in first.events)
    first.port.close()
    eventually(lambda: lab.status()["mill"]["client"] is None)
    Host(lab.boards["mill"]).up()


def test_noise_and_a_cable_cut_in_the_middle_of_a_frame_leave_a_board_that_answers(lab):
    dice = random.Random(1)
    host = Host(lab.boards["mill"], "pty").up()
    host.put()
    frame = b"".join(host.link.outgoing(host.now))
    host.port.write(frame[: len(frame) // 2])
    host.port.close()
    for size in (1, 300, 3000):
        port = int(lab.boards["mill"]["tcp"].rpartition(":")[2])
        eventually(lambda: lab.status()["mill"]["client"] is None)
        with socket.create_connection(("127.0.0.1", port)) as noisy:
            # Bytes from 4 on: the escape that gives the REPL back is a 3.
            noisy.sendall(bytes(dice.choice([0, *range(4, 256)]) for _ in range(size)))
    eventually(lambda: lab.status()["mill"]["client"] is None)
    Host(lab.boards["mill"]).up()
    assert lab.errors.read_text() == ""


def test_a_host_that_does_not_read_does_not_stop_the_boards(lab):
    port = int(lab.boards["mill"]["tcp"].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as silent, open(lab.boards["school"]["pty"], "rb"):
        silent.setblocking(False)
        with suppress(BlockingIOError):
            for _ in range(100):
                silent.sendall(os.urandom(60_000))
        before = lab.status()["school"]["wakes"]
        eventually(lambda: lab.status()["school"]["wakes"] > before)


def test_a_board_whose_process_is_killed_is_reported_and_comes_back_with_its_letters(lab):
    host = Host(lab.boards["mill"]).up()
    sent = host.put()
    host.until(lambda: ("acked", sent) in host.events)
    host.port.close()
    os.kill(lab.child("mill"), signal.SIGKILL)
    eventually(lambda: lab.status()["mill"]["power"] == "dead")
    assert lab.status()["school"]["power"] == "on"
    told = lab.errors.read_text()
    assert told.count("\n") == 1 and "The process of board mill ended" in told
    assert "`hedgerow-lab power on mill`" in told
    lab.do("power", "on", "mill")
    assert lab.status()["mill"]["power"] == "on"
    again = Host(lab.boards["mill"]).up()
    again.until(lambda: again.has(sent))


def test_a_lab_that_is_killed_leaves_no_process_and_the_next_one_cleans_up(lab):
    eventually(lambda: len(group(lab.process.pid)) == 3)
    everybody = group(lab.process.pid)
    os.kill(lab.child("school"), signal.SIGSTOP)  # cannot even read the end of its pipe
    lab.process.kill()
    lab.process.wait()
    eventually(lambda: not any(map(lives, everybody)))
    port = int(lab.boards["mill"]["tcp"].rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert "The lab has died" in sentence(lab.runtime, "status")
    assert "has died" in sentence(lab.runtime, "status", "--run-dir", lab.run_dir)
    with up(lab.runtime) as other:
        assert not lab.run_dir.exists()
        assert other.status()["mill"]["power"] == "on"


def test_a_named_run_folder_keeps_flash_and_keys_even_after_a_kill(tmp_path):
    run_dir = tmp_path / "a run"
    with up(tmp_path, "--run-dir", run_dir, "--seed", "7") as first:
        host = Host(first.boards["mill"]).up()
        sent = host.put()
        host.until(lambda: ("acked", sent) in host.events)
        assert "runs in" in sentence(tmp_path, "up", tmp_path / "scenario.toml", "--run-dir", run_dir)
    assert (run_dir / "mill.tty").is_symlink()
    with up(tmp_path, "--run-dir", run_dir) as second:
        host = Host(second.boards["mill"]).up()
        host.until(lambda: host.has(sent))
        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(PATIENCE_S) == 0
    left = {path.suffix for path in run_dir.iterdir()}
    assert ".flash" in left and ".tty" not in left and not (run_dir / "control").exists()
    assert "No lab is running in" in sentence(tmp_path, "status", "--run-dir", run_dir)


def test_labs_run_side_by_side_and_steering_asks_which(tmp_path):
    with up(tmp_path) as one, up(tmp_path, text=PAIR_OF_BOARDS.replace("mill", "tower")) as two:
        told = sentence(tmp_path, "status")
        assert "2 labs are running" in told and "--run-dir" in told
        assert str(one.run_dir) in told and str(two.run_dir) in told
        one.do("power", "off", "school")
        assert [lab.status()["school"]["power"] for lab in (one, two)] == ["off", "on"]
        assert set(one.status()) == {"mill", "school"} and set(two.status()) == {"tower", "school"}


def test_ctrl_c_at_any_moment_ends_with_0_and_leaves_nothing(tmp_path):
    with up(tmp_path) as lab:
        eventually(lambda: len(group(lab.process.pid)) == 3)
        everybody = group(lab.process.pid)
        lab.process.send_signal(signal.SIGINT)
        assert lab.process.wait(PATIENCE_S) == 0
        assert not any(map(lives, everybody))
        assert lab.errors.read_text() == ""
    for wait_s in (0.0, 0.05):
        with up(tmp_path) as lab:
            time.sleep(wait_s)
            everybody = group(lab.process.pid)
            lab.process.send_signal(signal.SIGINT)
            assert lab.process.wait(PATIENCE_S) == 0
            assert not any(map(lives, everybody))
    assert list((tmp_path / "hedgerow-lab").glob("lab-*")) == []
    assert "No lab is running: start one with `hedgerow-lab up FILE`." in sentence(tmp_path, "cut", "a", "b")


def test_the_events_of_a_scenario_happen_and_what_is_left_out_is_said_in_one_line(tmp_path):
    text = (
        PAIR_OF_BOARDS
        + """
[[hosts]]
name = "Alice"
board = "mill"
[[events]]
do = "power_off"
board = "mill"
at = "300ms"
[[events]]
do = "deafen"
boards = ["mill", "school"]
at = "300ms"
[[events]]
do = "unplug"
host = "Alice"
at = "300ms"
[holds]
delivered = "all"
"""
    )
    with up(tmp_path, text=text) as lab:
        assert lab.errors.read_text().endswith("do it here: hosts, holds, unplug.\n")
        eventually(lambda: lab.status()["mill"]["power"] == "off")
        assert lab.status()["school"]["hears"] == []


def test_what_cannot_be_steered_is_refused_in_one_sentence(lab, monkeypatch):
    here = ("--run-dir", lab.run_dir)
    assert "no board called 'hut': there are mill, school" in sentence(
        lab.runtime, "cut", "mill", "hut", *here
    )
    assert "no board called 'hut'" in sentence(lab.runtime, "power", "on", "hut")
    assert "are one board" in sentence(lab.runtime, "hear", "mill", "mill")
    assert "are one board" in sentence(lab.runtime, "move", "mill", "mill")
    assert "No lab is running in" in sentence(lab.runtime, "status", "--run-dir", lab.runtime)
    monkeypatch.chdir(lab.run_dir)  # the whole path may be too long for a socket
    for noise in (
        b"\n",
        b"[1]\n",
        b'{"do": "cut"}\n',
        b'{"do": "cut", "boards": [1, 2]}\n',
        b"\xff" * 70_000,
    ):
        with socket.socket(socket.AF_UNIX) as rude:
            rude.connect("control")
            with suppress(OSError):
                rude.sendall(noise)
                assert b"error" in rude.recv(1000) or len(noise) > 60_000
    lab.process.kill()
    lab.process.wait()
    assert "has died" in sentence(lab.runtime, "cut", "mill", "school", *here)


@pytest.mark.parametrize(
    "change, told",
    [
        (('"mill"', '"../mill"'), "cannot have files"),
        (('"mill"', '"school"'), "Two boards are called 'school'"),
    ],
)
def test_boards_whose_files_would_get_mixed_up_are_refused(change, told, tmp_path):
    file = tmp_path / "scenario.toml"
    file.write_text(PAIR_OF_BOARDS.replace(*change))
    assert told in sentence(tmp_path, "up", file)
    assert list((tmp_path / "hedgerow-lab").glob("lab-*")) == []


def test_people_read_the_ports_and_a_closed_pipe_ends_the_lab_without_noise(tmp_path):
    file = tmp_path / "scenario.toml"
    file.write_text(PAIR_OF_BOARDS)
    process = subprocess.Popen(
        [*COMMAND, "up", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path),
    )
    lines = [process.stdout.readline() for _ in range(10)]
    assert lines[0] == "mill\n" and lines[2].startswith("  tcp  tcp:127.0.0.1:")
    assert "run until Ctrl-C" in lines[8]
    process.terminate()
    assert process.wait(PATIENCE_S) == 0 and process.stderr.read() == ""
    process = subprocess.Popen(
        [*COMMAND, "up", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path),
    )
    process.stdout.close()
    process.wait(PATIENCE_S)
    assert process.stderr.read() == ""
    assert list((tmp_path / "hedgerow-lab").glob("lab-*")) == []


def test_the_boards_that_the_examples_of_the_lab_steer_are_those_of_the_example_above_them():
    boards = {board.name for board in load(TOP / "tests/network/scenarios/line3.toml").boards}
    page = (TOP / "docs/operations.md").read_text().split("### Real time\n")[1].split("\n###")[0]
    examples = [*page.splitlines(), *(command.epilog or "" for command in app.registered_commands)]
    steered = 0
    for example in examples:
        found = re.fullmatch(r"(?:    |Example: )hedgerow-lab (?:cut|hear|move|power off) (.+)", example)
        if found:
            steered += 1
            assert set(found[1].split()) <= boards, example
    assert steered == 8


def test_a_clock_that_falls_behind_or_ran_ahead_keeps_its_order_and_does_not_hurry():
    clock = RealClock()
    seen = []
    clock.paced = False
    clock.at(5_000_000, lambda: seen.append(clock.now_us))
    clock.run_until(6_000_000)
    clock.paced = True
    clock.at(6_050_000, lambda: time.sleep(1.2))
    for when in (6_100_000, 6_150_000):
        clock.at(when, lambda: seen.append(clock.now_us))
    began = time.monotonic()
    clock.run_until(6_200_000)
    assert 1.2 < time.monotonic() - began < 2
    assert seen == [5_000_000, 6_100_000, 6_150_000]
    assert clock.now_us == 6_200_000 and clock.late_us > 1_000_000
    clock.close()
