"""flash.sh with the unmodified tools, from a bare board to a letter on its shelf."""

import json

import pytest
from handling import KINDS, Owner, Tools, eventually

from hedgerow_lab.bare.chips import APP_OFFSET

# What a host sends to a board that is flashed whole: where test_flash_faults cuts.
LEAST_BYTES, MOST_BYTES = 112_000, 200_000


def steps(done):
    return [json.loads(line)["title"] for line in done.stdout.splitlines() if "step" in json.loads(line)]


def shelf_of(owner, board):
    done = owner.type("board", "status", *owner.board_url(board), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("chip", KINDS)
def test_from_a_bare_board_to_a_letter_on_its_shelf(desk, tmp_path, alice, chip):
    board = desk.board(chip)
    beacons = []
    desk.lab.air.advert_watchers.append(lambda name, data: beacons.append(name))
    done = alice.flash(board, script=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mill is a board of home now, and its self-test passed." in done.stdout
    assert "hedgerow:board/1/" in done.stdout and done.stderr == ""
    assert LEAST_BYTES < board.heard_bytes < MOST_BYTES
    eventually(lambda: beacons)
    bob = Owner(tmp_path, "Bob")
    assert alice.type("add", bob.type("invite").stdout.strip()).returncode == 0
    done = alice.type("sync", *alice.board_url(board))
    assert "Gave 1 sealed letter" in done.stdout, done.stdout + done.stderr
    # Bob has the cable now, and no key. The letter stays meanwhile.
    done = bob.type("board", "pair", "--port", str(board.link), "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["owner"], done.stderr
    eventually(lambda: "Alice" in bob.type("sync", "--board", "mill").stdout)
    desk.do(board.reset)
    found = shelf_of(alice, board)
    assert found["name"] == "mill" and not found["safe_mode"]


def test_flashing_again_with_keep_data_keeps_letters_keys_and_name(desk, tmp_path, alice):
    board = desk.board("esp32c3")
    done = alice.flash(board)
    assert done.returncode == 0, done.stderr
    key = alice.pairing_key()
    bob = Owner(tmp_path, "Bob")
    # With the code that flashing prints; the cable stands for the air.
    code = next(line.strip() for line in done.stdout.splitlines() if "hedgerow:board/" in line)
    done = bob.type("board", "pair", "--ble", code, *bob.board_url(board), "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["owner"], done.stderr
    alice.type("add", bob.type("invite").stdout.strip())
    assert "Gave 1" in alice.type("sync", *alice.board_url(board)).stdout
    # Without a word about data it is asked about, and nobody is there to answer.
    refused = alice.flash(board)
    assert refused.returncode == 34 and refused.stderr.count("\n") == 1
    # MicroPython was half written when the cable was pulled: the board tells nothing until it is whole again.
    desk.do(board.pull)
    with board.board.flash_path.open("r+b") as flash:
        flash.seek(APP_OFFSET + 2_000)
        flash.write(bytes(2_000))
    desk.do(board.plug_in)
    assert board.mode == "nothing"
    done = alice.flash(board, "--keep-data", "--profile", "relay", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["name"] == "mill" and told["copied_bytes"] == 0
    assert alice.pairing_key() == key
    assert bob.type("board", "config", "get", "mill").returncode == 0
    tools = Tools(board.link)
    assert "1" in tools.mpremote(
        "exec", "import os; print(len([n for n in os.listdir('/shelf') if os.stat('/shelf/' + n)[6]]))"
    )
