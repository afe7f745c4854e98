"""People who type commands while the lab's virtual time goes on, by cable and over the air."""

import asyncio
import contextlib
import io
import json
import sys
import time
from types import SimpleNamespace

from hedgerow import cli, links
from hedgerow.cli import terminal
from hedgerow.links import ble
from hedgerow_lab import loop
from hedgerow_lab.bleak_air import Computer
from hedgerow_lab.central import Central
from hedgerow_lab.person import EPOCH_MS


class Cable:
    """The port at which a board of the lab is plugged in; ``left`` is how many bytes it still takes, where
    somebody pulls it then."""

    packet_bytes = None

    def __init__(self, lab, name, left=None):
        self.line = lab.serial(name)
        self.line.connected = True
        self.line.on_receive = self._take
        self.left = left
        self._unread = b""
        self._news = asyncio.Event()
        self._url = f"serial:{name}"

    def _take(self, data, now):
        self._unread += data
        self._news.set()

    async def read(self):
        while not self._unread:
            if self.left == 0:
                raise links.errors.PortLost(url=self._url)
            self._news.clear()
            await self._news.wait()
        found, self._unread = self._unread, b""
        return found

    async def write(self, data):
        if self.left is not None:
            data, self.left = data[: self.left], max(0, self.left - len(data))
        self.line.write(data)
        await asyncio.sleep(0)
        if self.left == 0:
            self.line.connected = False
            self._news.set()
            raise links.errors.PortLost(url=self._url)

    async def close(self):
        self.line.on_receive = None


class Street:
    """A lab where ``serial:NAME`` is the cable of a board. ``pull``: how many bytes the next cable takes."""

    def __init__(self, lab, monkeypatch):
        self.lab = lab
        self.pull = None
        self.radio = lambda: None
        self._patch = monkeypatch
        clock = SimpleNamespace(
            time_ns=lambda: (EPOCH_MS + lab.now_ms) * 1_000_000,
            strftime=time.strftime,
            localtime=time.localtime,
        )
        monkeypatch.setattr(terminal, "time", clock)
        monkeypatch.setattr(asyncio, "run", lambda main: loop.run(lab.clock, main))
        monkeypatch.setattr(links, "open", self._open)
        monkeypatch.setattr(ble, "radio", lambda: self.radio())

    async def _open(self, url):
        name = url.removeprefix("serial:")
        if name not in self.lab.boards:
            raise links.errors.PortMissing(url=url)
        left, self.pull = self.pull, None
        return Cable(self.lab, name, left)

    def wait(self, seconds):
        """Nobody types anything."""
        self.lab.run_until(self.lab.now_ms + int(seconds * 1000))

    def person(self, name, folder, near=()):
        """Somebody with a home, whose computer hears the boards ``near``."""
        return Typist(self, name, folder, near)


class Typist:
    def __init__(self, street, name, folder, near):
        self.home = folder / name
        self._street = street
        computer = Computer(Central(street.lab, f"pc of {name}", near)) if near else Computer
        self._radio = lambda: ble.Bluetooth(computer.client, computer.scanner)
        self.does("init", "--name", name)

    def type(self, *words):
        """(exit status, standard output, standard error)"""
        self._street.radio = self._radio
        out, err = io.StringIO(), io.StringIO()
        before, sys.argv = sys.argv, ["hedgerow", "--home", str(self.home), *words]
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = cli._run()
        finally:
            sys.argv = before
        return code, out.getvalue(), err.getvalue()

    def does(self, *words):
        """The lines of a command's JSON."""
        code, out, err = self.type(*words, "--json")
        assert (code, err) == (0, ""), err
        return [json.loads(line) for line in out.splitlines()]

    def shows(self, *words):
        """What people read."""
        code, out, err = self.type(*words)
        assert (code, err) == (0, ""), err
        return out

    def refused(self, *words):
        """The sentence."""
        code, out, err = self.type(*words)
        assert code == 1 and err.startswith("hedgerow: ") and err.count("\n") == 1, (out, err)
        return err
