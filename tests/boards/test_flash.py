"""flash.sh with an esptool and an mpremote that only write down what they are asked."""

import os
import pty
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest

from hedgerow_board import settings
from hedgerow_core import cbor, slots

TOP = Path(__file__).resolve().parents[2]
KINDS = sorted(path.stem for path in (TOP / "boards").glob("*.toml"))

_FAKE = """#!/bin/sh
name=$(basename "$0")
echo "$name $*" >> "{folder}/calls"
if [ "$name $3 $4 $5" = "mpremote fs cp -r" ]; then cp -r "$6" "{folder}/board/"; fi
if [ "$name $3 $4" = "mpremote fs cp" ] && [ "$5" != -r ]; then cp "$5" "{folder}/board/${{6#:}}"; fi
breaks=$(cat "{folder}/breaks" 2>/dev/null || echo no-such-step)
case "$*" in *"$breaks"*) echo "$name: no answer"; exit 1 ;; esac
"""


class Desk:
    """A board on a pseudo-terminal, fake tools on PATH, and a place for keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.board = folder / "board"
        self.keys = folder / "keys" / "mesh.key"
        self.image = folder / "ESP32_GENERIC.bin"
        self.image.write_bytes(b"\xe9")
        self.board.mkdir()
        self.tools = folder / "bin"
        self.tools.mkdir()
        for name in ("esptool", "mpremote"):
            (self.tools / name).write_text(_FAKE.format(folder=folder))
            (self.tools / name).chmod(0o755)
        self.line, other = pty.openpty()
        self.port = os.ttyname(other)

    def flash(self, *arguments: str, kind: str = "esp32", name: str = "mill", path: str | None = None):
        """Run flash.sh on the board."""
        found = f"{self.tools}:{os.environ['PATH']}" if path is None else path
        command = [TOP / "flash.sh", self.port, "--board", kind, "--name", name]
        command += ["--mesh-key-file", self.keys, *arguments]
        return run(command, PATH=found)

    def calls(self) -> list[str]:
        """What the tools were asked, in order."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def files(self) -> set[Path]:
        return {path for path in self.folder.rglob("*") if path.is_file()}


def run(command, **environment):
    return subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def taken_by(desk):
    return settings.load(paths=(str(desk.board / "settings.a"), str(desk.board / "settings.b")))


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def assert_refused(result, words):
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


def test_the_steps_are_in_order(desk):
    result = desk.flash("--image", str(desk.image))
    assert result.returncode == 0, result.stderr
    calls = desk.calls()
    esptool = f"esptool --chip esp32 --port {desk.port} "
    mpremote = f"mpremote connect {desk.port} "
    expected = [
        esptool + "erase_flash",
        esptool + f"--baud 460800 write_flash 0x1000 {desk.image}",
        mpremote + "exec import os; [os.remove(name) for name in ('main.py', 'settings') ",
        mpremote + "fs cp -r ",
        mpremote + "mip install aioble@0.6.2",
        mpremote + "fs cp ",
        mpremote + "fs cp ",
        mpremote + "fs cp ",
        mpremote + "reset",
    ]
    assert len(calls) == len(expected)
    assert all(call.startswith(start) for call, start in zip(calls, expected))
    assert calls[5].endswith("/settings.a :settings.a")
    assert calls[6].endswith("/settings.b :settings.b")
    assert calls[7].endswith("/main.py :main.py")
    assert os.read(desk.line, 100) == b"\0\r\x03"


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_board_is_flashed_as_its_file_says(desk, kind):
    result = desk.flash("--image", str(desk.image), kind=kind)
    assert result.returncode == 0, result.stderr
    told = tomllib.loads((TOP / "boards" / f"{kind}.toml").read_text())
    assert f"--chip {told['chip']} " in desk.calls()[0]
    assert f"write_flash {told['offset']} " in desk.calls()[1]
    found = cbor.decode(slots.content((desk.board / "settings.a").read_bytes()))
    assert found["profile"] == told["profile"]


def test_without_an_image_micropython_stays(desk):
    assert desk.flash().returncode == 0
    assert not any(call.startswith("esptool") for call in desk.calls())


def test_the_board_gets_compiled_modules_and_settings_that_it_accepts(desk):
    result = desk.flash()
    assert result.returncode == 0, result.stderr
    modules = {path.relative_to(desk.board / "lib") for path in (desk.board / "lib").rglob("*.*")}
    names = {f"hedgerow_board/{name}.mpy" for name in ("app", "care", "start", "trace", "view")}
    assert modules == {Path(name) for name in (*names, "hedgerow_console.mpy")}
    assert (desk.board / "main.py").read_bytes() == (TOP / "firmware" / "main.py").read_bytes()
    found = cbor.decode(slots.content((desk.board / "settings.a").read_bytes()))
    assert sorted(found) == ["mesh_key", "name", "pairing_key", "profile"]
    taken = taken_by(desk)
    pairing = desk.keys.parent / "mill.pairing-key"
    assert taken.name == "mill"
    assert taken.mesh_key == bytes.fromhex(desk.keys.read_text().strip())
    assert taken.pairing_key == bytes.fromhex(pairing.read_text().strip())
    assert taken.mesh_key != taken.pairing_key
    assert f"Its pairing key: {pairing}" in result.stdout


def test_a_board_takes_part_in_traces_and_measures_its_battery_only_where_its_owner_said_so(desk):
    assert desk.flash().returncode == 0
    assert (taken_by(desk).trace, taken_by(desk).battery_pin) == (False, -1)
    assert desk.flash("--trace", "--battery-pin", "34").returncode == 0
    assert (taken_by(desk).trace, taken_by(desk).battery_pin) == (True, 34)
    for pin in ("34a", "-1", "99", ""):
        result = desk.flash("--battery-pin", pin)
        assert result.returncode == 1 and "takes the number of a pin" in result.stderr


def test_keys_are_made_once_and_for_their_owner_only(desk):
    assert desk.flash().returncode == 0
    pairing = desk.keys.parent / "mill.pairing-key"
    kept = desk.keys.read_text(), pairing.read_text()
    for path in (desk.keys, pairing):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert desk.flash().returncode == 0
    assert (desk.keys.read_text(), pairing.read_text()) == kept
    assert desk.flash(name="school").returncode == 0
    school = taken_by(desk)
    assert school.mesh_key.hex() == kept[0].strip()
    assert school.pairing_key.hex() != kept[1].strip()


def test_no_key_is_on_a_command_line_or_on_the_screen(desk):
    result = desk.flash()
    for path in desk.keys.parent.iterdir():
        key = path.read_text().strip()
        assert key not in result.stdout + result.stderr + "\n".join(desk.calls())


def test_nothing_stays_in_the_temporary_folder(desk):
    folder = desk.folder / "tmp"
    folder.mkdir()
    path = f"{desk.tools}:{os.environ['PATH']}"
    command = [
        TOP / "flash.sh",
        desk.port,
        "--board",
        "esp32",
        "--name",
        "mill",
        "--mesh-key-file",
        desk.keys,
    ]
    assert run(command, PATH=path, TMPDIR=str(folder)).returncode == 0
    assert list(folder.iterdir()) == []


def test_a_dry_run_prints_the_steps_and_touches_nothing(desk):
    before = desk.files()
    result = desk.flash("--image", str(desk.image), "--dry-run")
    assert result.returncode == 0, result.stderr
    for words in (
        "erase_flash",
        "write_flash",
        "fs cp -r",
        "mip install aioble@0.6.2",
        ":settings.a",
        "reset",
    ):
        assert words in result.stdout
    assert desk.files() == before
    assert desk.calls() == []
    os.set_blocking(desk.line, False)
    with pytest.raises(BlockingIOError):
        os.read(desk.line, 1)


def test_a_dry_run_needs_no_board_and_no_tools(desk):
    desk.port = "/dev/nothing-here"
    assert desk.flash("--dry-run", path="/usr/bin:/bin").returncode == 0


def test_a_port_that_is_not_there(desk):
    desk.port = "/dev/nothing-here"
    assert_refused(desk.flash(), "There is nothing at /dev/nothing-here")
    assert desk.calls() == []


def test_a_port_that_one_may_not_use_names_the_group():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(TOP / "flash.sh", folder)
        shutil.copytree(TOP / "boards", folder / "boards")
        (folder / "port").touch(mode=0o600)
        command = [folder / "flash.sh", folder / "port", "--board", "esp32", "--name", "mill"]
        command += ["--mesh-key-file", folder / "mesh.key"]
        if os.geteuid() == 0:
            # Root may use everything, so somebody else tries.
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
        else:
            (folder / "port").chmod(0)
        result = run(command)
        assert_refused(result, f"You may not use {folder / 'port'}: join the group ")
        assert "usermod -aG" in result.stderr
        if os.geteuid() == 0:
            assert "group dialout" in result.stderr


@pytest.mark.parametrize("tool", ["esptool", "mpremote"])
def test_a_missing_tool_is_named_with_the_way_to_get_it(desk, tool):
    (desk.tools / tool).unlink()
    result = desk.flash("--image", str(desk.image), path=f"{desk.tools}:/usr/bin:/bin")
    assert_refused(result, f"{tool} is missing: install it (`pipx install {tool}`)")
    assert not desk.keys.exists()


def test_an_unknown_board_lists_those_that_are_known(desk):
    assert_refused(desk.flash(kind="esp8266"), f"There is no board esp8266: it is one of {' '.join(KINDS)}.")
    assert_refused(desk.flash(kind="../boards/esp32"), "There is no board")


@pytest.mark.parametrize("content", ["", "00" * 31, "zz" * 32, "00" * 33, "\udcff"])
def test_a_damaged_key_file_is_named_and_left_alone(desk, content):
    desk.keys.parent.mkdir()
    data = content.encode("utf-8", "surrogateescape")
    desk.keys.write_bytes(data)
    assert_refused(desk.flash(), f"{desk.keys} holds no mesh key")
    assert desk.keys.read_bytes() == data
    assert desk.calls() == []


def test_a_damaged_pairing_key_file_is_named(desk):
    desk.keys.parent.mkdir()
    (desk.keys.parent / "mill.pairing-key").write_text("?")
    assert_refused(desk.flash(), "holds no pairing key")
    assert desk.calls() == []


@pytest.mark.parametrize("name", ["a/b", ".hidden", "x" * 33, "tab\there", " "])
def test_a_name_that_cannot_be_one(desk, name):
    assert desk.flash(name=name).returncode == 1
    assert desk.calls() == []


def test_an_image_that_is_missing_or_no_image(desk):
    result = desk.flash("--image", "nowhere.bin")
    assert_refused(result, "There is no image nowhere.bin: get ESP32_GENERIC-<date>-v")
    assert_refused(desk.flash("--image", str(desk.tools / "esptool")), "is no .bin file")


def test_arguments_that_are_missing_or_unknown(desk):
    flash = TOP / "flash.sh"
    assert_refused(run([flash]), "No port is named")
    assert_refused(run([flash, desk.port]), "--board")
    assert_refused(run([flash, desk.port, "--board"]), "--board needs a value")
    assert_refused(run([flash, desk.port, "--board", "esp32"]), "--name")
    assert_refused(run([flash, desk.port, "--board", "esp32", "--name", "mill"]), "--mesh-key-file")
    assert_refused(desk.flash("--colour"), "There is no option --colour")
    assert_refused(desk.flash("/dev/ttyUSB7"), "Two ports are named")


@pytest.mark.parametrize("step", ["erase_flash", "mip install", ":main.py", "reset"])
def test_a_step_that_fails_ends_it_with_its_reason(desk, step):
    (desk.folder / "breaks").write_text(step)
    result = desk.flash("--image", str(desk.image))
    assert_refused(result, "no answer): mend that")
    assert step in desk.calls()[-1]
    if step == "mip install":
        (desk.folder / "breaks").unlink()
        assert desk.flash("--image", str(desk.image)).returncode == 0


def test_help_has_an_example():
    result = run([TOP / "flash.sh", "--help"])
    assert result.returncode == 0
    assert "Example: ./flash.sh /dev/ttyUSB0 --board esp32" in result.stdout


def test_every_board_file_has_every_key_and_only_those():
    for kind in KINDS:
        found = tomllib.loads((TOP / "boards" / f"{kind}.toml").read_text())
        keys = ["chip", "flash_mb", "heap", "image", "notes", "offset", "profile", "serial", "version"]
        assert sorted(found) == keys
        assert found["serial"] in ("uart", "usb")
        assert found["heap"] in ("small", "large")
        documented = (TOP / "docs" / "boards.md").read_text()
        assert f"`{kind}`" in documented
        assert all(f"`{key}`" in documented for key in keys)


def test_provision_says_what_it_does():
    result = run([sys.executable, TOP / "tools" / "provision", "--help"])
    assert result.returncode == 0
    assert "Example: tools/provision build" in result.stdout
