"""Where the firmware's sources and the files of the boards lie: in a checkout, or an installed hedgerow."""

from dataclasses import dataclass
from pathlib import Path

import platformdirs

import hedgerow_core
from hedgerow import errors

_CHECKOUT = Path(__file__).resolve().parents[3]
_DATA = Path(__file__).resolve().parent / "data"


@dataclass(frozen=True)
class Sources:
    """Folders ``core`` (hedgerow_core), ``firmware`` (main.py and what is around it) and ``boards``, and a
    ``cache`` for what is made of them."""

    core: Path
    firmware: Path
    boards: Path
    cache: Path


def of_checkout(top: Path) -> Sources:
    """The sources below ``top``, a copy of the repository."""
    return Sources(top / "shared/hedgerow_core", top / "firmware", top / "boards", top / ".cache/mpy")


def find() -> Sources:
    """The sources of this hedgerow. NoSources where neither is whole."""
    checkout = of_checkout(_CHECKOUT)
    core = Path(hedgerow_core.__file__).resolve().parent
    cache = Path(platformdirs.user_cache_dir("hedgerow")) / "mpy"
    for sources in (checkout, Sources(core, _DATA / "firmware", _DATA / "boards", cache)):
        if (sources.firmware / "main.py").is_file() and sources.core.is_dir() and sources.boards.is_dir():
            return sources
    raise errors.NoSources(folder=_DATA)
