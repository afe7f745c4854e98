"""What a node tells, and the rows that it shows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Connected:
    """``name`` is a contact now: letters go both ways."""

    name: str


@dataclass(frozen=True)
class Received:
    """A letter from ``name`` was opened; ``late``: its lifetime was over."""

    name: str
    text: str
    sequence: int
    hops: int
    written_ms: int
    envelope: bytes
    late: bool = False


@dataclass(frozen=True)
class Heard:
    """Somebody said something to everybody on a street; all members of the mesh can read it.

    ``name`` is the contact's here, where ``contact`` is true, else what they call themselves; ``mark`` tells
    those apart who call themselves alike, for one day. ``at_ms``, by which it is sorted, is ``written_ms``;
    where the date in it does not fit our clock (``late``), it is when it came. ``carried``: whether a board
    has it that we said.
    """

    id: int
    name: str
    contact: bool
    mark: str
    mine: bool
    sos: bool
    text: str
    written_ms: int
    received_ms: int
    at_ms: int
    late: bool
    carried: bool


ASKED = "asked"  # somebody asks to become a contact
CHANGED = "key changed"  # a contact comes with another device, or another account under their name
INTRODUCED = "introduced"  # a contact introduces somebody
DIGITS = "digits"  # there are digits to compare with a contact
DIFFERENT = "different"  # a flight of a verification was altered
DEVICE_ADDED = "device added"  # a contact has one more device; their account signed that
DEVICE_REVOKED = "device revoked"  # a contact took a device out of their account
GROUP_JOINED = "group joined"  # somebody took us into the group ``name``
GROUP_LEFT = "group left"  # we are not in the group ``name`` any more
EQUIVOCATED = "equivocated"  # ``name`` told members of a group two things in one place
REVOKED = "revoked"  # this device was taken out of its account


@dataclass(frozen=True)
class Joined:
    """This device belongs to the account of ``name`` now."""

    name: str


@dataclass(frozen=True)
class Noticed:
    """Something about ``name`` to decide, or to know; ``what`` is one of those above."""

    what: str
    name: str


@dataclass(frozen=True)
class Contact:
    """A row of ``hedgerow contacts``; ``asked``: they have our request, no answer came yet.

    ``changed``: they came with other keys, and we did not say yes to those; ``rivalled``: somebody with
    another account asks under their name; ``introduced_by`` names who introduced them. ``expired``: the
    invite that we asked with holds no more, and they did not answer. ``called``: how they call themselves
    now, where that is not their name here.
    """

    name: str
    connected: bool
    account_key: bytes
    asked: bool = False
    verified: bool = False
    changed: bool = False
    rivalled: bool = False
    blocked: bool = False
    introduced_by: str | None = None
    expired: bool = False
    called: str | None = None


@dataclass(frozen=True)
class Choice:
    """Of a poll: how many chose it, and whether we did."""

    text: str
    votes: int
    ours: bool


@dataclass(frozen=True)
class File:
    """A row of ``hedgerow files``: ``number`` is its letter, ``name`` the conversation, ``here`` bytes."""

    number: int
    name: str
    file: str
    size: int
    here: int
    wanted: bool


@dataclass(frozen=True)
class Marks:
    """What was done to a letter. ``reply_to`` is the letter that it answers, where that is here.

    ``reactions`` are symbols with who put them; ``poll`` has the choices, its question is the letter's text.
    """

    reply_to: int | None = None
    edited: bool = False
    pinned: bool = False
    reactions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    poll: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class Letter:
    """A row of ``hedgerow inbox``; ``received_ms`` is None for our own, ``sent`` false while it waits.

    ``state`` is that of our own as in ``hedgerow.outbox``, None for those of others and where nobody knows.
    ``declined``: a board had no room for it. ``late``: its lifetime was over when it came. ``verified`` and
    ``changed`` as in ``Contact``. ``read``: the user has seen it; of our own: they said that they have.
    ``timer``: it disappears so many minutes after it was read; 0: it stays. In a group ``author`` is who
    wrote it, and ``reached`` of ``of`` people have what we wrote."""

    id: int
    name: str
    mine: bool
    text: str
    written_ms: int
    received_ms: int | None
    sent: bool
    state: str | None = None
    declined: bool = False
    late: bool = False
    verified: bool = False
    changed: bool = False
    read: bool = False
    timer: int = 0
    author: str | None = None
    reached: int = 0
    of: int = 0
    marks: Marks = Marks()


@dataclass(frozen=True)
class Answered:
    """The board ``board`` answered command ``number`` of ours; both as in ``hedgerow_core.manage``."""

    board: str
    number: int
    command: bytes
    reply: bytes


Event = Connected | Received | Heard | Noticed | Joined | Answered
