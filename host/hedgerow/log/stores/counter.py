"""Counter (PN): what each author added and took away, summed."""

from typing import Any

from hedgerow.log.canonical import Entry
from hedgerow.log.errors import NotAValue
from hedgerow.log.stores.fold import Store, check
from hedgerow_core.errors import PeerError

STEP_MAX = 1 << 31


class Counter(Store):
    """Integers from -2^31 to 2^31 at a time."""

    def _clear(self) -> None:
        self._sums: dict[bytes, int] = {}

    def add(self, amount: int = 1) -> Entry:
        """Count up, or down. NotAValue above the bound."""
        if type(amount) is not int or abs(amount) > STEP_MAX:
            raise NotAValue(reason=f"a counter takes whole numbers up to {STEP_MAX}")
        return self._write("count", amount)

    @property
    def value(self) -> int:
        """The sum of all."""
        self.refresh()
        return sum(self._sums.values())

    def by_author(self) -> dict[bytes, int]:
        """The sum of each author."""
        self.refresh()
        return dict(sorted(self._sums.items()))

    def _take(self, entry: Entry, what: str, given: list[Any]) -> None:
        (amount,) = check(given, int)
        if what != "count" or abs(amount) > STEP_MAX:
            raise PeerError("an operation that is not known here")
        self._sums[entry.author] = self._sums.get(entry.author, 0) + amount

    def _dump(self) -> Any:
        return [[author, amount] for author, amount in self._sums.items()]

    def _restore(self, dumped: Any) -> None:
        self._sums = dict(dumped)
