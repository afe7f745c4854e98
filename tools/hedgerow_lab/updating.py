"""Updates in the lab: releases of the firmware, who signs them, and a host that brings one to its board."""

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
from hedgerow.updates.making import envelopes, files_of
from hedgerow_core import package, service
from hedgerow_core.envelope import Envelope
from hedgerow_core.slot_state import decode_state
from hedgerow_lab.build import TOP
from hedgerow_lab.courier import Courier, key
from hedgerow_lab.world import Lab

_ANSWER_MS = 2_000
APP = "hedgerow_board/app.mpy"


def release(number: int) -> dict[str, bytes]:
    """The firmware of this checkout as if it were another release: path -> content."""
    sources = of_checkout(TOP)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "firmware"
        shutil.copytree(sources.firmware, copy, ignore=shutil.ignore_patterns("__pycache__"))
        path = copy / "hedgerow_board" / "version.py"
        path.write_text(re.sub(r"NUMBER = \d+", f"NUMBER = {number}", path.read_text()))
        return files_of(firmware(replace(sources, firmware=copy)))


def compiled_app(source: str) -> bytes:
    """``source`` in place of the firmware's main module."""
    cache = of_checkout(TOP).cache
    return (compile_once({"app": source}, lambda: {"app.py": source}, cache) / "app.mpy").read_bytes()


class Signer:
    """Signs for a mesh of the lab, with a small tree, which takes no time to make."""

    def __init__(self, mesh: str = "meadow") -> None:
        seed = key("signer", mesh)
        self._private = hashed.LmsPrivateKey(
            hashed.lms_sha256_m32_h5, hashed.lmots_sha256_n32_w4, SEED=seed, I=seed[:16]
        )
        self.key: bytes = self._private.publicKey().serialize()
        self._mark = package.mark_of(key("mesh", mesh))
        self._dice = random.Random(f"updates {mesh}")

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
        return envelopes(files, number, self.sign, self._mark, self._dice.randbytes, target, downgrade)


def numbers_of(lab: Lab, couriers: Mapping[str, Courier]) -> dict[str, list[int]]:
    """What the boards that answer say of their firmware (hedgerow_core.slot_state)."""
    for courier in couriers.values():
        courier.answers.pop(service.UPDATE_IS, None)
        courier.ask(bytes((service.UPDATE,)))
    lab.run_until(lab.now_ms + _ANSWER_MS)
    found = {name: courier.answers.get(service.UPDATE_IS) for name, courier in couriers.items()}
    return {name: decode_state(answer)[0] for name, answer in found.items() if answer is not None}
