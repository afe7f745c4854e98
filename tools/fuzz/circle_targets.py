"""What is fuzzed of devices and groups: what joins, lists, tells and resets; operations and letters."""

from fuzz.chance import source
from fuzz.promise import holds, piece, pieces, refusal, told
from hedgerow.devices import bundle, joining, listing, sync
from hedgerow.groups import control, epoch, letter, limits, operation
from hedgerow.groups.membership import Membership
from hedgerow.identity import keys
from hedgerow.identity.account import Account
from hedgerow.log import entry
from hedgerow.ratchet import kdf, reset
from hedgerow_core import cbor
from hedgerow_core.errors import PeerError

NOW = 1_800_000_000_000


ALICE, BOB, MALLORY = (Account.create(source(name)) for name in ("alice", "bob", "mallory"))
KEPT, CODE = joining.create(BOB, "laptop", source("code"), NOW)
WELCOME, _ = joining.welcome(ALICE, "Alice", joining.parse(CODE, NOW), source("welcome"))
LISTED = listing.make(ALICE, [(ALICE.device_key, ALICE.device_dh)], None, 700).encode()
PAIR = reset.pair(BOB, ALICE.card("Alice"))
_THEIR_PAIR = reset.pair(ALICE, BOB.card("Bob"))
RESET = reset.body_for_slot(_THEIR_PAIR, reset.create(_THEIR_PAIR, 700, source("reset")), 3)
CREATED = operation.create(ALICE.device_seed, 1, "Lane", ALICE.card("Alice"), source("group"))
BEGUN = Membership().take(CREATED)
ADDED = operation.add(ALICE.device_seed, BEGUN.group, 2, BEGUN.heads, BOB.card("Bob"), 1)
GROUP = BEGUN.take(ADDED)
EPOCH = epoch.Epoch(GROUP.group, 1, GROUP.heads, ALICE.device_key, bytes(range(32)))
CHAINS = epoch.chains(EPOCH, GROUP.members)
SAID = letter.Letter(entry.Entry(entry.TEXT, 3, 3, 0, NOW - NOW % 60_000, "hello"), ((bytes(4), 1),))
_, _, LETTER, _ = letter.seal(CHAINS[ALICE.device_key], EPOCH.group, EPOCH.id, ALICE.device_seed, SAID)


def fuzz_devices(data: bytes) -> str:
    """One thing after the other that comes from outside."""
    result: list[object] = []
    for what, part in pieces(data):
        how = what % 6
        try:
            if how == 0:
                found = listing.read(ALICE.account_key, part)
                holds(found.encode() == part, "a list has two spellings")
            elif how == 1:
                parsed = joining.parse(part.decode("utf-8", "replace"), NOW)
                holds(len(parsed.label.encode()) <= joining.LABEL_BYTES, "a label above its bound")
            elif how == 2:
                card = joining.open_welcome(BOB, KEPT, part).card
                holds(card.account_key == ALICE.account_key, "somebody else welcomed us")
            elif how == 3:
                items = sync.decode(part)
                holds(sync.encode(items) != [], "nothing was told")
            elif how == 4:
                got = reset.open(PAIR, what % reset.SLOTS, part)
                holds(len(got.root) == 32, "a reset without a root")
            else:
                holds(bundle.pack(bundle.unpack(part)) == part, "a bundle has two spellings")
            result.append("taken")
        except PeerError as error:
            result.append(refusal(error))
    return told(*result)


def _signed(part: bytes) -> bytes:
    """An operation that Bob signed, whatever it says; he is a member and no admin."""
    try:
        fields = cbor.decode(part)
    except PeerError:
        return part
    if not isinstance(fields, list) or len(fields) < 2:
        return part
    content = cbor.encode([1, fields[0], GROUP.group, BOB.device_key, 1, list(GROUP.heads), *fields[1:2]])
    return content + keys.sign(BOB.device_seed, b"hedgerow group operation" + content)


def fuzz_groups(data: bytes) -> str:
    """Operations by anybody and by a member, what members tell, and letters, as a member can seal them."""
    state, chain = GROUP, CHAINS[BOB.device_key]
    result: list[object] = []
    for what, part in pieces(data):
        how = what % 5
        try:
            if how == 0:
                state = state.take(part)
            elif how == 1:
                state = state.take(_signed(part))
                holds(not state.members.is_admin(BOB.account_key), "somebody made himself an admin")
            elif how == 2:
                told_us = control.decode(part, BOB.device_key)
                holds(told_us.epoch is None or len(told_us.epoch.secret) == 32, "a damaged epoch")
            elif how == 3:
                letter.open(CHAINS[ALICE.device_key], 0, EPOCH.group, EPOCH.id, ALICE.device_key, part)
                holds(part == LETTER, "somebody else wrote as Alice")
            else:
                head = EPOCH.group + EPOCH.id + bytes(letter.STOP_BYTES)
                plain = part + keys.sign(BOB.device_seed, b"hedgerow group letter" + head + part)
                _, _, key = epoch.step(chain)
                body = bytes(letter.STOP_BYTES) + keys.seal(kdf.seal_key(key), plain + b"\x80", head)
                chain, _ = letter.open(chain, chain.number, EPOCH.group, EPOCH.id, BOB.device_key, body)
            result.append("taken")
        except PeerError as error:
            result.append(refusal(error))
        holds(len(state.held) <= limits.HELD, "more waits than may")
    return told(*result, state.members.hash)


def devices_seeds() -> list[bytes]:
    said = sync.Said(bytes(8), bytes(4), entry.encode(SAID.entry))
    person = sync.Person(*[bytes(32)] * 3, bytes(64), "Bob", 1, 0, LISTED)
    return [
        piece(0, LISTED) + piece(1, CODE.encode()) + piece(2, WELCOME),
        *[piece(3, part) for part in sync.encode([said, person, sync.Label(bytes(32), "laptop")])],
        piece(4 + 6 * 40, RESET) + piece(4, RESET),
        piece(5, bundle.MAGIC) + piece(5, bundle.MAGIC + b"\0\1\0"),
        piece(1, joining.for_qr(CODE).encode()) + piece(1, b"hedgerow:device/2/AA"),
    ]


def groups_seeds() -> list[bytes]:
    last = [[ALICE.device_key, 0]]
    told_us = control.encode(control.Control(GROUP.group, (CREATED, ADDED), EPOCH, (bytes(32),)))
    return [
        piece(0, CREATED) + piece(0, ADDED) + piece(3, LETTER),
        piece(1, cbor.encode([operation.REMOVE, [ALICE.account_key, last]])),
        piece(1, cbor.encode([operation.PROMOTE, [BOB.account_key]])) + piece(1, cbor.encode([6, ["mine"]])),
        piece(1, cbor.encode([operation.LEAVE, [BOB.account_key, [[BOB.device_key, 1]]]])),
        *[piece(2, part) for part in told_us],
        piece(4, b"\0" + entry.encode(SAID.entry)) + piece(4, b"\2" + bytes(10)),
    ]


TARGETS = {
    "devices": (fuzz_devices, devices_seeds),
    "groups": (fuzz_groups, groups_seeds),
}
