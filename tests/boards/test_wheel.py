"""An installed hedgerow flashes without a copy of the repository: its wheel carries what boards get."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hedgerow.flashing import build, sources

TOP = Path(__file__).resolve().parents[2]
_SCRIPT = """
import json
from hedgerow.flashing import build, catalogue, sources
found = sources.find()
built = build.firmware()
print(json.dumps({
    "core": str(found.core), "firmware": str(found.firmware), "cache": str(found.cache),
    "kinds": [kind.name for kind in catalogue.kinds()], "built": str(built),
    "main": (found.firmware / "main.py").read_text(),
}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder as pip makes it of the wheel."""
    from hatchling.builders.wheel import WheelBuilder

    folder = tmp_path_factory.mktemp("wheel")
    (wheel,) = WheelBuilder(str(TOP)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_firmware_is_built_from_the_wheel_alone(installed, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        env={
            **os.environ,
            "PYTHONPATH": str(installed),
            "HOME": str(tmp_path),
            "XDG_CACHE_HOME": str(tmp_path),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name in ("core", "firmware"):
        assert Path(found[name]).is_relative_to(installed)
    for name in ("cache", "built"):
        assert Path(found[name]).is_relative_to(tmp_path)
    assert set(found["kinds"]) == {path.stem for path in (TOP / "boards").glob("*.toml")}
    assert found["main"] == (TOP / "firmware/main.py").read_text()
    here, there = build.firmware(sources.of_checkout(TOP)), Path(found["built"])
    names = sorted(path.relative_to(here) for path in here.rglob("*.mpy"))
    assert names == sorted(path.relative_to(there) for path in there.rglob("*.mpy"))
    assert all((here / name).read_bytes() == (there / name).read_bytes() for name in names)


def test_nothing_that_was_made_travels_in_the_wheel(installed):
    assert not [path for path in installed.rglob("*") if path.suffix in (".pyc", ".mpy")]
