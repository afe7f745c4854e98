"""Whether a board that was flashed just now works: asked over its link, as any host asks."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from hedgerow import errors as all_errors
from hedgerow.flashing import errors, ports
from hedgerow.flashing.ports import Port
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node
from hedgerow_core import service

_LINK_S = 60.0
_AGAIN_S = 0.5
_CLOCK_S = 2.5
_CLOCK_SLACK_S = 2
_LEAST_HEAP_BYTES = 16_384

# What no other try mends.
_FOR_GOOD = (all_errors.WrongPairingKey, all_errors.OtherVersion)


@dataclass(frozen=True)
class Report:
    """What the board said. ``link_s``: from the restart until it was linked."""

    name: str
    heap_bytes: int
    starts: int
    link_s: float


def run(
    node: Node,
    port: Port,
    key: bytes,
    address: str,
    now: Callable[[], int],
    progress: Callable[[float], None],
) -> Report:
    """Link to the board and look at it. NoLink where that cannot be done, SelfTestFailed."""
    return asyncio.run(_run(node, port, key, address, now, progress))


async def _run(
    node: Node,
    port: Port,
    key: bytes,
    address: str,
    now: Callable[[], int],
    progress: Callable[[float], None],
) -> Report:
    begin = time.monotonic()
    keeper = await _linked(node, port, key, now, begin, progress)
    link_s = time.monotonic() - begin
    try:
        first, name = await keeper.status()
        await asyncio.sleep(_CLOCK_S)
        second, _ = await keeper.status()
    except all_errors.UserError as error:
        raise errors.NoLink(reason=_reason(error)) from None
    finally:
        await keeper.close()
    reason = wrong(first, second, round(_CLOCK_S))
    if reason:
        raise errors.SelfTestFailed(reason=reason)
    return Report(name, first[5], first[6], link_s)


async def _linked(
    node: Node,
    port: Port,
    key: bytes,
    now: Callable[[], int],
    begin: float,
    progress: Callable[[float], None],
) -> Keeper:
    reason = "no answer"
    while (passed_s := time.monotonic() - begin) < _LINK_S:
        progress(passed_s / _LINK_S)
        port = ports.moved(port)
        keeper = Keeper(node, f"serial:{port.device}", [key], now, lambda found: None)
        try:
            await keeper.open()
            return keeper
        except _FOR_GOOD as error:
            raise errors.NoLink(reason=_reason(error)) from None
        except all_errors.UserError as error:
            reason = _reason(error)
        await asyncio.sleep(_AGAIN_S)
    raise errors.NoLink(reason=reason)


def _reason(error: Exception) -> str:
    """The part of an error's sentence that says what happened."""
    return str(error).partition(":")[0]


def wrong(first: tuple[int, ...], second: tuple[int, ...], passed_s: int) -> str:
    """What is wrong with a board that told its status twice, ``passed_s`` apart; "" where nothing is."""
    heap, damage, safe = first[5], first[9], first[10]
    if heap < _LEAST_HEAP_BYTES:
        return f"only {heap} bytes of its heap are free: run the same command again without --keep-data"
    if damage != service.SOUND:
        return "its flash is damaged: run the same command again without --keep-data"
    if safe:
        return (
            "it is in safe mode, with its radio off, for it failed to start: `hedgerow board log` tells why"
        )
    if abs(second[4] - first[4] - passed_s) > _CLOCK_SLACK_S:
        return f"its clock counted {second[4] - first[4]} s in {passed_s} s: take another board"
    return ""
