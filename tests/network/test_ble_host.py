"""Letters over the host's Bluetooth link, as bleak sees it, in the lab's air and virtual time."""

import asyncio

import pytest
from ble_support import Someone, open_lab, run, until

from hedgerow.events import Connected
from hedgerow.outbox import DELIVERED


async def linked(lab, keepers):
    """Tasks that keep them, once all are linked."""
    tasks = [asyncio.create_task(keeper.keep()) for keeper in keepers]
    await until(lab, lambda: all(keeper.key is not None for keeper in keepers))
    return tasks


async def ended(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def befriended(lab, ann, bob):
    bob.node.add(ann.node.invite(ann.now()), bob.now())
    there = (Connected(bob.name) in ann.events, Connected(ann.name) in bob.events)
    while not all(there):
        await asyncio.sleep(1)
        there = [any(isinstance(event, Connected) for event in who.events) for who in (ann, bob)]


@pytest.mark.parametrize("mtu, lossy", [(517, False), (185, False), (None, False), (517, True)])
def test_a_hundred_letters_cross_and_a_link_that_is_lost_ten_times_loses_and_doubles_none(
    tmp_path, mtu, lossy
):
    with open_lab(tmp_path / "lab", "mill", "school") as lab:
        ann = Someone(lab, "Ann", tmp_path, ["mill"], mtu)
        bob = Someone(lab, "Bob", tmp_path, ["school"], mtu)
        ann.know("mill")
        bob.know("school")
        if lossy:
            # A system that drops what it has no room for, and says nothing: every seventh packet.
            ann.computer.lose = lambda data: ann.computer.writes % 7 == 0
        texts = [f"letter {number}" for number in range(100)]

        async def main():
            tasks = await linked(lab, [ann.keeper("ble:mill"), bob.keeper("ble:school")])
            await befriended(lab, ann, bob)
            for number, text in enumerate(texts):
                ann.node.send("Bob", text, ann.now())
                await asyncio.sleep(0.3)
                if number % 10 == 5:
                    assert lab.link_drop(ann.computer.central.name, "mill")
                if number % 10 == 9:
                    await until(lab, lambda: lab.boards["mill"].radio.connections)
            await until(lab, lambda: len(bob.texts) >= 100, 240)
            await until(lab, lambda: all(one.state == DELIVERED for one in ann.node.sent()), 240)
            await ended(tasks)

        run(lab.clock, main())
        assert sorted(bob.texts) == sorted(texts)
        assert [letter.text for letter in bob.node.inbox("Ann")] == texts
        assert ann.linked >= 11 and bob.linked == 1
        assert all(not log for log in map(lab.log, lab.boards))
