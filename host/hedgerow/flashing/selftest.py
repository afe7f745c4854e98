"""Whether a board that was flashed just now works: asked over its link, as any host asks."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hedgerow import errors as all_errors
from hedgerow.flashing import errors, limits, ports
from hedgerow.flashing.ports import Port
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node
from hedgerow_core import cbor, manage, service
from hedgerow_core.errors import PeerError

_AGAIN_S = 0.5
_CLOCK_S = 2.5
_CLOCK_SLACK_S = 2
_LEAST_HEAP_BYTES = 16_384
_LEAST_FLASH_BYTES = 65_536

# What no other try mends.
_FOR_GOOD = (all_errors.WrongPairingKey, all_errors.OtherVersion)


@dataclass(frozen=True)
class Report:
    """What the board said. ``link_s``: from the restart until it was linked."""

    name: str
    heap_bytes: int
    flash_bytes: int
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
        reply = await keeper.ask(bytes((service.MANAGE, manage.CONFIG_GET)), service.MANAGE_IS)
        config = cbor.decode(reply[2:]) if reply[1:2] == bytes((manage.DONE,)) else None
        if not isinstance(config, dict):
            raise PeerError("no settings")
    except PeerError:
        raise errors.NoLink(reason=_reason(all_errors.OtherVersion())) from None
    except all_errors.UserError as error:
        raise errors.NoLink(reason=_reason(error)) from None
    finally:
        await keeper.close()
    reason = wrong(first, second, round(_CLOCK_S), config, address)
    if reason:
        raise errors.SelfTestFailed(reason=reason)
    return Report(name, first[5], config["free"], first[6], link_s)


async def _linked(
    node: Node,
    port: Port,
    key: bytes,
    now: Callable[[], int],
    begin: float,
    progress: Callable[[float], None],
) -> Keeper:
    reason = "no answer"
    while (passed_s := time.monotonic() - begin) < limits.LINK_S:
        progress(passed_s / limits.LINK_S)
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


def wrong(
    first: tuple[int, ...], second: tuple[int, ...], passed_s: int, config: Mapping[str, Any], address: str
) -> str:
    """What is wrong with a board that told its status twice, ``passed_s`` apart, and its ``config``; "" where
    nothing is. ``address``: that of the chip that was flashed, "" where nobody knows."""
    heap, damage, safe = first[5], first[9], first[10]
    if heap < _LEAST_HEAP_BYTES:
        return f"only {heap} bytes of its heap are free: run the same command again without --keep-data"
    free = config.get("free")
    if damage != service.SOUND or not isinstance(free, int) or free < _LEAST_FLASH_BYTES:
        return "its flash is damaged or full: run the same command again without --keep-data"
    if safe:
        return "it is in safe mode, for it failed to start: `hedgerow board log` tells why"
    if config.get("radio") is not True:
        return "its radio does not start: press RESET, and run the same command again"
    if abs(second[4] - first[4] - passed_s) > _CLOCK_SLACK_S:
        return f"its clock counted {second[4] - first[4]} s in {passed_s} s: take another board"
    unique = config.get("unique")
    if address and (not isinstance(unique, bytes) or unique.hex() != address.replace(":", "")):
        return f"it is another board than {address}, which was flashed: plug in one at a time"
    return ""
