"""What an owner asks of a board: settings, pairings, a restart; over a link, or sealed over the mesh."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hedgerow import errors
from hedgerow.boards.naming import checked_name, is_name
from hedgerow.boards.settings import PROFILES
from hedgerow.links.keeper import Keeper
from hedgerow_core import cbor, limits, manage, service, sleep
from hedgerow_core.errors import PeerError

Ask = Callable[[bytes], Awaitable[bytes]]

_PINS = (-1, 48)
_NUMBERS = {
    "shelf_count": (0, limits.BOARD_LETTERS),
    "battery_pin": _PINS,
    "battery_ratio": (100, 10_000),
    "led_pin": _PINS,
    "button_pin": _PINS,
    "sleep_awake": (0, 1_440),
    "sleep_cycle": (0, 1_440),
}
_TRUTHS = ("trace", "led_low")
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_DEFAULT = "default"
# What every board tells besides (docs/protocol.md, "Managing").
_TOLD = {"name": str, "mesh": bytes, "unique": bytes, "firmware": int, "free": int}
SETTINGS = ("name", "profile", *_TRUTHS, *_NUMBERS)


@dataclass(frozen=True)
class Pairing:
    """Who is paired with a board. ``expires``: the minute of the mesh clock at which it ends, 0 for never."""

    id: bytes
    rights: int
    expires: int
    label: str


@dataclass(frozen=True)
class Welcome:
    """What a board gives its owners."""

    name: str
    finding: bytes = field(repr=False)
    care_key: bytes = field(repr=False)


def over(keeper: Keeper) -> Ask:
    """By a link that is open."""

    async def ask(command: bytes) -> bytes:
        answer = await keeper.ask(bytes((service.MANAGE,)) + command, service.MANAGE_IS)
        return answer[1:]

    return ask


def label_of(name: str) -> str:
    """``name`` as long as a board keeps it."""
    return name.encode()[: limits.LABEL_BYTES].decode(errors="ignore").strip()


def settings_of(texts: list[str]) -> dict[str, object]:
    """Settings as people write them, each "name=value"; None for a default. BadSetting, BadBoardName."""
    wanted: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise errors.BadSetting(name=text, reason="write SETTING=VALUE")
        wanted[name] = _setting(name, value)
    _check_sleep(wanted)
    return wanted


def _setting(name: str, text: str) -> object:
    if name not in SETTINGS:
        raise errors.BadSetting(name=name, reason=f"the settings are {', '.join(SETTINGS)}")
    if text == _DEFAULT and name != "name":
        return None
    if name == "name":
        return checked_name(text)
    if name == "profile":
        if text not in PROFILES:
            raise errors.BadSetting(name=name, reason=f"it is one of {', '.join(PROFILES)}")
        return text
    if name in _TRUTHS:
        if text not in _WORDS:
            raise errors.BadSetting(name=name, reason="it is on or off")
        return _WORDS[text]
    least, most = _NUMBERS[name]
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise errors.BadSetting(name=name, reason=f"it is a number from {least} to {most}")
    return number


def _check_sleep(wanted: dict[str, object]) -> None:
    """BadSetting where these settings would let a board sleep without meeting anybody."""
    if "sleep_awake" in wanted or "sleep_cycle" in wanted:
        awake, cycle = wanted.get("sleep_awake") or 0, wanted.get("sleep_cycle") or 0
        whole = "sleep_awake" in wanted and "sleep_cycle" in wanted
        if not (whole and isinstance(awake, int) and isinstance(cycle, int) and sleep.valid(awake, cycle)):
            reason = (
                f"set both: sleep_awake from {sleep.AWAKE_LEAST} on, and less than sleep_cycle; 0 and 0: none"
            )
            raise errors.BadSetting(name="sleep_cycle", reason=reason)


class Managing:
    """One board, by a way that ``ask`` knows. NotOwner where this computer may not ask for it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def config(self) -> dict[str, Any]:
        """The settings that are no keys, and what the board is, as ``_TOLD`` has it. OtherVersion."""
        try:
            found = cbor.decode(await self._done(manage.CONFIG_GET))
        except PeerError:
            raise errors.OtherVersion from None
        if isinstance(found, dict) and all(type(found.get(key)) is kind for key, kind in _TOLD.items()):
            return found
        raise errors.OtherVersion

    async def set_config(self, values: dict[str, object]) -> bool:
        """Put settings; whether the board restarts for them."""
        data = await self._done(manage.CONFIG_SET, cbor.encode(values), bad=errors.SettingRefused)
        return data == b"\1"

    async def rename(self, name: str) -> None:
        """Call the board ``name``."""
        await self.set_config({"name": name})

    async def reboot(self) -> None:
        """Let the board restart."""
        await self._done(manage.REBOOT)

    async def locate(self, seconds: int) -> None:
        """Let its LED blink. NoLed where it has none."""
        await self._done(manage.LOCATE, bytes((seconds,)), failed=errors.NoLed)

    async def pairings(self) -> list[Pairing]:
        """Who is paired with it."""
        try:
            found = manage.decode_pairings(await self._done(manage.PAIRINGS))
        except PeerError:
            raise errors.OtherVersion from None
        return [Pairing(identity, rights, expires, label) for rights, expires, identity, label in found]

    async def pair(self, key: bytes, rights: int, label: str, expires: int = 0) -> Welcome:
        """Add a pairing. TooManyPairings."""
        op = manage.NEW_CODE if rights == manage.CODE else manage.PAIR
        record = manage.encode_record(rights, expires, key, label_of(label))
        return welcome(await self._done(op, record, room=errors.TooManyPairings))

    async def unpair(self, identity: bytes) -> Welcome | None:
        """Take a pairing away; what the board gives those who stay, None for who goes. LastOwner, or
        NoSuchPairing."""
        data = await self._done(
            manage.UNPAIR, identity, refused=errors.LastOwner, failed=errors.NoSuchPairing
        )
        return welcome(data) if data else None

    async def rekey(self, mesh_key: bytes) -> None:
        """Put the board into another mesh, now."""
        await self._done(manage.REKEY, bytes(4) + mesh_key)

    async def _done(
        self,
        op: int,
        more: bytes = b"",
        refused: type[errors.UserError] = errors.NotOwner,
        bad: type[errors.UserError] = errors.OtherVersion,
        failed: type[errors.UserError] = errors.BoardFailed,
        room: type[errors.UserError] = errors.BoardFailed,
    ) -> bytes:
        reply = await self._ask(bytes((op,)) + more)
        return data_of(reply, refused, bad, failed, room)


def data_of(reply: bytes, *otherwise: type[errors.UserError]) -> bytes:
    """What a reply brought, where it was done; else the error for its status."""
    if not reply or reply[0] > len(otherwise):
        raise errors.OtherVersion
    if reply[0] != manage.DONE:
        raise otherwise[reply[0] - 1]()
    return reply[1:]


def welcome(data: bytes) -> Welcome:
    """What came with a new pairing. OtherVersion where it is damaged."""
    try:
        name, finding, care_key = manage.decode_welcome(data)
    except PeerError:
        raise errors.OtherVersion from None
    # The board is no member of the family: what it is called may be anything.
    shown = "".join(c for c in name if c.isprintable() and is_name(c))
    return Welcome(" ".join(shown.split())[:32] or "board", finding, care_key)
