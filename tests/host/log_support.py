"""Logs for tests: people with keys, and entries that nobody honest would make."""

import hashlib

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from hedgerow.log import Author, Log, canonical
from hedgerow.log.canonical import Entry

NAME = hashlib.sha256(b"a conversation").digest()
ANN, BOB, EVE = (Author.from_seed(bytes([number]) * 32) for number in (1, 2, 3))
PEOPLE = (ANN, BOB, EVE)
# Files, not functions, take the time.
SLOW = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


def new(author=None, path=":memory:", **options):
    """An empty log."""
    return Log.open(path, NAME, author, durable=False, **options)


def forged(author, sequence, clock, parents=(), previous=None, kind=0x100, body=b"forged", log=NAME):
    """An entry with whatever numbers, signed by its author."""
    if previous is None and sequence > 1:
        previous = parents[0] if parents else b"p" * 32
    return canonical.make(log, author.key, sequence, clock, parents, previous, (), kind, body, author.sign)


def absent(number):
    """The id of an entry that nobody ever wrote."""
    return hashlib.sha256(b"absent %d" % number).digest()


def ids(log):
    """The order."""
    return [entry.id for entry in log.entries()]


def picture(log):
    """All of a log that must be the same for everybody with the same entries."""
    records = [(record.entry, record.state) for record in log.records()]
    hidden = sorted((record.entry.id, record.state) for record in log.refused())
    gaps = [(gap.id, gap.clock, gap.followers) for gap in log.gaps()]
    heads = [entry.id for entry in log.heads()]
    forks = sorted((fork.author, fork.sequence, [entry.id for entry in fork.entries]) for fork in log.forks())
    meta = log.meta
    return records, hidden, gaps, heads, forks, meta.tip, meta.count, meta.far, len(log)


@st.composite
def histories(draw, people=3, steps=14, forgeries=True):
    """Entries that some people wrote, each with what had reached them until then; and some forged ones."""
    logs = [new(author) for author in PEOPLE[:people]]
    entries: list[Entry] = []
    for _ in range(draw(st.integers(1, steps))):
        who = draw(st.integers(0, people - 1))
        what = draw(st.sampled_from(["write", "write", "join", "some", "forge", "fork"]))
        if what == "write":
            entries.append(logs[who].append(b"%d" % len(entries)))
        elif what == "join":
            logs[who].join_log(logs[draw(st.integers(0, people - 1))])
        elif what == "some" and entries:
            logs[who].join(draw(st.lists(st.sampled_from(entries), max_size=4)))
        elif what in ("forge", "fork") and forgeries:
            parents = (
                draw(st.lists(st.sampled_from([entry.id for entry in entries]), max_size=2, unique=True))
                if entries
                else []
            )
            parents += [absent(1)] * draw(st.booleans())
            sequence = draw(st.integers(1, 3))
            high = 1 + max((entry.clock for entry in entries if entry.id in parents), default=0)
            clock = max(
                draw(st.sampled_from([sequence, high, high, high + 1, high + (1 << 24), 1 << 40])), sequence
            )
            if bool(parents) == (clock > 1):
                forgery = forged(EVE, sequence, clock, parents)
                entries.append(forgery)
                logs[who].join([forgery])
    for log in logs:
        log.close()
    return entries
