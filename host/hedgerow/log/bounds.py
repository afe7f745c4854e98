"""Every bound of the log (docs/log.md, "Bounds")."""

ID_BYTES = 32
LOG_ID_BYTES = 32
AUTHOR_BYTES = 32
SIGNATURE_BYTES = 64

BODY_BYTES = 256 * 1024
PARENTS = 32  # heads that one entry joins
REFERENCES = 31
SEQUENCE_MAX = (1 << 32) - 1
CLOCK_MAX = (1 << 53) - 1  # what every language reads as an integer
KIND_MAX = 0xFFFF
ENTRY_BYTES = BODY_BYTES + (PARENTS + REFERENCES) * (ID_BYTES + 2) + 512

# An entry whose past is not here may claim any clock. This much above what is known it is held back, and from
# half as much on nobody builds on it: so no forger moves the clock of a log further with one entry.
CLOCK_JUMP = 1 << 24
CLOCK_TRUST = CLOCK_JUMP // 2
APPEND_LOOKS = 1_024  # entries that are looked at for parents of a new one

SNAPSHOT_BYTES = 1 << 20
JOIN_ENTRIES = 1_000  # of one transaction
PAGE_ENTRIES = 256  # read at once while somebody iterates
WANTS = 64  # missing entries that are asked for at once
TAIL = 64  # own entries in a row before the log's row is written again
RECENT = 64  # own entries remembered in memory by sequence: what the next ones refer to
KNOWN = 4_096  # entries remembered in memory by id: parents of what comes next
VECTORS = 1_024  # causal pasts remembered in memory
VECTOR_EVERY = 256  # clocks between two causal pasts on the disk
PROBLEMS = 100  # that one verification tells
RULE_KINDS = 16  # kinds below this are indexed: few entries, and access rules look for them
