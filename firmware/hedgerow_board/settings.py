"""What a board was provisioned with: a CBOR map in one file."""

from hedgerow_core.cbor import read_head
from hedgerow_core.errors import HedgerowError, PeerError

PATH = "/settings"
_SHELF_COUNT = 300
_SHELF_COUNT_MOST = 4_000


class SettingsError(HedgerowError):
    """The board has no valid settings."""


class Settings:
    """``name`` for people, the 32-byte ``mesh_key`` and ``pairing_key``, how many letters the shelf holds."""

    def __init__(self, name: str, mesh_key: bytes, pairing_key: bytes, shelf_count: int) -> None:
        self.name = name
        self.mesh_key = mesh_key
        self.pairing_key = pairing_key
        self.shelf_count = shelf_count


def _read(data: bytes, at: int) -> tuple:
    """(number, text or bytes, position behind it) at ``at``: the whole codec would cost heap for one file."""
    major, number, at = read_head(data, at)
    if major == 0:
        return number, at
    raw = data[at : at + number]
    if len(raw) == number:
        if major == 2:
            return raw, at + number
        if major == 3:
            try:
                return raw.decode(), at + number
            except (UnicodeError, ValueError):
                pass
    raise PeerError("damaged settings")


def _fields(data: bytes) -> dict:
    major, count, at = read_head(data, 0)
    if major != 5:
        raise PeerError("damaged settings")
    found = {}
    for _ in range(count):
        name, at = _read(data, at)
        found[name], at = _read(data, at)
    return found


def load(path: str = PATH) -> Settings:
    """Read the settings. SettingsError, with the sentence to show, where there are none or wrong ones."""
    try:
        with open(path, "rb") as file:
            found = _fields(file.read(512))
    except OSError:
        raise SettingsError("This board has no settings: flash it with ./flash.sh.")
    except PeerError:
        raise SettingsError("The settings of this board are damaged: flash it again with ./flash.sh.")
    keys = []
    for name in ("mesh_key", "pairing_key"):
        key = found.get(name)
        if not isinstance(key, bytes) or len(key) != 32:
            raise SettingsError("The settings of this board lack a " + name + ": flash it again.")
        keys.append(key)
    count = found.get("shelf_count", _SHELF_COUNT)
    if not isinstance(count, int) or not 1 <= count <= _SHELF_COUNT_MOST:
        raise SettingsError("The settings of this board have a wrong shelf_count: flash it again.")
    return Settings(str(found.get("name", "board")), keys[0], keys[1], count)
