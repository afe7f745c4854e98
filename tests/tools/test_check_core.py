"""The check that core and firmware use only what MicroPython has."""

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


def check(*files: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOP / "tools/check_core"), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "source, complaint",
    [
        ("import dataclasses", "dataclasses"),
        ("from typing import Any", "typing"),
        ("n.bit_length()", ".bit_length"),
        ("int.from_bytes(b, byteorder='big')", "keyword"),
        ("del buffer[:4]", "del buffer"),
        ("x = {**a}", "{**dict}"),
        ("def f(a, /): pass", "positional-only"),
        ("match x:\n    case 1: pass", "match"),
        ("try: pass\nexcept TimeoutError: pass", "TimeoutError"),
        ("try: pass\nexcept (*A, B): pass", "starred"),
    ],
)
def test_what_would_break_on_a_board_is_refused(tmp_path, source, complaint):
    file = tmp_path / "module.py"
    file.write_text(source + "\n")
    done = check(file)
    assert done.returncode != 0
    assert complaint in done.stdout + done.stderr


def test_core_and_firmware_pass():
    done = check()
    assert done.returncode == 0, done.stdout
    assert ", 0 problems" in done.stdout
