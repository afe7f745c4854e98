"""`hedgerow flash` as far as it goes without a board: plan, ports, tools, sentences and exit codes."""

import fcntl
import json
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from hedgerow.flashing import aioble, chip, console, errors, onboard, ports, selftest, steps, tool
from hedgerow.flashing.catalogue import named

TOP = Path(__file__).resolve().parents[2]
CODES = {kind: kind.code for kind in errors.FlashError.__subclasses__()}
SOUND = (0, 0, 0, 0, 10, 60_000, 1, 0, 1, 0, 0, 0, 0)


def run(*arguments, **environment):
    return subprocess.run(
        arguments,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def home(tmp_path):
    """Where nothing is yet."""
    return {"HOME": str(tmp_path), "HEDGEROW_HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path)}


@pytest.fixture
def line():
    """A port that nobody answers at: (its other end, its name)."""
    ours, theirs = pty.openpty()
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("kind", [path.stem for path in sorted((TOP / "boards").glob("*.toml"))])
def test_a_dry_run_prints_the_plan_and_touches_nothing(kind, home, tmp_path):
    done = run(TOP / "flash.sh", "--dry-run", "--board", kind, **home)
    assert done.returncode == 0, done.stderr
    found = named(kind)
    for text in (
        found.image,
        f"--chip {found.chip} ",
        f"write-flash --erase-all {found.offset:#x} ",
        "Nothing",
    ):
        assert text in done.stdout
    assert "--force" not in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_dry_run_says_what_was_asked_for(home):
    options = ("--name", "mill", "--mesh", "lane", "--profile", "relay", "--keep-data", "--firmware", "x.bin")
    done = run(TOP / "flash.sh", "--dry-run", "--port", "/dev/ttyUSB7", *options, **home)
    assert done.returncode == 0, done.stderr
    for text in ("mill", "lane", "relay", "x.bin", "/dev/ttyUSB7", "files and letters stay"):
        assert text in done.stdout
    assert "--erase-all" not in done.stdout


@pytest.mark.parametrize(
    "options, early",
    [
        (("--board", "esp32-c3-generic"), True),
        (("--firmware", "x.bin", "--keep-data"), True),
        (("--board", "esp32-c3-generic", "--keep-data"), False),
        (("--board", "esp32-s3-generic"), False),  # it has another one where there is less flash
        ((), False),
    ],
)
def test_the_plan_gets_the_image_when_flashing_does(home, options, early):
    done = run(TOP / "flash.sh", "--dry-run", "--json", *options, **home)
    titles = [json.loads(line)["title"] for line in done.stdout.splitlines()]
    assert (titles.index(steps.IMAGE) < titles.index(steps.CHIP)) == early
    assert titles.index(steps.IMAGE) < titles.index(steps.WRITE)


def test_flash_sh_that_cannot_set_hedgerow_up_says_what_to_do(tmp_path):
    (tmp_path / "flash.sh").write_bytes((TOP / "flash.sh").read_bytes())
    done = run("bash", tmp_path / "flash.sh", PATH="/usr/bin:/bin")
    assert done.returncode == 1
    assert "make setup" in done.stderr.splitlines()[-1] and not done.stdout


def flash(*arguments, **home):
    return run(sys.executable, "-m", "hedgerow.cli", "flash", *arguments, **home)


def refused(done, kind, words):
    assert done.returncode == kind.code, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1 and words in done.stderr


def test_what_was_asked_for_is_looked_at_before_anything_else(home, tmp_path):
    refused(flash("--board", "esp8266", **home), errors.UnknownKind, "esp32-c3-generic")
    refused(flash("--firmware-sha256", "0" * 64, **home), errors.NotASum, "--firmware-sha256")
    refused(flash(**home), errors.NoAccount, "hedgerow init")
    unknown = flash("--profile", "fast", **home)
    assert unknown.returncode == 2 and "'--profile': 'fast' is not one of 'relay'" in unknown.stderr
    named_wrongly = flash("--name", "a:b", **home)
    assert named_wrongly.returncode == 1 and "1 to 32 characters" in named_wrongly.stderr
    assert not list(tmp_path.iterdir())


def test_an_image_that_is_none_is_refused_before_the_port_is_opened(home, tmp_path):
    (tmp_path / "image.bin").write_bytes(b"\xe9 no image")
    assert run(sys.executable, "-m", "hedgerow.cli", "init", "--name", "Alice", **home).returncode == 0
    options = ("--port", "/dev/nothing-here", "--firmware", str(tmp_path / "image.bin"))
    refused(flash(*options, **home), errors.ImageDamaged, "image.bin")


def test_a_folder_without_aioble_is_not_taken_for_a_download(tmp_path):
    with pytest.raises(errors.AiobleMissing, match="--aioble"):
        aioble.obtain(tmp_path)


# Ports


def test_a_port_that_is_not_there():
    with pytest.raises(errors.PortMissing, match="nothing at /dev/nothing-here"):
        ports.named("serial:/dev/nothing-here")


def test_a_port_that_another_program_uses(line):
    with open(line[1], "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(errors.PortBusy, match="Another program"):
            ports.named(line[1])
    assert ports.named(line[1]).device == line[1]


def test_a_port_that_one_may_not_use_names_the_group():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        port = folder / "port"
        port.touch(mode=0o600)
        port.chmod(0)
        script = f"from hedgerow.flashing import ports\nports.named({str(port)!r})"
        command = [sys.executable, "-c", script]
        path = os.pathsep.join(str(TOP / folder) for folder in ("shared", "host"))
        if os.geteuid() == 0:
            # Root may use everything, so somebody else tries, without what only root may read.
            script = f"import os\nos.setgid(65534); os.setuid(65534)\n{script}"
            preload = "import serial.tools.list_ports, grp, hedgerow.flashing.ports\n"
            command = [sys.executable, "-c", preload + script]
        done = run(*command, PYTHONPATH=path)
        assert "PortForbidden" in done.stderr and "usermod -aG dialout" in done.stderr


def test_no_port_and_several_ports_say_what_to_do():
    assert "cable that carries data" in str(errors.NoPort())
    text = str(errors.SeveralPorts(ports="/dev/ttyACM0, /dev/ttyUSB0"))
    assert "/dev/ttyACM0, /dev/ttyUSB0" in text and "--port" in text


def test_a_board_that_came_back_under_another_name_is_found(monkeypatch, line):
    gone = ports.Port("/dev/nothing-here", place="1-2:1.0")
    here = ports.Port(line[1], place="1-2:1.0")
    monkeypatch.setattr(ports, "found", lambda: [ports.Port("/dev/other", place="1-3:1.0"), here])
    assert ports.moved(gone) == here
    assert ports.moved(ports.Port("/dev/nothing-here")) == ports.Port("/dev/nothing-here")


# Tools


def test_a_tool_that_hangs_is_ended(tmp_path, monkeypatch):
    (tmp_path / "hangs.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    heard: list[str] = []
    with pytest.raises(tool.ToolStuck):
        tool.run("hangs", [], 30.0, 0.5, heard.append)
    assert heard == ["begun"]
    with pytest.raises(tool.ToolStuck):
        tool.run("hangs", [], 1.0)


def test_the_lines_of_a_tool_come_at_once_and_its_status_with_them(tmp_path, monkeypatch):
    (tmp_path / "speaks.py").write_text(
        "import sys\nprint('10 %\\r20 %\\nend', end='')\nsys.exit(int(sys.argv[1]))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    heard: list[str] = []
    assert tool.run("speaks", ["3"], 30.0, None, heard.append) == (3, ["10 %", "20 %", "end"])
    assert heard == ["10 %", "20 %", "end"]


def test_a_module_in_the_current_folder_is_not_taken_for_a_tool(tmp_path, monkeypatch):
    (tmp_path / "esptool.py").write_text("print('mine')\n")
    monkeypatch.chdir(tmp_path)
    assert "mine" not in tool.run(tool.ESPTOOL, ["version"], 60.0)[1]


@pytest.mark.parametrize(
    "text,name",
    [
        ("ESP32-D0WD-V3", "esp32"),
        ("ESP32-PICO-D4", "esp32"),
        ("ESP32-C3", "esp32c3"),
        ("ESP32-C6FH4", "esp32c6"),
        ("ESP32-S3", "esp32s3"),
        ("ESP32-H2", "esp32h2"),
        ("ESP8266EX", "esp8266ex"),
    ],
)
def test_chips_have_the_names_of_board_files(text, name):
    assert chip.chip_of(text) == name


def test_of_two_addresses_of_a_chip_the_one_that_it_calls_its_id_is_taken():
    c6 = """
        Chip type:          ESP32-C6 (QFN40) (revision v0.0)
        MAC:                e2:06:04:ff:fe:9f:60:31
        BASE MAC:           e2:06:04:9f:60:31
        MAC_EXT:            ff:fe
        Detected flash size: 8MB
    """
    assert chip.told(c6) == chip.Chip("esp32c6", 8, "e2:06:04:9f:60:31")
    d0wd = "Chip type:          ESP32-D0WD-V3 (revision v3.0)\nMAC:                e2:06:04:9f:60:31\n"
    assert chip.told(d0wd) == chip.Chip("esp32", 0, "e2:06:04:9f:60:31")
    assert chip.told("A fatal error occurred: no answer") is None


def test_a_board_of_another_chip_or_with_too_little_flash_is_refused():
    port = ports.Port("/dev/ttyUSB0")
    c3 = chip.Chip("esp32c3", 4, "")
    chip.fits(c3, named("esp32-c3-generic"), port)
    with pytest.raises(errors.OtherChip, match="an esp32c3, but esp32-generic has an esp32"):
        chip.fits(c3, named("esp32-generic"), port)
    s3 = chip.Chip("esp32s3", 4, "")
    chip.fits(s3, named("esp32-s3-generic"), port)
    with pytest.raises(errors.FlashTooSmall, match="4 MB of flash, seeed-xiao-esp32s3 needs 8"):
        chip.fits(s3, named("seeed-xiao-esp32s3"), port)


# What a board says


def test_a_board_in_a_boot_loop_is_told_from_a_silent_one():
    start = b"ets Jul 29 2019 12:21:46\r\n\r\nrst:0x10 (RTCWDT_RTC_RESET),boot:0x13\r\n"
    assert console.loop_in(start + b"invalid header: 0xffffffff\r\n") == ""
    assert console.loop_in((start + b"invalid header: 0xffffffff\r\n") * 5) == "invalid header: 0xffffffff"
    c3 = b"ESP-ROM:esp32c3-api1-20210207\r\nrst:0x7 (TG0WDT_SYS_RST)\r\n"
    assert console.loop_in(c3 * 5) == "rst:0x7 (TG0WDT_SYS_RST)"
    assert console.loop_in(b">>> " * 100) == ""


def test_a_port_where_nobody_answers_is_no_prompt(line):
    assert console.answers(ports.Port(line[1])) is False
    assert os.read(line[0], 100).startswith(b"\0\r\x03")


def test_a_board_with_nothing_on_it_is_asked_once(line):
    heard = []

    def chip():
        heard.append(os.read(line[0], 100))
        os.write(line[0], b"ets Jul 29 2019 12:21:46\r\n\r\ninvalid header: 0xffffffff\r\n" * 2)

    rom = threading.Thread(target=chip)
    rom.start()
    assert console.answers(ports.Port(line[1])) is False
    rom.join()
    assert heard == [console.ESCAPE]
    assert not select.select([line[0]], [], [], 0)[0]


@pytest.mark.parametrize(
    "place,value,words",
    [
        (5, 1_000, "1000 bytes of its heap"),
        (9, 2, "flash is damaged"),
        (10, 1, "safe mode"),
        (4, 100, "its clock counted"),
        ("radio", False, "its radio does not start"),
        ("free", 4_096, "flash is damaged or full"),
        ("unique", b"\x24\x0a\xc4\x00\x00\x02", "another board than 24:0a:c4:00:00:01"),
    ],
)
def test_each_check_of_the_self_test_is_a_sentence(place, value, words):
    later = (*SOUND[:4], 12, *SOUND[5:])
    config = {"radio": True, "free": 1 << 20, "unique": bytes.fromhex("240ac4000001")}
    assert selftest.wrong(SOUND, later, 2, config, "24:0a:c4:00:00:01") == ""
    assert selftest.wrong(SOUND, later, 2, config, "") == ""
    first = list(SOUND)
    if isinstance(place, int):
        first[place] = value
    else:
        config[place] = value
    assert words in selftest.wrong(tuple(first), later, 2, config, "24:0a:c4:00:00:01")


def test_no_key_of_a_board_gets_into_a_sentence(monkeypatch):
    answer = '{"settings": ["' + "c0ffee" * 40 + '"]}'
    for lines, reason in (
        (["mpremote: the port is gone.", answer], "mpremote: the port is gone"),
        ([answer], "mpremote said nothing"),
        (["c0ffee" * 40 + '"', ""], "mpremote said nothing"),
        ([], "mpremote said nothing"),
    ):
        monkeypatch.setattr(tool, "run", lambda *_, lines=lines: (1, lines))
        monkeypatch.setattr(ports, "check", lambda port: None)
        with pytest.raises(errors.CopyFailed) as failed:
            onboard.look(ports.Port("/dev/ttyUSB0"))
        assert f"({reason})" in str(failed.value)


LOOKED = {"version": [1, 25, 0], "settings": ["", ""], "shelf": 0}
FILLED = {"sums": {}, "free": 1 << 20, "started": True}


@pytest.mark.parametrize(
    "answer",
    [
        '{"a": 1}',
        '{"a": ' + "[" * 20_000,
        json.dumps({**LOOKED, "settings": ["xx", ""]}),
        json.dumps({**LOOKED, "settings": [1, 2]}),
        json.dumps({**LOOKED, "settings": 5}),
        json.dumps({**LOOKED, "version": 5}),
        json.dumps({**LOOKED, "shelf": "many"}),
        json.dumps({**LOOKED, "shelf": float("inf")}),
        json.dumps({**FILLED, "sums": 5}),
        json.dumps({**FILLED, "sums": ["/main.py"]}),
        json.dumps({**FILLED, "free": None}),
        json.dumps({"sums": {}, "free": 1 << 20}),
    ],
)
def test_a_board_that_answers_nonsense_while_it_is_flashed_is_told(answer, monkeypatch, tmp_path):
    monkeypatch.setattr(tool, "run", lambda *_: (0, ["{}", answer]))
    port = ports.Port("/dev/ttyUSB0")
    file = tmp_path / "main.py"
    file.write_bytes(b"")
    with pytest.raises(errors.CopyFailed, match="wrong answer"):
        onboard.look(port)
    with pytest.raises(errors.CopyFailed, match="wrong answer"):
        onboard.fill(port, {"/main.py": file}, lambda part: None)


def test_a_board_that_tells_no_checksums_of_what_was_copied_is_told_in_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(tool, "run", lambda *_: (0, ['{"sums": 5}']))
    (tmp_path / "main.py").write_bytes(b"")
    with pytest.raises(errors.CopyFailed, match="wrong answer"):
        onboard.put(ports.Port("/dev/ttyUSB0"), {"/main.py": tmp_path / "main.py"}, lambda part: None)


# Exit codes


def test_every_failure_has_a_code_of_its_own_that_the_docs_explain():
    page = (TOP / "docs/boards.md").read_text()
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert told == {0, 1, *CODES.values()}
    for kind, code in CODES.items():
        assert code != 1, kind
        # One number for what a person mends the same way.
        same = [other for other in CODES if CODES[other] == code]
        assert len(same) <= 2, same


def test_every_failure_is_one_sentence_that_says_what_to_do():
    for kind in CODES:
        text = kind.__doc__ or ""
        assert text.endswith(".") and ":" in text, kind
        assert "\n" not in text
