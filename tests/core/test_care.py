"""What a board remembers and what a host learns of it: slots, journal, log."""

from hedgerow_core import journal, limits, service, slots
from support import refuses


def test_a_slot_is_whole_or_nothing():
    slot = slots.seal(7, b"content")
    assert slots.generation(slot) == 7
    assert slots.content(slot) == b"content"
    for end in range(len(slot)):
        assert slots.generation(slot[:end]) == -1
    for at in range(len(slot)):
        assert slots.generation(slot[:at] + bytes((slot[at] ^ 4,)) + slot[at + 1 :]) == -1
    assert slots.generation(slot + b"\0") == -1
    assert slots.generation(bytes(40)) == slots.generation(b"\xff" * 40) == -1


def test_the_newest_whole_slot_holds():
    old, new = slots.seal(3, b"old"), slots.seal(0xFFFFFFFF, b"new")
    assert slots.newest([old, new]) == slots.newest([b"", new, old]) == 1
    assert slots.newest([old, new[:-1]]) == 0
    assert slots.newest([new, new]) == 0
    assert slots.newest([b"", b"x"]) == slots.newest([]) == -1


def test_the_journal_keeps_the_last_entries_within_its_bound():
    kept = b""
    for number in range(300):
        kept = journal.added(kept, number, number * 1000, b"trouble number %d" % number)
        assert len(kept) <= limits.JOURNAL_BYTES
    found = journal.entries(kept)
    assert found[-1] == (299, 299_000, b"trouble number 299")
    assert [start for start, _, _ in found] == list(range(300 - len(found), 300))
    assert len(found) > 30


def test_the_same_trouble_again_pushes_nothing_out():
    kept = journal.added(b"", 1, 5, b"first")
    kept = journal.added(kept, 2, 6, b"second")
    assert journal.added(kept, 3, 7, b"second") == kept
    assert len(journal.entries(journal.added(kept, 3, 7, b"first"))) == 3


def test_of_a_long_text_the_end_is_kept():
    kept = journal.added(b"", 70_000, 1 << 40, b"x" * 500 + b"the cause")
    ((start, uptime_s, text),) = journal.entries(kept)
    assert (start, uptime_s) == (70_000 & 0xFFFF, 0xFFFFFFFF)
    assert text == b"x" * (limits.JOURNAL_TEXT_BYTES - 9) + b"the cause"


def test_a_damaged_journal_is_told_and_begins_anew():
    whole = journal.added(journal.added(b"", 1, 2, b"one"), 3, 4, b"two")
    for end in range(1, len(whole)):
        if end == 10:
            continue  # where the first entry ends
        assert refuses(journal.entries, whole[:end])
        assert journal.entries(journal.added(whole[:end], 5, 6, b"new")) == [(5, 6, b"new")]


def gathered(counts, kept):
    """What a host makes of all parts."""
    log = b""
    part, parts = 0, 1
    while part < parts:
        message = service.encode_log(part, 9, 3, 2, counts, kept)
        assert len(message) <= limits.SERVICE_BYTES
        index, parts, piece = service.log_piece(message)
        assert index == part
        log += piece
        part += 1
    return service.decode_log(log)


def test_a_log_crosses_in_parts():
    kept = b""
    for number in range(60):
        kept = journal.added(kept, number, number, b"trouble %d" % number)
    for journal_bytes in (b"", journal.added(b"", 1, 2, b"one"), kept):
        starts, cause, troubles, counts, entries = gathered([0, 1, 2, 3, 70_000, 5], journal_bytes)
        assert (starts, cause, troubles, counts) == (9, 3, 2, [0, 1, 2, 3, 0xFFFF, 5])
        assert entries == journal.entries(journal_bytes)


def test_a_part_that_is_not_there_is_no_part():
    for part in (1, 7, 255):
        assert refuses(service.log_piece, service.encode_log(part, 1, 1, 0, [0] * 6, b""))


def test_a_damaged_log_is_told():
    whole = service.encode_log(0, 9, 3, 2, [1] * 6, journal.added(b"", 1, 2, b"one"))
    for end in range(3):
        assert refuses(service.log_piece, whole[:end])
    log = whole[3:]
    for end in range(len(log)):
        if end == 16:
            continue  # without a journal
        assert refuses(service.decode_log, log[:end])
    assert refuses(service.decode_log, log + b"\0")
    assert refuses(service.decode_log, log[:2] + b"\x06" + log[3:])
