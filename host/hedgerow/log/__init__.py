"""The conversation: entries and how they are written on the air; the log that they stand in."""

from hedgerow.log.canonical import Entry
from hedgerow.log.compaction import Snapshot
from hedgerow.log.log import Author, Joined, Log, Refusal

__all__ = ["Author", "Entry", "Joined", "Log", "Refusal", "Snapshot"]
