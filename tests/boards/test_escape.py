"""The escape that flash.sh sends gives back the console of a board that runs the real firmware."""

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

from hedgerow_lab.world import Lab, find_aioble

TOOL = Path(__file__).resolve().parents[2] / "tools" / "provision"


@pytest.fixture(scope="module")
def provision():
    loader = SourceFileLoader("provision", str(TOOL))
    spec = spec_from_loader("provision", loader)
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


@pytest.mark.parametrize("before", [b"", b"\0\x09half a frame", b"noise"])
def test_whatever_the_line_was_in_the_middle_of(tmp_path, provision, before):
    with Lab(1, workdir=tmp_path, aioble=find_aioble()) as lab:
        lab.add_board("a", settings={"name": "a", "mesh_key": bytes(32), "pairing_key": bytes(range(32))})
        lab.run_until(2_000)
        line = lab.serial("a")
        line.connected = True
        line.write(before)
        lab.run_until(3_000)
        line.write(provision._ESCAPE)
        lab.run_until(3_000 + round(provision._ESCAPE_S * 1000))
        assert any("stopped" in text for text in lab.log("a"))
