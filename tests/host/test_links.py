"""Ways to a board: what a user is told when there is none, and that bytes cross unharmed."""

import asyncio
import errno
import os
import pty
import termios
import tty
from unittest import mock

import pytest
import serial

from hedgerow import errors, links
from hedgerow.flashing import console, ports
from hedgerow.flashing import errors as flash_errors
from hedgerow.links import keeper, tcp
from hedgerow.links import serial as serial_link


@pytest.mark.parametrize(
    "url",
    ["", "serial:", "tcp:", "tcp:nowhere", "tcp:host:port", "tcp:host:99999", "ble:1", "serial:what://x"],
)
def test_a_name_that_is_no_way_to_a_board_is_told(url):
    with pytest.raises(errors.UserError) as found:
        asyncio.run(links.open(url))
    assert isinstance(found.value, errors.BadUrl | errors.PortMissing)
    assert str(found.value).count("\n") == 0


@pytest.mark.parametrize(
    "said, error, flash_error",
    [
        ((errno.EACCES, "Permission denied"), errors.PortForbidden, flash_errors.PortForbidden),
        ((errno.EBUSY, "Device or resource busy"), errors.PortBusy, flash_errors.PortBusy),
        ((errno.ENOENT, "No such file or directory"), errors.PortMissing, flash_errors.PortMissing),
        # Windows, of a port that is open elsewhere.
        (
            ("could not open port 'COM3': PermissionError(13, 'Access is denied.', None, 5)",),
            errors.PortBusy,
            flash_errors.PortBusy,
        ),
    ],
)
def test_a_port_that_cannot_be_opened_says_why(monkeypatch, said, error, flash_error):
    class Port:
        def __init__(self, *arguments, **options):
            pass

        def open(self):
            raise serial.SerialException(*said)

    monkeypatch.setattr(serial, "serial_for_url", lambda *arguments, **options: Port())
    with pytest.raises(error) as found:
        asyncio.run(links.open("serial:/dev/null"))
    if error is errors.PortForbidden:
        assert "usermod -aG " + links.group_of("/dev/null") in str(found.value)
    with pytest.raises(flash_error):
        ports.check(ports.Port("/dev/null"))


@pytest.mark.parametrize(
    "place, error",
    [
        ("termios.tcsetattr", termios.error(errno.EIO, "Input/output error")),
        ("termios.tcflush", termios.error(errno.EIO, "Input/output error")),
        ("serial.Serial._update_dtr_state", OSError(errno.EIO, "Input/output error")),
    ],
)
def test_a_board_that_is_unplugged_while_its_port_is_opened_is_missing(place, error):
    ours, theirs = pty.openpty()
    port = ports.Port(os.ttyname(theirs))
    try:
        with mock.patch(place, side_effect=error):
            with pytest.raises(errors.PortMissing):
                asyncio.run(links.open(f"serial:{port.device}"))
            with pytest.raises(flash_errors.PortMissing):
                ports.check(port)
            assert not console.answers(port)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_board_at_a_port_that_was_named_from_its_folder_is_found_from_another_one(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for port in (folder / "mill.tty", tmp_path / "mill.tty"):
        port.touch()
    assert links.lasting("serial:mill.tty") == f"serial:{folder}/mill.tty"
    assert links.lasting("serial:../mill.tty") == f"serial:{tmp_path}/mill.tty"
    assert links.lasting("serial:nothing.tty") == "serial:nothing.tty"
    # The port behind a link changes its name: the link stays.
    (folder / "mill").symlink_to("/dev/null")
    assert links.lasting("serial:mill") == f"serial:{folder}/mill"
    for url in ("serial:/dev/ttyUSB0", "serial:socket://x:1", "socket://x:1", "tcp:x:1", "ble:mill"):
        assert links.lasting(url) == url
    with monkeypatch.context() as windows:
        windows.setattr(os, "name", "nt")
        assert links.lasting("serial:COM3") == "serial:COM3"


@pytest.mark.parametrize("way", ["serial:mill.tty", "serial:./mill.tty"])
def test_a_board_is_remembered_where_it_was_whatever_folder_that_was_named_from(way, tmp_path, monkeypatch):
    remembered = []

    class Known:
        def remember_key(self, key, now, url):
            remembered.append(url)

    async def there():
        kept.key = bytes(32)

    async def ask():
        return "asked"

    monkeypatch.chdir(tmp_path)
    (tmp_path / "mill.tty").touch()
    kept = keeper.Keeper(Known(), way, [bytes(32)], lambda: 0, lambda event: None)
    monkeypatch.setattr(kept, "open", there)
    assert asyncio.run(kept.linked(ask)) == "asked"
    assert remembered == [f"serial:{tmp_path}/mill.tty"]


def test_bytes_cross_a_serial_port_unharmed_and_its_end_is_told():
    async def go() -> None:
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        port = await links.open("serial:" + os.ttyname(theirs))
        everything = bytes(range(256)) * 4
        await port.write(everything)
        got = b""
        while len(got) < len(everything):
            got += os.read(ours, 4_096)
        assert got == everything
        os.write(ours, everything)
        got = b""
        while len(got) < len(everything):
            got += await port.read()
        assert got == everything
        os.close(ours)
        os.close(theirs)
        with pytest.raises(errors.PortLost):
            await port.read()
        await port.close()

    asyncio.run(go())


def test_bytes_cross_tcp_unharmed_and_its_end_is_told():
    async def go() -> None:
        async def echo(reader, writer):
            writer.write(await reader.readexactly(512))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        for url in (f"tcp:127.0.0.1:{address[1]}", f"serial:socket://127.0.0.1:{address[1]}"):
            port = await links.open(url)
            await port.write(bytes(range(256)) * 2)
            got = b""
            while len(got) < 512:
                got += await port.read()
            assert got == bytes(range(256)) * 2
            with pytest.raises(errors.PortLost):
                while True:
                    await port.read()
            await port.close()
        server.close()

    asyncio.run(go())


def test_a_lost_board_is_tried_again_later_and_later(monkeypatch):
    waits: list[float] = []
    states: list[str] = []

    async def missing(url: str) -> tcp.TcpPort:
        raise errors.PortMissing(url=url)

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 10:
            raise asyncio.CancelledError

    monkeypatch.setattr(links, "open", missing)
    monkeypatch.setattr(keeper.asyncio, "sleep", sleep)
    kept = keeper.Keeper(
        None, "tcp:x:1", [bytes(32)], lambda: 0, lambda event: None, lambda state, error: states.append(state)
    )
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(kept.keep())
    assert waits[0] < 1 < waits[3] < waits[5]
    assert max(waits) <= 30 * 1.25
    assert set(states) == {keeper.CONNECTING, keeper.WAITING}


def test_a_serial_port_is_opened_without_resetting_the_board(monkeypatch):
    seen = {}

    class Port:
        dtr = rts = True
        exclusive = False

        def open(self):
            seen.update(dtr=self.dtr, rts=self.rts, exclusive=self.exclusive)

    monkeypatch.setattr(serial, "serial_for_url", lambda *arguments, **options: Port())
    asyncio.run(serial_link.connect("serial:/dev/x", "/dev/x"))
    assert seen == {"dtr": False, "rts": False, "exclusive": True}
