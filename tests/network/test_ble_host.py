"""Letters over the host's Bluetooth link, as bleak sees it, in the lab's air and virtual time."""

import asyncio
import json
import random

import pytest
from ble_support import Someone, board, finding_of, open_lab, pairing_of, run, until
from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError, BleakError
from bleak.exc import BleakBluetoothNotAvailableReason as Reason
from support_firmware import patched

from hedgerow import errors, links
from hedgerow.cli import app, scanning
from hedgerow.events import Connected
from hedgerow.links import ble
from hedgerow.outbox import DELIVERED
from hedgerow_core import envelope, limits
from hedgerow_lab.bleak_air import AirScanner
from hedgerow_lab.cable_port import CablePort
from hedgerow_lab.world import Lab, find_aioble


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


def failure(lab, who, url, error, keys=(), **more):
    """What ``who`` is told; one sentence."""
    found = []

    async def main():
        keeper = who.keeper(url, keys, **more)
        try:
            await keeper.open()
        except errors.UserError as raised:
            found.append(raised)
        await keeper.close()

    run(lab.clock, main())
    assert [type(one) for one in found] == [error], found
    assert "\n" not in str(found[0]) and str(found[0]).endswith(".")
    return str(found[0])


def succeeds(lab, who, url, keys=(), **more):
    """Links once; how many connections that took, and the board's name."""
    before = lab.counters["connections"]

    async def main():
        keeper = who.keeper(url, keys, **more)
        await keeper.open()
        _, name = await keeper.status()
        await keeper.settle()
        await keeper.close()
        await asyncio.sleep(1)
        return name

    name = run(lab.clock, main())
    return lab.counters["connections"] - before, name


def others(lab, *names):
    """Boards of somebody else's mesh in the same street."""
    for name in names:
        board(lab, name, mesh_key=bytes(32))


def test_a_board_is_known_among_others_without_a_single_connection_to_them(tmp_path):
    with open_lab(tmp_path / "lab", "mill") as lab:
        others(lab, "x", "y", "z")
        ann = Someone(lab, "Ann", tmp_path, ["mill", "x", "y", "z"])
        ann.know("mill")
        assert succeeds(lab, ann, "ble:mill") == (1, "mill")
        assert succeeds(lab, ann, "ble:") == (1, "mill")
        # In a while it has another address.
        before = lab.boards["mill"].radio.address
        lab.run_until(lab.now_ms + 16 * 60_000)
        assert lab.boards["mill"].radio.address != before
        assert succeeds(lab, ann, "ble:mill") == (1, "mill")


def test_without_its_finding_key_the_boards_are_tried_the_nearest_first_and_then_it_is_known(tmp_path):
    with open_lab(tmp_path / "lab", "mill") as lab:
        others(lab, "x", "y", "z")
        ann = Someone(lab, "Ann", tmp_path, ["mill", "x", "y", "z"])
        for name, rssi in (("x", -40), ("mill", -60), ("y", -70), ("z", -80)):
            lab.hear(ann.computer.central.name, name, rssi=rssi)
        lab.run_until(lab.now_ms + 1_000)
        assert succeeds(lab, ann, "ble:mill", [pairing_of("mill")]) == (2, "mill")
        assert ann.node.boards.named("mill").finding == finding_of("mill")
        assert succeeds(lab, ann, "ble:mill") == (1, "mill")


def test_a_board_that_was_linked_by_cable_is_found_over_the_air(tmp_path):
    with open_lab(tmp_path / "lab", "mill") as lab:
        ann = Someone(lab, "Ann", tmp_path, ["mill"])

        async def by_cable():
            keeper = ann.keeper("serial:mill", [pairing_of("mill")])
            await keeper.open()
            await keeper.settle()
            await keeper.close()

        async def plugged(url):
            return CablePort(lab, "mill")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(links, "open", plugged)
            run(lab.clock, by_cable())
        assert succeeds(lab, ann, "ble:") == (1, "mill")


def test_one_computer_keeps_several_boards_linked_by_air_at_once(tmp_path):
    with open_lab(tmp_path / "lab", "mill", "school", "farm") as lab:
        ann = Someone(lab, "Ann", tmp_path, ["mill", "school", "farm"])
        for name in ("mill", "school", "farm"):
            ann.know(name)

        async def main():
            keepers = [ann.keeper(f"ble:{name}") for name in ("mill", "school", "farm")]
            tasks = await linked(lab, keepers)
            lab.link_drop(ann.computer.central.name, "school")
            await asyncio.sleep(20)
            await ended(tasks)

        run(lab.clock, main())
        assert ann.linked == 4 and all(not log for log in map(lab.log, lab.boards))


def test_what_goes_wrong_is_said_in_one_sentence(tmp_path):
    with open_lab(tmp_path / "lab", "mill") as lab:
        ann = Someone(lab, "Ann", tmp_path, ["mill"])
        assert "no board named mill" in failure(lab, ann, "ble:mill", errors.UnknownBoard)
        failure(lab, ann, "ble:", errors.NoPairingKey)
        # Nobody takes this key: ours is not in reach.
        failure(lab, ann, "ble:farm", errors.BoardNotInReach, [bytes(32)])
        # It is our board, but it has another key now.
        ann.node.boards.add("mill", bytes(32), ann.now(), finding=finding_of("mill"))
        failure(lab, ann, "ble:mill", errors.WrongPairingKey)
        ann.node.boards.add("farm", pairing_of("farm"), ann.now(), finding=finding_of("farm"))
        for name in ("farm", "Farm"):
            assert f"{name} is not in reach" in failure(lab, ann, f"ble:{name}", errors.BoardNotInReach)
        assert "(farm, mill)" in failure(lab, ann, "ble:", errors.WhichBoard)


@pytest.mark.parametrize(
    "broken, error",
    [
        (BleakBluetoothNotAvailableError("", Reason.NO_BLUETOOTH), errors.NoBluetooth),
        (BleakBluetoothNotAvailableError("", Reason.NO_BLE_CENTRAL_ROLE), errors.NoBluetooth),
        (BleakBluetoothNotAvailableError("", Reason.POWERED_OFF), errors.BluetoothOff),
        (BleakBluetoothNotAvailableError("", Reason.DENIED_BY_USER), errors.BluetoothForbidden),
        (BleakBluetoothNotAvailableError("", Reason.DENIED_BY_SYSTEM), errors.BluetoothForbidden),
        (BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown", ["gone"]), errors.NoBluetooth),
        (BleakDBusError("org.freedesktop.DBus.Error.AccessDenied", ["no"]), errors.BluetoothForbidden),
        (BleakDBusError("org.bluez.Error.NotReady", ["off"]), errors.BluetoothOff),
        (BleakDBusError("org.bluez.Error.Failed", ["?"]), errors.NoBluetooth),
        (FileNotFoundError("no bus"), errors.NoBluetooth),
        (PermissionError("no bus for you"), errors.BluetoothForbidden),
        (BleakError("?"), errors.NoBluetooth),
    ],
)
def test_a_radio_that_does_not_serve_is_told_from_one_that_is_off_or_not_allowed(tmp_path, broken, error):
    with open_lab(tmp_path / "lab") as lab:
        ann = Someone(lab, "Ann", tmp_path, [])
        ann.know("mill")
        ann.computer.broken = broken
        failure(lab, ann, "ble:mill", error)


def test_a_radio_that_never_answers_is_given_up(tmp_path, monkeypatch):
    async def never(scanner):
        await asyncio.Event().wait()

    with open_lab(tmp_path / "lab") as lab:
        ann = Someone(lab, "Ann", tmp_path, [])
        ann.know("mill")
        monkeypatch.setattr(AirScanner, "start", never)
        assert "does not listen" in failure(lab, ann, "ble:mill", errors.NoBluetooth)


def test_a_board_in_reach_that_takes_no_connection_says_so_and_is_linked_when_it_has_a_place(tmp_path):
    with open_lab(tmp_path / "lab", "mill") as lab:
        people = [Someone(lab, name, tmp_path, ["mill"]) for name in ("Ann", "Bob", "Carol")]
        for who in people:
            who.know("mill")

        async def main():
            first, second, third = (who.keeper("ble:mill") for who in people)
            tasks = await linked(lab, [first, second])
            # Its radio has a connection left, but two hosts are enough for a board.
            with pytest.raises(errors.BoardTakesNoCall):
                await third.open()
                await third.watch(lambda: False, 5)
            await third.close()
            waiting = asyncio.create_task(third.keep())
            await asyncio.sleep(30)
            await ended(tasks[:1])
            await until(lab, lambda: people[2].linked == 1, 120)
            await ended([*tasks[1:], waiting])

        run(lab.clock, main())
        assert people[1].linked == 1


def test_scan_shows_the_nearest_first_and_names_whom_a_finding_key_knows(tmp_path):
    with open_lab(tmp_path / "lab", "mill") as lab:
        others(lab, "x")
        ann = Someone(lab, "Ann", tmp_path, ["mill", "x"])
        ann.know("mill")
        lab.hear(ann.computer.central.name, "x", rssi=-40)
        lab.run_until(lab.now_ms + 1_000)
        found = run(lab.clock, ann.radio().look())
        seen = scanning.named(found, ann.node.boards.all())
        assert [(one.rssi, name) for one, name in seen] == [(-40, None), (-60, "mill")]
        assert not ann.computer.scanners


def test_the_command_scans_with_and_without_an_account(tmp_path, monkeypatch, capsys):
    with open_lab(tmp_path / "lab", "mill") as lab:
        others(lab, "x")
        ann = Someone(lab, "Ann", tmp_path, ["mill", "x"])
        ann.know("mill")
        lab.hear(ann.computer.central.name, "x", rssi=-40)
        lab.run_until(lab.now_ms + 1_000)
        ann.node.close()
        monkeypatch.setattr(ble, "radio", lambda: ble.Bluetooth(ann.computer.client, ann.computer.scanner))
        monkeypatch.setattr(scanning.asyncio, "run", lambda main: run(lab.clock, main))

        def said(*arguments):
            app(["--home", *arguments], standalone_mode=False)
            return capsys.readouterr().out.splitlines()

        lines = said(str(tmp_path / "Ann"), "board", "scan")
        assert lines == [" -40 dBm  another board, 0 letters", " -60 dBm  mill, 0 letters"]
        rows = [json.loads(line) for line in said(str(tmp_path / "none"), "board", "scan", "--json")]
        assert [row["name"] for row in rows] == [None, None]
        assert rows[0] == {"name": None, "signal_dbm": -40, "letters": 0, "load": 0}
        for name in ("mill", "x"):
            lab.power_off(name)
        assert said(str(tmp_path / "none"), "board", "scan") == ["No board is in reach."]


def test_a_call_that_is_given_up_leaves_no_connection_and_no_scan_behind(tmp_path):
    with open_lab(tmp_path / "lab", "mill") as lab:
        ann = Someone(lab, "Ann", tmp_path, ["mill"])
        ann.know("mill")

        async def main():
            for wait in (0.0, 0.05, 0.3, 0.6, 1.0, 1.5, 2.0, 4.0):
                keeper = ann.keeper("ble:mill")
                opening = asyncio.create_task(keeper.open())
                await asyncio.sleep(wait)
                opening.cancel()
                await asyncio.gather(opening, return_exceptions=True)
                await keeper.close()
                await asyncio.sleep(4)
                assert not lab.boards["mill"].radio.connections
                assert ann.computer.central.radio.scan is None and ann.computer.central.radio.target is None

        run(lab.clock, main())


@pytest.mark.parametrize("mtu", [517, None])
def test_credits_keep_the_packets_that_a_board_has_not_read_below_what_it_can_keep(tmp_path, mtu):
    keeps = "                if len(self._packets) < _PACKETS:\n"
    drops = "                if len(self._packets) >= _PACKETS: print('dropped')\n"
    source = patched(tmp_path / "source", "ble.py", (keeps, drops + keeps))
    with Lab(1, workdir=tmp_path / "lab", aioble=find_aioble()) as lab:
        for name in ("mill", "school"):
            board(lab, name, source=source)
        lab.hear("mill", "school")
        ann, bob = (Someone(lab, name, tmp_path, ["mill"], mtu) for name in ("Ann", "Bob"))
        far = Someone(lab, "Carol", tmp_path, ["school"])
        ids = [letters(who, count, 900) for who, count in ((ann, 5), (bob, 5), (far, 3))]

        async def main():
            await asyncio.sleep(3)
            keepers = [
                who.keeper("ble:", finding=finding_of(name), keys=[pairing_of(name)])
                for who, name in ((ann, "mill"), (bob, "mill"), (far, "school"))
            ]
            tasks = await linked(lab, keepers)
            everything = [identity for found in ids for identity in found]
            for who in (ann, bob, far):
                await until(lab, lambda who=who: all(map(who.node.shelf.has, everything)), 600)
            await ended(tasks)

        run(lab.clock, main())
        assert all(log == [] for log in map(lab.log, lab.boards))


def letters(who, count, size):
    """Sealed letters of others on the shelf of ``who``; their ids."""
    dice = random.Random(who.name)
    found = []
    for _ in range(count):
        body = dice.randbytes(envelope.padded_body_size(size))
        lock = dice.randbytes(limits.LOCK_BYTES)
        made = envelope.make(envelope.NORMAL, envelope.TTL_DEFAULT, lock, body)
        who.node.shelf.put(made, who.now())
        found.append(made.id)
    return found
