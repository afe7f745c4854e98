"""What a board was provisioned with: a CBOR map in one file."""

from hedgerow_core import cbor
from hedgerow_core.errors import HedgerowError, PeerError

PATH = "/settings"


class SettingsError(HedgerowError):
    """The board has no valid settings."""


class Settings:
    """``name`` for people, the 32-byte ``mesh_key`` and ``pairing_key``."""

    def __init__(self, name: str, mesh_key: bytes, pairing_key: bytes) -> None:
        self.name = name
        self.mesh_key = mesh_key
        self.pairing_key = pairing_key


def load(path: str = PATH) -> Settings:
    """Read the settings. SettingsError, with the sentence to show, where there are none or wrong ones."""
    try:
        with open(path, "rb") as file:
            found = cbor.decode(file.read(512))
    except OSError:
        raise SettingsError("This board has no settings: flash it with ./flash.sh.")
    except PeerError:
        raise SettingsError("The settings of this board are damaged: flash it again with ./flash.sh.")
    keys = []
    for name in ("mesh_key", "pairing_key"):
        key = found.get(name) if isinstance(found, dict) else None
        if not isinstance(key, bytes) or len(key) != 32:
            raise SettingsError("The settings of this board lack a " + name + ": flash it again.")
        keys.append(key)
    return Settings(str(found.get("name", "board")), keys[0], keys[1])
