"""One board from flashing to its watchdog: a virtual one, or with `make test-board PORT=...` a real one.

pytest-embedded has the console; it lets go of the port while `hedgerow` uses it. The board is erased.
"""

import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from handling import TOP, Owner, eventually

from hedgerow.flashing import catalogue
from hedgerow_lab.bare.desk import Desk

KIND, FIRMWARE, PORT2 = "HEDGEROW_TEST_KIND", "HEDGEROW_TEST_FIRMWARE", "HEDGEROW_TEST_PORT2"
VIRTUAL = "esp32-c3-generic"
LINK_S = 30
INTERRUPT = b"\r\x03"


@dataclass
class OnDesk:
    """The board that is tested, whose it is, and what flashing it said."""

    port: str
    alice: Owner
    bob: Owner
    name: str = "mill"
    said: str = ""
    desk: Desk | None = None

    def ask(self, *words: str) -> list[dict[str, object]]:
        """What `hedgerow` says as JSON; the board may just be starting."""
        ends = time.monotonic() + LINK_S
        while True:
            done = self.alice.type(*words, "--board", f"serial:{self.port}", "--json")
            if done.returncode == 0:
                return [json.loads(line) for line in done.stdout.splitlines()]
            assert time.monotonic() < ends, done.stderr


@pytest.fixture(scope="module")
def on_desk(request, tmp_path_factory):
    real = request.config.getoption("port")
    if real:
        # The same owner each time, who may have this board back.
        folder = TOP / ".cache" / "test-board"
        folder.mkdir(parents=True, exist_ok=True)
        alice, bob = (Owner(folder, name, hasty=False) for name in ("Alice", "Bob"))
        yield flashed(OnDesk(real, alice, bob), os.environ.get(KIND))
        return
    folder = tmp_path_factory.mktemp("desk")
    with Desk(folder) as desk:
        board = desk.board(catalogue.named(VIRTUAL).chip)
        alice, bob = Owner(folder), Owner(folder, "Bob")
        yield flashed(OnDesk(str(board.link), alice, bob, desk=desk), VIRTUAL, alice.image_for(board.chip))


def flashed(on_desk: OnDesk, kind: str | None, image: Path | None = None) -> OnDesk:
    firmware = image or os.environ.get(FIRMWARE)
    words = ["flash", "--port", on_desk.port, "--name", on_desk.name, "--yes"]
    words += ["--board", kind] if kind else []
    words += ["--firmware", str(Path(firmware).resolve())] if firmware else []
    done = on_desk.alice.type(*words, patience_s=900)
    assert done.returncode == 0, done.stdout + done.stderr
    on_desk.said = done.stdout
    return on_desk


@pytest.fixture
def port(on_desk):
    """pytest-embedded's: where its console is."""
    return on_desk.port


@pytest.fixture
def embedded_services():
    return "serial"


@contextmanager
def released(dut):
    """The port is for others meanwhile."""
    dut.serial.stop_redirect_thread()
    dut.serial.proc.close()
    yield
    dut.serial.proc.open()
    dut.serial.start_redirect_thread()


def prompt(dut):
    """Stop Hedgerow."""
    dut.write(INTERRUPT)
    dut.expect_exact(b">>> ", timeout=10)


def restart(dut):
    """At the prompt."""
    dut.write(b"import machine; machine.reset()\r")
    time.sleep(0.5)  # a board that is off already hears nothing


def starts_of(on_desk):
    """How often it started for each cause."""
    return on_desk.ask("board", "log")[0]["starts_by_cause"]


def test_it_is_one_of_the_mesh_and_its_self_test_passed(on_desk):
    assert "mill is a board of home now, and its self-test passed." in on_desk.said
    status = on_desk.ask("board", "status")[0]
    assert status["name"] == "mill" and status["damage"] == 0 and not status["safe_mode"]
    assert status["free_bytes"] > 0


def test_the_console_comes_back_to_whoever_asks_and_a_reset_starts_hedgerow(on_desk, dut):
    with released(dut):
        before = on_desk.ask("board", "status")[0]["starts"]
    prompt(dut)
    dut.write(b"print(6 * 7)\r")
    dut.expect_exact(b"42\r\n", timeout=10)
    restart(dut)
    with released(dut):
        assert on_desk.ask("board", "status")[0]["starts"] == before + 1


def test_a_letter_on_its_shelf_is_there_after_a_reset(on_desk, dut):
    with released(dut):
        assert on_desk.alice.type("add", on_desk.bob.type("invite").stdout.strip()).returncode == 0
        assert on_desk.alice.type("sync", "--board", f"serial:{on_desk.port}").returncode == 0
    prompt(dut)
    restart(dut)
    with released(dut):
        on_desk.ask("board", "status")
        paired = on_desk.bob.type("board", "pair", "--port", on_desk.port)
        assert paired.returncode == 0, paired.stderr
        found = on_desk.bob.type("sync", "--board", f"serial:{on_desk.port}")
        assert "Alice" in found.stdout, found.stdout + found.stderr


def test_the_watchdog_starts_a_board_that_nobody_feeds(on_desk, dut):
    with released(dut):
        before = starts_of(on_desk).get("watchdog", 0)
    prompt(dut)
    dut.write(b"import machine; dog = machine.WDT(timeout=1000)\r")
    dut.expect_exact(b">>> ", timeout=10)
    with released(dut):
        eventually(lambda: starts_of(on_desk).get("watchdog", 0) == before + 1, LINK_S)


def test_another_board_of_the_mesh_is_heard(on_desk):
    second = os.environ.get(PORT2)
    if on_desk.desk is not None:
        mesh = on_desk.alice.mesh_key()
        settings = {"name": "school", "mesh_key": mesh, "pairing_key": bytes(32)}
        lab = on_desk.desk.lab
        on_desk.desk.do(lambda: (lab.add_board("school", settings=settings), lab.hear("bare", "school")))
    elif not second:
        # The virtual board, which every run has, always has a second one.
        pytest.skip("a second real board at PORT2 is needed")
    else:
        flashed(OnDesk(second, on_desk.alice, on_desk.bob, "school"), None)
    eventually(lambda: [node for node in on_desk.ask("nodes") if node["heard_s"] is not None], LINK_S)
