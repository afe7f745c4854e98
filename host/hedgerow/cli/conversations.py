"""Commands about what was said: delete, timer, receipts."""

import re
from enum import Enum
from typing import Annotated

import typer

from hedgerow import errors
from hedgerow.cli.terminal import AsJson, now_ms, open_node, print_json
from hedgerow.conversations import TIMER_MINUTES_MAX

_UNITS = {"m": 1, "h": 60, "d": 24 * 60, "w": 7 * 24 * 60}
_OFF = "off"
_ALL = "all"


class Receipts(Enum):
    """What the command takes."""

    ON = "on"
    OFF = _OFF


def minutes_of(wanted: str) -> int:
    """The minutes of `30m`, `8h`, `7d`, `4w`; 0 for `off`. UnknownDuration."""
    if wanted == _OFF:
        return 0
    minutes = _minutes(wanted)
    if not minutes:
        raise errors.UnknownDuration(wanted=wanted)
    return minutes


def duration_of(wanted: str) -> int:
    """The minutes of what has to have some. NoDuration."""
    minutes = _minutes(wanted)
    if not minutes:
        raise errors.NoDuration(wanted=wanted)
    return minutes


def _minutes(wanted: str) -> int:
    """0 where it is none, or too long."""
    found = re.fullmatch("([1-9][0-9]{0,5})([mhdw])", wanted)
    minutes = int(found[1]) * _UNITS[found[2]] if found else 0
    return minutes if minutes <= TIMER_MINUTES_MAX else 0


def spoken(minutes: int) -> str:
    """ "off", "8 hours", "1 day"."""
    if not minutes:
        return _OFF
    for unit, size in (("week", _UNITS["w"]), ("day", _UNITS["d"]), ("hour", _UNITS["h"])):
        if minutes % size == 0:
            return f"{minutes // size} {unit}{'s' if minutes > size else ''}"
    return f"{minutes} minute{'s' if minutes > 1 else ''}"


def delete(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help="The letter, as `hedgerow sent` or --json numbers it.")],
    here: Annotated[bool, typer.Option("--here", help="Only on this device.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a letter of yours here, and ask those who have it to erase it, too.

    Their Hedgerow does so when it hears of that. Who saw the letter, or runs something else, may keep it.
    """
    node = open_node(context)
    node.poll(now_ms())
    gone = node.remove(number, here, now_ms())
    node.close()
    if as_json:
        print_json(deleted=number, name=gone.name, here=here)
    elif here:
        print("Erased on this device.")
    else:
        print(f"Erased here. {gone.name} is asked to erase it with the next board; what was seen was seen.")


def timer(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A contact, as `hedgerow contacts` shows it.")],
    wanted: Annotated[
        str | None, typer.Argument(help="30m, 8h, 7d, 4w, or off.", metavar="[TIME]", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show or choose after what time the letters of a conversation disappear, on both sides.

    It runs for theirs from when they were read, for yours from when you wrote them.
    """
    minutes = None if wanted is None else minutes_of(wanted)
    node = open_node(context)
    node.poll(now_ms())
    if minutes is not None:
        node.set_timer(name, minutes, now_ms())
    now = node.timer(name)
    node.close()
    if as_json:
        print_json(name=name, minutes=now)
    elif now:
        print(f"New letters with {name} disappear {spoken(now)} after they were read.")
    else:
        print(f"Letters with {name} stay.")


def keep(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A contact or a group.")],
    wanted: Annotated[
        str | None, typer.Argument(help="30d, 12w, or all.", metavar="[TIME]", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show or choose how long letters of a conversation are kept on this device. Pinned ones stay."""
    minutes = None if wanted in (None, _ALL) else minutes_of(str(wanted))
    if minutes is not None and minutes % _UNITS["d"]:
        raise errors.UnknownDuration(wanted=wanted)
    node = open_node(context)
    node.poll(now_ms())
    if wanted is not None:
        node.keep(name, None if minutes is None else minutes // _UNITS["d"], now_ms())
    days = node.kept_days(name)
    node.close()
    if as_json:
        print_json(name=name, days=days)
    elif days is None:
        print(f"Letters with {name} are kept.")
    else:
        days_said = spoken(days * _UNITS["d"])
        print(f"Letters with {name} are erased here after {days_said}; pinned ones stay.")


def receipts(
    context: typer.Context,
    wanted: Annotated[
        Receipts | None, typer.Argument(help="From now on.", metavar="[on|off]", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show or choose whether people are told that you read what they wrote. That it came is always proved."""
    node = open_node(context)
    if wanted is not None:
        node.choose_receipts(wanted is Receipts.ON)
    told = node.receipts
    node.close()
    if as_json:
        print_json(receipts=told)
    else:
        print("People are told what you read." if told else "Nobody is told what you read.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: hedgerow delete 12")(delete)
    app.command(epilog="Example: hedgerow timer Bob 7d")(timer)
    app.command(epilog="Example: hedgerow keep Bob 30d")(keep)
    app.command(epilog="Example: hedgerow receipts on")(receipts)
