"""tools/get_aioble: all of the pinned aioble, or one sentence and nothing left behind."""

import hashlib
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

from hedgerow.flashing import aioble

TOOL = Path(__file__).resolve().parents[2] / "tools" / "get_aioble"


def load():
    loader = SourceFileLoader("get_aioble", str(TOOL))
    spec = spec_from_loader("get_aioble", loader)
    assert spec is not None
    module = module_from_spec(spec)
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    path = list(sys.path)
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = bytecode
        sys.path[:] = path
    return module


def run(into, source):
    return subprocess.run(
        [sys.executable, TOOL, "--into", into, "--from", source], capture_output=True, text=True, check=False
    )


@pytest.fixture
def fake(tmp_path):
    """A folder with nine files of the right names and other content."""
    folder = tmp_path / "fake"
    folder.mkdir()
    for name in aioble.SHA256:
        (folder / name).write_text(f"# not {name}\n")
    return folder


@pytest.fixture
def target(tmp_path):
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache" / "aioble"


def assert_refused(result, words, target):
    assert result.returncode == 1
    assert result.stdout == ""
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(target.parent.iterdir()) == []


def test_other_content_is_refused_by_its_checksum(fake, target):
    assert_refused(run(target, fake.as_uri()), "its checksum is another", target)


def test_an_unreachable_source_is_one_sentence(fake, target):
    assert_refused(run(target, "http://127.0.0.1:9/aioble"), "cannot be fetched", target)
    assert_refused(run(target, (fake / "nowhere").as_uri()), "cannot be fetched", target)
    assert_refused(run(target, "no address"), "cannot be fetched", target)


def test_what_was_there_stays_when_the_new_is_refused(fake, target):
    (target / "aioble").mkdir(parents=True)
    (target / "aioble" / "core.py").write_text("old")
    assert run(target, fake.as_uri()).returncode == 1
    assert (target / "aioble" / "core.py").read_text() == "old"
    assert [path.name for path in target.parent.iterdir()] == ["aioble"]


def test_a_folder_that_cannot_be_written_is_one_sentence(fake, tmp_path, monkeypatch, capsys):
    tool = accept(fake, monkeypatch)
    (tmp_path / "file").write_text("")
    assert main(tool, tmp_path / "file" / "aioble", fake.as_uri(), monkeypatch) == 1
    assert "cannot be written" in capsys.readouterr().err


def accept(fake, monkeypatch):
    """The tool with the checksums of the fake files."""
    sums = {name: hashlib.sha256((fake / name).read_bytes()).hexdigest() for name in aioble.SHA256}
    monkeypatch.setattr(aioble, "SHA256", sums)
    return load()


def main(tool, into, source, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["get_aioble", "--into", str(into), "--from", source])
    return tool.main()


def test_right_content_is_kept_whole_and_not_fetched_again(fake, target, monkeypatch):
    tool = accept(fake, monkeypatch)
    (target / "aioble").mkdir(parents=True)
    (target / "aioble" / "stale.py").write_text("old")
    assert main(tool, target, fake.as_uri(), monkeypatch) == 0
    assert sorted(path.name for path in (target / "aioble").iterdir()) == sorted(aioble.SHA256)
    assert [path.name for path in target.parent.iterdir()] == ["aioble"]
    assert main(tool, target, "http://127.0.0.1:9/aioble", monkeypatch) == 0


def test_the_source_is_one_commit_of_a_code_host():
    assert len(aioble.COMMIT) == 40 and aioble.COMMIT in aioble.SOURCE
    assert aioble.SOURCE.startswith("https://github.com/micropython/micropython-lib/")
    assert len(aioble.SHA256) == 9
