"""`hedgerow wipe` with boards in real time: nothing is left in the home, nor on the board's flash."""

import json
import os

from test_commands import eventually, running_lab, two_people

from hedgerow.node import Node
from hedgerow.vault.wipe import search, spellings


def nvs_of(folder, board):
    """What the board's NVS holds, by name."""
    files = (folder / "run" / f"{board}.nvs").iterdir()
    return {path.suffixes[0][1:]: path.read_bytes() for path in files}


def found_on(folder, board, secrets):
    """The secrets that are on the board's flash: in its file system or in NVS."""
    flash = (folder / "run" / f"{board}.flash").read_bytes()
    flash += b"".join(nvs_of(folder, board).values())
    return [secret for secret in secrets if any(needle in flash for needle in spellings(secret))]


def test_a_wipe_takes_keys_and_texts_from_the_home_and_everything_from_the_board(tmp_path):
    with running_lab(tmp_path) as (boards, _):
        alice, bob = two_people(tmp_path, boards)
        assert alice.type("send", "Bob", "the cat sleeps in the mill", *alice.board).returncode == 0
        node = Node.open(alice.home, os.urandom, 1_800_000_000_000)
        secrets = [*node.secrets(), b"the cat sleeps in the mill"]
        pairing_key, street = node.pairing_keys()[0], node.street._streets[0]
        node.close()
        assert secrets and pairing_key in secrets and street in secrets
        seed = nvs_of(tmp_path, "mill")["seed"]
        # The canaries: the board holds its keys, and the home its own.
        assert found_on(tmp_path, "mill", [pairing_key, seed]) == [pairing_key, seed]
        assert search(alice.home, secrets)
        done = alice.type("wipe", "--yes", *alice.board, "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["boards_erased"] == ["mill"] and told["boards_left"] == [] and told["other_boards"] == 0
        assert not alice.home.exists() and not search(tmp_path / "Alice", secrets)
        eventually(lambda: not found_on(tmp_path, "mill", [*secrets, seed]))
        image = tmp_path / "run" / "mill.flash"
        eventually(lambda: not image.read_bytes().strip(b"\xff"))
        assert "settings" not in nvs_of(tmp_path, "mill")
        # The other board is sound.
        assert json.loads(bob.type("board", "status", *bob.board, "--json").stdout)["name"] == "school"


def test_a_board_out_of_reach_does_not_keep_the_home_from_being_wiped_and_is_named(tmp_path):
    with running_lab(tmp_path) as (boards, steer):
        alice, _ = two_people(tmp_path, boards)
        steer("power", "off", "mill")
        done = alice.type("wipe", "--yes", *alice.board)
        assert done.returncode == 1 and done.stdout.startswith("Wiped.")
        assert f"Not erased: {alice.board[1]} (" in done.stderr and "flash it anew" in done.stderr
        assert not alice.home.exists()
        steer("power", "on", "mill")
