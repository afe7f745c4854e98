"""An operation of a conversation: the text of an entry of kind CHAT.

    mark 1 | [ tag of the author 8 | "." | sequence | " " ] | value

The tag, hexadecimal, and the sequence name the entry that it is about, where it is about one. Marks and what
their value is stand below; choices of polls are numbered from 0.
"""

import re
from dataclasses import dataclass

from hedgerow.devices.sync import TAG_BYTES
from hedgerow_core.errors import PeerError

REPLY = "r"  # a text
EDIT = "e"  # the text that stands there from now on; only its author may
REACT = "+"  # one symbol; empty to take it back
PIN = "p"  # "1", or "0" to take it off
POLL = "?"  # a question and its choices, a line each
POLL_MANY = "*"  # the same; one person may choose several
VOTE = "v"  # the choices, separated by commas; empty to take it back
NAME = "n"  # how the writer wants to be called
FILE = "f"  # the root in base64 without its last sign, the size, and the name (hedgerow.blobs)
STORE = "s"  # an operation of a store (hedgerow.chat.shared)

_ABOUT = (REPLY, EDIT, REACT, PIN, VOTE)
_MARKS = (*_ABOUT, POLL, POLL_MANY, NAME, FILE, STORE)
_TARGET = re.compile(r"([0-9a-f]{8})\.([1-9][0-9]{0,8}) ", re.ASCII)
_FILE = re.compile(r"[A-Za-z0-9_-]{43} [1-9][0-9]{0,6} [^\n]{1,120}", re.ASCII)
_VOTES = re.compile(r"(?:[0-9]{1,2}(?:,[0-9]{1,2})*)?", re.ASCII)

REACTION_CHARACTERS = 8  # of one symbol; some are made of several
CHOICES_MAX = 12
NAME_CHARACTERS = 64

Target = tuple[bytes, int]  # tag of the author, sequence


@dataclass(frozen=True)
class Operation:
    """What is done, to which entry, and with what."""

    mark: str
    target: Target | None
    value: str

    @property
    def lines(self) -> list[str]:
        """The question of a poll, and its choices."""
        return self.value.split("\n")

    @property
    def choices(self) -> list[int]:
        """Of a vote."""
        return sorted({int(number) for number in self.value.split(",") if number})


def encode(operation: Operation) -> str:
    """The text of the entry."""
    if operation.target is None:
        return operation.mark + operation.value
    tag, sequence = operation.target
    return f"{operation.mark}{tag.hex()}.{sequence} {operation.value}"


def decode(text: str) -> Operation:
    """Read an operation. PeerError where it is none that is known here."""
    mark, rest = text[:1], text[1:]
    if mark not in _MARKS or not mark:
        raise PeerError("an operation of an unknown kind")
    if mark not in _ABOUT:
        found = Operation(mark, None, rest)
    else:
        match = _TARGET.match(rest)
        if match is None:
            raise PeerError("an operation about nothing")
        found = Operation(mark, (bytes.fromhex(match[1]), int(match[2])), rest[match.end() :])
    if not _fits(found):
        raise PeerError("a damaged operation")
    return found


def file_name(name: str) -> str:
    """The name of a file as it may be shown, and saved: no folders, nothing that moves a cursor."""
    cleaned = "".join(c for c in name.replace("\\", "/").rsplit("/", 1)[-1] if c.isprintable())
    return cleaned.strip(". ")[:80] or "file"


def _fits(found: Operation) -> bool:
    value = found.value
    if found.mark in (REPLY, EDIT, STORE):
        return bool(value)
    if found.mark == REACT:
        return len(value) <= REACTION_CHARACTERS and (not value or not value.isspace())
    if found.mark == PIN:
        return value in ("0", "1")
    if found.mark == VOTE:
        return _VOTES.fullmatch(value) is not None and len(found.choices) <= CHOICES_MAX
    if found.mark == FILE:
        return _FILE.fullmatch(value) is not None
    if found.mark == NAME:
        return 0 < len(value) <= NAME_CHARACTERS
    lines = found.lines
    return 3 <= len(lines) <= CHOICES_MAX + 1 and all(line.strip() for line in lines)


assert TAG_BYTES == 4  # 8 digits
