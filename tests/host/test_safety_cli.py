"""The commands that keep a home safe, as a user meets them: each mistake ends in one sentence."""

import json
import os
import pty
import shutil
import subprocess
import sys
import time

import pytest
import typer
from test_cli import Person

from hedgerow import cli

WORD = "the well is frozen"


class Guarded(Person):
    """Somebody whose passphrases come by the environment, and whose programs keep keys in a folder apart."""

    def __init__(self, home):
        super().__init__(home)
        self.session = home.parent / "session"
        self.session.mkdir(mode=0o700, exist_ok=True)

    def environment(self, **more):
        return super().environment(XDG_RUNTIME_DIR=str(self.session), **more)

    def typed(self, text, *words):
        """A command that gets ``text`` on standard input."""
        read, write = os.pipe()
        os.write(write, text.encode())
        os.close(write)
        try:
            return self.run(*words, stdin=read)
        finally:
            os.close(read)

    def knowing(self, *words, word=WORD):
        """(status, output, errors) with the passphrase in the environment."""
        return self.run(*words, env=self.environment(HEDGEROW_PASSPHRASE=word))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """Carol, whose home has a passphrase, and is locked."""
    carol = Guarded(tmp_path_factory.mktemp("guarded") / "carol")
    carol.right("init", "--name", "Carol", env=carol.environment(HEDGEROW_PASSPHRASE=WORD))
    yield carol
    carol.run("lock")


@pytest.fixture
def dave(tmp_path):
    """Dave, whose home has none."""
    return Guarded(tmp_path / "dave").begin("Dave")


def test_every_command_on_a_locked_home_says_in_one_sentence_what_to_do(guarded):
    commands = (
        "contacts",
        "invite",
        "inbox",
        "send Bob hello",
        "sent",
        "hear",
        "say hello",
        "profile",
        "sync --board tcp:localhost:1",
        "run --board tcp:localhost:1",
        "board status --board tcp:localhost:1",
    )
    for found in guarded.wrong_each([command.split() for command in commands]):
        assert found.endswith("is locked: run `hedgerow unlock`, or set HEDGEROW_PASSPHRASE for one command.")


def test_unlock_opens_the_home_for_all_commands_until_lock(guarded):
    status, out, err = guarded.typed(WORD + "\n", "unlock", "--hours", "1")
    assert (status, err) == (0, "") and out.startswith("Unlocked until `hedgerow lock`, for 1 h")
    (line,) = guarded.session.rglob("*.sock")
    assert line.stat().st_mode & 0o077 == 0 and line.parent.stat().st_mode & 0o077 == 0
    assert guarded.right("contacts").startswith("No contacts yet")
    following = guarded.process("inbox", "--follow")
    time.sleep(1.0)
    assert following.poll() is None
    assert guarded.right("lock").startswith("Locked.")
    assert "is locked" in guarded.wrong("contacts")
    _, errors = following.communicate(timeout=20)
    assert following.returncode == 1 and b"is locked" in errors
    assert not line.exists()


def test_a_wrong_passphrase_is_one_sentence_and_costs_time(guarded):
    begin = time.monotonic()
    status, out, err = guarded.knowing("contacts", word="the well has thawed")
    assert (
        (status, out) == (1, "")
        and err.startswith("hedgerow: This passphrase is wrong")
        and err.count("\n") == 1
    )
    assert time.monotonic() - begin > 0.2
    assert guarded.knowing("contacts")[0] == 0


def test_the_phrase_is_shown_after_the_passphrase_only_though_the_home_is_unlocked(guarded):
    guarded.typed(WORD + "\n", "unlock")
    assert "A passphrase is needed" in guarded.wrong("phrase")
    status, out, err = guarded.typed(WORD + "\n", "phrase", "--json")
    words = json.loads(out)["phrase"]
    assert status == 0 and len(words.split()) == 24
    again = Guarded(guarded.home.parent / "again")
    status, out, err = again.typed(words + "\n", "init", "--name", "Carol", "--recover")
    assert (status, err) == (0, "")
    assert "Contacts and letters do not come back" in out
    assert json.loads(again.right("phrase", "--json"))["phrase"] == words
    guarded.right("lock")


def test_a_phrase_with_a_mistake_makes_no_home(tmp_path):
    carol = Guarded(tmp_path / "carol")
    status, out, err = carol.typed("abandon " * 24 + "\n", "init", "--name", "Carol", "--recover")
    assert (status, out) == (1, "") and "a word is wrong, or two changed places" in err
    assert not carol.home.exists()


def test_a_passphrase_set_later_locks_the_home_and_can_be_taken_off_again(dave):
    assert "has no passphrase" in dave.wrong("lock")
    assert "opens without a passphrase" in dave.right("unlock")
    status, out, err = dave.typed("first\n", "passphrase")
    assert (status, err) == (0, "") and out.startswith("The passphrase is set.")
    assert "is locked" in dave.wrong("contacts")
    assert dave.typed("wrong\nsecond\n", "passphrase")[0] == 1
    assert dave.typed("first\nsecond\n", "passphrase")[0] == 0
    assert dave.knowing("contacts", word="first")[0] == 1
    assert dave.knowing("contacts", word="second")[0] == 0
    status, out, err = dave.typed("second\n", "passphrase", "--none", "--json")
    assert (status, err, json.loads(out)) == (0, "", {"protection": "none"})
    dave.right("contacts")


def test_no_command_takes_a_passphrase_as_an_argument():
    """Others on the computer see the arguments of programs."""
    for name, command in typer.main.get_command(cli.app).commands.items():
        for parameter in command.params:
            if "passphrase" in (parameter.name or ""):
                raise AssertionError(f"{name} takes {parameter.name}")


def test_where_there_is_no_keyring_it_says_so_and_nothing_changes(dave):
    found = dave.wrong("passphrase", "--keyring", env=without_keyring(dave))
    assert found.startswith("There is no keyring here") and "`hedgerow passphrase`" in found
    dave.right("contacts")


def without_keyring(person):
    folder = person.session / "modules"
    folder.mkdir(exist_ok=True)
    (folder / "keyring.py").write_text("raise ImportError")
    return with_modules(person, folder)


def with_modules(person, folder):
    environment = person.environment()
    return {**environment, "PYTHONPATH": f"{folder}{os.pathsep}{environment['PYTHONPATH']}"}


KEYRING = """
import json, pathlib
FILE = pathlib.Path(__file__).with_name("kept.json")
def _kept(): return json.loads(FILE.read_text()) if FILE.exists() else {}
def set_password(service, name, value): FILE.write_text(json.dumps({**_kept(), service + name: value}))
def get_password(service, name): return _kept().get(service + name)
def delete_password(service, name):
    kept = _kept(); del kept[service + name]; FILE.write_text(json.dumps(kept))
"""


def test_a_keyring_opens_the_home_and_without_it_nothing_does(dave):
    folder = dave.session / "modules"
    folder.mkdir()
    (folder / "keyring.py").write_text(KEYRING)
    with_keyring = with_modules(dave, folder)
    assert "keyring of this system" in dave.right("passphrase", "--keyring", env=with_keyring)
    dave.right("contacts", env=with_keyring)
    kept = (folder / "kept.json").read_text()
    (folder / "kept.json").write_text("{}")
    assert "it holds no key for this home" in dave.wrong("contacts", env=with_keyring)
    (folder / "kept.json").write_text(kept)
    assert "locks with your session" in dave.wrong("lock", env=with_keyring)
    dave.right("wipe", "--yes", env=with_keyring)
    assert json.loads((folder / "kept.json").read_text()) == {}


# Copies, backups, wipe


def test_a_copy_is_refused_explained_and_adopted_after_a_yes(dave):
    copy = Guarded(dave.home.parent / "copy")
    shutil.copytree(dave.home, copy.home)
    assert "is a copy, or was put back" in copy.wrong("contacts")
    assert "say --yes" in copy.wrong("adopt")
    assert "is a copy" in copy.wrong("contacts")
    assert copy.right("adopt", "--yes").startswith("This is the home now.")
    copy.right("contacts")
    dave.right("contacts")


def test_backup_and_restore_and_what_can_go_wrong_with_them(dave):
    file = dave.home.parent / "dave.backup"
    assert "backup's passphrase is needed" in dave.wrong("backup", str(file))
    assert not file.exists()
    status, out, err = dave.typed("paper\n", "backup", str(file), "--json")
    assert (status, err) == (0, "") and json.loads(out)["bytes"] == file.stat().st_size
    assert "is a file" in dave.wrong("backup", str(file))
    assert "is an account in" in dave.wrong("restore", str(file))
    new = Guarded(dave.home.parent / "new")
    assert "cannot be read" in new.wrong("restore", str(file) + "x")
    status, out, err = new.typed("stone\n", "restore", str(file))
    assert (status, out) == (1, "") and "is not the passphrase of" in err
    half = file.with_name("half.backup")
    half.write_bytes(file.read_bytes()[:-1])
    assert "is no whole backup" in new.wrong("restore", str(half))
    assert not new.home.exists()
    status, out, err = new.typed("paper\n", "restore", str(file))
    assert (status, err) == (0, "")
    assert out.startswith(f"Dave is in {new.home} again, with 0 contacts and 0 letters.")
    new.right("contacts")


def test_wipe_asks_first_and_leaves_nothing(dave):
    assert "say --yes" in dave.wrong("wipe")
    dave.right("contacts")
    parent, child = pty.openpty()
    asking = subprocess.Popen(
        [sys.executable, "-m", "hedgerow.cli", "wipe"],
        env=dave.environment(),
        stdin=child,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    os.write(parent, b"no\n")
    out, err = asking.communicate(timeout=30)
    os.close(parent)
    os.close(child)
    assert asking.returncode == 1 and b"no command brings them back" in out and b"Nothing was done" in err
    found = json.loads(dave.right("wipe", "--yes", "--json"))
    assert found["searched"] >= 10 and found["boards_left"] == []
    assert not dave.home.exists()
    assert "There is no account in" in dave.wrong("wipe", "--yes")
    assert "There is no account in" in dave.wrong("contacts")


def test_a_locked_home_is_wiped_without_its_passphrase_and_a_board_that_stays_is_named(guarded, tmp_path):
    copy = Guarded(tmp_path / "copy")
    shutil.copytree(guarded.home, copy.home)
    status, out, err = copy.run("wipe", "--yes", "--board", "tcp:localhost:1")
    assert status == 1 and out.startswith("Wiped.")
    assert err.startswith("hedgerow: Not erased: tcp:localhost:1 (") and "pairing key" in err
    assert not copy.home.exists()
