"""The demo: what the README promises, and that its search for plain text can find something."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


def demo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(str(TOP / folder) for folder in ("shared", "host", "tools"))
    code = "import typer; from hedgerow_lab.demo import command; a = typer.Typer(); a.command()(command); a()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, **environment},
        check=False,
    )


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_the_demo_delivers_everything_and_leaks_nothing(seed):
    done = demo("--json", "--seed", seed)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result) == {
        "sent",
        "delivered",
        "boards",
        "hops_max",
        "interpreter",
        "aioble",
        "plaintext_on_air",
        "plaintext_on_flash",
    }
    assert result["sent"] == result["delivered"] >= 8
    assert result["boards"] == 3
    assert result["hops_max"] == 4  # laptop, three boards, laptop
    assert result["plaintext_on_air"] == result["plaintext_on_flash"] == 0


def test_the_search_for_plain_text_finds_a_text_that_leaks():
    done = demo("--json", "--insecure-canary")
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["plaintext_on_air"] > 0
    assert result["plaintext_on_flash"] > 0
    assert done.returncode == 1


def test_the_demo_tells_a_story_that_fits_a_narrow_terminal():
    done = demo(COLUMNS="40")
    assert done.returncode == 0
    assert "Bob reads" in done.stdout and "Alice reads" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 40


def test_a_missing_micropython_is_one_sentence():
    done = demo("--json", HEDGEROW_MICROPYTHON="/nowhere/micropython")
    assert done.returncode == 1
    assert done.stderr == "hedgerow: There is no MicroPython here: run `make setup` first.\n"
