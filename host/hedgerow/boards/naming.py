"""Names of boards and meshes: none of them may be taken for the address of a board."""

from hedgerow import errors
from hedgerow.people import names


def is_name(text: str) -> bool:
    """Whether ``text`` names a board; else it says where one can be reached: "serial:..", "/dev/.."."""
    return ":" not in text and not text.startswith("/")


def checked_name(name: str) -> str:
    """``name`` where it is one. BadBoardName otherwise."""
    try:
        found = names.checked_name(name)
    except errors.BadName:
        raise errors.BadBoardName from None
    if not is_name(found):
        raise errors.BadBoardName
    return found


def numbered(name: str, taken: set[str]) -> str:
    """``name``, or the first of "name 2", "name 3" .. that is not ``taken``, whatever its capitals."""
    used = {other.casefold() for other in taken}
    found, number = name, 1
    while found.casefold() in used:
        number += 1
        end = f" {number}"
        found = name[: names.NAME_CHARACTERS - len(end)].rstrip() + end
    return found
