"""What owners say to boards: pairings, the first frame of a link, sealed commands."""

from fuzz.core.things import KEY, SHELF_BYTES, SHELF_COUNT, letter
from fuzz.promise import holds, refusal, told
from hedgerow_core import envelope, limits, manage, sealed
from hedgerow_core.clock import Clock
from hedgerow_core.errors import PeerError
from hedgerow_core.mac import sha256
from hedgerow_core.session import INITIATOR, MESH, PAIR, RESPONDER, Session
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore


def fuzz_pairings(data: bytes) -> str:
    """Records of pairings, then a board's list of them, then its welcome."""
    try:
        records = manage.decode_records(data)
    except PeerError as error:
        try:
            listed = manage.decode_pairings(data)
            holds(len(listed) <= limits.PAIRINGS + 1, "more pairings than a board keeps")
            return told(*[part for one in listed for part in one])
        except PeerError:
            pass
        try:
            return told(*manage.decode_welcome(data))
        except PeerError:
            return refusal(error)
    again = b"".join([manage.encode_record(*record) for record in records])
    holds(again == data and len(records) <= limits.PAIRINGS, "records have two encodings")
    listed = manage.decode_pairings(manage.encode_pairings(records))
    holds([one[3] for one in listed] == [one[3] for one in records], "a list without its labels")
    return told(*[part for one in records for part in one])


def pairings_seeds() -> list[bytes]:
    kept = [(manage.OWNER, 0, KEY, ""), (manage.GUEST, 900, b"g" * 32, "Bob"), (2, 5, KEY, "\u00fc" * 8)]
    whole = b"".join([manage.encode_record(*record) for record in kept])
    listed = manage.encode_pairings(kept)
    welcome = manage.encode_welcome("mill", b"f" * 16, b"c" * 32)
    return [
        whole,
        whole[:-1],
        whole[:38] * 7,
        listed,
        listed[:-1],
        listed[:10] * 8,
        welcome,
        welcome[:47],
    ]


def fuzz_hello(data: bytes) -> str:
    """What a board with several pairings answers to the first frame of a link."""
    board = Session(RESPONDER, {MESH: KEY, PAIR: [b"p" * 32, b"q" * 32]}, b"seed of b" + sha256(data), 0)
    try:
        holds(board.receive(data, 0) == [], "a message before the handshake")
        found = "answered"
    except PeerError as error:
        found = refusal(error)
    holds(not board.established and not board.closed, "one frame opened or ended a link")
    return told(found, *[frame[:1] for frame in board.outgoing()])


def hello_seeds() -> list[bytes]:
    hellos = []
    for kind, key in ((MESH, KEY), (PAIR, b"p" * 32), (PAIR, b"q" * 32), (PAIR, KEY)):
        hellos += Session(INITIATOR, {kind: key}, b"seed of a", 0).outgoing()
    hellos += [hellos[1][:19], hellos[0] + bytes(8), b"\1\2" + hellos[1][2:], hellos[1][:2]]
    return hellos


def fuzz_sealed(data: bytes) -> str:
    body = data[2:]
    if data[:1] == b"\1":
        # With a tag that fits, as whoever has the key would make it.
        _, mac_key = sealed._keys(KEY, sealed.DOWN, 0, body[: sealed.SALT_BYTES])
        body += sealed._tag(mac_key, letter(0).flags, 10, body[sealed.SALT_BYTES :])
    if len(body) > limits.ENVELOPE_BYTES - 20:
        return "too long"
    found = envelope.make(envelope.NORMAL, 10, sealed.lock(KEY, sealed.DOWN, 0), body)
    on = Shelf(MemoryStore(), Clock(0), 0, SHELF_COUNT, SHELF_BYTES, 4)
    on.put(found, 0)
    command = sealed.next_command(on, KEY, 0, 0)
    try:
        opened = sealed.open_sealed(KEY, sealed.DOWN, 0, found)
    except PeerError as error:
        holds(command is None, "a shelf gives a command that cannot be opened")
        return refusal(error)
    holds(command == (0, opened[0], body[: sealed.SALT_BYTES], opened[1]), "a shelf hides a command")
    return told(opened[0], opened[1])


def sealed_seeds() -> list[bytes]:
    made = sealed.seal(KEY, sealed.DOWN, 0, 1_000, b"\x02" + bytes(range(40)), b"saltsalt").body
    return [b"\0\0" + made, b"\1\0" + made[:-16], b"\1\0" + bytes(61), b"\0\0", b"\1\0" + bytes(12)]


TARGETS = {
    "pairings": (fuzz_pairings, pairings_seeds),
    "hello": (fuzz_hello, hello_seeds),
    "sealed": (fuzz_sealed, sealed_seeds),
}
