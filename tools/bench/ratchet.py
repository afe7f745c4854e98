"""Sealing and opening a letter, beside DoubleRatchet, vodozemac (Olm, Rust) and the bare ciphers.

All take turns in each round, in one process and on its processor time, so that a ratio means something. Ours
includes the look-up by lock and the locks that are derived for the next letters; the others are handed their
header.
"""

import contextlib
import hashlib
import hmac
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from hedgerow.identity import keys
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet.state import Place
from hedgerow.ratchet.windows import Windows

PEERS = ["DoubleRatchet", "vodozemac"]

TEXT = b"\x01\x05\x01\x03" + bytes(3) + b"see you at the bench"  # an entry: 7 bytes and 20 characters
SKIPPED = 1_000
AD = b"a" * 136


class Conversation(Protocol):
    """Two people; both wrote already."""

    def one_way(self) -> None:
        """The first writes, the other reads."""

    def turn(self) -> None:
        """One writes, the other reads; the next time the other way round."""

    def overtaken(self) -> tuple[int, int]:
        """(how many of 1,000 letters that were overtaken are read, bytes of the reader's state then)."""


class Ours:
    """Our ratchet."""

    def __init__(self) -> None:
        private, root = os.urandom(32), os.urandom(32)
        self._states = [
            ratchet.start_writer(root, AD, keys.dh_public(private), os.urandom),
            ratchet.start_reader(root, AD, private),
        ]
        self._windows = [Windows(), Windows()]
        self._writer = 0
        for windows, state in zip(self._windows, self._states, strict=True):
            windows.follow(state)
        for _ in range(4):
            self.turn()

    def _pass(self, writer: int) -> None:
        self._states[writer], lock, body, _ = ratchet.encrypt(self._states[writer], TEXT)
        self._read(1 - writer, lock, body)

    def _read(self, reader: int, lock: bytes, body: bytes) -> None:
        place = self._windows[reader].locks[lock]
        state, text, _ = ratchet.decrypt(self._states[reader], place, lock, body, os.urandom)
        assert text == TEXT
        self._states[reader] = state
        self._windows[reader].follow(state)

    def one_way(self) -> None:
        self._pass(0)

    def turn(self) -> None:
        self._pass(self._writer)
        self._writer = 1 - self._writer

    def turn_without_locks(self) -> None:
        """``turn`` where the reader is told which letter it is."""
        writer, reader = self._writer, 1 - self._writer
        place = Place(self._states[writer].hks, self._states[writer].ns)
        self._states[writer], lock, body, _ = ratchet.encrypt(self._states[writer], TEXT)
        opened = ratchet.decrypt(self._states[reader], place, lock, body, os.urandom)
        self._states[reader], text, _ = opened
        assert text == TEXT
        self._writer = reader

    def overtaken(self) -> tuple[int, int]:
        letters = []
        for _ in range(SKIPPED + 1):
            self._states[0], lock, body, _ = ratchet.encrypt(self._states[0], TEXT)
            letters.append((lock, body))
        lock, body = letters.pop()
        found = {**ratchet.locks(self._states[1]), **ratchet.deep_locks(self._states[1])}
        self._states[1] = ratchet.decrypt(self._states[1], found[lock], lock, body, os.urandom)[0]
        self._windows[1].follow(self._states[1])
        size = len(self._states[1].to_cbor())
        for lock, body in letters:
            self._read(1, lock, body)
        return len(letters), size


class Floor:
    """What no ratchet can do without: 4 HMACs and an AEAD a letter; keys and two agreements a turn."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._private = os.urandom(32)
        self._public = keys.dh_public(self._private)

    def one_way(self) -> None:
        for constant in (b"\x01", b"\x02", b"\x01", b"\x02"):
            key = hmac.digest(self._key, constant, hashlib.sha256)
        keys.unseal(key, keys.seal(key, TEXT, AD), AD)

    def turn(self) -> None:
        self.one_way()
        # The writer agreed when it read; who reads agrees twice, with its old key and its new one.
        self._public = keys.dh_public(keys.dh(self._private, self._public))
        keys.dh(self._private, self._public)


def result(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine gives that waits for nothing: kinder to the peer than a loop."""
    try:
        coroutine.send(None)
    except StopIteration as stopped:
        return stopped.value
    raise AssertionError("a coroutine that waits")


class DoubleRatchetPeer:
    """The package DoubleRatchet with what the specification recommends."""

    def __init__(self) -> None:
        from doubleratchet import DoubleRatchet, Header
        from doubleratchet.recommended import (
            HashFunction,
            aead_aes_hmac,
            diffie_hellman_ratchet_curve25519,
            kdf_hkdf,
            kdf_separate_hmacs,
        )

        class Ratchet(DoubleRatchet):
            @staticmethod
            def _build_associated_data(associated_data: bytes, header: Header) -> bytes:
                numbers = (header.previous_sending_chain_length, header.sending_chain_length)
                return associated_data + header.ratchet_pub + b"".join(n.to_bytes(4, "big") for n in numbers)

        class RootKdf(kdf_hkdf.KDF):
            @staticmethod
            def _get_hash_function() -> HashFunction:
                return HashFunction.SHA_256

            @staticmethod
            def _get_info() -> bytes:
                return b"root"

        class ChainKdf(kdf_separate_hmacs.KDF):
            @staticmethod
            def _get_hash_function() -> HashFunction:
                return HashFunction.SHA_256

        class Aead(aead_aes_hmac.AEAD):
            @staticmethod
            def _get_hash_function() -> HashFunction:
                return HashFunction.SHA_256

            @staticmethod
            def _get_info() -> bytes:
                return b"message"

        private = os.urandom(32)
        settings = {
            "diffie_hellman_ratchet_class": diffie_hellman_ratchet_curve25519.DiffieHellmanRatchet,
            "root_chain_kdf": RootKdf,
            "message_chain_kdf": ChainKdf,
            "message_chain_constant": b"\x02\x01",
            "dos_protection_threshold": 2_000,
            "max_num_skipped_message_keys": 2_000,
            "aead": Aead,
            "shared_secret": os.urandom(32),
            "associated_data": AD,
        }
        first, message = result(
            Ratchet.encrypt_initial_message(
                **settings, recipient_ratchet_pub=keys.dh_public(private), message=TEXT
            )
        )
        second, _ = result(
            Ratchet.decrypt_initial_message(**settings, own_ratchet_priv=private, message=message)
        )
        self._sides = [first, second]
        self._writer = 1
        for _ in range(4):
            self.turn()

    def _pass(self, writer: int) -> None:
        message = result(self._sides[writer].encrypt_message(TEXT, AD))
        assert result(self._sides[1 - writer].decrypt_message(message, AD)) == TEXT

    def one_way(self) -> None:
        self._pass(0)

    def turn(self) -> None:
        self._pass(self._writer)
        self._writer = 1 - self._writer

    def overtaken(self) -> tuple[int, int]:
        letters = [result(self._sides[0].encrypt_message(TEXT, AD)) for _ in range(SKIPPED + 1)]
        result(self._sides[1].decrypt_message(letters.pop(), AD))
        size = len(json.dumps(self._sides[1].json))
        for letter in letters:
            assert result(self._sides[1].decrypt_message(letter, AD)) == TEXT
        return len(letters), size


class VodozemacPeer:
    """Olm, as Matrix has it, in Rust."""

    def __init__(self) -> None:
        import vodozemac

        self._failure = vodozemac.OlmDecryptionException
        one, other = vodozemac.Account(), vodozemac.Account()
        other.generate_one_time_keys(1)
        (key,) = other.one_time_keys.values()
        session = one.create_outbound_session(other.curve25519_key, key)
        message = session.encrypt(TEXT)
        answering, _ = other.create_inbound_session(one.curve25519_key, message.to_pre_key())
        self._sides = [session, answering]
        self._writer = 1
        for _ in range(4):
            self.turn()

    def _pass(self, writer: int) -> None:
        assert self._sides[1 - writer].decrypt(self._sides[writer].encrypt(TEXT)) == TEXT

    def one_way(self) -> None:
        self._pass(0)

    def turn(self) -> None:
        self._pass(self._writer)
        self._writer = 1 - self._writer

    def overtaken(self) -> tuple[int, int]:
        letters = [self._sides[0].encrypt(TEXT) for _ in range(SKIPPED + 1)]
        self._sides[1].decrypt(letters.pop())
        size = len(self._sides[1].pickle(bytes(32)))
        read = 0
        for letter in letters:
            with contextlib.suppress(self._failure):
                read += self._sides[1].decrypt(letter) == TEXT
        return read, size


def peers() -> dict[str, Conversation]:
    """Those that are installed here."""
    found: dict[str, Conversation] = {}
    for name, make in (("DoubleRatchet", DoubleRatchetPeer), ("vodozemac", VodozemacPeer)):
        try:
            found[name] = make()
        except ImportError:
            continue
    return found


def took_us(work: Callable[[], None], repeats: int) -> float:
    """Microseconds of this process for one."""
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats * 1e6


def compare(
    metric: str, works: dict[str, Callable[[], None]], rounds: int, repeats: int, goals: dict[str, float]
) -> None:
    """A line for the time, one for each ratio."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(took_us(work, repeats))
    beside = {name: round(statistics.median(some), 2) for name, some in times.items()}
    how = f"seal and open, processor time, median of {rounds} interleaved rounds of {repeats}"
    print_line(metric, beside.pop("ours"), "us (noisy)", None, beside, how)
    for name in beside:
        pairs = zip(times["ours"], times[name], strict=True)
        ratio = round(statistics.median(ours / theirs for ours, theirs in pairs), 2)
        how = "median of the ratios of each round; below 1 ours is faster"
        print_line(f"{metric}_ratio_{name}", ratio, "times", goals.get(name), {name: 1}, how)


def main(quick: bool) -> None:
    """Time, what is left after a gap, and how large the state is then."""
    rounds, repeats = (2, 3) if quick else (40, 100)
    others = peers()
    ours, floor = Ours(), Floor()
    ways: dict[str, Conversation] = {"ours": ours, **others}
    one_way = {"floor": floor.one_way, **{name: some.one_way for name, some in ways.items()}}
    goals = {"DoubleRatchet": 0.25, "vodozemac": 2}
    compare("ratchet_us_oneway", one_way, rounds, repeats, goals)
    turns = {"floor": floor.turn, **{name: some.turn for name, some in ways.items()}}
    compare("ratchet_us_pingpong", turns, rounds, max(2, repeats // 5), {})
    # What it costs to be found by a lock: 256 locks of a new chain each turn.
    turns["ours"] = Ours().turn_without_locks
    compare("ratchet_us_pingpong_without_locks", turns, rounds, max(2, repeats // 5), {})
    read, size = ours.overtaken()
    beside = {name: some.overtaken() for name, some in others.items()}
    how = f"{SKIPPED} letters that arrive behind a later one; more is better"
    recovered = {name: some[0] for name, some in beside.items()}
    print_line("ratchet_recovered_of_1000", read, "letters", SKIPPED, recovered, how)
    how = f"the reader's state as stored, with {SKIPPED} keys jumped over; who keeps fewer needs fewer bytes"
    sizes = {name: some[1] for name, some in beside.items()}
    print_line("ratchet_state_bytes", size, "bytes", 64_000, sizes, how)


def print_line(metric: str, value: float, unit: str, goal: object, beside: dict[str, Any], how: str) -> None:
    """One figure."""
    fields = {"metric": metric, "value": value, "unit": unit, "goal": goal, "peers": beside, "how": how}
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    try:
        main("--quick" in sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
