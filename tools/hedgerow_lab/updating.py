"""Updates in the lab: releases of the firmware, who signs them, and a host that brings one to its board."""

import hashlib
import random
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pyhsslms import pyhsslms as hashed

from hedgerow.flashing.build import compile_once, firmware
from hedgerow.flashing.sources import of_checkout
from hedgerow.updates.making import MESH_TTL, envelopes, files_of
from hedgerow_core import envelope, limits, package, service
from hedgerow_core.envelope import Envelope
from hedgerow_core.slot_state import decode_state
from hedgerow_lab.build import TOP
from hedgerow_lab.courier import Courier, key
from hedgerow_lab.world import Lab

_ANSWER_MS = 2_000
_TRIES = 10
APP = "hedgerow_board/app.mpy"


def release(
    number: int, dies_s: int | None = None, changed: tuple[str, str, str] | None = None
) -> dict[str, bytes]:
    """The firmware of this checkout as if it were another release: path -> content. With ``dies_s`` it runs
    well for so long after each start, and then ends in an error; ``changed`` is a module, what stands there
    once, and what does in its place."""
    sources = of_checkout(TOP)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "firmware"
        shutil.copytree(sources.firmware, copy, ignore=shutil.ignore_patterns("__pycache__"))
        path = copy / "hedgerow_board" / "version.py"
        path.write_text(re.sub(r"NUMBER = \d+", f"NUMBER = {number}", path.read_text()))
        if dies_s is not None:
            path = copy / "hedgerow_board" / "app.py"
            place = "            now = self.now()\n            if not self._wire.waits():\n"
            before, after = path.read_text().split(place)
            dies = (
                f"            if self.now() > {dies_s * 1_000}:\n                raise RuntimeError('late')\n"
            )
            path.write_text(before + dies + place + after)
        if changed is not None:
            module, old, new = changed
            path = copy / "hedgerow_board" / module
            before, after = path.read_text().split(old)
            path.write_text(before + new + after)
        return files_of(firmware(replace(sources, firmware=copy)))


def compiled_app(source: str) -> bytes:
    """``source`` in place of the firmware's main module."""
    cache = of_checkout(TOP).cache
    return (compile_once({"app": source}, lambda: {"app.py": source}, cache) / "app.mpy").read_bytes()


class Signer:
    """Signs for a mesh of the lab, with a small tree, which takes no time to make."""

    def __init__(self, mesh: str = "meadow", who: str = "ada") -> None:
        seed = key("signer", who)
        self._private = hashed.LmsPrivateKey(
            hashed.lms_sha256_m32_h5, hashed.lmots_sha256_n32_w4, SEED=seed, I=seed[:16]
        )
        self.key: bytes = self._private.publicKey().serialize()
        self.mark = package.mark_of(key("mesh", mesh))
        self._dice = random.Random(f"updates {mesh} {who}")

    def sign(self, message: bytes) -> tuple[int, bytes]:
        """(number of the one-time key, signature)."""
        leaf: int = self._private.q
        return leaf, self._private.sign(message)

    def update(
        self,
        files: Mapping[str, bytes],
        number: int,
        target: bytes = package.EVERYBODY,
        downgrade: bool = False,
    ) -> list[Envelope]:
        """The envelopes of an update, the head last."""
        return envelopes(files, number, self.sign, self.mark, self._dice.randbytes, target, downgrade)


def numbers_of(lab: Lab, couriers: Mapping[str, Courier]) -> dict[str, list[int]]:
    """What the boards say of their firmware (hedgerow_core.slot_state); one that restarts has some time."""
    waiting = {name: courier for name, courier in couriers.items() if lab.boards[name].powered}
    found: dict[str, list[int]] = {}
    for courier in waiting.values():
        courier.answers.pop(service.UPDATE_IS, None)
    for _ in range(_TRIES):
        for name, courier in waiting.items():
            if name not in found:
                courier.ask(bytes((service.UPDATE,)))
        lab.run_until(lab.now_ms + _ANSWER_MS)
        for name, courier in waiting.items():
            answer = courier.answers.get(service.UPDATE_IS)
            if answer is not None:
                found[name] = decode_state(answer)[0]
        if len(found) == len(waiting):
            break
    return found


def head_of(mark: bytes, head: package.Head) -> Envelope:
    """The envelope of a head that says what it likes, as a member could make it."""
    body = head.encode(mark)
    body += bytes(envelope.padded_body_size(len(body)) - len(body))
    lock = hashlib.sha256(body).digest()[: limits.LOCK_BYTES]
    return envelope.make(envelope.NORMAL, MESH_TTL, lock, body, shared=True)


def piece_of(body: bytes) -> Envelope:
    """The envelope of a piece that nobody signed."""
    lock = hashlib.sha256(body).digest()[: limits.LOCK_BYTES]
    return envelope.make(envelope.NORMAL, MESH_TTL, lock, body)
