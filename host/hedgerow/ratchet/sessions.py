"""All ratchets with one device: the present one, and those that a reset begins or leaves behind.

State in, state out, as in ``double_ratchet``. A reset of theirs does no harm to what works: the ratchet that
answers it is only offered, and becomes the present one when a letter was read in it, which proves that the
other side holds the key it asked with. So a reset that is heard again costs nothing but an answer.
"""

from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from hedgerow import stored
from hedgerow.identity.keys import Random
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet import reset
from hedgerow.ratchet.reset import Asked, Pair
from hedgerow.ratchet.state import Place, State
from hedgerow_core import cbor
from hedgerow_core.errors import AuthError, LimitError

OFFERED = 4
PAST = 4
SEEN = 64


@dataclass(frozen=True, repr=False)
class Offer:
    """The ratchet that answers the reset ``id``, which they sent at ``minute``."""

    id: bytes
    minute: int
    state: State


@dataclass(frozen=True, repr=False)
class Asking:
    """Our reset, and the ratchet in which its answer will be read."""

    asked: Asked
    state: State


@dataclass(frozen=True, repr=False)
class Sessions:
    """What is kept of one contact's device.

    ``present`` is written in; ``past`` are only read, the oldest first; ``offered`` wait for a letter of
    theirs, in the order in which they asked; ``seen`` are the ids of resets that were answered. ``confirm``:
    our reset was answered, and they do not know that we know; a letter is due at once, and daily until one of
    ours was proved (``proved``) or answered. ``leads``: see ``Pair``.
    """

    present: State | None
    asking: Asking | None = None
    offered: tuple[Offer, ...] = ()
    past: tuple[State, ...] = ()
    seen: tuple[bytes, ...] = ()
    confirm: bool = False
    leads: bool = False

    def readable(self) -> list[State]:
        """Every ratchet that letters may come in."""
        some = [self.present] if self.present else []
        some += [self.asking.state] if self.asking else []
        return [*some, *(offer.state for offer in self.offered), *self.past]

    def to_cbor(self) -> bytes:
        """For the database; without any reset that of the ratchet alone."""
        if self == Sessions(self.present) and self.present:
            return self.present.to_cbor()
        asking = [self.asking.asked.fields(), self.asking.state.fields()] if self.asking else []
        offered = [[offer.id, offer.minute, offer.state.fields()] for offer in self.offered]
        return stored.write(
            [
                self.present.fields() if self.present else [],
                asking,
                offered,
                [state.fields() for state in self.past],
                list(self.seen),
                self.confirm,
                self.leads,
            ]
        )

    @classmethod
    def from_cbor(cls, data: bytes) -> "Sessions":
        """Read what ``to_cbor`` wrote. PeerError where it is damaged."""
        found: Any = cbor.decode(data)
        if isinstance(found, list) and len(found) == 3:
            return cls(State.read(found))
        present, asking, offered, past, seen, confirm, leads = stored.check(found, *[list] * 5, bool, bool)
        offers = [stored.check(offer, bytes, int, list) for offer in offered]
        return cls(
            State.read(present) if present else None,
            _read_asking(asking) if asking else None,
            tuple(Offer(identity, minute, State.read(state)) for identity, minute, state in offers),
            tuple(State.read(state) for state in past),
            tuple(stored.check(seen, *[bytes] * len(seen))),
            confirm,
            leads,
        )


def _read_asking(found: list[Any]) -> Asking:
    asked, state = stored.check(found, list, list)
    return Asking(Asked.read(asked), State.read(state))


def ask(sessions: Sessions, devices: Pair, minute: int, random: Random) -> Sessions:
    """Begin a reset, instead of one that was not answered yet; ``minute`` as for ``reset.create``.

    The ratchets that were there are still read. They may be an old copy, whose next key was used already:
    nothing is written on a chain that they have.
    """
    asked = reset.create(devices, minute, random)
    state = ratchet.start_reader(asked.root, asked.ad, asked.ephemeral_private)
    left = (*sessions.past, *(offer.state for offer in sessions.offered))
    if sessions.present:
        left = (*left, sessions.present)
    silenced = tuple(old.changed(cks=b"") for old in left)
    return _bounded(Sessions(None, Asking(asked, state), (), silenced, sessions.seen, False, devices.leads))


def receive(
    sessions: Sessions, devices: Pair, slot: int, body: bytes, random: Random
) -> tuple[Sessions, bytes, bytes, bool]:
    """(sessions, id of the reset, stop 16, whether it is new) of a reset of theirs.

    Where ``id`` is offered afterwards, a letter is due in that ratchet (``encrypt_offer``): at once for a new
    one, at most daily for one that comes again. PeerError where it is damaged or forged.
    """
    got = reset.open(devices, slot, body)
    if got.id in sessions.seen:
        return sessions, got.id, got.stop, False
    offer = Offer(got.id, got.minute, ratchet.start_writer(got.root, got.ad, got.ephemeral, random))
    changed = replace(
        sessions,
        offered=tuple(sorted((*sessions.offered, offer), key=lambda other: other.minute)),
        seen=(*sessions.seen, got.id)[-SEEN:],
        leads=devices.leads,
    )
    return _bounded(changed), got.id, got.stop, True


def can_write(sessions: Sessions) -> bool:
    """Whether there is a ratchet to write in."""
    return sessions.present is not None and ratchet.can_write(sessions.present)


def encrypt(sessions: Sessions, plaintext: bytes) -> tuple[Sessions, bytes, bytes, bytes]:
    """``double_ratchet.encrypt`` in the present ratchet. LimitError where there is none."""
    if sessions.present is None:
        raise LimitError("the other side has not answered the reset yet")
    state, lock, body, token = ratchet.encrypt(sessions.present, plaintext)
    return replace(sessions, present=state), lock, body, token


def proved(sessions: Sessions) -> Sessions:
    """A letter that we wrote in the present ratchet was proved: they know it."""
    return replace(sessions, confirm=False)


def encrypt_offer(
    sessions: Sessions, identity: bytes, plaintext: bytes
) -> tuple[Sessions, bytes, bytes, bytes]:
    """The answer to the reset ``identity``. LimitError where nothing is offered for it any more."""
    for at, offer in enumerate(sessions.offered):
        if offer.id == identity:
            state, lock, body, token = ratchet.encrypt(offer.state, plaintext)
            offered = (*sessions.offered[:at], replace(offer, state=state), *sessions.offered[at + 1 :])
            return replace(sessions, offered=offered), lock, body, token
    raise LimitError("a reset that was answered already")


def decrypt(
    sessions: Sessions, place: Place, lock: bytes, body: bytes, random: Random
) -> tuple[Sessions, bytes, bytes]:
    """``double_ratchet.decrypt`` in the ratchet that ``place`` belongs to; it may become the present one."""
    refused = AuthError("a message of a session that is over")
    for state in sessions.readable():
        # Who forgot a reset and answered it again has two that begin alike.
        if place.header_key not in (state.hkr, state.nhkr) and place not in state.skipped:
            continue
        try:
            stepped, plaintext, token = ratchet.decrypt(state, place, lock, body, random)
        except AuthError as error:
            refused = error
            continue
        return _bounded(_heard(sessions, state, stepped, place in state.skipped)), plaintext, token
    raise refused


def locks(sessions: Sessions) -> dict[bytes, Place]:
    """The locks that letters to us may have."""
    return {lock: place for state in sessions.readable() for lock, place in ratchet.locks(state).items()}


def deep_locks(sessions: Sessions) -> dict[bytes, Place]:
    """The locks behind the dense windows."""
    return {lock: place for state in sessions.readable() for lock, place in ratchet.deep_locks(state).items()}


def _heard(sessions: Sessions, state: State, stepped: State, late: bool) -> Sessions:
    """A letter took ``state`` on to ``stepped``; ``late``: it was overtaken by one that was read before."""
    if state is sessions.present:
        # A new chain of theirs answers one of ours.
        return replace(sessions, present=stepped, confirm=sessions.confirm and stepped.hkr == state.hkr)
    left = (*sessions.past, sessions.present) if sessions.present else sessions.past
    if sessions.asking and state is sessions.asking.state:
        return replace(sessions, present=stepped, asking=None, past=left, confirm=True)
    for at, offer in enumerate(sessions.offered):
        if offer.state is state:
            # What was offered before was given up by them when they asked again.
            given_up = (other.state for other in sessions.offered[:at])
            left = (*sessions.past, *given_up, *left[len(sessions.past) :])
            rest = sessions.offered[at + 1 :]
            return replace(sessions, present=stepped, asking=None, offered=rest, past=left, confirm=False)
    # Both may have reset at once. One side leads; the other goes on where it hears the first.
    if sessions.present is None or sessions.leads or late or not ratchet.can_write(stepped):
        past = tuple(stepped if old is state else old for old in sessions.past)
        return replace(sessions, past=past)
    return replace(
        sessions, present=stepped, past=tuple(old for old in left if old is not state), confirm=False
    )


def _bounded(sessions: Sessions) -> Sessions:
    """Let go of the oldest where there are too many ratchets, or keys that were skipped in them."""
    if not sessions.past and not sessions.offered:
        return sessions
    cut = replace(sessions, past=sessions.past[-PAST:], offered=sessions.offered[-OFFERED:])
    surplus = sum(len(state.skipped) for state in cut.readable()) - ratchet.SKIPPED_KEYS
    if surplus <= 0:
        return cut
    past = []
    for state in cut.past:
        rest = dict(islice(state.skipped.items(), max(0, surplus), None))
        surplus -= len(state.skipped) - len(rest)
        past.append(state.changed(skipped=rest))
    return replace(cut, past=tuple(past))
