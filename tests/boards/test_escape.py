"""The escape that `hedgerow flash` sends gives back the console of a board that runs the real firmware."""

import pytest

from hedgerow.flashing import console
from hedgerow_lab.world import Lab, find_aioble


@pytest.mark.parametrize("before", [b"", b"\0\x09half a frame", b"noise"])
def test_whatever_the_line_was_in_the_middle_of(tmp_path, before):
    with Lab(1, workdir=tmp_path, aioble=find_aioble()) as lab:
        lab.add_board("a", settings={"name": "a", "mesh_key": bytes(32), "pairing_key": bytes(range(32))})
        lab.run_until(2_000)
        line = lab.serial("a")
        line.connected = True
        line.write(before)
        lab.run_until(3_000)
        line.write(console.ESCAPE)
        lab.run_until(3_000 + round(console.ESCAPE_S * 1000))
        assert any("stopped" in text for text in lab.log("a"))
