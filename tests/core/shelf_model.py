"""A shelf as plain lists, and steps that the real one must follow; runs on both interpreters."""

from hedgerow_core import limits
from hedgerow_core.clock import Clock
from hedgerow_core.envelope import NORMAL, TTL_MINUTES, make, proof_id
from hedgerow_core.mac import sha256
from hedgerow_core.shelf import KEPT, KNOWN, PROVED, REFUSED, UNMATCHED, Shelf
from hedgerow_core.store import MemoryStore

MINUTE_MS = 60_000
PUT, COPY, DROP, PROVE, WAIT, RESTART = range(6)
STEPS = 6


def token(number: int) -> bytes:
    """What proves envelope ``number``."""
    return sha256(b"token" + bytes((number,)))[: limits.PROOF_BYTES]


def envelope(number: int, altered: int = 0):
    """Envelope ``number``, every third with a lock that several know; ``altered`` ones have its lock too."""
    digest = sha256(token(number))
    shared = number % 3 == 0
    head = digest[: limits.PROOF_BYTES] if shared else b""
    lock = bytes((number,)) * limits.LOCK_BYTES if shared else digest[: limits.LOCK_BYTES]
    body = head + bytes((altered,)) * (30 + number)
    return make(number % 3, number % 8, lock, body, shared=shared)


class Model:
    """id -> (minute of its end, envelope or None for a proof); what else is known; proofs without letter."""

    def __init__(self):
        self.held = {}
        self.gone = {}
        self.waiting = []

    def knows(self, identity):
        waiting = [proof_id(one) for one in self.waiting]
        return identity in self.held or identity in self.gone or identity in waiting

    def put(self, one, number, minute):
        if self.knows(one.id):
            return KNOWN
        end = minute + TTL_MINUTES[one.ttl]
        proof = proof_id(token(number))
        if token(number) in self.waiting:
            self.waiting.remove(token(number))
            self.held[proof] = (end, None)
        if proof in self.held:
            return KNOWN
        self.held[one.id] = (end, one)
        return KEPT

    def prove(self, number):
        identity = proof_id(token(number))
        if self.knows(identity):
            return KNOWN
        digest = sha256(token(number))
        ends = []
        for known, (end, one) in list(self.held.items()):
            if one is not None and digest[: len(one.proof_hash())] == one.proof_hash():
                ends.append(end)
                del self.held[known]
        if not ends:
            self.waiting.append(token(number))
            return UNMATCHED
        self.held[identity] = (max(ends), None)
        return PROVED

    def expire(self, minute):
        for known, (end, _) in list(self.held.items()):
            if end <= minute:
                del self.held[known]
        self.gone = {known: end for known, end in self.gone.items() if end > minute}


def follow(steps, open_store) -> None:
    """Take (step, number) one after the other on a shelf with room for all and on the model.

    ``open_store()`` gives the store, again after each restart.
    """
    clock = Clock(0)
    shelf = Shelf(open_store(), clock, 0)
    model = Model()
    now = 0
    for step, number in steps:
        minute = now // MINUTE_MS
        if step <= COPY:
            one = envelope(number, step == COPY)
            assert shelf.put(one, now) == model.put(one, number, minute)
        elif step == DROP:
            identity = envelope(number).id
            shelf.drop(identity)
            if identity in model.held:
                model.gone[identity] = model.held.pop(identity)[0]
        elif step == PROVE and len(model.waiting) < limits.UNMATCHED_PROOFS_A_SOURCE:
            assert shelf.prove(token(number), now) == model.prove(number)
        elif step == WAIT:
            now += number * number * MINUTE_MS
            model.expire(now // MINUTE_MS)
            shelf.expire(now)
        elif step == RESTART:
            shelf.flush(now)
            shelf = Shelf(open_store(), clock, now)
            # What is here no more is forgotten, and so is a proof that fitted nothing.
            model.gone = {}
            model.waiting = []
        _agree(shelf, model, now)


def _agree(shelf, model, now) -> None:
    assert sorted(shelf.ids()) == sorted(model.held), "other letters are here"
    assert all(shelf.knows(identity) for identity in list(model.held) + list(model.gone))
    letters = [identity for identity, (_, one) in model.held.items() if one is not None]
    assert shelf.known_count() == len(letters) + len(model.gone)
    folded = bytearray(4)
    for identity in letters + list(model.gone):
        for i, byte in enumerate(identity):
            folded[i & 3] ^= byte
    assert shelf.summary() == bytes(folded)
    for identity, (end, one) in model.held.items():
        found = shelf.get(identity, now)
        if one is None:
            assert found is None and proof_id(shelf.proof(identity)) == identity
        else:
            assert found.prefix() == one.prefix() and shelf.proof(identity) is None
            assert found.age == TTL_MINUTES[one.ttl] - (end - now // MINUTE_MS)


def overfill(steps) -> None:
    """The same on a shelf with too little room: its bounds hold, and what it says of itself is true."""
    shelf = Shelf(MemoryStore(), Clock(0), 0, 8, 900, 5)
    now = 0
    for step, number in steps:
        if step <= COPY:
            one = envelope(number, step == COPY)
            status = shelf.put(one, now)
            assert (status == KEPT) == shelf.has(one.id) or status == KNOWN
            assert status != REFUSED or one.priority != NORMAL or shelf.count() > 0
        elif step == PROVE:
            before = shelf.count()
            assert shelf.prove(token(number), now) in (PROVED, KNOWN, UNMATCHED)
            assert shelf.count() <= before
        elif step == DROP:
            shelf.drop(envelope(number).id)
        elif step == WAIT:
            now += number * MINUTE_MS
            shelf.expire(now)
        assert shelf.count() <= 8 and shelf.held_bytes() <= 900 and shelf.known_count() <= 13
        for identity in shelf.ids():
            assert (shelf.get(identity, now) is None) == (shelf.proof(identity) is not None)
