"""What is fuzzed of the host: invites, requests, flights, ratchet, entries, street letters, its files."""

import base64
import hashlib

from fuzz.chance import source
from fuzz.promise import holds, piece, pieces, refusal, told
from hedgerow.identity import keys
from hedgerow.identity.account import Account
from hedgerow.log import entry
from hedgerow.people import base45, introduction, invite, request, verification
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet.state import State
from hedgerow.street import keys as street_keys
from hedgerow.street import letter as street_letter
from hedgerow.street.channel import _harmless
from hedgerow_core import cbor, envelope
from hedgerow_core.errors import LimitError, PeerError

NOW = 1_800_000_000_000
STREET = bytes(range(32))
_PREFIX = "hedgerow:invite/1/"
_HEAD_BYTES = 48  # of a request: stop hash and masked key
_WINDOW = 12  # places of each chain that the ratchet's inputs choose from


ALICE = Account.create(source("alice"))
MALLORY = Account.create(source("mallory"))
KEPT, URI = invite.create(ALICE, "Alice", source("invite"), NOW)
INVITE = invite.parse(URI, NOW)
ASKED = request.create(MALLORY, "Mallory", INVITE, source("request"))
WRITER = street_keys.pseudonym(MALLORY.device_seed, STREET, 700)
WRITER_HEAD = b"\1" + bytes(3) + WRITER.key + WRITER.certificate


def _uri(content: bytes) -> str:
    checked = content + hashlib.sha256(content).digest()[:4]
    return _PREFIX + base64.urlsafe_b64encode(checked).decode().rstrip("=")


def _signed(fields: list[object]) -> bytes:
    """An invite's content that Mallory signed, whatever stands in it."""
    try:
        name, prekey, minutes, secret = fields[0], fields[5], fields[6], fields[7]
        message = invite._signed(name, prekey, minutes, secret)
    except (AttributeError, TypeError, IndexError, OverflowError, ValueError):
        return cbor.encode(fields)
    return cbor.encode([*fields[:8], keys.sign(MALLORY.device_seed, message), *fields[9:]])


def fuzz_invite(data: bytes) -> str:
    """As text, with a checksum that fits, or with a signature that fits."""
    how, rest = data[:1], data[1:]
    try:
        uri = rest.decode("utf-8", "surrogatepass" if how == b"\3" else "strict") if how > b"\2" else ""
    except UnicodeDecodeError:
        return "nothing"
    if how <= b"\1":
        uri = _uri(rest)
    elif how == b"\2":
        try:
            fields = cbor.decode(rest)
        except PeerError:
            fields = None
        if not isinstance(fields, list):
            return "nothing"
        # With Mallory's own card, so that the rest is looked at.
        card = MALLORY.card("Mallory").fields()
        uri = _uri(_signed([fields[0] if fields else "", *card[1:], *fields[1:]]))
    try:
        found = invite.parse(uri, NOW)
    except PeerError as error:
        return refusal(error)
    return told(found.card.name, *found.card.fields()[1:], found.prekey, found.expiry_ms, found.secret)


def fuzz_people(data: bytes) -> str:
    """Flights of a verification one after the other, of an introduction, and what a QR code may hold."""
    sides = verification.Sides(bytes(64), bytes(63) + b"\1")
    run, random = verification.Run(), source("run")
    result = []
    for what, part in pieces(data):
        how = what & 3
        try:
            if how == 0:
                run = verification.begin(run, sides, NOW, random)
            elif how == 1:
                # A nonce that fits, or a name of the run, is not found by chance.
                part = part.replace(b"run", run.commitment[:8])
                before = run
                run, _ = verification.receive(run, sides, part, len(result), NOW, random)
                holds(len(run.theirs) <= verification.RUNS, "more runs than are answered")
                holds(run.phase != verification.SHOWN or run.nonce_b != b"", "digits of nothing")
                holds(before.phase == run.phase or part != b"", "an empty flight changed something")
                holds(verification.Run.from_cbor(run.to_cbor()) == run, "a run is not what was stored")
            elif how == 2:
                text = part.decode("utf-8", "replace")
                holds(introduction.encode(introduction.decode(text)) == text, "a flight has two spellings")
            else:
                text = part.decode("utf-8", "replace")
                holds(base45.encode(base45.decode(text)) == text, "base45 has two spellings")
            result.append("taken")
        except PeerError as error:
            result.append(refusal(error))
        except LimitError:
            result.append("limit")
    return told(*result, run.to_cbor())


def fuzz_request(data: bytes) -> str:
    """As a body, or sealed by somebody who holds the invite."""
    slot, rest = (data[0] if data else 0), data[1:]
    if rest[:1] == b"\1":
        dh3 = keys.dh(ASKED.ephemeral_private, INVITE.prekey)
        public = keys.dh_public(ASKED.ephemeral_private)
        body = request.body_for_slot(ASKED, slot)[:_HEAD_BYTES]
        body += keys.seal(request._identity_key(INVITE.secret, dh3), rest[1:], INVITE.id + public)
    else:
        body = rest[1:]
    try:
        found = request.open(ALICE, KEPT, slot, body)
    except PeerError as error:
        return refusal(error)
    return told(*found.card.fields(), found.root, found.ad, found.ephemeral, found.stop)


def _pair() -> tuple[State, State]:
    random = source("pair")
    ephemeral, root = random(32), random(32)
    writer = ratchet.start_writer(root, b"a" * 136, keys.dh_public(ephemeral), random)
    return writer, ratchet.start_reader(root, b"a" * 136, ephemeral)


def fuzz_ratchet(data: bytes) -> str:
    """Letters that are written, kept back, altered and read in any order, and forged ones."""
    writer, reader = _pair()
    random = source("ratchet")
    written: list[tuple[bytes, bytes]] = []
    result = []
    for what, part in pieces(data):
        if what & 3 == 0:
            if part[:1] > b"\x80" and ratchet.can_write(reader):
                reader, lock, body, _ = ratchet.encrypt(reader, part[:400])
                place = ratchet._locks_between(writer, 0, _WINDOW).get(lock)
                if place is not None:
                    writer = ratchet.decrypt(writer, place, lock, body, random)[0]
            else:
                writer, lock, body, _ = ratchet.encrypt(writer, part[:400])
                written.append((lock, body))
            continue
        places = ratchet._locks_between(reader, 0, _WINDOW)
        for place in list(reader.skipped)[:_WINDOW]:
            places[ratchet.lock_at(place)] = place
        chosen = part[0] if part else 0
        authentic = what & 3 == 1 and bool(written)
        if authentic:
            lock, body = written[chosen % len(written)]
        else:
            lock, body = sorted(places)[chosen % len(places)], part[1:]
            if what & 3 == 3 and written:
                # A letter of the right lock with bytes of its body turned.
                lock, real = written[chosen % len(written)]
                body = bytes(a ^ b for a, b in zip(real, part[1:] + bytes(len(real)), strict=False))
        if lock not in places:
            result.append("unknown")
            continue
        before = reader.to_cbor()
        try:
            reader, text, token = ratchet.decrypt(reader, places[lock], lock, body, random)
        except PeerError as error:
            result.append(refusal(error))
            holds(reader.to_cbor() == before, "a refused letter changed the state")
            holds(not authentic, "a letter of a known lock could not be read")
            continue
        holds(authentic or (lock, body) in written, "a forged letter was read")
        holds(ratchet.kdf.lock_of(token) == lock, "a token of another lock")
        holds(len(reader.skipped) <= ratchet.SKIPPED_KEYS, "skipped keys pass their bound")
        result.append(told(text))
    holds(State.from_cbor(reader.to_cbor()) == reader, "a state is not what was stored")
    return told(*result, reader.to_cbor())


def fuzz_entry(data: bytes) -> str:
    try:
        found = entry.decode(data)
    except PeerError as error:
        return refusal(error)
    holds(entry.encode(found) == data, "an entry has two encodings")
    return told(found)


def fuzz_street(data: bytes) -> str:
    """As an envelope, sealed by a member, or signed by one."""
    how, rest = data[:1], data[1:]
    try:
        if how == b"\0":
            found = envelope.decode(rest)
        else:
            lock, key = street_keys.of_letter(STREET, bytes(16))
            outer = envelope.make(rest[0] & 1 if rest else 0, street_letter.TTL, lock, b"", shared=True)
            plain = rest[1:901]
            if how == b"\1":
                head, tail = WRITER_HEAD[:1] + plain[:3].ljust(3) + WRITER_HEAD[4:], plain[3:]
                if outer.priority:
                    head = b"\2" + head[1:]
                signed = street_letter._signed(outer, bytes(16), head, tail)
                plain = head + keys.sign(WRITER.seed, signed) + tail
            sealed = keys.seal(key, keys.pad(plain, len(plain) + 1), bytes((outer.flags, outer.ttl)))
            found = envelope.Envelope(outer.flags, outer.ttl, lock, bytes(16) + sealed, 0, 0)
        if not street_letter.is_for(found, STREET):
            return "nothing"
        said = street_letter.open(STREET, found)
    except PeerError as error:
        return refusal(error)
    holds(len(said.text.encode()) <= street_letter.TEXT_BYTES and said.text != "", "a text out of its bounds")
    shown = _harmless(said.text)
    holds(shown != "" and all(c.isprintable() or c == "\n" for c in shown), "a text that is not harmless")
    return told(said.id, said.sos, said.written_ms, said.name, said.text)


def street_seeds() -> list[bytes]:
    sent = street_letter.seal(STREET, WRITER, "Mallory", "Hello", False, NOW, source("street"))
    return [
        b"\0" + sent.encode(),
        b"\1\0\x12\x34\x56\3EveHello",
        b"\1\1\x12\x34\x56\3EveHelp",
        b"\2\0" + bytes(170),
    ]


def invite_seeds() -> list[bytes]:
    text = URI.removeprefix(_PREFIX)
    content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))[:-4]
    fields = ["Mallory", INVITE.prekey, INVITE.expiry_ms // 60_000, INVITE.secret, bytes(64)]
    return [
        b"\1" + content,
        b"\2" + cbor.encode(fields),
        b"\2" + cbor.encode([1, *fields[1:]]),
        b"\2" + cbor.encode([*fields[:2], -1, *fields[3:]]),
        b"\4" + URI.encode(),
        b"\4" + invite.for_qr(URI).encode(),
        b"\4" + URI.replace("/1/", "/2/").encode(),
        b"\4hedgerow:invite/\xd9\xa1/AA",
        b"\4hedgerow:invite/1/A",
        b"\3hedgerow:invite/1/\xed\xa0\x80",
    ]


def request_seeds() -> list[bytes]:
    plain = keys.pad(bytes(16) + cbor.encode(MALLORY.card("Mallory").fields()), 300)
    body = request.body_for_slot(ASKED, 7)
    return [
        b"\7\0" + body,
        b"\x08\0" + body,
        b"\7\1" + plain,
        b"\7\1\x80",
        b"\7\1" + bytes(3) + b"\xf6\x80",
        b"\7\0" + bytes(100),
    ]


def people_seeds() -> list[bytes]:
    head = (b"\2" + bytes(8)).hex().encode()
    return [
        piece(0, b"") + piece(1, b"\2run" + bytes(32)) + piece(1, b"\2run" + bytes(31) + b"\1"),
        piece(1, b"\1" + bytes(32)) + piece(1, b"\3run" + bytes(32)) + piece(0, b""),
        piece(1, b"\1" + bytes(32)) * 3 + piece(1, b"\1" + b"\2" * 32) * 10,
        piece(2, head + b" hedgerow:invite/1/A") + piece(2, head) + piece(2, b"01" + head + b" x"),
        piece(3, b"%69 VD92EX0") + piece(3, b"GGW") + piece(3, b"FGW"),
    ]


def ratchet_seeds() -> list[bytes]:
    wrote = piece(0, b"hello")
    return [
        wrote + piece(1, b"\0"),
        wrote * 4 + piece(1, b"\3") + piece(1, b"\0") + piece(1, b"\1") + piece(1, b"\1"),
        wrote + piece(1, b"\0") + piece(0, b"\xffback") + wrote + piece(1, b"\1"),
        wrote + piece(3, b"\0\1") + piece(3, b"\0" + bytes(60) + b"\1") + piece(1, b"\0"),
        piece(2, b"\0" + bytes(100)) + piece(2, b"\0" + bytes(10)),
        (wrote * 2 + piece(1, b"\1") + piece(0, b"\xffback")) * 3 + piece(1, b"\0"),
    ]


def entry_seeds() -> list[bytes]:
    one = entry.Entry(entry.TEXT, 300, 70_000, 5, NOW, "grüße, 你好")
    hello = entry.Entry(entry.HELLO, 1, 1, 0, NOW, "")
    return [entry.encode(one), entry.encode(hello), b"\2\x80\0\0\0", b"\2\1\0\0\0\0\0\xff", b"\2\1\0\0"]


TARGETS = {
    "street": (fuzz_street, street_seeds),
    "invite": (fuzz_invite, invite_seeds),
    "request": (fuzz_request, request_seeds),
    "people": (fuzz_people, people_seeds),
    "ratchet": (fuzz_ratchet, ratchet_seeds),
    "entry": (fuzz_entry, entry_seeds),
}
