"""Stores on a log: event log, feed, key-value, documents, counter, set (docs/log.md, "Stores").

Each is a pure fold of the log: replicas with the same entries have the same store, whatever came first.
"""

from hedgerow.log.stores.counter import Counter
from hedgerow.log.stores.documents import Documents
from hedgerow.log.stores.events import EventLog, Feed
from hedgerow.log.stores.key_value import KeyValue
from hedgerow.log.stores.sets import AddWinsSet

__all__ = ["AddWinsSet", "Counter", "Documents", "EventLog", "Feed", "KeyValue"]
