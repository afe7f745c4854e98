"""What a board's settings files hold (docs/protocol.md, "Settings"), made and read on the host."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from hedgerow import errors
from hedgerow.boards.naming import checked_name
from hedgerow_core import cbor, limits, manage, slots
from hedgerow_core.errors import PeerError

FILES = ("settings.a", "settings.b")
PROFILES = ("relay", "balanced", "saver", "private")
NO_PIN = -1
_SLOT_HEAD_BYTES = 8
_OTHERS = "others"


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
    next_key: bytes | None = field(default=None, repr=False)  # the mesh key from minute ``next_at`` on
    next_at: int | None = None
    update_leaf: int | None = None  # the first one-time key of ``update_key`` that may sign
    # What later versions know: it stays.
    others: Mapping[str, object] = field(default_factory=dict, repr=False)

    def content(self) -> bytes:
        """The CBOR map. BadBoardName, or BadSetting."""
        checked_name(self.name)
        sizes = dict.fromkeys(("mesh_key", "pairing_key", "care_key", "next_key"), manage.KEY_BYTES)
        sizes["finding"] = manage.FINDING_BYTES
        for name, size in sizes.items():
            value = getattr(self, name)
            if value is not None and len(value) != size:
                raise errors.BadSetting(name=name, reason=f"it has {len(value)} bytes, not {size}")
        found = {name: getattr(self, name) for name in _KNOWN}
        known = {name: value for name, value in found.items() if value is not None}
        content = cbor.encode({**self.others, **known})
        if len(content) > limits.SETTINGS_BYTES - _SLOT_HEAD_BYTES:
            raise errors.BadSetting(name="settings", reason=f"{len(content)} bytes are too many")
        return content

    def slot(self, generation: int = 1) -> bytes:
        """One of the two files."""
        return slots.seal(generation, self.content())

    def changed(self, **values: object) -> "BoardSettings":
        """With other values."""
        return replace(self, **values)  # type: ignore[arg-type]


_KNOWN = tuple(one.name for one in fields(BoardSettings) if one.name != _OTHERS)


def parse(content: bytes) -> BoardSettings:
    """Read a CBOR map. PeerError where it is damaged."""
    found = cbor.decode(content)
    if not isinstance(found, dict):
        raise PeerError("damaged settings")
    known = {name: found[name] for name in _KNOWN if name in found}
    if not isinstance(known.get("name"), str) or not isinstance(known.get("mesh_key"), bytes):
        raise PeerError("damaged settings")
    return BoardSettings(**known, others={name: found[name] for name in found if name not in _KNOWN})


def newest(files: list[bytes]) -> tuple[int, BoardSettings] | None:
    """(generation, settings) of a board's files; None where none is whole. PeerError for other content."""
    at = slots.newest(files)
    if at < 0:
        return None
    return slots.generation(files[at]), parse(slots.content(files[at]))
