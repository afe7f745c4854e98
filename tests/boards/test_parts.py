"""Files as programs: what a board writes is what was packed, however files and parts lie to each other."""

import hashlib
import random
import subprocess
from pathlib import Path

import pytest
from handling import eventually

from hedgerow.flashing import errors, onboard, parts, tool
from hedgerow.flashing.parts import PART_BYTES
from hedgerow.flashing.ports import Port
from hedgerow_lab.world import LabError, find_micropython

# What an ESP32 starts with; more comes in pieces.
HEAP = "56k"
_RUN = """
import sys
for path in sys.argv[1:]:
    with open(path) as program:
        exec(program.read(), globals())
"""
NOISE = random.Random(8).randbytes(3 * PART_BYTES)


def interpreter(bits):
    try:
        return find_micropython(bits)
    except LabError:
        return find_micropython(64)


def written(files, folder, bits=64):
    """What MicroPython writes into ``folder``, and what it says."""
    (folder / "board").mkdir()
    (folder / "run.py").write_text(_RUN)
    paths = []
    for number, program in enumerate(parts.programs(files)):
        paths.append(folder / f"{number}.py")
        paths[-1].write_text(program)
    done = subprocess.run(
        [interpreter(bits), "-X", f"heapsize={HEAP}", folder / "run.py", *paths],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder / "board",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.name: path.read_bytes() for path in (folder / "board").iterdir()}, done.stdout.split("\n")


@pytest.mark.parametrize("bits", [64, 32])
def test_files_of_all_sizes_come_out_as_they_went_in(tmp_path, bits):
    sizes = [0, 1, PART_BYTES - 1, 0, PART_BYTES, 0, PART_BYTES + 1, 2 * PART_BYTES, 3, 3 * PART_BYTES - 5, 0]
    files = {f"{number}.mpy": NOISE[:size] for number, size in enumerate(sizes)}
    files |= {'it\'s "a" name': b"text " * 3_000, "\u00fcber": bytes(PART_BYTES)}
    found, said = written(files, tmp_path, bits)
    assert found == files
    assert said[:-1] == [f"part {number}" for number in range(1, len(said))]


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1])
def test_one_file_alone(tmp_path, size):
    assert written({"one": NOISE[:size]}, tmp_path)[0] == {"one": NOISE[:size]}


def test_no_file_is_no_program():
    assert parts.programs({}) == []


# On a board


@pytest.fixture
def files(tmp_path):
    """By their names on the board."""
    found = {}
    for name, content in (("/a/one.mpy", NOISE), ("/a/two.mpy", b"two " * 2_000), ("/lib/none.mpy", b"")):
        found[name] = tmp_path / Path(name).name
        found[name].write_bytes(content)
    return found


def heard(monkeypatch):
    """What the tool is asked to do."""
    said, run = [], tool.run
    monkeypatch.setattr(tool, "run", lambda *arguments: (said.append(arguments[1]), run(*arguments))[1])
    return said


def digest(tools, name):
    return tools.mpremote("fs", "sha256sum", f":{name}").split()[-1]


def test_only_what_differs_is_sent_and_all_of_it_is_compared(ready, files, monkeypatch):
    board, tools = ready
    said = heard(monkeypatch)
    told = []
    assert onboard.fill(Port(str(board.link)), files, told.append) == (False, len(NOISE) + 8_000)
    assert told == sorted(told) and told[-1] == 1.0
    assert not [words for words in said if "cp" in words]
    for name, path in files.items():
        assert digest(tools, name) == hashlib.sha256(path.read_bytes()).hexdigest()
    before = board.heard_bytes
    tools.mpremote("exec", "f = open('/a/two.mpy', 'ab'); f.write(b'!'); f.close()")
    assert onboard.fill(Port(str(board.link)), files, told.append) == (False, 8_000)
    assert board.heard_bytes - before < len(NOISE)
    assert onboard.fill(Port(str(board.link)), files, told.append) == (False, 0)


def test_a_copy_that_is_cut_again_and_again_ends_whole(desk, ready, files):
    board, tools = ready
    for cut_after in (700, 4_000, 9_000, 14_000, 18_000):
        board.faults.cut_after = cut_after
        with pytest.raises(errors.FlashError):
            onboard.fill(Port(str(board.link)), files, lambda part: None)
        assert board.port is None
        desk.do(board.plug_in)
        eventually(lambda: board.mode == "MicroPython")
    onboard.fill(Port(str(board.link)), files, lambda part: None)
    for name, path in files.items():
        assert digest(tools, name) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_micropython_without_deflate_gets_files_as_they_are(ready, files, monkeypatch):
    board, tools = ready
    monkeypatch.setattr(onboard, "_SUMS", onboard._SUMS.replace("import deflate", "import no_such_module"))
    said = heard(monkeypatch)
    assert onboard.fill(Port(str(board.link)), files, lambda part: None) == (False, len(NOISE) + 8_000)
    assert [words for words in said if "cp" in words]
    for name, path in files.items():
        assert digest(tools, name) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_became_another_one_on_the_board_is_noticed(ready, files, monkeypatch):
    board, _ = ready
    programs = parts.programs
    monkeypatch.setattr(parts, "programs", lambda given: programs({**given, "/a/two.mpy": b"to" * 4_000}))
    with pytest.raises(errors.FileDiffers, match=r"/a/two\.mpy"):
        onboard.fill(Port(str(board.link)), files, lambda part: None)


def test_a_part_that_is_too_short_ends_the_copy(ready, files, monkeypatch):
    board, _ = ready
    monkeypatch.setattr(
        parts, "programs", lambda given: [f"{parts._BEGIN}part(1, b'eJwDAAAAAAE=', [('/x', 1, True)])"]
    )
    with pytest.raises(errors.CopyFailed, match="too short"):
        onboard.fill(Port(str(board.link)), files, lambda part: None)
