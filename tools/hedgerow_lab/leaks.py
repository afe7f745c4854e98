"""Searches everything that crosses the air, the cables and the flash for what only people may read."""

_WINDOW = 8


class Leaks:
    """``secrets`` are texts and names; any 8 bytes of one of them in a row count as a leak."""

    def __init__(self) -> None:
        self._windows: dict[bytes, str] = {}
        self._on_air: set[str] = set()

    def add(self, secret: str) -> None:
        """Look for ``secret`` from now on."""
        data = secret.encode()
        for at in range(max(1, len(data) - _WINDOW + 1)):
            self._windows[data[at : at + _WINDOW]] = secret

    def search(self, data: bytes) -> set[str]:
        """The secrets that ``data`` gives away."""
        return {secret for window, secret in self._windows.items() if window in data}

    def watch(self, data: bytes) -> None:
        """Something crossed the air or a cable."""
        self._on_air |= self.search(data)

    @property
    def on_air(self) -> int:
        """How many secrets crossed the air or a cable in clear."""
        return len(self._on_air)
