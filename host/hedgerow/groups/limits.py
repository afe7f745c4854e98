"""Every bound of groups in one place (docs/protocol.md, "Groups")."""

DEVICES = 200  # of a group at once
ACCOUNT_DEVICES = 8  # of one account at once
NAME_BYTES = 64
NUMBER_MAX = (1 << 28) - 1  # of sequences and epochs

# Operations
OPERATION_BYTES = 820  # so that one fits into any envelope
PARENTS = 8
OPERATIONS = 2_048
HELD = 256  # that wait for their parents

# Epochs
EPOCHS = 8  # kept of one group
WAITING_EPOCHS = 16  # whose operations are not all here yet
EPOCH_MESSAGES = 500  # after so many a new epoch begins; no chain is longer
EPOCH_MS = 7 * 24 * 3_600_000
OLD_EPOCH_MS = 14 * 24 * 3_600_000  # so long the longest letter is on its way
WINDOW = 64  # locks of each chain that are known at once
SKIPPED_KEYS = 2_000  # of one chain; no chain has so many

# Entries
REFERENCES = 2  # acknowledgements in a letter; in a digest all
DIGEST_MS = 6 * 3_600_000

_LEAP = 1 << 12


def after_leap(sequence: int) -> int:
    """The first sequence of who does not know any more how far it was: no place is used twice."""
    return (sequence // _LEAP + 1) * _LEAP + 1
