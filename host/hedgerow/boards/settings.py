"""What a board's settings files hold (docs/protocol.md, "Settings"), made and read on the host."""

from dataclasses import dataclass, field, fields, replace

from hedgerow import errors
from hedgerow.boards.naming import checked_name
from hedgerow_core import cbor, limits, slots
from hedgerow_core.errors import PeerError

FILES = ("settings.a", "settings.b")
PROFILES = ("relay", "balanced", "saver", "private")
NO_PIN = -1
_KEY_BYTES = 32
_SLOT_HEAD_BYTES = 8


@dataclass(frozen=True)
class BoardSettings:
    """Each field as the board has it; None where the board has its default."""

    name: str
    mesh_key: bytes = field(repr=False)
    pairing_key: bytes | None = field(default=None, repr=False)
    pairings: bytes | None = field(default=None, repr=False)  # records of hedgerow_core.manage
    finding: bytes | None = field(default=None, repr=False)
    care_key: bytes | None = field(default=None, repr=False)
    update_key: bytes | None = None
    profile: str | None = None
    shelf_count: int | None = None
    trace: bool | None = None
    battery_pin: int | None = None
    battery_ratio: int | None = None
    led_pin: int | None = None
    led_low: bool | None = None
    button_pin: int | None = None
    sleep_awake: int | None = None
    sleep_cycle: int | None = None

    def content(self) -> bytes:
        """The CBOR map. BadBoardName, or BadSetting."""
        checked_name(self.name)
        sizes = {"mesh_key": _KEY_BYTES, "pairing_key": _KEY_BYTES, "care_key": _KEY_BYTES, "finding": 16}
        for name, size in sizes.items():
            value = getattr(self, name)
            if value is not None and len(value) != size:
                raise errors.BadSetting(name=name, reason=f"it has {len(value)} bytes, not {size}")
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        content = cbor.encode({name: value for name, value in found.items() if value is not None})
        if len(content) > limits.SETTINGS_BYTES - _SLOT_HEAD_BYTES:
            raise errors.BadSetting(name="settings", reason=f"{len(content)} bytes are too many")
        return content

    def slot(self, generation: int = 1) -> bytes:
        """One of the two files."""
        return slots.seal(generation, self.content())

    def changed(self, **values: object) -> "BoardSettings":
        """With other values."""
        return replace(self, **values)  # type: ignore[arg-type]


def parse(content: bytes) -> BoardSettings:
    """Read a CBOR map; fields of later versions are left out. PeerError where it is damaged."""
    found = cbor.decode(content)
    if not isinstance(found, dict):
        raise PeerError("damaged settings")
    known = {one.name: found[one.name] for one in fields(BoardSettings) if one.name in found}
    if not isinstance(known.get("name"), str) or not isinstance(known.get("mesh_key"), bytes):
        raise PeerError("damaged settings")
    return BoardSettings(**known)


def newest(files: list[bytes]) -> tuple[int, BoardSettings] | None:
    """(generation, settings) of a board's files; None where none is whole. PeerError for other content."""
    at = slots.newest(files)
    if at < 0:
        return None
    return slots.generation(files[at]), parse(slots.content(files[at]))
