"""The air between the boards: advertising, scanning, connections. It decides who hears what and when.

A simple radio: who hears whom is given, loss is a probability a packet, two advertisements at once on one
channel spoil each other unless one is 6 dB stronger. Connection events are simulated only when data waits.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from hedgerow_lab import costs
from hedgerow_lab.clock import Clock

ADV_IND = 0
ADV_NONCONN_IND = 3
SCAN_RSP = 4
CENTRAL = 0
PERIPHERAL = 1


class Listener(Protocol):
    """What the air tells a board; times are those of the air's clock."""

    name: str

    def scan_result(self, address: tuple[int, bytes], kind: int, rssi: int, data: bytes) -> None: ...
    def scan_done(self) -> None: ...
    def connected(self, handle: int, role: int, address: tuple[int, bytes]) -> None: ...
    def disconnected(self, handle: int, role: int, address: tuple[int, bytes]) -> None: ...
    def connect_failed(self, address: tuple[int, bytes]) -> None: ...
    def packet(self, handle: int, data: bytes) -> None: ...
    def sent(self, handle: int, count: int) -> None: ...


@dataclass
class Connection:
    """Two ends, central first; a packet queue from each."""

    ends: tuple["Radio", "Radio"]
    handles: tuple[int, int]
    addresses: tuple[tuple[int, bytes], tuple[int, bytes]]
    anchor_us: int
    queues: tuple[list[bytes], list[bytes]] = field(default_factory=lambda: ([], []))
    scheduled: bool = False
    open: bool = True
    heard_us: int = 0


class Radio:
    """The state of one board's radio."""

    def __init__(self, listener: Listener, most: int = costs.CONNECTIONS) -> None:
        self.listener = listener
        self.most = most  # connections
        self.reset()

    def reset(self) -> None:
        """As after power-on."""
        self.address: tuple[int, bytes] = (0, bytes(6))
        self.advertising: tuple[int, bool, bytes, bytes] | None = None
        self.advertising_turn = 0
        self.scan: tuple[int, int, int, bool] | None = None  # start, interval, window, active
        self.scan_turn = 0
        self.target: tuple[int, bytes] | None = None
        self.target_turn = 0
        self.connections: dict[int, Connection] = {}
        self.next_handle = 0


class Air:
    """All radios and who hears whom. ``hears[(a, b)]`` is (loss, rssi) of what b hears of a."""

    def __init__(self, clock: Clock, dice: random.Random, note: Callable[[str, str, str], None]) -> None:
        self._clock = clock
        self._dice = dice
        self._note = note
        self.radios: dict[str, Radio] = {}
        self.hears: dict[tuple[str, str], tuple[float, int]] = {}
        self._recent: list[tuple[int, int, str]] = []  # start, channel, who
        self.watchers: list[Callable[[bytes], None]] = []
        self.advert_watchers: list[Callable[[str, bytes], None]] = []
        self.counters = dict.fromkeys(
            ("adverts", "scan_results", "collisions", "connections", "failed", "packets", "bytes", "lost"), 0
        )

    # Advertising and scanning

    def advertise(
        self, radio: Radio, interval_us: int, connectable: bool, data: bytes, response: bytes
    ) -> None:
        """Start advertising, or stop with an interval of 0."""
        radio.advertising_turn += 1
        if not interval_us:
            radio.advertising = None
            return
        radio.advertising = (interval_us, connectable, data, response)
        turn = radio.advertising_turn
        self._clock.at(
            self._clock.now_us + self._dice.randrange(costs.ADVERTISING_DELAY_US),
            lambda: self._advertise(radio, turn),
        )

    def _advertise(self, radio: Radio, turn: int) -> None:
        if radio.advertising is None or radio.advertising_turn != turn:
            return
        interval_us, connectable, data, response = radio.advertising
        now = self._clock.now_us
        self.counters["adverts"] += 1
        for watch in self.watchers:
            watch(data + response)
        name = radio.listener.name
        for tell in self.advert_watchers:
            tell(name, data)
        hop = costs.ADVERTISING_PDU_US + costs.CHANNEL_HOP_US
        self._recent = [entry for entry in self._recent if entry[0] > now - 4 * hop]
        for channel in range(3):
            self._recent.append((now + channel * hop, channel, name))
        self._clock.at(now + 3 * hop, lambda: self._heard(radio, turn, now, (connectable, data, response)))
        delay = interval_us + self._dice.randrange(costs.ADVERTISING_DELAY_US)
        self._clock.at(now + delay, lambda: self._advertise(radio, turn))

    def shout(self, data: bytes) -> None:
        """One advertisement that nobody answers."""
        self.counters["adverts"] += 1
        for watch in self.watchers:
            watch(data)

    def _heard(self, radio: Radio, turn: int, start: int, what: tuple[bool, bytes, bytes]) -> None:
        connectable, data, response = what
        for name, other in self.radios.items():
            path = self.hears.get((radio.listener.name, name))
            if path is None or (other.scan is None and other.target != radio.address):
                continue
            if other.target == radio.address:
                live = radio.advertising is not None and radio.advertising_turn == turn
                if connectable and live and self._lucky(path[0]) and self._lucky(path[0]):
                    self._connect(other, radio)
                continue
            if self._scanned(other, radio, start, path):
                self.counters["scan_results"] += 1
                kind = ADV_IND if connectable else ADV_NONCONN_IND
                other.listener.scan_result(radio.address, kind, path[1], data)
                if response and other.scan is not None and other.scan[3]:
                    other.listener.scan_result(radio.address, SCAN_RSP, path[1], response)

    def _lucky(self, loss: float) -> bool:
        return loss <= 0 or self._dice.random() >= loss

    def _scanned(self, listener: Radio, sender: Radio, start: int, path: tuple[float, int]) -> bool:
        if listener.scan is None:
            return False
        began, interval, window, _ = listener.scan
        channel = ((start - began) // interval) % 3
        at = start + channel * (costs.ADVERTISING_PDU_US + costs.CHANNEL_HOP_US)
        if (at - began) % interval + costs.ADVERTISING_PDU_US > window or not self._lucky(path[0]):
            return False
        for other_at, other_channel, other in self._recent:
            if other_channel != channel or other in (sender.listener.name, listener.listener.name):
                continue
            heard = self.hears.get((other, listener.listener.name))
            overlap = heard is not None and abs(other_at - at) < costs.ADVERTISING_PDU_US
            if heard is not None and overlap and path[1] - heard[1] < costs.CAPTURE_DB:
                self.counters["collisions"] += 1
                return False
        return True

    def scan(self, radio: Radio, duration_ms: int, interval_us: int, window_us: int, active: bool) -> None:
        """Start scanning, or stop with a duration of 0."""
        radio.scan_turn += 1
        if not duration_ms:
            radio.scan = None
            return
        radio.scan = (self._clock.now_us, max(interval_us, 1), window_us, active)
        turn = radio.scan_turn
        if duration_ms != 0xFFFFFFFF:
            self._clock.at(self._clock.now_us + duration_ms * 1000, lambda: self._scan_over(radio, turn))

    def _scan_over(self, radio: Radio, turn: int) -> None:
        if radio.scan is not None and radio.scan_turn == turn:
            radio.scan = None
            radio.listener.scan_done()

    # Connections

    def connect(self, radio: Radio, address: tuple[int, bytes], timeout_ms: int) -> None:
        """Wait for an advertisement of ``address`` and answer it with a connection."""
        radio.target = address
        radio.target_turn += 1
        turn = radio.target_turn
        self._clock.at(self._clock.now_us + timeout_ms * 1000, lambda: self.cancel(radio, turn))

    def cancel(self, radio: Radio, turn: int | None = None) -> None:
        """Stop connecting."""
        if radio.target is not None and (turn is None or radio.target_turn == turn):
            address = radio.target
            radio.target = None
            radio.target_turn += 1
            self.counters["failed"] += 1
            radio.listener.connect_failed(address)

    def _connect(self, central: Radio, peripheral: Radio) -> None:
        central.target = None
        central.target_turn += 1
        peripheral.advertising = None
        peripheral.advertising_turn += 1
        if any(len(end.connections) >= end.most for end in (central, peripheral)):
            central.listener.connect_failed(peripheral.address)
            return
        self.counters["connections"] += 1
        handles = []
        for end in (central, peripheral):
            while end.next_handle in end.connections:
                end.next_handle += 1
            handles.append(end.next_handle)
            end.next_handle = (end.next_handle + 1) % 64
        anchor = self._clock.now_us + costs.CONNECTION_SETUP_US
        link = Connection(
            (central, peripheral), (handles[0], handles[1]), (central.address, peripheral.address), anchor
        )
        link.heard_us = anchor
        self._note(central.listener.name, "connected", peripheral.listener.name)
        for role, end in enumerate(link.ends):
            end.connections[handles[role]] = link

        def tell() -> None:
            if not link.open:
                # It broke before it stood: for the caller that is a call that failed.
                central.listener.connect_failed(peripheral.address)
            for role, end in enumerate(link.ends):
                if link.open:
                    end.listener.connected(link.handles[role], role, link.addresses[1 - role])

        self._clock.at(anchor, tell)

    def send(self, radio: Radio, handle: int, data: bytes) -> None:
        """Queue a packet on a connection."""
        link = radio.connections.get(handle)
        if link is None:
            return
        link.queues[link.ends.index(radio)].append(data)
        self._plan(link)

    def _plan(self, link: Connection) -> None:
        if link.scheduled or not link.open:
            return
        link.scheduled = True
        now = self._clock.now_us
        interval = costs.CONNECTION_INTERVAL_US
        steps = max(0, -(-(now + 1 - link.anchor_us) // interval))
        if not any(self._reachable(link)):
            steps += 1
        self._clock.at(link.anchor_us + steps * interval, lambda: self._event(link))

    def _reachable(self, link: Connection) -> tuple[bool, bool]:
        a, b = (end.listener.name for end in link.ends)
        return (a, b) in self.hears, (b, a) in self.hears

    def _event(self, link: Connection) -> None:
        """One connection event: up to four packets each way, a lost one ends its direction."""
        link.scheduled = False
        if not link.open:
            return
        now = self._clock.now_us
        heard = False
        for role in (CENTRAL, PERIPHERAL):
            giver, taker = link.ends[role], link.ends[1 - role]
            path = self.hears.get((giver.listener.name, taker.listener.name))
            queue = link.queues[role]
            done = 0
            while queue and done < costs.PDUS_PER_EVENT:
                if path is None or not self._lucky(path[0]):
                    self.counters["lost"] += 1
                    break
                data = queue.pop(0)
                done += 1
                self.counters["packets"] += 1
                self.counters["bytes"] += len(data)
                for watch in self.watchers:
                    watch(data)
                taker.listener.packet(link.handles[1 - role], data)
            if done:
                giver.listener.sent(link.handles[role], done)
            heard = heard or bool(done) or (not queue and path is not None)
        if heard:
            link.heard_us = now
        elif now - link.heard_us >= costs.SUPERVISION_US:
            self.close(link)
            return
        if link.queues[0] or link.queues[1] or not heard:
            self._plan(link)

    def disconnect(self, radio: Radio, handle: int) -> None:
        """End a connection from one side."""
        link = radio.connections.get(handle)
        if link is not None:
            self._clock.at(
                self._clock.now_us + costs.CONNECTION_INTERVAL_US,
                lambda: self.close(link) if link.open else None,
            )

    def close(self, link: Connection) -> None:
        """End a connection for both sides."""
        if not link.open:
            return
        link.open = False
        self._note(link.ends[0].listener.name, "disconnected", link.ends[1].listener.name)
        for role, end in enumerate(link.ends):
            if end.connections.pop(link.handles[role], None) is not None:
                end.listener.disconnected(link.handles[role], role, link.addresses[1 - role])

    def drop(self, a: str, b: str) -> bool:
        """Lose the connections between two boards; whether there was one."""
        links = {
            id(link): link
            for link in self.radios[a].connections.values()
            if {end.listener.name for end in link.ends} == {a, b}
        }
        for link in links.values():
            self.close(link)
        return bool(links)

    def silence(self, radio: Radio) -> None:
        """The board lost power: its peers notice after the supervision timeout."""
        for link in list(radio.connections.values()):
            role = link.ends.index(radio)
            other = link.ends[1 - role]
            link.open = False
            handle = link.handles[1 - role]
            address = link.addresses[role]

            def gone(
                other: Radio = other,
                handle: int = handle,
                role: int = role,
                address: tuple[int, bytes] = address,
            ) -> None:
                if other.connections.pop(handle, None) is not None:
                    other.listener.disconnected(handle, 1 - role, address)

            self._clock.at(self._clock.now_us + costs.SUPERVISION_US, gone)
        turns = (radio.advertising_turn, radio.scan_turn, radio.target_turn)
        radio.reset()
        radio.advertising_turn, radio.scan_turn, radio.target_turn = (turn + 1 for turn in turns)
