"""The demo as a moving picture on a terminal: the boards, the letters on their way, what each shelf holds."""

import time
from collections.abc import Callable

from rich.align import Align
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

_FRAME_S = 0.05
_STEP_MS = 100  # virtual time of a frame: twice as fast as life
_PAUSE_S = 2.5  # for reading a new step
_FLIGHT_FRAMES = 8
_LOG_LINES = 9
_GAP = 11  # columns between two boards, where there is room
_BOX = 12  # columns of a board
_FRAME_COLUMNS = 4


class Stage:
    """``boards`` stand in a line, ``people`` (name, board) beside theirs; ``known`` is what beacons say."""

    def __init__(
        self,
        console: Console,
        boards: list[str],
        people: list[tuple[str, str]],
        known: dict[str, int],
        powered: Callable[[str], bool],
        linked: Callable[[str, str], bool],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        room = console.width - _FRAME_COLUMNS
        self._box = _BOX if room >= _BOX * len(boards) + 3 * (len(boards) - 1) else max(map(len, boards)) + 2
        self._gap = max(1, min(_GAP, (room - self._box * len(boards)) // max(len(boards) - 1, 1)))
        self._boards = boards
        self._people = people
        self._known = known
        self._powered = powered
        self._linked = linked
        self._sleep = sleep
        self._plugged: set[str] = set()
        self._title = Text("")
        self._log: list[Text] = []
        self._last: dict[str, int] = {}
        self._flights: dict[tuple[int, int], int] = {}  # (from, to) -> frames left
        self._live = Live(console=console, refresh_per_second=20, transient=False)

    def __enter__(self) -> "Stage":
        self._live.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._draw()
        self._live.__exit__(None, None, None)

    def plug(self, person: str, plugged: bool) -> None:
        """A person comes or goes."""
        (self._plugged.add if plugged else self._plugged.discard)(person)

    def title(self, text: str) -> None:
        """A new step: show it, and give time to read it."""
        self._title = Text(text.strip(), style="bold")
        self._draw()
        self._sleep(_PAUSE_S)

    def line(self, text: Text) -> None:
        """Something happened."""
        self._log = [*self._log, text][-_LOG_LINES:]
        self._draw()

    def advance(
        self, run_until: Callable[[int], None], now_ms: int, end_ms: int, done: Callable[[], bool]
    ) -> None:
        """Let virtual time go on, one frame after the other."""
        while now_ms < end_ms and not done():
            now_ms = min(now_ms + _STEP_MS, end_ms)
            run_until(now_ms)
            self._draw()
            self._sleep(_FRAME_S)

    def frame(self) -> Panel:
        """What is to be seen now."""
        return Panel(
            Group(Align.center(self._picture()), Text(""), self._title, Text(""), *self._log),
            title="Hedgerow",
            border_style="green",
        )

    def _draw(self) -> None:
        self._depart()
        self._live.update(self.frame(), refresh=True)
        self._flights = {way: left - 1 for way, left in self._flights.items() if left > 1}

    def _depart(self) -> None:
        for at, board in enumerate(self._boards):
            count = self._known.get(board, 0)
            if count > self._last.get(board, count):
                for other in (at - 1, at + 1):
                    if 0 <= other < len(self._boards) and self._linked(self._boards[other], board):
                        self._flights[(other, at)] = _FLIGHT_FRAMES
            self._last[board] = count

    def _picture(self) -> Text:
        hosts, cables, shelves = Text(), Text(), Text()
        boards = Text()
        for at, board in enumerate(self._boards):
            on = self._powered(board)
            style = "bold green" if on else "dim red"
            boards.append(f"[{board:^{self._box - 2}}]", style=style)
            count = self._known.get(board, 0)
            held = f"✉ {count}" if on else "dark"
            shelves.append(f"{held:^{self._box}}", style="yellow" if on else "dim red")
            person = next((name for name, where in self._people if where == board), None)
            here = person is not None and person in self._plugged
            label = "" if person is None else person.split()[0] + ("" if here else " away")
            hosts.append(f"{label:^{self._box}}", style="bold cyan" if here else "dim")
            cables.append(f"{'│' if here else ' ':^{self._box}}", style="cyan")
            if at + 1 < len(self._boards):
                boards.append_text(self._air(at))
                for row in (hosts, cables, shelves):
                    row.append(" " * self._gap)
        return Text("\n").join([hosts, cables, boards, shelves])

    def _air(self, at: int) -> Text:
        """What is between board ``at`` and the next."""
        a, b = self._boards[at], self._boards[at + 1]
        if not (self._powered(a) and self._powered(b)):
            return Text(" " * self._gap)
        linked = self._linked(a, b)
        text = Text(("━" if linked else "·") * self._gap, style="green" if linked else "dim")
        for way, left in self._flights.items():
            if way in ((at, at + 1), (at + 1, at)):
                done = (_FLIGHT_FRAMES - left) * (self._gap - 1) // _FLIGHT_FRAMES
                column = done if way[0] == at else self._gap - 1 - done
                text = text[:column] + Text("✉", style="bold yellow") + text[column + 1 :]
        return text
