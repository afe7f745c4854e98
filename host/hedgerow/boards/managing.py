"""What an owner asks of a board: settings, pairings, a restart; over a link, or sealed over the mesh."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hedgerow import errors
from hedgerow.boards import telling
from hedgerow.boards.naming import is_name
from hedgerow.links.keeper import Keeper
from hedgerow_core import cbor, limits, manage, service
from hedgerow_core.errors import PeerError

Ask = Callable[[bytes], Awaitable[bytes]]


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


class Managing:
    """One board, by a way that ``ask`` knows. NotOwner where this computer may not ask for it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def config(self) -> dict[str, Any]:
        """The settings that are no keys, and what the board is, as ``telling.TOLD`` has it. OtherVersion."""
        try:
            return telling.read_config(await self._done(manage.CONFIG_GET))
        except PeerError:
            raise errors.OtherVersion from None

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
