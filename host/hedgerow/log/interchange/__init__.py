"""Logs as files: JSON lines, CAR, and what OrbitDB reads (docs/log.md, "Interchange")."""

from hedgerow.log.interchange.reading import Loaded, load
from hedgerow.log.interchange.writing import CAR, FORMATS, JSONL, ORBITDB, export

__all__ = ["CAR", "FORMATS", "JSONL", "ORBITDB", "Loaded", "export", "load"]
