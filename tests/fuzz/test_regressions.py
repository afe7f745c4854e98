"""What the fuzzer found once, and the seeds of every target, on CPython and under MicroPython."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import core, finds
from fuzz.targets import MODULES, TARGETS

TOP = Path(__file__).resolve().parents[2]
FINDS = sorted((TOP / "tests" / "vectors" / "fuzz").glob("*.json"))
INTERPRETERS = sorted((TOP / ".cache" / "micropython" / "bin").glob("micropython*"))


def read(path):
    find = json.loads(path.read_text())
    return find["target"], bytes.fromhex(find["input"]), find["outcome"]


@pytest.mark.parametrize("path", FINDS, ids=lambda path: path.stem)
def test_a_find_stays_mended(path):
    target, data, wanted = read(path)
    found = finds.outcome(target, data)
    assert not found.startswith("Broken") and wanted in (None, found)


@pytest.mark.parametrize("target", TARGETS)
def test_every_promise_holds_for_the_seeds(target):
    found = TARGETS[target][1]()
    assert found
    for seed in found:
        assert not finds.outcome(target, seed).startswith("Broken"), seed.hex()


@pytest.mark.parametrize("target", TARGETS)
def test_every_promise_holds_for_the_beginnings_of_the_seeds(target):
    for seed in TARGETS[target][1]():
        for end in sorted({0, 1, 2, 3, 5, 8, 13, 21, 34, len(seed) // 2, len(seed) - 1}):
            assert not finds.outcome(target, seed[: max(end, 0)]).startswith("Broken"), (seed.hex(), end)


@pytest.mark.parametrize("interpreter", INTERPRETERS, ids=lambda path: path.name)
def test_finds_and_seeds_come_out_the_same_under_micropython(interpreter):
    inputs = [read(path)[:2] for path in FINDS if read(path)[0] in core.TARGETS]
    inputs += [(name, seed) for name, (_, seeds) in core.TARGETS.items() for seed in seeds()]
    assert finds.differences(interpreter, inputs) == []


def test_a_difference_between_the_interpreters_is_told(tmp_path):
    other = tmp_path / "micropython"
    other.write_text("#!/bin/sh\necho PeerError\n")
    other.chmod(0o755)
    found = finds.differences(other, [("cbor", b"\xf5"), ("cbor", b"\xff")])
    assert [(find.target, find.data) for find in found] == [("cbor", b"\xf5"), ("cbor", b"\xff")]
    assert "PeerError" in found[0].about and "ended" in found[1].about


def test_an_input_that_ends_in_something_else_is_a_find(tmp_path, monkeypatch):
    def broken(data):
        if b"\x07" in data:
            raise KeyError("seven")
        return "fine"

    monkeypatch.setitem(TARGETS, "cbor", (broken, list))
    assert finds.outcome("cbor", b"abc\x07") == "Broken: KeyError"
    small = finds.smaller("cbor", b"a long one \x07 and more")
    assert small == b"\x07"
    path = finds.write(tmp_path, finds.Find("cbor", small, "Broken: KeyError"))
    assert read(path)[:2] == ("cbor", b"\x07")


def test_no_target_hides_another_one_of_its_name():
    assert len(TARGETS) == sum(len(module.TARGETS) for module in MODULES)


@pytest.mark.parametrize("arguments", [["--seconds", "soon"], ["--target", "nobody"], ["--seconds", "0"]])
def test_what_cannot_be_run_is_one_sentence(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", *arguments], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and done.stderr.strip().count("\n") == 0


def test_a_short_run_prints_one_line_and_finds_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", "--seconds", "2", "--target", "ids", "--engine", "hypothesis"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 target" in done.stdout.splitlines()[-1] and "no finds" in done.stdout.splitlines()[-1]
