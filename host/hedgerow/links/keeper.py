"""Keeps one board linked to a node: opens the port, shakes hands, exchanges, and comes back after a loss."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from hedgerow import errors, links
from hedgerow.events import Event
from hedgerow.node import Node
from hedgerow_core import limits, probe, service, survey
from hedgerow_core.errors import PeerError
from hedgerow_core.link import Link

if TYPE_CHECKING:
    from hedgerow.links.ble import Bluetooth

_REFRESH_S = 0.25  # how soon letters of another process on this home are noticed
_SETTLED_S = 0.5
_AGAIN_S = 0.5
_AGAIN_MAX_S = 30.0
_ANSWER_S = 5.0
_REPAIR_S = 30.0
_LOG_TRIES = 3

# What no other try would mend.
_FOR_GOOD = (
    *(errors.BadUrl, errors.NoPairingKey, errors.WrongPairingKey, errors.OtherVersion),
    *(errors.UnknownBoard, errors.WhichBoard),
)
_HOME_ENDED = (errors.HomeLocked, errors.NoHome)

# What the user sees of a link.
CONNECTING = "connecting"
LINKED = "linked"
WAITING = "waiting"

T = TypeVar("T")


class Keeper:
    """One board at ``url``; ``keys`` are the pairing keys to try, the likeliest first; by ``finding`` it is
    found over Bluetooth, by this computer's own radio unless ``bluetooth`` is another.

    ``on_event`` hears what the node tells, ``on_state`` (state, error or None) each change of the link.
    """

    def __init__(
        self,
        node: Node,
        url: str,
        keys: Sequence[bytes],
        now: Callable[[], int],
        on_event: Callable[[Event], None],
        on_state: Callable[[str, errors.UserError | None], None] = lambda state, error: None,
        finding: bytes | None = None,
        bluetooth: "Bluetooth | None" = None,
    ) -> None:
        self.given = 0  # envelopes that the board acknowledged
        self.taken = 0  # envelopes that it gave us
        self.key: bytes | None = None  # the pairing key that the board took
        self._node = node
        self._url = url
        self._finding = finding
        self._bluetooth = bluetooth
        self._keys = list(keys)
        self._now = now
        self._on_event = on_event
        self._on_state = on_state
        self._port: links.Port | None = None
        self._link: Link | None = None
        self._reading: asyncio.Task[bytes] | None = None
        self._answers: dict[int, bytes] = {}  # the last of each kind

    @property
    def url(self) -> str:
        """Where the board is."""
        return self._url

    def check(self) -> None:
        """A UserError where ``open`` is sure to fail, whatever is plugged in or in reach."""
        links.check(self._url)
        if not self._wanted()[1]:
            raise errors.NoPairingKey

    async def open(self) -> None:
        """Open the port and shake hands. A UserError where that cannot be done."""
        name, keys, finding = self._wanted()
        if not keys:
            raise errors.NoPairingKey
        self._on_state(CONNECTING, None)
        refused: errors.UserError = errors.WrongPairingKey()
        async with contextlib.aclosing(links.ways(self._url, finding, self._bluetooth)) as ways:
            async for port in ways:
                self._port = port
                try:
                    await self._shake_hands(port, keys)
                    if name:
                        self._node.boards.add(name, keys[0], self._now())
                    return
                except _HOME_ENDED:
                    await self.close()
                    raise
                except errors.UserError as error:
                    # Over Bluetooth the next one may be ours.
                    refused = error
                    await self.close()
                except BaseException:
                    await self.close()
                    raise
        raise refused

    def _wanted(self) -> tuple[str, list[bytes], bytes | None]:
        """(name of a board that is new here, keys to try, finding key). UnknownBoard, WhichBoard."""
        name = links.name_of(self._url)
        if name is None or self._finding is not None:
            return "", self._keys, self._finding
        boards = self._node.boards.all()
        known = [board.pairing_key for board in boards]
        fresh = [key for key in self._keys if key not in known]
        if not name:
            if len(boards) > 1:
                names = [board.name for board in boards]
                raise errors.WhichBoard(names=", ".join(names), first=names[0])
            return "", fresh + known, boards[0].finding if boards else None
        for board in boards:
            if board.name.casefold() == name.casefold():
                return "", [*fresh, board.pairing_key], board.finding
        if not fresh:
            raise errors.UnknownBoard(name=name)
        return name, fresh, None

    async def _shake_hands(self, port: links.Port, keys: list[bytes]) -> None:
        for key in keys:
            self._link = self._node.attach(key, self._now(), port.packet_bytes)
            with contextlib.suppress(errors.WrongPairingKey):
                await self._until(lambda: self._link is not None and self._is_up(self._link, port))
                self.key = key
                keys.remove(key)
                keys.insert(0, key)
                self._on_state(LINKED, None)
                return
        raise errors.WrongPairingKey

    @staticmethod
    def _is_up(link: Link, port: links.Port) -> bool:
        """Over the air a board hangs up on one host too many, but only when it knows that it is a host."""
        return link.established and (port.packet_bytes is None or link.answered)

    async def close(self) -> None:
        """Give the port back."""
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, errors.UserError):
                await self._reading
            self._reading = None
        if self._port is not None:
            await self._port.close()
            self._port = None

    async def linked(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What ``ask`` gives while the board is linked; the key that it took, and where, is remembered."""
        try:
            await self.open()
            if self.key is not None:
                self._node.remember_key(self.key, self._now(), links.lasting(self._url))
            return await ask()
        finally:
            await self.close()

    async def settle(self) -> None:
        """Exchange until there is nothing left to exchange for a moment."""
        loop = asyncio.get_running_loop()
        since: float | None = None
        moved = -1

        def quiet() -> bool:
            nonlocal since
            if self._link is None or not self._link.settled:
                since = None
            elif since is None:
                since = loop.time()
            return since is not None and loop.time() - since >= _SETTLED_S

        while moved != self.given + self.taken:
            moved = self.given + self.taken
            await self._until(quiet)
            # What we sent may still be on a slow cable: the board's answer comes behind all of it.
            await self.status()
            since = None
            await self._until(quiet)

    async def ask(self, question: bytes, kind: int, patience_s: float = _ANSWER_S) -> bytes:
        """The board's answer of ``kind`` to a service message."""
        if self._link is None:
            raise errors.BoardSilent
        self._answers.pop(kind, None)
        self._link.service(question)
        try:
            async with asyncio.timeout(patience_s):
                await self._until(lambda: kind in self._answers)
        except TimeoutError:
            raise errors.BoardSilent from None
        return self._answers[kind]

    async def status(self) -> tuple[tuple[int, ...], str]:
        """What the board says of itself: numbers and name as in ``hedgerow_core.service``."""
        answer = await self.ask(bytes((service.STATUS,)), service.STATUS_IS)
        try:
            return service.decode_status(answer)
        except PeerError:
            raise errors.OtherVersion from None

    async def log(self) -> tuple[int, int, int, list[int], list[tuple[int, int, bytes]]]:
        """What the board remembers, as ``hedgerow_core.service.decode_log`` gives it."""
        for _ in range(_LOG_TRIES):
            # It may be written between two parts: then they do not fit together.
            with contextlib.suppress(PeerError):
                log, part, parts = b"", 0, 1
                while part < parts:
                    answer = await self.ask(bytes((service.LOG, part)), service.LOG_IS)
                    _, parts, piece = service.log_piece(answer)
                    log += piece
                    part += 1
                return service.decode_log(log)
        raise errors.OtherVersion

    async def counts(self) -> tuple[int, list[int], int, list[int]]:
        """What the board counted, as ``hedgerow_core.survey.decode_counts`` gives it."""
        answer = await self.ask(bytes((service.COUNTS,)), service.COUNTS_IS)
        try:
            return survey.decode_counts(answer)
        except PeerError:
            raise errors.OtherVersion from None

    async def nodes(self) -> list[tuple[bytes, int, int, int, int, int, int, int]]:
        """Who is around the board, as ``hedgerow_core.survey.decode_nodes`` gives it."""
        nodes: list[tuple[bytes, int, int, int, int, int, int, int]] = []
        page, pages = 0, 1
        while page < pages:
            answer = await self.ask(bytes((service.NODES, page)), service.NODES_IS)
            try:
                _, pages, found = survey.decode_nodes(answer)
            except PeerError:
                if page:
                    break  # somebody went meanwhile, and with them the last page
                raise errors.OtherVersion from None
            # Rows move between two pages, so somebody may be on both.
            nodes += [node for node in found if node not in nodes or not any(node[0])]
            page += 1
        return nodes

    async def trace(self, nonce: bytes, name: str) -> list[tuple[int, str]]:
        """The way to the board ``name``, as ``hedgerow_core.probe.hops_of`` gives it. BoardNotFound where no
        echo comes."""
        try:
            answer = await self.ask(probe.question(nonce, name), service.TRACE_IS, limits.PROBE_MS / 1000)
            found, hops = probe.hops_of(answer)
        except errors.BoardSilent:
            if self._link is None or self._link.closed:
                raise
            raise errors.BoardNotFound(name=name) from None
        except PeerError:
            raise errors.OtherVersion from None
        if found != nonce or not hops:
            raise errors.BoardNotFound(name=name)
        return hops

    async def watch(self, done: Callable[[], bool], patience_s: float) -> bool:
        """Exchange until ``done``; whether it came to that in time."""
        try:
            async with asyncio.timeout(patience_s):
                await self._until(done)
        except TimeoutError:
            return False
        return True

    async def repair(self, damage: int) -> int:
        """Let the board mend ``damage``; what came of it, as in ``hedgerow_core.service``."""
        answer = await self.ask(bytes((service.REPAIR, damage)), service.REPAIR_IS, _REPAIR_S)
        if len(answer) != 2:
            raise errors.OtherVersion
        return answer[1]

    async def keep(self) -> None:
        """Stay linked until cancelled, whatever happens to the board."""
        again = _AGAIN_S
        while True:
            try:
                await self.open()
                again = _AGAIN_S
                await self._until(lambda: False)
            except (*_FOR_GOOD, *_HOME_ENDED):
                raise
            except errors.UserError as error:
                self._on_state(WAITING, error)
            finally:
                await self.close()
            await asyncio.sleep(again * (1 + random.random() / 4))
            again = min(again * 2, _AGAIN_MAX_S)

    async def _until(self, done: Callable[[], bool]) -> None:
        """Move bytes until ``done``; the error of the link where it ends before."""
        port, link = self._port, self._link
        if port is None or link is None:
            raise errors.BoardSilent
        while True:
            await self._pump(port, link)
            if done():
                return
            if link.closed:
                raise errors.of_link(link.reason)
            if self._reading is None:
                # One read at a time, kept over calls: a cancelled one could swallow what came.
                self._reading = asyncio.create_task(port.read())
            await asyncio.wait({self._reading}, timeout=self._patience_s(link))
            if self._reading.done():
                reading, self._reading = self._reading, None
                self._take(link, reading.result())
            link.tick(self._now())

    def _patience_s(self, link: Link) -> float:
        due = link.deadline()
        if due is None:
            return _REFRESH_S
        return min(max((due - self._now()) / 1000, 0.0), _REFRESH_S)

    def _take(self, link: Link, data: bytes) -> None:
        for name, value in link.receive(data, self._now()):
            if name == "stored":
                self.taken += 1
            elif name in ("acked", "held") and isinstance(value, bytes):
                self.given += name == "acked"
                self._node.acked(value, self._now())
            elif name == "declined" and isinstance(value, bytes):
                self._node.declined(value, self._now())
            elif name == "proof" and isinstance(value, bytes):
                self._node.proof(value, self._now())
            elif name == "service" and isinstance(value, bytes):
                self._answers[value[0]] = value

    async def _pump(self, port: links.Port, link: Link) -> None:
        for event in self._node.poll(self._now()):
            self._on_event(event)
        link.push(self._now())
        while writes := link.next_writes(self._now()):
            for data in writes:
                await port.write(data)
            if self._reading is not None and self._reading.done():
                return  # what the board says may change what is said next
