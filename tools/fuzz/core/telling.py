"""What a board says of itself and of those around it: status, clock, journal, neighbours, counts, probes."""

from fuzz.promise import holds, piece, pieces, refusal, told
from hedgerow_core import counts, journal, limits, probe, service, survey
from hedgerow_core.clock import decode_clock, encode_clock
from hedgerow_core.errors import PeerError
from hedgerow_core.service import decode_log, decode_status, encode_log, log_piece


def fuzz_status(data: bytes) -> str:
    try:
        numbers, name = decode_status(data)
    except PeerError as error:
        return refusal(error)
    return told(name, *numbers)


def status_seeds() -> list[bytes]:
    return [b"\x41" + bytes(21) + text for text in (b"board", b"", "grün".encode(), b"\xff", b"\xc0\x80")]


def fuzz_clock(data: bytes) -> str:
    try:
        minute, certain, asks = decode_clock(data)
    except PeerError as error:
        return refusal(error)
    holds(minute <= limits.M_MINUTES, "a clock past its bound")
    holds(encode_clock(minute, certain, asks) == data, "a clock has two encodings")
    return told(minute, certain, asks)


def clock_seeds() -> list[bytes]:
    return [encode_clock(1 << 20, True), encode_clock(limits.M_MINUTES, False), bytes(4), b"\x7f" * 5]


def fuzz_log(data: bytes) -> str:
    try:
        part, parts, log = log_piece(data)
        starts, cause, troubles, by_cause, entries = decode_log(log)
    except PeerError as error:
        return refusal(error)
    found = [part, parts, starts, cause, troubles]
    found += by_cause
    for entry in entries:
        found += entry
    # A board adds to what it finds, whatever that is.
    later = journal.added(log, starts, 5, data)
    holds(len(later) <= max(limits.JOURNAL_BYTES, len(log)), "a journal beyond its bound")
    journal.entries(later)
    return told(*found)


def log_seeds() -> list[bytes]:
    kept = journal.added(journal.added(b"", 1, 2, b"one"), 3, 4, b"two")
    whole = encode_log(0, 9, 3, 2, [1] * 6, kept)
    return [whole, whole[:-1], whole + b"\0", whole[:19], encode_log(1, 9, 3, 2, [1] * 6, kept)]


def fuzz_nodes(data: bytes) -> str:
    try:
        page, pages, nodes = survey.decode_nodes(data)
    except PeerError as error:
        return refusal(error)
    found = [page, pages]
    for node in nodes:
        found += node
    return told(*found)


def nodes_seeds() -> list[bytes]:
    row = bytes(range(survey.NODE_BYTES))
    return [b"\x53\0\1", b"\x53\0\1" + row * 15, b"\x53\1\2" + row, b"\x53\0\1" + row[:-1], b"\x53\0\0"]


def fuzz_counts(data: bytes) -> str:
    try:
        cause, starts, battery, counted = survey.decode_counts(data)
    except PeerError as error:
        return refusal(error)
    holds(survey.encode_counts(cause, starts, battery, counted) == data, "counts have two encodings")
    found = [cause, battery]
    return told(*(found + starts + counted))


def counts_seeds() -> list[bytes]:
    whole = survey.encode_counts(3, [1, 2, 3, 4, 5, 6], 101, list(range(counts.COUNTERS)))
    return [whole, whole[:-1], whole + b"\0", whole[:1] + b"\6" + whole[2:]]


def fuzz_probe(data: bytes) -> str:
    """What neighbours and the host say to one board of probes, one after the other."""
    memory: list[probe.Probe] = []
    said = []
    now = 0
    for what, message in pieces(data):
        now += what >> 2 & 0x1F
        source = "abc?"[what & 3]
        probe.forget(memory, now)
        if message and message[0] in (service.TRACE, service.PROBE):
            reply, onward = probe.take(memory, message, source, "mill", now)
            holds(not (reply and onward), "an answer and a question at once")
            said += [reply, onward]
        else:
            to, echo = probe.back(memory, message, source, "mill", now)
            holds(to is None or to != source, "an echo went back to where it came from")
            holds(not echo or len(probe.hops_of(echo)[1]) <= limits.TRACE_HOPS + 1, "too many hops")
            said.append(echo)
        holds(len(memory) <= limits.PROBES, "a memory beyond its bound")
        holds(all([len(one) <= limits.ANSWER_BYTES for one in said]), "an answer beyond its bound")
    return told(*said)


def probe_seeds() -> list[bytes]:
    ask = probe.question(b"12345678", "school")
    echo = bytes((service.ECHO,)) + b"12345678" + b"\0\5\6school"
    one = bytes((service.PROBE,)) + ask[1:]
    return [
        piece(0, ask) + piece(5, echo),
        piece(0, one) + piece(1, one) + piece(0, echo) + piece(1, echo) + piece(1, echo),
        piece(0, probe.question(b"12345678", "mill")) + piece(0, one[:-1]) + piece(2, echo[:-1]),
        piece(0, one) + piece(9, echo[:9] + b"\0\1\0" * 8) + piece(9, echo[:9] + b"\0\1\0" * 9),
    ]


TARGETS = {
    "status": (fuzz_status, status_seeds),
    "clock": (fuzz_clock, clock_seeds),
    "log": (fuzz_log, log_seeds),
    "nodes": (fuzz_nodes, nodes_seeds),
    "counts": (fuzz_counts, counts_seeds),
    "probe": (fuzz_probe, probe_seeds),
}
