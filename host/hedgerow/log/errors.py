"""What can go wrong with a log. An error's docstring is the sentence that the user reads."""

from hedgerow.errors import UserError


class LogDamaged(UserError):
    """The log in {path} cannot be read ({reason}): restore a copy, or join it anew from who has it."""


class FileDamaged(UserError):
    """The file is damaged at block {at} ({reason}): get it anew; what stands before that was read."""


class NoEntries(UserError):
    """There is no entry in this file: JSON lines and CAR of Hedgerow are read, and nothing else."""


class LogNewer(UserError):
    """The log in {path} was written by a newer version of Hedgerow: update this one."""


class LogBusy(UserError):
    """Another program is writing to {path}: wait until it has finished and try again."""


class LogNotWritten(UserError):
    """{path} cannot be written ({reason}): make room or choose another place, then try again."""


class LogReadOnly(UserError):
    """This log was opened without an author: open it with one to write."""


class NotAllowed(UserError):
    """The rules of this log do not let you write this: ask who may."""


class UnknownEntry(UserError):
    """There is no entry {entry} in this log."""


class TooLarge(UserError):
    """An entry has room for {limit} bytes, this one would have {size}: divide it."""


class NoSnapshotYet(UserError):
    """There is nothing to leave behind a snapshot up to there: choose a later place, or keep all."""


class StoreNotNamed(UserError):
    """Entries of the store {name} would be lost: name all stores of this log when you compact it."""


class NotTrusted(UserError):
    """This snapshot is by nobody whom you trust with it: ask somebody else for one."""


class SnapshotBehind(UserError):
    """This snapshot leaves out what was removed here already: keep yours, or ask for a newer one."""


class BehindSnapshot(UserError):
    """What you wrote last is behind the snapshot and not here: join the log from who has it, then write."""


class NotAValue(UserError):
    """That cannot be stored ({reason}): use texts, whole numbers, bytes, lists and maps."""
