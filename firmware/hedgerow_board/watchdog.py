"""The hardware watchdog, fed by progress: a board whose tasks do not come round any more is reset."""

from machine import WDT

# Several times what the slowest thing takes that stops all tasks, the moving of one part of the shelf.
_TIMEOUT_MS = 30_000
_BOUND_MS = 60_000  # for one round of a task; a scan takes 3 s, a call that fails 6 s, a slow beacon 32 s
# It cannot be stopped, so in the REPL it gets a time within which somebody will have reset the board:
# 6 days, about the most that the hardware can count.
_OFF_MS = 1 << 29

WIRE = "wire"
RADIO = "radio"
BEACON = "beacon"


class Watchdog:
    """Starts at once. ``tasks`` are watched from their first ``passed`` on."""

    def __init__(self) -> None:
        self._hardware = WDT(timeout=_TIMEOUT_MS)
        self.tasks: dict[str, int] = {}

    def passed(self, task: str, now: int) -> None:
        """A task came round."""
        self.tasks[task] = now

    def check(self, now: int) -> str:
        """Feed the hardware, unless a task did not come round in time: the name of that task, else ""."""
        for task in self.tasks:
            if now - self.tasks[task] > _BOUND_MS:
                return task
        self._hardware.feed()
        return ""

    def rest(self) -> None:
        """The REPL has the board from now on."""
        self._hardware = WDT(timeout=_OFF_MS)
