"""What goes over the air and the cable: beacons, frames, packets."""

from fuzz.core.things import KEY
from fuzz.promise import Told, holds, piece, pieces, told
from hedgerow_core import beacon, frame, limits
from hedgerow_core.fragment import Reassembler

ADDRESS = b"\x01addrs"
_BYTE_BY_BYTE = 700  # a longer line is cut less often
LINE = frame.encode(b"hello") + b"noise" + frame.encode(bytes(300)) + frame.encode(b"\1" * 260)


def fuzz_beacon(data: bytes) -> str:
    if data[:1] == b"\x01":
        # With a MAC that fits, as a hostile member would make it.
        content = (data[1:15] + bytes(14))[:14]
        advert = beacon._HEAD + content + beacon._mac(KEY, ADDRESS, content)
    else:
        advert = data[1:]
    beacon.read(data)
    found = beacon.parse(advert, KEY, ADDRESS)
    if found is None:
        return "nothing"
    said = (found.beacon_id, found.count, found.summary, found.load)
    again = beacon.encode(KEY, ADDRESS, *said, beacon.for_all(advert))
    holds(again == advert, "a beacon has two encodings")
    return told(advert)


def beacon_seeds() -> list[bytes]:
    advert = beacon.encode(KEY, ADDRESS, b"beacon", 300, b"sums", 7)
    hosts = beacon.encode(KEY, ADDRESS, b"beacon", 300, b"sums", 7, False)
    return [
        b"\0" + advert,
        b"\0" + hosts,
        b"\0" + advert[:-1],
        b"\0" + advert + b"\0",
        b"\1" + advert[7:21],
        b"\1\2",
    ]


def fuzz_frames(data: bytes) -> str:
    """The first byte says where the line is cut; however it is, the frames are the same."""
    line = data[1:]
    cut = data[0] if data else 0
    whole = frame.Deframer()
    found = whole.receive(line)
    for step in (1, cut + 1) if len(line) <= _BYTE_BY_BYTE else (cut + 1,):
        parts = frame.Deframer()
        other = []
        for at in range(0, len(line), step):
            other.extend(parts.receive(line[at : at + step]))
            holds(len(parts.pending()) <= frame._ENCODED_BYTES, "a frame's buffer passes its bound")
        holds(other == found, "frames depend on how the line is cut")
        holds(parts.noise == whole.noise, "noise depends on how the line is cut")
        holds(parts.pending() == whole.pending(), "what is pending depends on how the line is cut")
    for payload in found:
        holds(len(payload) <= limits.FRAME_BYTES, "a frame above the limit")
        holds(frame.encode(payload)[1:-1] in line, "a frame has two encodings")
    holds(whole.receive(b"\0" + frame.encode(b"after"))[-1:] == [b"after"], "no frame after noise")
    return told(whole.noise, *found)


def frames_seeds() -> list[bytes]:
    return [b"\x10" + LINE, b"\0" + LINE[3:], b"\x50" + bytes(600), b"\x07" + b"x" * 1200, b"\2\0\1\0\0"]


def fuzz_packets(data: bytes) -> str:
    back = Reassembler()
    result = Told()
    for what, packet in pieces(data):
        for _ in range(1 + what):
            found = back.receive(packet)
            if found is not None:
                holds(len(found) <= limits.FRAME_BYTES, "a frame above the limit")
                result.add(found)
        holds(sum([len(part) for part in back._parts]) <= limits.FRAME_BYTES, "parts pass their bound")
        holds(len(back._parts) <= limits.FRAME_BYTES, "parts pass their bound")
    result.add(back.lost)
    holds(back.receive(b"\xc5after") == b"after", "no frame after noise")
    return result.digest()


def packets_seeds() -> list[bytes]:
    return [
        piece(0, b"\xc0hello") + piece(0, b"\x81he") + piece(0, b"\2l") + piece(0, b"\x43lo"),
        piece(0, b"\x80") + piece(90, b"\1"),
        piece(0, b"\x80" + bytes(400)) + piece(0, b"\1" + bytes(400)),
        piece(0, b"") + piece(0, b"\x41") + piece(0, b"\xff") + piece(0, b"\0"),
    ]


TARGETS = {
    "beacon": (fuzz_beacon, beacon_seeds),
    "frames": (fuzz_frames, frames_seeds),
    "packets": (fuzz_packets, packets_seeds),
}
