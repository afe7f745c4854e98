"""Wherever the memory ends or the flash refuses, a board has the former settings everywhere, or the new."""

import io
import subprocess
from types import SimpleNamespace

import pytest
from support_firmware import PAIRING, Cable, on_host, open_lab, patched, settings, small_interpreter

from hedgerow.flashing.build import firmware
from hedgerow_board import settings as board_settings
from hedgerow_board.places import SETTINGS
from hedgerow_core import cbor, manage, service, slots

FULL = 28
NEW = bytes(range(64, 96))
OTHER = bytes(range(96, 128))
FORMER = {
    "name": "mill",
    "mesh_key": bytes(32),
    "pairing_key": PAIRING,
    "pairings": manage.encode_record(manage.GUEST, 0, OTHER, "Bob"),
    "finding": b"f" * 16,
    "care_key": b"c" * 32,
}
COMMANDS = {
    "set": bytes((manage.CONFIG_SET,)) + cbor.encode({"name": "barn"}),
    "restarts": bytes((manage.CONFIG_SET,)) + cbor.encode({"profile": "saver"}),
    "pair": bytes((manage.PAIR,)) + manage.encode_record(manage.OWNER, 0, NEW, "Alice"),
    "code": bytes((manage.NEW_CODE,)) + manage.encode_record(manage.CODE, 0, NEW, ""),
    "unpair": bytes((manage.UNPAIR,)) + manage.pairing_id(OTHER),
    "rekey": bytes((manage.REKEY,)) + bytes(4) + NEW,
    "later": bytes((manage.REKEY,)) + (9).to_bytes(4, "big") + NEW,
}


class ResetError(Exception):
    """The board starts anew."""


class Faults:
    """Lets ``error`` out at the step of this number; steps are what may fail on a board."""

    def __init__(self):
        self.left = -1
        self.error = OSError(FULL)
        self.steps = []

    def step(self, name):
        self.steps.append(name)
        self.left -= 1
        if self.left == -1:
            raise self.error


class Files:
    """A file system whose files change when they are closed, and may be damaged where that fails."""

    def __init__(self, faults, kept):
        self.faults = faults
        self.kept = kept
        self.damage = bytes  # of what is written, where it fails: what is there then

    def open(self, path, mode):
        self.faults.step("open")
        if mode == "rb" and path not in self.kept:
            raise OSError(2)
        return File(self, path, self.kept[path] if mode == "rb" else None)

    def stat(self, path):
        self.faults.step("stat")
        return (0,) * 6 + (len(self.kept[path]),)


class File(io.BytesIO):
    def __init__(self, files, path, content):
        super().__init__(content or b"")
        self.files, self.path, self.writes = files, path, content is None

    def read(self, size):
        self.files.faults.step("read")
        return super().read(size)

    def write(self, data):
        self.data = data
        self._at_risk("write")
        return len(data)

    def __exit__(self, *error):
        if self.writes and not error[0]:
            self._at_risk("close")
            self.files.kept[self.path] = self.data
        return False

    def _at_risk(self, step):
        former = self.files.kept.get(self.path, b"")
        try:
            self.files.faults.step(step)
        except BaseException:
            self.files.kept[self.path] = self.files.damage(former, self.data)
            raise


DAMAGE = {
    "nothing": lambda former, data: former,
    "emptied": lambda former, data: b"",
    "half": lambda former, data: data[: len(data) // 2],
    "all": lambda former, data: data,
}


class Store:
    """NVS."""

    def __init__(self, faults):
        self.faults = faults
        self.kept = {}

    def get_blob(self, key, buffer):
        buffer[: len(self.kept[key])] = self.kept[key]
        return len(self.kept[key])

    def set_blob(self, key, value):
        self.faults.step("set_blob")
        self.kept[key] = bytes(value)

    def commit(self):
        self.faults.step("commit")


class Board:
    """As much of a board as commands see."""

    radio = None

    def __init__(self, faults):
        self.faults = faults
        self.files = Files(faults, dict.fromkeys(SETTINGS, slots.seal(1, cbor.encode(FORMER))))
        self.journal = SimpleNamespace(store=Store(faults))
        self.journal.store.kept["settings"] = self.files.kept[SETTINGS[0]]
        self.settings = board_settings.parse(self.files.kept[SETTINGS[0]])
        self.shelf = SimpleNamespace(caught=False)
        self.renewed = 0

    def minute(self):
        return 5

    def renew(self):
        self.faults.step("renew")
        self.renewed += 1

    def forget(self, name):
        self.faults.step("forget")

    def part(self):
        pass


@pytest.fixture
def board(monkeypatch):
    """A board whose every step may fail, and what runs its commands."""

    def reset():
        raise ResetError

    door, soon, start, *others = on_host(
        "manage", "soon", "start", "about", "config", "mesh_key", "pairings", "stored"
    )
    for module in (door, soon, start, *others):
        if hasattr(module, "machine"):
            monkeypatch.setattr(module, "machine", SimpleNamespace(reset=reset))
    monkeypatch.setattr(door, "gc", SimpleNamespace(collect=lambda: None))  # here it takes long
    faults = Faults()
    made = Board(faults)

    def load(name, *more):
        faults.step(f"import {name}")
        return __import__(name, *more)

    def create_task(coroutine):
        coroutine.close()
        faults.step("create_task")

    monkeypatch.setattr(door, "__import__", load, raising=False)
    monkeypatch.setattr(soon, "asyncio", SimpleNamespace(create_task=create_task, sleep_ms=None))
    monkeypatch.setattr(board_settings, "open", made.files.open, raising=False)
    monkeypatch.setattr(board_settings, "os", SimpleNamespace(stat=made.files.stat))
    made.execute = lambda command: door.execute(made, command, manage.OWNER, PAIRING, b"head")
    made.start = lambda: start.provision(made.journal.store)
    return made


def outcome(board, command):
    """The status of the reply, or what came instead of it."""
    try:
        reply = board.execute(command)
    except (MemoryError, ResetError) as error:
        return type(error)
    assert reply.startswith(b"head")
    return reply[4]


def stands(board):
    """The settings after the next start; NVS has the same, and no file is damaged."""
    board.faults.left = -1
    found = board.start()
    copy, files = board.journal.store.kept["settings"], board.files.kept.values()
    assert copy == max(files, key=slots.generation) and min(map(slots.generation, files)) > 0
    assert found == board_settings.parse(copy)
    return found


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("error", [MemoryError(), OSError(FULL)], ids=["memory", "flash"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_whatever_fails_in_a_command_it_is_done_or_it_is_not_and_the_answer_tells(
    board, monkeypatch, name, error, damage
):
    monkeypatch.setattr("os.urandom", lambda size: b"?" * size)
    former = board.settings
    files = dict(board.files.kept)
    assert outcome(board, COMMANDS[name]) == manage.DONE
    wanted = board.settings
    steps = list(board.faults.steps)
    assert wanted != former and board.renewed == 1 and stands(board) == wanted
    assert {"import hedgerow_board.stored", "forget", "write", "close", "set_blob", "renew"} <= set(steps)
    told = set()
    for at, step in enumerate(steps):
        if isinstance(error, OSError) and step.split()[0] in ("import", "forget", "renew", "create_task"):
            continue  # those do nothing with the flash
        board.settings = former
        board.files.kept = dict(files)
        board.journal.store.kept["settings"] = files[SETTINGS[0]]
        board.faults.left, board.faults.error = at, error
        board.files.damage = DAMAGE[damage]
        what = outcome(board, COMMANDS[name])
        told.add(what)
        done = what in (manage.DONE, ResetError)
        assert what in (
            manage.DONE,
            ResetError,
            MemoryError if isinstance(error, MemoryError) else manage.FAILED,
        )
        if what is not ResetError:
            assert board.settings == (wanted if done else former), (at, step)
        assert stands(board) == (wanted if done else former), (at, step)
    assert manage.DONE in told and len(told) > 1


def test_settings_whose_copy_is_refused_do_not_keep_a_board_from_starting(board):
    board.journal.store.kept["settings"] = b"of before, and there is no room for another one"
    board.start()
    board.journal.store.kept["settings"] = b""
    board.faults.left = board.faults.steps.index("set_blob")
    assert board.start() == board.settings and board.journal.store.kept["settings"] == b""
    assert stands(board) == board.settings


_HEAP = """
import gc, sys, vfs
vfs.umount("/")
vfs.mount(vfs.VfsPosix(sys.argv[1]), "/")
vfs.mount(vfs.VfsPosix(sys.argv[2]), "/firmware")
sys.path[:] = ["/firmware", ".frozen"]
import asyncio, binascii, hashlib, os
class Reset(Exception):
    pass
class Some:
    pass
def reset():
    raise Reset
machine = Some()
machine.reset = reset
sys.modules["machine"] = machine
class Store:
    kept = {"settings": b""}
    def get_blob(self, key, buffer):
        raise OSError
    def set_blob(self, key, value):
        self.kept[key] = value
    def commit(self):
        pass
class Board:
    radio = None
    settings = Some()
    settings.care_key = settings.finding = b""
    journal = Some()
    shelf = Some()
    keys = []
    def minute(self):
        return 5
    def renew(self):
        hold = [pairing for pairing in self.settings.pairings]
        self.keys[:] = [key for _, _, key in hold]
    def forget(self, name):
        whole = "hedgerow_board." + name
        package = sys.modules["hedgerow_board"]
        if whole in sys.modules:
            del sys.modules[whole]
        if hasattr(package, name):
            delattr(package, name)
board = Board()
board.journal.store = store = Store()
FILES = ("/settings.a", "/settings.b")
FORMER = [open(name, "rb").read() for name in FILES]
from hedgerow_board import stored, manage
board.forget("stored")
command = bytes.fromhex(sys.argv[3])
weights = [None] * 2_000
def again():
    for name, slot in zip(FILES, FORMER):
        with open(name, "wb") as file:
            file.write(slot)
    stored.keep(board, store, stored.kept(store))
def fill(left):
    room = bytearray(left)
    at = 0
    size = 65536
    while size >= 8:
        try:
            weights[at] = bytearray(size)
            at += 1
        except MemoryError:
            size //= 2
def free():
    for at in range(len(weights)):
        weights[at] = None
    asyncio.new_event_loop()  # without the tasks of the former one
    gc.collect()
def execute():
    try:
        return manage.execute(board, command, 0)[0]
    except MemoryError:
        return -1
    except Reset:
        return -2
again()
first = stored.kept(store)
left = 0
done = 0
while done < 20:
    again()
    former = board.settings
    fill(left)
    status = execute()
    free()
    slot = max([open(name, "rb").read() for name in FILES], key=lambda slot: slot[4:8])
    changed = stored.kept(store) != first
    same = status == -2 or store.kept["settings"] == slot and (board.settings != former) == changed
    print(left, status, changed, same)
    if status == 0:
        done += 1
    left += 32
"""


@pytest.mark.parametrize("name", ["set", "restarts", "pair"])
def test_wherever_the_memory_ends_in_a_command_it_is_done_or_it_is_not(tmp_path, name):
    """A heap that is full, but for a bit more each time, until there is room for the command."""
    interpreter, share = small_interpreter()
    for path in SETTINGS:
        (tmp_path / path[1:]).write_bytes(slots.seal(1, cbor.encode(FORMER)))
    script = tmp_path / "heap.py"
    script.write_text(_HEAP)
    command = [
        interpreter,
        "-X",
        f"heapsize={share * 200}k",
        script,
        tmp_path,
        firmware(),
        COMMANDS[name].hex(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr
    tries = [line.split() for line in done.stdout.splitlines()]
    assert {status for _, status, _, _ in tries} >= {"-1", "0"}
    for left, status, changed, same in tries:
        assert status in ("-2", "-1", "0"), left
        assert changed == str(status != "-1"), left
        assert same == "True", left


def test_an_answer_without_room_comes_later_and_its_command_is_not_done_twice(tmp_path):
    said = "                line.link.service(found)\n"
    full = "                if found[0] == service.MANAGE_IS and not self.counts[counts.NO_MEMORY]:\n"
    full += "                    raise MemoryError\n"
    source = patched(tmp_path / "source", "app.py", (said, full + said))
    with open_lab(tmp_path / "lab", source=source) as lab:
        lab.add_board("mill", settings={**settings("mill"), "pairings": FORMER["pairings"]})
        cable = Cable(lab, "mill")
        told = cable.ask(bytes((service.MANAGE,)) + COMMANDS["unpair"])
        assert told[:2] == bytes((service.MANAGE_IS, manage.DONE))
