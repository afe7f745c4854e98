"""What the commands share that ask one board something."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from hedgerow.cli.linking import keys_for
from hedgerow.cli.terminal import now_ms
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node

# Why a board started, as the service has them.
CAUSES = ("unknown", "power", "reset", "watchdog", "deep sleep", "soft reset")

T = TypeVar("T")


async def linked(node: Node, keeper: Keeper, ask: Callable[[], Awaitable[T]]) -> T:
    """What ``ask`` gives while the board is linked; the key that worked is remembered."""
    try:
        await keeper.open()
        if keeper.key is not None:
            node.remember_key(keeper.key, now_ms())
        return await ask()
    finally:
        await keeper.close()


def keeper_for(node: Node, board: str, key_file: Path | None) -> Keeper:
    """For ``board``, with the keys to try; it says nothing of letters."""
    return Keeper(node, board, keys_for(node, key_file), now_ms, lambda found: None)


def hours(seconds: int) -> str:
    """3:05 for three hours and five minutes."""
    whole, minutes = divmod(seconds // 60, 60)
    return f"{whole}:{minutes:02}"


def counted(number: int, one: str, more: str = "") -> str:
    """ "1 letter", "2,000 letters"."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def percent_of(battery: int) -> int | None:
    """Of a battery as NAME tells it; None where nobody knows."""
    return battery - 1 if 1 <= battery <= 101 else None
