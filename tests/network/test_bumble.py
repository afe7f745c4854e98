"""Our use of GATT against a stack that is not ours: Bumble, over two virtual controllers, in real time."""

import asyncio
import random
import time

import pytest
from bumble_support import _HOST, FINDING, KEY, Board, BumbleClient, BumbleScanner, LocalLink, device

from hedgerow import errors
from hedgerow.links import ble
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node
from hedgerow_core import envelope, limits


def now():
    return time.time_ns() // 1_000_000


def letter(dice, size):
    body = dice.randbytes(envelope.padded_body_size(size))
    return envelope.make(envelope.NORMAL, envelope.TTL_DEFAULT, dice.randbytes(limits.LOCK_BYTES), body)


@pytest.mark.parametrize("mtu", [517, 185, None])
def test_letters_go_both_ways_over_a_gatt_that_others_wrote(tmp_path, monkeypatch, mtu):
    async def main():
        wire = LocalLink()
        board, computer = Board(wire, now, 247), device(wire, _HOST)
        await board.start()
        await computer.power_on()
        for backend in (BumbleClient, BumbleScanner):
            monkeypatch.setattr(backend, "device", computer)
        monkeypatch.setattr(BumbleClient, "mtu", mtu)
        dice = random.Random(1)
        node = Node.create(tmp_path / "home", "Ann", dice.randbytes, now())
        ours, theirs = letter(dice, 900), letter(dice, 900)
        node.shelf.put(ours, now())
        board.shelf.put(theirs, now())
        radio = ble.Bluetooth(BumbleClient, BumbleScanner)
        keeper = Keeper(node, "ble:mill", [KEY], now, lambda event: None, finding=FINDING, bluetooth=radio)
        await keeper.open()
        assert await keeper.watch(lambda: keeper.given == keeper.taken == 1, 20)
        assert board.shelf.has(ours.id) and node.shelf.has(theirs.id)
        most = min(mtu or 23, 247) - 3
        assert min(most, 230) <= max(board.sizes) <= most and board.link.framing.noise == 0
        await board.connection.disconnect()
        with pytest.raises((errors.BoardGone, errors.BoardTakesNoCall)):
            await keeper.watch(lambda: False, 20)
        await keeper.close()
        await keeper.open()
        await keeper.close()
        node.close()

    asyncio.run(main())
