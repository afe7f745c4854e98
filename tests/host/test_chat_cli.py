"""What a user types about letters that are there, files, the log and stores; each mistake is one sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from node_support import Village

TOP = Path(__file__).resolve().parents[2]
PATHS = os.pathsep.join(str(TOP / folder) for folder in ("shared", "host", "tools"))
ANN, BOB = "Ann", "Bob"


class Terminal:
    """One home, closed, and a terminal."""

    def __init__(self, home):
        self.home = home

    def run(self, *words):
        return subprocess.run(
            [sys.executable, "-m", "hedgerow.cli", "--home", self.home, *map(str, words)],
            env={**os.environ, "PYTHONPATH": PATHS, "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def right(self, *words):
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *words):
        return [json.loads(line) for line in self.right(*words, "--json").splitlines()]

    def wrong(self, *words):
        done = self.run(*words)
        assert done.returncode != 0 and "Traceback" not in done.stderr
        sentence = done.stderr.removeprefix("hedgerow: ").strip()
        assert sentence.count("\n") == 0 and sentence.endswith((".", "name", "?")), sentence
        return sentence


@pytest.fixture(scope="module")
def ann():
    with Village(ANN, BOB) as village:
        village.befriend(ANN, BOB)
        village.send(BOB, ANN, "At seven at the well?")
        village.exchange()
        village.nodes[ANN].close()
        yield Terminal(village.home(ANN))
        village.reopen(ANN)


def test_a_letter_is_answered_marked_pinned_and_found(ann):
    (letter,) = ann.json("inbox", BOB)
    number = letter["id"]
    (reply,) = ann.json("reply", number, "At eight.")
    ann.right("react", number, "👍")
    ann.right("pin", number)
    ann.right("edit", reply["id"], "At nine.")
    first, second = ann.json("inbox", BOB)
    assert first["pinned"] and first["reactions"] == {"👍": [ANN]}
    assert (second["text"], second["edited"], second["reply_to"]) == ("At nine.", True, number)
    shown = ann.right("inbox", BOB)
    assert f"to {number}: At nine." in shown and "pinned" in shown and "👍 Ann" in shown
    assert [one["id"] for one in ann.json("inbox", "--pinned")] == [number]
    assert [one["id"] for one in ann.json("search", "WELL")] == [number]
    assert "No letter has" in ann.right("search", "pump")
    ann.wrong("reply", 999, "no")
    ann.wrong("edit", number, "no")
    ann.wrong("react", number, "far too long for a symbol")


def test_a_poll_is_asked_and_answered(ann):
    (asked,) = ann.json("poll", BOB, "Who brings the rope?", "Ann", "Bob")
    ann.right("vote", asked["id"], 1)
    shown = ann.right("inbox", BOB)
    assert "* 1. Ann  1" in shown and "2. Bob  0" in shown
    ann.wrong("vote", asked["id"], 3)
    ann.wrong("poll", BOB, "Why?", "because")


def test_the_log_is_shown_drawn_written_and_read(ann, tmp_path):
    ann.right("store", "put", BOB, "shed", "at the mill")
    found = ann.json("log", BOB)
    assert found and {"cid", "parents", "clock", "author"} <= set(found[0])
    assert ann.right("log", BOB, "--dot").startswith("digraph {")
    assert f"{len(found)} entries." in ann.right("log", "show", BOB)
    for form in ("jsonl", "car"):
        path = tmp_path / f"log.{form}"
        ann.right("log", "export", BOB, "--format", form, "--file", path)
        (read,) = ann.json("log", "import", path, "--into", tmp_path / "log")
        assert read["entries"] == len(found) and read["refused"] == 0
        ann.wrong("log", "export", BOB, "--format", form, "--file", path)
    (tmp_path / "half.car").write_bytes((tmp_path / "log.car").read_bytes()[:-10])
    assert "damaged" in ann.wrong("log", "import", tmp_path / "half.car")
    ann.wrong("log", "import", tmp_path / "none")
    ann.wrong("log", "Nobody")


def test_stores_keep_what_scripts_write(ann):
    ann.right("store", "put", BOB, "key", '{"a": [1, 2]}')
    assert ann.json("store", "get", BOB, "key") == [{"key": "key", "value": {"a": [1, 2]}}]
    assert "key: " in ann.right("store", "list", BOB)
    ann.right("store", "delete", BOB, "key")
    assert "There is no key" in ann.wrong("store", "get", BOB, "key")
    ann.right("store", "count", BOB, "--add", 3, "--store", "eggs")
    assert ann.right("store", "count", BOB, "--store", "eggs") == "3\n"
    ann.right("store", "add", BOB, "bread")
    ann.right("store", "add", BOB, "salt")
    ann.right("store", "remove", BOB, "bread")
    assert ann.right("store", "members", BOB) == "salt\n"
    ann.right("store", "append", BOB, "first", "--store", "level")
    assert [one["value"] for one in ann.json("store", "feed", BOB, "--store", "level")] == ["first"]
    ann.right("store", "note", BOB, '{"_id": "pump", "state": "broken"}')
    assert ann.json("store", "find", BOB, "--where", "state=broken")[0]["document"]["_id"] == "pump"
    for condition in ("state", "=broken", ""):
        assert "takes FIELD=VALUE" in ann.wrong("store", "find", BOB, "--where", condition)
    ann.wrong("store", "note", BOB, "3")
    ann.wrong("store", "put", BOB, "key", "1.5")


def test_a_file_is_sent_listed_and_saved(ann, tmp_path):
    path = tmp_path / "map.txt"
    path.write_bytes(b"the way to the well " * 100)
    ann.right("send", BOB, "--file", path)
    (file,) = ann.json("files")
    assert (file["file"], file["size"], file["here"]) == ("map.txt", 2_000, 2_000)
    assert "map.txt" in ann.right("files", BOB) and "map.txt" in ann.right("inbox", BOB)
    ann.right("fetch", file["number"], "--to", tmp_path / "again.txt")
    assert (tmp_path / "again.txt").read_bytes() == path.read_bytes()
    ann.wrong("fetch", file["number"], "--to", tmp_path / "again.txt")
    ann.wrong("fetch", 999)
    ann.wrong("send", BOB, "--file", tmp_path / "none")
    large = tmp_path / "large"
    large.write_bytes(bytes(100_000))
    assert "--yes" in ann.wrong("send", BOB, "--file", large)
    ann.right("send", BOB, "--file", large, "--yes")
    ann.wrong("send", BOB, "--file", large, "--small")
    with large.open("wb") as stream:
        stream.truncate(100 << 20)
    ann.wrong("send", BOB, "--file", large, "--yes")


def test_what_could_not_be_written_leaves_no_file_behind(ann, tmp_path):
    path = tmp_path / "log.car"
    ann.wrong("log", "export", "Nobody", "--format", "car", "--file", path)
    assert list(tmp_path.iterdir()) == []
    ann.right("log", "export", BOB, "--format", "car", "--file", path)
    assert list(tmp_path.iterdir()) == [path]
    told = ann.wrong("log", "export", BOB, "--format", "car", "--file", tmp_path / "none" / "log.car")
    assert "make room or name another file" in told


def test_what_has_no_end_is_no_file_to_send_or_to_restore(ann, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    new = Terminal(tmp_path / "new")
    for path in (tmp_path / "pipe", tmp_path / "endless", tmp_path):
        told = f"{path} cannot be read (it is no file): check the name."
        assert ann.wrong("send", BOB, "--file", path, "--yes") == told
        assert new.wrong("restore", path) == told
    large = tmp_path / "large"
    with large.open("wb") as stream:
        stream.truncate(8 << 30)
    assert new.wrong("restore", large).startswith(f"{large} is no whole backup")


def test_a_file_that_boards_do_not_carry_is_refused_before_a_question(ann, tmp_path):
    large = tmp_path / "large"
    with large.open("wb") as stream:
        stream.truncate(5 << 20)
    assert ann.wrong("send", BOB, "--file", large).startswith("This file has 5242880 bytes, boards carry")


def test_a_large_file_needs_a_yes_where_there_is_no_input_at_all(ann, tmp_path):
    large = tmp_path / "large"
    large.write_bytes(bytes(100_000))
    command = [sys.executable, "-m", "hedgerow.cli", "--home", ann.home, "send", BOB, "--file", large]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *map(str, command)],
        env={**os.environ, "PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "say --yes to send it" in done.stderr, done.stderr


def test_another_name_is_told(ann):
    assert "1 contact is told" in ann.right("name", "Annie")
    assert ann.right("name") == "You call yourself Annie.\n"
    ann.wrong("name", "\t")
