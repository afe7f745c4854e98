"""The host's end of a link to a board, whatever goes between them."""

from collections.abc import Callable

from hedgerow_core import service
from hedgerow_core.link import Link

_KEY_BYTES = {service.STREET_IS: 32, service.FINDING_IS: 16}
_TRIES = 3

Learn = Callable[[bytes, int], None]


def _nobody(key: bytes, now: int) -> None:
    pass


class BoardLink(Link):
    """A ``Link`` that asks the board for the keys it hands out: ``on_street`` hears the one of its street,
    ``on_finding`` the one by which its beacons are recognised."""

    on_street: Learn = staticmethod(_nobody)
    on_finding: Learn = staticmethod(_nobody)
    _tries_left: "dict[int, int] | None" = None  # by the answer that is missing

    def receive(self, data: bytes, now: int) -> "list[tuple[str, object]]":
        """As in ``Link``, but for what is said of these keys."""
        if self._tries_left is None:
            self._tries_left = dict.fromkeys(_KEY_BYTES, _TRIES)
        events = []
        for event in super().receive(data, now):
            name, value = event
            kind = value[0] if name == "service" and isinstance(value, bytes) else 0
            if kind in _KEY_BYTES and isinstance(value, bytes):
                self._tries_left[kind] = 0
                if len(value) == 1 + _KEY_BYTES[kind]:
                    (self.on_street if kind == service.STREET_IS else self.on_finding)(value[1:], now)
                continue
            # Again with each status: a frame may be lost.
            if (name == "up" or kind == service.STATUS_IS) and self.established:
                self._ask_for_keys()
            events.append(event)
        return events

    def _ask_for_keys(self) -> None:
        for answer, left in (self._tries_left or {}).items():
            if left and self._tries_left is not None:
                self._tries_left[answer] = left - 1
                self.service(bytes((answer - 1,)))
