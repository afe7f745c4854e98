"""What the commands share that ask one board something."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from hedgerow.cli.linking import keeper_for, open_known
from hedgerow.cli.terminal import shown
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node

# Why a board started, as the service has them.
CAUSES = ("unknown", "power", "reset", "watchdog", "deep sleep", "soft reset")

__all__ = ["CAUSES", "counted", "hours", "keeper_for", "linked", "percent_of", "spoken"]

T = TypeVar("T")


async def linked(node: Node, keeper: Keeper, ask: Callable[[], Awaitable[T]]) -> T:
    """What ``ask`` gives while the board is linked."""
    try:
        await open_known(node, keeper)
        return await ask()
    finally:
        await keeper.close()


def hours(seconds: int) -> str:
    """3:05 for three hours and five minutes."""
    whole, minutes = divmod(seconds // 60, 60)
    return f"{whole}:{minutes:02}"


def counted(number: int, one: str, more: str = "") -> str:
    """ "1 letter", "2,000 letters"."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def spoken(value: object) -> str:
    """A setting as people read it; what is no setting as it is."""
    return ("on" if value else "off") if isinstance(value, bool) else shown(str(value))


def percent_of(battery: int) -> int | None:
    """Of a battery as NAME tells it; None where nobody knows."""
    return battery - 1 if 1 <= battery <= 101 else None
