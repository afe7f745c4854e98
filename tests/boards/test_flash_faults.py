"""What goes wrong while a board is flashed: one sentence, in time; the same command completes it."""

import os
import random
import time

import pytest
import serial
from handling import Owner, eventually
from littlefs import LittleFS

from hedgerow.flashing import errors, ports
from hedgerow.flashing.ports import Port
from hedgerow_lab.bare import chips, image
from hedgerow_lab.bare.chips import CHIPS
from hedgerow_lab.bare.desk import Desk
from hedgerow_lab.bare.loader import Faults

PROMPT_S = 45
# Cuts of a bare board lie anywhere up to the end of the copy, which test_parts cuts, too; those of a board
# that has its files lie in all other steps, each of few bytes.
BARE_CUTS, BARE_WITHIN = 4, 110_000  # bytes; test_flash_virtual makes sure that a whole flash takes more
CUTS, CUT_WITHIN = 16, 35_000
C3 = CHIPS["esp32c3"]


@pytest.fixture
def board(desk):
    return desk.board("esp32c3")


def flash_of(board):
    return board.board.flash_path.read_bytes()


def assert_fails(done, error, began=None):
    """One sentence, the number that docs/boards.md has for it, no traceback."""
    assert done.returncode == error.code, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("hedgerow: "), done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    if began is not None:
        assert time.monotonic() - began < PROMPT_S


def assert_works(board, done):
    assert done.returncode == 0, done.stdout + done.stderr
    eventually(lambda: board.mode == "MicroPython")


def firmware(tmp_path, content):
    path = tmp_path / "given.bin"
    path.write_bytes(content)
    return ["--firmware", str(path)]


# What is refused before anything is written


def test_a_chip_of_another_kind(board, alice):
    before = flash_of(board)
    done = alice.flash(
        board, "--board", "esp32-s3-generic", *firmware(alice.folder, image.micropython(CHIPS["esp32s3"]))
    )
    assert_fails(done, errors.OtherChip)
    assert flash_of(board) == before


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (image.micropython(CHIPS["esp32s3"]), errors.ImageOtherChip),
        (image.truncated(image.micropython(C3)), errors.ImageDamaged),
        (image.spoiled(image.micropython(C3)), errors.ImageDamaged),
        (b"<html>Not found</html>" * 100, errors.ImageDamaged),
        (b"", errors.ImageDamaged),
    ],
    ids=["other chip", "truncated", "spoiled", "a page", "nothing"],
)
def test_an_image_that_is_none(board, alice, content, error):
    before = flash_of(board)
    assert_fails(alice.flash(board, *firmware(alice.folder, content)), error)
    assert flash_of(board) == before and board.heard_bytes == 0


def test_an_image_with_another_checksum(board, alice):
    assert_fails(alice.flash(board, "--firmware-sha256", "0" * 64), errors.ImageOtherSum)
    assert board.heard_bytes == 0


def test_a_port_that_is_in_use(board, alice):
    with serial.Serial(str(board.link), exclusive=True):
        assert_fails(alice.flash(board), errors.PortBusy)


def test_a_port_that_is_not_there_begins_no_mesh(desk, board, alice):
    desk.do(board.pull)
    assert_fails(alice.flash(board), errors.PortMissing)
    assert alice.type("mesh", "list", "--json").stdout == ""


def test_a_port_that_one_may_not_use_names_the_group():
    master, slave = os.openpty()
    port = os.ttyname(slave)
    os.chmod(port, 0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # who may do everything is told nothing
    try:
        with pytest.raises(errors.PortForbidden) as refused:
            ports.check(Port(port))
    finally:
        if root:
            os.seteuid(0)
        os.close(master)
        os.close(slave)
    assert "join the group" in str(refused.value) and "usermod -aG" in str(refused.value)


def test_a_board_of_another_mesh_goes_on_as_before(board, alice, tmp_path):
    bob = Owner(tmp_path, "Bob")
    assert_works(board, bob.flash(board))
    assert_fails(alice.flash(board), errors.OtherMesh)
    eventually(lambda: bob.type("sync", *bob.board_url(board)).returncode == 0)


def test_a_board_without_room_for_the_firmware(desk, alice, tmp_path):
    files = LittleFS(
        block_size=chips.SECTOR_BYTES, block_count=chips.FILES_BLOCKS, read_size=32, prog_size=32
    )
    with files.open("films", "wb") as file:
        for _ in range(chips.FILES_BLOCKS - 12):
            file.write(bytes(chips.SECTOR_BYTES - 100))
    flash = tmp_path / "full.flash"
    flash.write_bytes(image.installed(C3)[: chips.FILES_OFFSET] + bytes(files.context.buffer))
    board = desk.board("esp32c3", flash=flash)
    assert_fails(alice.flash(board, "--keep-data"), errors.BoardFull)
    assert_works(board, alice.flash(board))


# The cable and the chip


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(corrupt_blocks=1_000), errors.WriteFailed),
        (Faults(lost_replies=1), errors.WriteFailed),
        (Faults(bad_cells=1_000), errors.NotVerified),
        (Faults(mute=True), errors.NoChip),
        (Faults(panic=True), errors.BootLoop),
        (Faults(silent_after=0), errors.NoChip),
        (Faults(silent_after=20_000), errors.WriteFailed),
    ],
    ids=[
        "damaged blocks",
        "lost replies",
        "bad flash",
        "a stub that hangs",
        "boot loop",
        "silent",
        "silent later",
    ],
)
def test_a_board_that_does_not_do_its_part(board, alice, faults, error):
    alice.wait_for_chip(patience_s=1)
    board.faults = faults
    assert_fails(alice.flash(board), error, time.monotonic())


def test_a_board_that_falls_silent_while_files_are_copied(board, alice):
    board.faults.silent_after = 80_000
    done = alice.flash(board)
    assert done.returncode in (errors.CopyFailed.code, errors.TooLong.code), done.stdout + done.stderr
    assert done.stderr.count("\n") == 1 and "run the same command again" in done.stderr


def places(cuts, within):
    """One place in each of ``cuts`` equal parts."""
    found = random.Random(8)
    return [found.randrange(within * n // cuts, within * (n + 1) // cuts) + 1 for n in range(cuts)]


def assert_completed(desk, board, alice, cut_after):
    """The cable is pulled after so many bytes, which is told, and the same command again ends well."""
    board.faults.cut_after = cut_after
    done = alice.flash(board, "--keep-data")
    assert done.returncode not in (0, 1, 130), done.stdout
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stdout + done.stderr
    assert board.port is None
    desk.do(board.plug_in)
    # It tests itself over its link at the end.
    assert_works(board, alice.flash(board, "--keep-data"))


@pytest.mark.parametrize("cut_after", places(BARE_CUTS, BARE_WITHIN))
def test_a_cable_that_is_pulled_anywhere_and_the_same_command_again(desk, board, alice, cut_after):
    assert_completed(desk, board, alice, cut_after)


@pytest.fixture(scope="module")
def flashed(tmp_path_factory):
    """The owner of a board that was flashed, and what is on its flash."""
    folder = tmp_path_factory.mktemp("flashed")
    with Desk(folder) as desk:
        board = desk.board("esp32c3")
        alice = Owner(folder)
        assert_works(board, alice.flash(board))
        desk.do(board.pull)
        return alice, flash_of(board)


@pytest.mark.parametrize("cut_after", places(CUTS, CUT_WITHIN))
def test_a_board_keeps_its_keys_wherever_the_cable_is_pulled(desk, flashed, tmp_path, cut_after):
    alice, content = flashed
    (tmp_path / "board.flash").write_bytes(content)
    board = desk.board("esp32c3", flash=tmp_path / "board.flash")
    key = alice.pairing_key()
    assert_completed(desk, board, alice, cut_after)
    assert alice.pairing_key() == key
