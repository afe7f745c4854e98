"""Bare boards on a desk, and who flashes them."""

import pytest
from handling import Owner, Tools

from hedgerow_lab.bare import image
from hedgerow_lab.bare.chips import chip_named
from hedgerow_lab.bare.desk import Desk


@pytest.fixture
def desk(tmp_path):
    with Desk(tmp_path) as desk:
        yield desk


@pytest.fixture
def alice(tmp_path):
    """Who flashes."""
    return Owner(tmp_path)


@pytest.fixture
def ready(desk, tmp_path):
    """A board with MicroPython on it, and the tools."""
    flash = tmp_path / "ready.flash"
    flash.write_bytes(image.installed(chip_named("esp32c3")))
    board = desk.board("esp32c3", flash=flash)
    return board, Tools(board.link)
