"""The demo that stays: its boards go on in real time, and the ordinary commands write over them."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PATHS = os.pathsep.join(str(TOP / folder) for folder in ("shared", "host", "tools"))
DEMO = "import typer; from hedgerow_lab.demo import command; a = typer.Typer(); a.command()(command); a()"
PATIENCE_S = 60


def environment(runtime):
    return {**os.environ, "PYTHONPATH": PATHS, "XDG_RUNTIME_DIR": str(runtime)}


@contextmanager
def kept(runtime, *arguments):
    command = [sys.executable, "-c", DEMO, "--keep", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(runtime)
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process):
    """(exit status, the rest of what it printed, its errors) after Ctrl-C."""
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, errors


def hedgerow(runtime, home, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "hedgerow.cli", "--home", home, *arguments],
        capture_output=True,
        text=True,
        env=environment(runtime),
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def texts(runtime, person, *arguments):
    found = hedgerow(runtime, person["home"], "inbox", "--json", *arguments)
    return [json.loads(line)["text"] for line in found.splitlines()]


def arrives(runtime, person, text):
    end = time.monotonic() + PATIENCE_S
    while text not in texts(runtime, person, "--board", person["board"]):
        assert time.monotonic() < end, "the letter did not come in time"


def boards_of(folder):
    """The processes that run boards in ``folder``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"{folder}/" in path.read_text():
                found.append(path.parent.name)
    return found


def test_the_boards_go_on_for_the_commands_and_end_with_ctrl_c(tmp_path):
    with kept(tmp_path, "--json") as process:
        story = json.loads(process.stdout.readline())
        assert story["sent"] == story["delivered"] >= 8
        alice, bob = (json.loads(process.stdout.readline()) for _ in range(2))
        assert (alice["name"], bob["name"]) == ("Alice Ashgrove", "Bob Birchwood")
        assert set(alice) == set(bob) == {"name", "home", "board"}
        assert len(texts(tmp_path, alice)) == len(texts(tmp_path, bob)) == story["sent"]

        hedgerow(tmp_path, alice["home"], "send", bob["name"], "Still awake?", "--board", alice["board"])
        arrives(tmp_path, bob, "Still awake?")
        hedgerow(tmp_path, bob["home"], "send", alice["name"], "Since noon.", "--board", bob["board"])
        arrives(tmp_path, alice, "Since noon.")
        for person in (alice, bob):
            assert texts(tmp_path, person)[-2:] == ["Still awake?", "Since noon."]

        folder = Path(alice["home"]).parents[1]
        assert len(boards_of(folder)) == 3
        assert ended(process) == (0, "", "")
        assert not boards_of(folder)
        assert not folder.exists()


def test_the_lines_for_people_are_commands_that_work(tmp_path):
    with kept(tmp_path, "--plain") as process:
        shown = []
        while not shown or " until Ctrl-C." not in shown[-1]:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            shown.append(line)
        commands = [words[2:] for words in (shlex.split(line) for line in shown if " --home " in line)]
        follow, send, answer, look = commands
        assert follow[1:3] == ["inbox", "--follow"] and send[1] == answer[1] == "send" and look[1] == "inbox"
        reader = subprocess.Popen(
            [sys.executable, "-m", "hedgerow.cli", "--home", *follow],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(tmp_path),
        )
        try:
            hedgerow(tmp_path, *send)
            while send[3] not in reader.stdout.readline():
                assert reader.poll() is None
            hedgerow(tmp_path, *answer)
            end = time.monotonic() + PATIENCE_S
            while answer[3] not in hedgerow(tmp_path, *look):
                assert time.monotonic() < end, "the answer did not come in time"
        finally:
            reader.kill()
            reader.communicate()
        status, out, errors = ended(process)
        assert (status, errors) == (0, "")
        folder = Path(send[0]).parents[1]
        assert str(folder) in out and not folder.exists()


def test_a_story_that_leaks_keeps_nothing(tmp_path):
    with kept(tmp_path, "--json", "--insecure-canary") as process:
        out, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 1
        assert len(out.splitlines()) == 1
        assert not list((tmp_path / "hedgerow-lab").glob("lab-*"))
