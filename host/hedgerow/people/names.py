"""Names of people: what may be shown, and what may be chosen."""

import unicodedata

from hedgerow import errors

NAME_CHARACTERS = 32


def clean_name(name: str) -> str:
    """A name as it may be shown: printable, trimmed, cut; "someone" where nothing is left."""
    kept = "".join(c for c in unicodedata.normalize("NFC", name) if c.isprintable())
    return " ".join(kept.split())[:NAME_CHARACTERS].strip() or "someone"


def checked_name(name: str) -> str:
    """``name`` where it is one. BadName otherwise."""
    name = unicodedata.normalize("NFC", name).strip()
    if not name or clean_name(name) != name:
        raise errors.BadName
    return name
