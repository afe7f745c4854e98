"""The command line as a user meets it: each mistake ends in one sentence, and the next try works."""

import json
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from node_support import settle
from people_support import source
from typer.testing import CliRunner

from hedgerow import cli
from hedgerow.migrations import VERSION
from hedgerow.node import Node

ROOT = Path(__file__).resolve().parents[2]
PATHS = os.pathsep.join(str(ROOT / part) for part in ("shared", "host", "tools"))
MONTH_MS = 30 * 24 * 3_600_000


class Person:
    """Somebody with a home and a terminal."""

    def __init__(self, home):
        self.home = home

    def environment(self, **more):
        return {**os.environ, "PYTHONPATH": PATHS, "HEDGEROW_HOME": str(self.home), "COLUMNS": "80", **more}

    def process(self, *words, **options):
        """The command, started."""
        return subprocess.Popen(
            [sys.executable, "-m", "hedgerow.cli", *words],
            **{"env": self.environment(), "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **options},
            stderr=subprocess.PIPE,
        )

    def run(self, *words, **options):
        """(exit status, output, errors)"""
        return ended(self.process(*words, **options))

    def right(self, *words, **options):
        """The output of a command that must work."""
        status, out, err = self.run(*words, **options)
        assert (status, err) == (0, ""), err
        return out

    def wrong(self, *words, status=1, **options):
        """The sentence of a command that must fail."""
        return self.wrong_each([words], status=status, **options)[0]

    def wrong_each(self, commands, status=1, **options):
        """The sentences of several, at the same time."""
        sentences = []
        for process in [self.process(*words, **options) for words in commands]:
            found, out, err = ended(process)
            assert (found, out) == (status, ""), (found, out, err)
            sentences.append(sentence(err))
        return sentences

    def begin(self, name):
        """Make their account, without the command line."""
        Node.create(self.home, name, os.urandom, cli.now_ms()).close()
        return self

    def poll(self):
        """Open what came, without the command line."""
        node = self.node()
        node.poll(cli.now_ms())
        node.close()

    def texts(self):
        """What their inbox holds, without the command line."""
        node = self.node()
        node.poll(cli.now_ms())
        found = [letter.text for letter in node.inbox()]
        node.close()
        return found

    def json(self, *words):
        return [json.loads(line) for line in self.right(*words, "--json").splitlines()]

    def node(self):
        return Node.open(self.home, os.urandom, cli.now_ms())


def ended(process):
    """(exit status, output, errors)"""
    out, err = process.communicate(timeout=30)
    return process.returncode, (out or b"").decode(), err.decode()


def sentence(err):
    """What stderr says, where it is one sentence as every failure must be."""
    assert err.startswith("hedgerow: ") and err.endswith("\n") and err.count("\n") == 1, err
    found = err.removeprefix("hedgerow: ").strip()
    assert found[-1] in ".?" and "Traceback" not in found
    return found


def carry(*people):
    """Everything on all shelves to everybody."""
    nodes = [person.node() for person in people]
    now = cli.now_ms()
    for giver in nodes:
        for identity in giver.shelf.ids():
            envelope, proof = giver.shelf.get(identity, now), giver.shelf.proof(identity)
            for taker in nodes:
                if envelope is not None:
                    taker.shelf.put(envelope, now)
                elif proof is not None:
                    taker.shelf.prove(proof, now)
    for node in nodes:
        node.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Homes of Alice and Bob, who are contacts and have written; to be copied."""
    folder = tmp_path_factory.mktemp("made")
    alice, bob = Person(folder / "alice"), Person(folder / "bob")
    for person, name in ((alice, "Alice"), (bob, "Bob")):
        assert person.right("init", "--name", name).startswith(f"Welcome, {name}.")
    bob.right("add", alice.right("invite").strip())
    for _ in range(3):
        carry(alice, bob)
        alice.poll()
        bob.poll()
    bob.right("send", "Alice", "Is the well frozen?")
    carry(alice, bob)
    alice.right("send", "Bob", "Not yet.")
    return folder


@pytest.fixture
def village(made, tmp_path):
    """Alice and Bob."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    for name in ("alice", "bob"):
        settle(tmp_path / name)
    return Person(tmp_path / "alice"), Person(tmp_path / "bob")


@pytest.fixture
def alice(village):
    """Somebody with an account; afterwards nothing of hers is lost and the next command works."""
    person = village[0]
    yield person
    assert json.loads(person.right("send", "Bob", "Still here.", "--json"))["name"] == "Bob"
    assert person.texts() == ["Is the well frozen?", "Not yet.", "Still here."]


# Homes


def test_without_an_account_each_command_says_how_to_make_one(tmp_path):
    person = Person(tmp_path / "home")
    words = [["invite"], ["add", "x"], ["contacts"], ["send", "Bob", "x"], ["inbox"]]
    advice = f"There is no account in {person.home}: run `hedgerow init` first."
    assert person.wrong_each(words) == [advice] * len(words)
    assert not person.home.exists()
    person.right("init", "--name", "Alice")
    assert person.json("contacts") == []


def test_an_account_is_not_made_over_another(alice):
    assert "already: choose another folder" in alice.wrong("init", "--name", "Mallory")


def test_a_bad_name_is_refused_and_a_good_one_is_taken_afterwards(tmp_path):
    person = Person(tmp_path / "home")
    names = ["", " ", "two\nlines", "x" * 33, "\x1b[31mred", b"\xff"]
    for told in person.wrong_each([["init", "--name", name] for name in names]):
        assert told.startswith("A name has 1 to 32 characters")
    person.right("init", "--name", "Alice")


def test_where_nobody_can_be_asked_for_a_name_it_is_told_how_to_say_it(tmp_path):
    person = Person(tmp_path / "home")
    advice = "Say what you are called: `hedgerow init --name Alice`."
    assert person.wrong("init") == advice
    command = [sys.executable, "-m", "hedgerow.cli", "init"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command],
        env=person.environment(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, sentence(done.stderr.decode())) == (1, advice)
    assert not person.home.exists()


@pytest.mark.parametrize(("answer", "status"), [(b"Alice\n", 0), (b"\x04", 1)])
def test_on_a_terminal_the_name_is_asked_for_and_no_answer_makes_no_account(tmp_path, answer, status):
    person = Person(tmp_path / "home")
    parent, child = pty.openpty()
    process = person.process("init", stdin=child, env=person.environment(HEDGEROW_PASSPHRASE="paper"))
    os.write(parent, answer)
    found, out, err = ended(process)
    os.close(parent)
    os.close(child)
    assert (found, person.home.exists()) == (status, not status), (out, err)
    assert out.startswith("Your name: ")


def test_a_home_below_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("mine")
    person = Person(tmp_path / "file" / "home")
    for told in person.wrong_each([["init", "--name", "Alice"], ["contacts"]]):
        assert str(person.home) in told
    assert (tmp_path / "file").read_text() == "mine"


def test_a_home_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "cannot be written" in Person(tmp_path / "file").wrong("init", "--name", "Alice")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_was_there_keeps_its_mode_and_the_account_is_private(tmp_path):
    tmp_path.chmod(0o755)
    Person(tmp_path).right("init", "--name", "Alice")
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "hedgerow.db").stat().st_mode & 0o777 == 0o600
    Person(tmp_path / "new").right("init", "--name", "Alice")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"not a database at all" * 100,
        lambda data: b"SQLite format 3\0" + b"\xff" * 5_000,
        lambda data: data[:4096],
        lambda data: data[: len(data) // 2],
        lambda data: data[:100] + bytes(len(data) - 100),
    ],
    ids=["empty", "text", "noise", "one page", "half", "zeros"],
)
def test_a_damaged_database_is_told_and_a_copy_works_again(village, damage):
    alice, _ = village
    path = alice.home / "hedgerow.db"
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert "cannot be read" in alice.wrong("inbox")
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    path.write_bytes(whole)
    assert len(alice.texts()) == 2


def test_a_home_of_a_later_version_is_told_and_left_alone(village):
    alice, _ = village
    connection = sqlite3.connect(alice.home / "hedgerow.db")
    connection.execute("PRAGMA user_version = 99")
    assert "version 99 of the data" in alice.wrong("contacts")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.close()
    assert len(alice.texts()) == 2


def test_a_home_that_another_program_is_writing_to_is_told_within_seconds(alice):
    other = sqlite3.connect(alice.home / "hedgerow.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "Another program is writing" in alice.wrong("send", "Bob", "in vain")
    # Reading needs nobody's leave.
    assert len(alice.json("contacts")) == 1
    other.execute("ROLLBACK")
    other.close()


# As root no file is read-only: become nobody once everything is imported.
AS_NOBODY = """
import os, sys
import typer.rich_utils
from hedgerow import cli
words, sys.argv[1:] = sys.argv[1:], ["contacts", "--json"]
try:
    cli.main()
except SystemExit:
    sys.argv[1:] = words
if os.geteuid() == 0:
    os.chmod(os.environ["HEDGEROW_HOME"], 0o555)
    os.setegid(65534)
    os.seteuid(65534)
cli.main()
"""


def test_a_home_that_may_not_be_written_is_told(alice, tmp_path):
    parents = [alice.home, *[folder for folder in alice.home.parents if folder.stat().st_uid == os.getuid()]]
    modes = {folder: folder.stat().st_mode for folder in parents if folder != Path("/")}
    path = alice.home / "hedgerow.db"
    for folder, mode in modes.items():
        folder.chmod(mode | 0o555)
    alice.home.chmod(0o555)
    path.chmod(0o444)
    try:
        for words in (["send", "Bob", "in vain"], ["invite"], ["--home", str(alice.home / "new"), "init"]):
            words = [*words, "--name", "A"] if words[-1] == "init" else words
            process = subprocess.run(
                [sys.executable, "-c", AS_NOBODY, *words], env=alice.environment(), capture_output=True
            )
            assert process.returncode == 1
            assert "cannot be written" in sentence(process.stderr.decode())
    finally:
        path.chmod(0o600)
        for folder, mode in modes.items():
            folder.chmod(mode)


# No file may grow above a size, as on a full disk.
FULL = """
import resource, sys
from hedgerow import cli
size = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
cli.main()
"""


def test_a_full_disk_is_told(alice):
    for words in (["send", "Bob", "in vain"], ["invite"]):
        process = subprocess.run(
            [sys.executable, "-c", FULL, "4096", *words], env=alice.environment(), capture_output=True
        )
        assert process.returncode == 1 and process.stdout == b""
        assert "make room" in sentence(process.stderr.decode())


@pytest.mark.parametrize("size", [0, 20_000])
def test_an_account_that_found_no_room_can_be_made_later(tmp_path, size):
    person = Person(tmp_path / "home")
    words = ["init", "--name", "Alice"]
    process = subprocess.run(
        [sys.executable, "-c", FULL, str(size), *words], env=person.environment(), capture_output=True
    )
    assert process.returncode == 1
    assert "make room" in sentence(process.stderr.decode())
    assert list(person.home.iterdir()) == []
    person.right(*words)


# People


@pytest.fixture(scope="module")
def uri(made):
    """An invite of Bob's."""
    return Person(made / "bob").right("invite").strip()


@pytest.fixture
def stranger(tmp_path):
    """Somebody who gets an invite for the first time."""
    return Person(tmp_path / "stranger").begin("Carol")


DAMAGES = {
    "cut": lambda uri: uri[:-1],
    "half": lambda uri: uri[: len(uri) // 2],
    "changed": lambda uri: uri[:100] + ("A" if uri[100] != "A" else "B") + uri[101:],
    "empty": lambda uri: "",
    "no scheme": lambda uri: uri.removeprefix("hedgerow:"),
    "not base64": lambda uri: uri[:60] + "!?" + uri[62:],
    "other letters": lambda uri: "hedgerow:invite/1/ключ",
    "huge": lambda uri: uri + "A" * 100_000,
    "half a character": lambda uri: os.fsencode(uri) + b"\xc3",
    "newlines": lambda uri: "\n\n",
}


def test_a_damaged_invite_is_told_and_the_whole_one_works(stranger, uri):
    told = stranger.wrong_each([["add", make(uri)] for make in DAMAGES.values()])
    for damage, words in zip(DAMAGES, told):
        assert words.startswith("This invite is damaged:"), damage
    assert stranger.json("add", uri) == [{"name": "Bob", "connected": False, "changed": False}]


def test_an_invite_of_another_version_is_told(stranger, uri):
    assert "another version" in stranger.wrong("add", uri.replace("/1/", "/2/"))


def test_an_expired_invite_is_told_and_a_new_one_works(alice, tmp_path):
    old = cli.now_ms() - MONTH_MS
    node = Node.create(tmp_path / "old", "Dora", source(), old)
    expired, fresh = node.invite(old), node.invite(cli.now_ms())
    node.close()
    assert alice.wrong("add", expired) == "This invite has expired: ask for a new one."
    assert Person(tmp_path / "other").begin("Eve").json("add", fresh)[0]["name"] == "Dora"


def test_ones_own_invite_is_told(alice):
    assert alice.wrong("add", alice.right("invite").strip()).startswith("This invite is your own:")


def test_adding_somebody_twice_is_told(alice, stranger, uri):
    assert alice.wrong("add", uri).startswith("Bob is a contact of yours already")
    stranger.right("add", uri)
    assert stranger.wrong("add", uri).startswith("Bob is a contact of yours already")


# Letters


def test_an_unknown_name_is_told(alice):
    words = [["send", "Zed", "text"], ["inbox", "Zed"], ["send", b"\xff", "text"], ["inbox", "a\nb"]]
    for told in alice.wrong_each([*words, ["send", "\x1b[31mred", "text"]]):
        assert told.startswith("There is no contact named") and "\x1b" not in told


def test_an_empty_text_is_told(alice):
    for told in alice.wrong_each([["send", "Bob", text] for text in ("", "  ", "\n")]):
        assert told.startswith("There is nothing to send")


def test_a_text_above_the_limit_is_told_with_both_sizes(alice):
    assert alice.wrong("send", "Bob", "ä" * 451) == (
        "This text has 902 bytes, 900 fit into a letter: send it in parts."
    )


def test_a_text_with_bytes_that_are_no_text_is_sent_readable(village):
    alice, bob = village
    alice.right("send", "Bob", b"caf\xe9")
    carry(alice, bob)
    assert bob.texts()[-1] == "caf?"


def test_letters_of_others_cannot_move_the_cursor_or_hide_text(village):
    alice, bob = village
    node = alice.node()
    node.send("Bob", "\x1b[2J\x1b]0;title\x07 \u202egnp [bold]a[/] :dog: end", cli.now_ms())
    node.close()
    carry(alice, bob)
    shown = bob.right("inbox")
    assert not set("\x1b\x07\u202e") & set(shown)
    assert "[bold]a[/] :dog: end" in " ".join(shown.split())


# What became of them


def later(person, days, *words):
    """A command of theirs, so many days later: (exit status, output, errors)."""
    code = (
        "import sys, time; real = time.time_ns; days = int(sys.argv.pop(1));"
        "time.time_ns = lambda: real() + days * 24 * 3_600_000_000_000;"
        "from hedgerow import cli; cli.main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(days), *words],
        env=person.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    return ended(process)


def test_what_became_of_a_letter_is_shown(village):
    alice, bob = village
    (letter,) = alice.json("sent")
    assert (letter["state"], letter["mine"], letter["text"]) == ("queued", True, "Not yet.")
    assert "queued" in alice.right("sent", "Bob") and "Not yet.  (queued)" in alice.right("inbox")
    carry(alice, bob)
    assert bob.texts()[-1] == "Not yet."
    carry(bob, alice)
    assert alice.json("sent", "bob")[0]["state"] == "delivered"
    assert "Not yet.  (delivered)" in alice.right("inbox")
    assert alice.wrong("sent", "Zed").startswith("There is no contact named Zed")


def test_an_expired_letter_is_sent_again_by_one_command(village):
    alice, bob = village
    number = str(alice.json("sent")[0]["id"])
    assert alice.wrong("send-again", number).startswith(f"Letter {number} is queued: only an expired letter")
    status, out, _ = later(alice, 4, "sent")
    assert status == 0 and "expired" in out and "hedgerow send-again NUMBER" in out
    status, out, _ = later(alice, 4, "send-again", number, "--json")
    assert (status, json.loads(out)["state"]) == (0, "queued")
    status, out, err = later(alice, 4, "send-again", number)
    assert (status, out) == (1, "") and f"Letter {number} is queued" in sentence(err)
    for wrong in ("9999", "0"):
        assert alice.wrong("send-again", wrong).startswith(f"There is no letter {wrong}: ")
    assert alice.wrong("send-again", "x", status=2)


KEY_LINE = "ab" * 32


def test_a_letter_that_found_no_board_is_told_to_be_kept_so_that_nobody_sends_it_twice(village, tmp_path):
    alice, _ = village
    (tmp_path / "key").write_text(KEY_LINE)
    board = ["--board", "tcp:localhost:1", "--key-file", str(tmp_path / "key")]
    status, out, err = alice.run("send", "Bob", "Once.", *board)
    assert (status, out) == (1, "Sealed; it leaves with the next board.\n")
    assert sentence(err).startswith("There is nothing at tcp:localhost:1")
    status, out, err = alice.run("send", "Bob", "Twice.", "--json", *board)
    told = json.loads(out)
    assert (status, told["state"]) == (1, "queued") and sentence(err)
    assert [letter["id"] for letter in alice.json("sent")][-1] == told["id"]
    number = str(alice.json("sent")[0]["id"])
    status, out, err = later(alice, 4, "send-again", number, *board)
    assert (status, "Sealed; it leaves with the next board.\n" in out) == (1, True)
    assert sentence(err).startswith("There is nothing at")


def test_a_board_that_cannot_be_meant_is_told_before_a_letter_is_written_for_it(alice, tmp_path):
    (tmp_path / "key").write_text(KEY_LINE)
    (tmp_path / "short").write_text("ab")
    key, short = (["--key-file", str(tmp_path / name)] for name in ("key", "short"))
    wrong = [
        (["--board", "mill"], "There is no board named mill"),
        (["--board", "tcp:localhost:1", *short], f"{tmp_path / 'short'} holds no pairing key"),
        (["--board", "tcp:localhost:1"], "No pairing key is known"),
        (["--board", "tcp:localhost", *key], "tcp:localhost names no way to a board"),
        (["--board", "pigeon:grey", *key], "pigeon:grey names no way to a board"),
    ]
    for words, told in wrong:
        assert alice.wrong("send", "Bob", "Once.", *words).startswith(told)


# Usage


def test_a_command_that_is_not_one_names_the_help(alice):
    wrong = [
        ["nothing"],
        ["send"],
        ["send", "Bob"],
        ["init", "--name"],
        ["contacts", "--jsn"],
        ["invite", "too"],
    ]
    for told in alice.wrong_each(wrong, status=2):
        assert told.endswith("--help`.")


def groups():
    """The words that have commands below them, but `hedgerow invite`, which is one itself."""
    found = {tuple(words[:end]) for words in commands() for end in range(1, len(words))}
    return sorted(found - {("invite",)})


def test_a_word_with_commands_below_it_shows_them_and_complains_of_nothing(monkeypatch, capfd):
    # In this process, as below.
    assert ("group",) in groups() and ("board", "config") in groups()
    for words in [(), *groups()]:
        monkeypatch.setattr(sys, "argv", ["hedgerow", *words])
        assert cli._run() == 0, words
        out, err = capfd.readouterr()
        assert "Usage: " + " ".join(["hedgerow", *words]) in out and err == ""


def test_the_lab_without_a_command_shows_its_commands_and_complains_of_nothing():
    lab = "from hedgerow_lab.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", lab], env={**os.environ, "PYTHONPATH": PATHS}, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"") and b"powercut" in done.stdout


def commands():
    """All of them, with those below others."""
    found = []

    def walk(command, words):
        for name, below in getattr(command, "commands", {}).items():
            walk(below, [*words, name])
        if not hasattr(command, "commands"):
            found.append(words)

    walk(typer.main.get_command(cli.app), [])
    return found


def test_each_command_has_help_with_an_example(tmp_path):
    # In this process: a hundred of them take more than a minute. The lab adds its own command.
    pages = {" ".join(words): CliRunner().invoke(cli.app, [*words, "--help"]) for words in commands()}
    assert {page.exit_code for page in pages.values()} == {0}
    texts = {words: page.stdout for words, page in pages.items()}
    texts["demo"] = Person(tmp_path).right("demo", "--help")
    for words, text in texts.items():
        assert f"Example: hedgerow {words}" in " ".join(text.split())


def test_the_help_names_every_command(tmp_path):
    person = Person(tmp_path)
    shown = person.right("--help")
    assert person.right() == shown
    for words in commands():
        assert words[0] in shown


def test_json_is_one_object_a_line(village, uri):
    alice, bob = village
    assert alice.json("contacts")[0]["connected"] is True
    assert set(alice.json("contacts")[0]) == {
        "name",
        "connected",
        "account_key",
        "asked",
        "verified",
        "changed",
        "rivalled",
        "blocked",
        "introduced_by",
        "called",
        "expired",
    }
    assert alice.json("invite")[0]["invite"].startswith("hedgerow:invite/1/")
    assert alice.json("send", "Bob", "two\nlines")[0]["name"] == "Bob"
    carry(alice, bob)
    letters = bob.json("inbox", "Alice")
    assert [letter["text"] for letter in letters] == ["Is the well frozen?", "Not yet.", "two\nlines"]
    assert [letter["mine"] for letter in letters] == [True, False, False]
    assert all(set(letter) >= {"name", "written_ms", "received_ms", "sent"} for letter in letters)


def test_init_and_add_print_json_too(tmp_path, uri):
    person = Person(tmp_path / "home")
    made = person.json("init", "--name", "Carol")[0]
    assert len(made.pop("phrase").split()) == 24
    assert made == {"name": "Carol", "home": str(person.home), "passphrase": False}
    assert person.json("add", uri)[0]["connected"] is False


def test_at_40_columns_and_in_a_pipe_nothing_is_cut(village):
    alice, _ = village
    text = "a long letter about the mill and the frozen well at the end of the lane"
    alice.right("send", "Bob", text)
    narrow = {"env": alice.environment(COLUMNS="40")}
    shown = alice.right("inbox", **narrow)
    assert max(map(len, shown.splitlines())) <= 40
    for word in text.split():
        assert word in shown
    assert "Bob" in alice.right("contacts", **narrow)
    assert alice.right("invite", **narrow).count("\n") == 1
    assert "\x1b" not in shown


def test_on_a_terminal_of_another_encoding_letters_are_shown_as_far_as_it_can(village):
    alice, _ = village
    alice.right("send", "Bob", "snow ❄ ends")
    ascii_only = {"env": alice.environment(PYTHONIOENCODING="ascii")}
    assert "snow ? ends" in alice.right("inbox", **ascii_only)


def test_a_reader_who_has_seen_enough_causes_no_noise(alice):
    for words in (["inbox"], ["invite"], ["contacts", "--json"], ["--help"]):
        reading, writing = os.pipe()
        os.close(reading)
        process = alice.process(*words, stdout=writing)
        os.close(writing)
        assert process.communicate(timeout=30)[1] == b""
        assert process.returncode == 1


def test_an_output_that_cannot_be_written_is_told(alice):
    for words in (["inbox"], ["contacts", "--json"]):
        with open("/dev/full", "wb") as full:
            status, _, err = alice.run(*words, stdout=full)
        assert status == 1 and sentence(err).startswith("The system refused (no space left on device)")
