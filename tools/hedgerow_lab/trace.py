"""The trace: every event of a run, hashed, and written to a file where one is named."""

import hashlib
from pathlib import Path


class Trace:
    """Takes events (time in us, who, what, details) and keeps their SHA-256."""

    def __init__(self, path: Path | None = None) -> None:
        self._hash = hashlib.sha256()
        self._file = path.open("w") if path is not None else None

    def add(self, when_us: int, who: str, what: str, detail: str = "") -> None:
        """One event."""
        line = f"{when_us} {who} {what} {detail}\n"
        self._hash.update(line.encode())
        if self._file is not None:
            self._file.write(line)

    def sha256(self) -> str:
        """The hash of everything so far, in hex."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
