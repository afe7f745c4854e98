"""What a board remembers of its troubles: a few entries, the oldest of which make room for new ones.

Entry: start 2 | seconds since that start 4 | length 1 | text (UTF-8, the end of it may be cut).
"""

from hedgerow_core import limits
from hedgerow_core.errors import PeerError

_HEAD = 7


def added(journal: bytes, start: int, uptime_s: int, text: bytes) -> bytes:
    """``journal`` with one entry more, at most limits.JOURNAL_BYTES of it; the end of a long text is kept.

    The same text again changes nothing: a board that fails at each start must keep what led to it, and
    must not wear out its flash. A damaged journal begins anew.
    """
    text = text[-limits.JOURNAL_TEXT_BYTES :]
    try:
        known = entries(journal)
    except PeerError:
        journal = b""
        known = []
    if known and known[-1][2] == text:
        return journal
    head = (start & 0xFFFF).to_bytes(2, "big") + min(uptime_s, 0xFFFFFFFF).to_bytes(4, "big")
    journal += head + bytes((len(text),)) + text
    while len(journal) > limits.JOURNAL_BYTES:
        journal = journal[_HEAD + journal[_HEAD - 1] :]
    return journal


def entries(journal: bytes) -> list[tuple[int, int, bytes]]:
    """(start, seconds since then, text) of each entry, oldest first. PeerError where it is damaged."""
    found = []
    at = 0
    while at < len(journal):
        end = at + _HEAD
        if end > len(journal) or end + journal[end - 1] > len(journal):
            raise PeerError("a damaged journal")
        end += journal[end - 1]
        start = int.from_bytes(journal[at : at + 2], "big")
        uptime_s = int.from_bytes(journal[at + 2 : at + 6], "big")
        found.append((start, uptime_s, journal[at + _HEAD : end]))
        at = end
    return found
