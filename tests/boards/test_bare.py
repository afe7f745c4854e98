"""The unmodified esptool and mpremote on a virtual board as it comes out of the bag."""

import hashlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import tty

import pytest
from handling import PATIENCE_S, Tools, eventually

from hedgerow_lab.bare import chips, image
from hedgerow_lab.bare.loader import Faults
from hedgerow_lab.board import HARD, SOFT

NVS = "import esp32; n = esp32.NVS('hedgerow'); "


def plugged(desk, chip):
    board = desk.board(chip)
    return board, Tools(board.link)


def file_of(board, tmp_path, content=None):
    path = tmp_path / "some.bin"
    path.write_bytes(image.micropython(board.chip) if content is None else content)
    return str(path)


def flash_of(board):
    return board.board.flash_path.read_bytes()


def restart(board, tools):
    """mpremote's reset; what comes while a board is off is lost, as on any board."""
    assert board.board.cause != HARD
    tools.mpremote("reset")
    eventually(lambda: board.board.cause == HARD and board.board.powered)


def read_for(port, seconds, first=b"", until=None):
    """What comes; no longer than ``until`` was said."""
    fd = os.open(port, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(fd)
    os.write(fd, first)
    ends, data = time.monotonic() + seconds, b""
    while select.select([fd], [], [], max(0, ends - time.monotonic()))[0]:
        data += os.read(fd, 1024)
        if until is not None and until(data):
            break
    os.close(fd)
    return data


@pytest.mark.parametrize("chip", ["esp32", "esp32c3", "esp32s3", "esp32c6"])
def test_from_the_bag_to_a_program_that_runs_at_every_start(desk, tmp_path, chip):
    board, tools = plugged(desk, chip)
    assert board.mode == "nothing"
    found = tools.esptool("flash-id")
    assert f"Connected to {chip.upper()[:5]}" in found.replace("-", "") and "4MB" in found
    address = ":".join(f"{byte:02x}" for byte in board.board.address)
    assert address in found
    tools.esptool("--chip", chip, "erase-flash")
    content = image.micropython(board.chip)
    offset = hex(board.chip.image_offset)
    said = tools.esptool(
        "--chip", chip, "--baud", "460800", "write-flash", offset, file_of(board, tmp_path, content)
    )
    assert "Hash of data verified" in said
    assert flash_of(board)[board.chip.image_offset :].startswith(content)
    assert "42" in tools.mpremote("exec", "print(6 * 7)")
    (tmp_path / "main.py").write_text("n = open('runs', 'a')\nn.write('.')\nn.close()\n")
    tools.mpremote("fs", "cp", str(tmp_path / "main.py"), ":main.py")
    tools.mpremote("exec", "1")
    # mpremote's soft resets did not run it, a hard one does.
    assert "False" in tools.mpremote("exec", "import os; print('runs' in os.listdir())")
    restart(board, tools)
    assert "." in tools.mpremote("exec", "print(open('runs').read())")


def test_a_port_takes_no_files_place(desk, tmp_path):
    (tmp_path / "mine.tty").write_text("dear")
    with pytest.raises(FileExistsError):
        desk.board(name="mine")
    assert (tmp_path / "mine.tty").read_text() == "dear"


def test_esptool_refuses_a_board_of_another_chip(desk, tmp_path):
    board, tools = plugged(desk, "esp32s3")
    assert "This chip is ESP32-S3, not ESP32-C3" in tools.esptool(
        "--chip", "esp32c3", "flash-id", check=False
    )


def test_a_board_with_nothing_on_it_prints_garbage_and_answers_no_repl(desk):
    board, _ = plugged(desk, "esp32")
    garbage = b"invalid header: 0xffffffff"
    said = read_for(board.link, 10, b"\r\x03\r\x01", lambda said: said.count(garbage) >= 3)
    assert said.count(garbage) >= 3 and b">" not in said


@pytest.mark.parametrize(
    ("fault", "said"),
    [("truncated", b"Checksum failed"), ("spoiled", b"Image hash failed"), (None, b"Mismatch")],
)
def test_an_image_that_is_none_does_not_start(desk, tmp_path, fault, said):
    board, tools = plugged(desk, "esp32c3")
    whole = image.micropython(board.chip if fault else chips.CHIPS["esp32s3"])
    bad = image.FAULTS[fault](whole) if fault else whole
    tools.esptool("write-flash", "--force", "0x0", file_of(board, tmp_path, bad))
    assert board.mode == "nothing"
    assert said in read_for(board.link, 10, until=lambda heard: said in heard)


def test_files_go_there_and_back(ready, tmp_path):
    _, tools = ready
    folder = tmp_path / "tree"
    (folder / "deep").mkdir(parents=True)
    contents = {"one.py": b"x = 1\n", "deep/all bytes": bytes(range(256)) * 20, "deep/empty": b""}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    tools.mpremote("fs", "cp", "-r", str(folder), ":")
    for name, content in contents.items():
        assert hashlib.sha256(content).hexdigest() in tools.mpremote("fs", "sha256sum", f":tree/{name}")
    tools.mpremote("fs", "cp", ":tree/deep/all bytes", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == contents["deep/all bytes"]
    assert "Up to date" in tools.mpremote("fs", "cp", str(folder / "one.py"), ":tree/one.py")
    listed = tools.mpremote("fs", "ls")
    assert "tree/" in listed and "rom/" not in listed and "pc/" not in listed
    tools.mpremote("fs", "rm", "-r", ":tree")
    assert "tree" not in tools.mpremote("fs", "ls")


def test_programs_run_and_their_errors_come_back(ready, tmp_path):
    _, tools = ready
    (tmp_path / "program.py").write_text(
        "import sys\nprint('one', end='!')\nsys.stdout.write('two\\n')\n1 / 0\n"
    )
    said = tools.mpremote("run", str(tmp_path / "program.py"), check=False)
    assert "one!two" in said and "ZeroDivisionError" in said
    assert "4" in tools.mpremote("soft-reset", "eval", "2 + 2")


def test_a_package_is_installed_from_a_file(ready, tmp_path):
    _, tools = ready
    (tmp_path / "hello.py").write_text("text = 'hello from lib'\n")
    package = {"urls": [["hello.py", "hello.py"]], "version": "1"}
    (tmp_path / "package.json").write_text(json.dumps(package))
    tools.mpremote("mip", "install", str(tmp_path / "package.json"))
    assert "hello from lib" in tools.mpremote("exec", "import hello; print(hello.text)")


@pytest.mark.parametrize("soft", [True, False])
def test_a_program_that_sleeps_is_stopped_by_mpremote(ready, soft):
    board, tools = ready
    tools.mpremote(
        "exec", "f = open('main.py', 'w'); f.write('import time\\nwhile True: time.sleep(1)'); f.close()"
    )
    restart(board, tools)
    assert "5" in tools.mpremote("exec", "print(2 + 3)")
    assert board.board.cause == SOFT


def test_a_board_that_restarts_for_ever_is_caught(ready):
    board, tools = ready
    program = "import time, machine\\ntime.sleep_ms(100)\\nmachine.reset()"
    tools.mpremote("exec", f"f = open('main.py', 'w'); f.write('{program}'); f.close()")
    restart(board, tools)
    eventually(lambda: b">>> " in read_for(board.link, 0.05, b"\x03"))
    assert "9" in tools.mpremote("exec", "print(4 + 5)")


def test_nvs_outlives_a_reset_and_an_image_but_not_an_erase(ready, tmp_path):
    board, tools = ready
    tools.mpremote("exec", NVS + "n.set_i32('a', 7); n.set_blob('b', b'xyz'); n.commit()")
    restart(board, tools)
    assert "7" in tools.mpremote("exec", NVS + "print(n.get_i32('a'))")
    tools.esptool("erase-region", hex(chips.FILES_OFFSET), hex(0x10000))
    read = NVS + "b = bytearray(9); n.get_blob('b', b); print(bytes(b[:3]))"
    assert "xyz" in tools.mpremote("exec", read)
    # An image covers it with erased flash, as MicroPython's own does.
    tools.flash_micropython(board, tmp_path)
    assert "-4354" in tools.mpremote("exec", read, check=False)


def test_an_erased_region_takes_the_files(ready):
    _, tools = ready
    tools.mpremote("exec", "open('kept', 'w').close()")
    tools.esptool("erase-region", hex(chips.FILES_OFFSET), hex(chips.FLASH_BYTES - chips.FILES_OFFSET))
    assert "['boot.py']" in tools.mpremote("exec", "import os; print(os.listdir())")


def test_a_damaged_file_system_is_told_and_not_formatted(ready, tmp_path):
    board, tools = ready
    tools.mpremote("exec", "open('kept', 'w').close()")
    (tmp_path / "noise").write_bytes(b"\x5a" * 8192)
    tools.esptool("write-flash", hex(chips.FILES_OFFSET), str(tmp_path / "noise"))
    words = b"appears to be corrupted"
    assert words in read_for(board.link, 10, until=lambda said: words in said)


def test_what_esptool_reads_is_what_it_wrote(ready, tmp_path):
    board, tools = ready
    tools.esptool("read-flash", "0x8000", "0x3000", str(tmp_path / "read"))
    assert (tmp_path / "read").read_bytes() == flash_of(board)[0x8000:0xB000]
    assert "verification successful" in tools.esptool("verify-flash", "0x0", file_of(board, tmp_path)).lower()


def test_a_block_that_arrives_damaged_is_sent_again(desk, tmp_path):
    board, tools = plugged(desk, "esp32c3")
    board.faults.corrupt_blocks = 2
    tools.flash_micropython(board, tmp_path)
    assert board.faults.corrupt_blocks == 0
    eventually(lambda: board.mode == "MicroPython")


def test_a_lost_reply_ends_a_write_and_the_next_one_works(desk, tmp_path):
    board, tools = plugged(desk, "esp32c3")
    board.faults.lost_replies = 1
    name = file_of(board, tmp_path)
    assert "Hash of data verified" not in tools.esptool("write-flash", "0x0", name, check=False)
    tools.flash_micropython(board, tmp_path)
    eventually(lambda: board.mode == "MicroPython")


def test_flash_that_keeps_something_else_is_noticed(desk, tmp_path):
    board, tools = plugged(desk, "esp32c3")
    board.faults.bad_cells = 100
    said = tools.esptool("write-flash", "0x0", file_of(board, tmp_path), check=False)
    assert re.search("MD5 of file does not match|verif", said) and "Hash of data verified" not in said


@pytest.mark.parametrize("after", [60, 3_000, 30_000])
def test_a_cable_that_is_pulled_ends_esptool_and_the_next_try_works(desk, tmp_path, after):
    board, tools = plugged(desk, "esp32c3")
    board.faults.cut_after = after
    tools.esptool("--connect-attempts", "1", "write-flash", "0x0", file_of(board, tmp_path), check=False)
    assert board.port is None and not board.link.exists()
    desk.do(board.plug_in)
    tools.flash_micropython(board, tmp_path)
    eventually(lambda: board.mode == "MicroPython")


def test_a_board_that_falls_silent_says_nothing_until_it_is_well(desk):
    board, tools = plugged(desk, "esp32c3")
    board.faults.silent_after = 0
    assert "No serial data received" in tools.esptool("--connect-attempts", "1", "flash-id", check=False)
    board.faults = desk.do(Faults)
    assert "4MB" in tools.esptool("flash-id")


def test_esptools_own_reset_puts_a_board_into_its_loader_and_out_of_it(desk, ready):
    board, _ = ready
    desk.do(board.pull)
    desk.do(lambda: board.plug_in(with_lines=True))
    tools = Tools(board.port.url)
    eventually(lambda: board.mode == "MicroPython")
    # At such a port only the two lines do; the loader answered, so they did.
    assert "NOT reset" not in tools.esptool("--no-stub", "read-mac")
    eventually(lambda: board.mode == "MicroPython")


def test_the_command_runs_a_board_until_ctrl_c_and_keeps_its_flash(tmp_path):
    link, flash, made = tmp_path / "port", tmp_path / "flash", tmp_path / "image.bin"
    command = [sys.executable, "-c", "from hedgerow_lab.cli import main; main()", "bare", "--chip", "esp32s3"]
    command += ["--pty", str(link), "--flash", str(flash), "--make-image", str(made), "--quick", "--json"]
    for first in (True, False):
        lab = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert json.loads(lab.stdout.readline()) == {"chip": "esp32s3", "pty": str(link), "ready": True}
        tools = Tools(link)
        if first:
            tools.esptool("write-flash", "0x0", str(made))
            tools.mpremote("exec", "open('kept', 'w').close()")
        assert "kept" in tools.mpremote("fs", "ls")
        lab.send_signal(signal.SIGINT)
        assert lab.wait(PATIENCE_S) == 0
    assert flash.stat().st_size == chips.FLASH_BYTES
