"""`hedgerow-lab memory`: does the whole firmware live in the heap of the smallest board, for a day?

One board, on a 32-bit MicroPython with a small heap, keeps a full shelf while a host and two neighbours, who
hear nobody but it, bring new letters all the time. The other neighbours only send beacons.
"""

import json
import re
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from littlefs import LittleFS
from rich.console import Console
from rich.progress import Progress

from hedgerow_lab.board import BLOCK_BYTES
from hedgerow_lab.courier import Courier, key
from hedgerow_lab.passers import Passer
from hedgerow_lab.world import Lab, LabError, find_aioble, find_micropython

SUBJECT = "roof"
_FLASH_BLOCKS = 512  # 2 MB, as on the smallest board
_BLOCK_BYTES = 16  # of MicroPython's heap, 32-bit
_HOUR_MS = 3_600_000
_LETTER_EVERY_MS = 60_000
_FILL_EVERY_MS = 200
_STEP_MS = 20_000
_PROBE_EVERY_MS = 7_000
_LIVE = 2  # neighbours that are whole boards: as many as the board keeps links to


class Trial:
    """One board in the middle of ``neighbours`` others; ``run`` it, then ``result`` tells.

    ``more`` are settings of that board besides those that it needs, ``shelf`` are files (name -> content) of
    a shelf that all boards have at first. With ``in_files`` the board's code is on its flash, and its heap.
    """

    def __init__(
        self,
        heap_bytes: int,
        letters: int,
        neighbours: int,
        seed: int,
        workdir: Path,
        more: dict[str, object] | None = None,
        shelf: dict[str, bytes] | None = None,
        in_files: bool = False,
    ) -> None:
        self.heap_bytes = heap_bytes
        self.letters = letters
        self.neighbours = neighbours
        self._deaths = 0
        self.lab = Lab(seed, workdir=workdir, aioble=find_aioble())
        houses = [f"house{number}" for number in range(1, neighbours + 1)]
        names = [SUBJECT, *houses[:_LIVE]]
        for name in houses[_LIVE:]:
            Passer(self.lab, name, key("mesh", ""), SUBJECT, seed)
            self.lab.hear(SUBJECT, name)
        for name in names:
            subject = name == SUBJECT
            settings = {
                "name": name,
                "mesh_key": key("mesh", ""),
                "pairing_key": key("pairing", name),
                "shelf_count": letters,
                **(more or {} if subject else {}),
            }
            board = self.lab.add_board(name, settings=settings, in_files=in_files and subject)
            board.machine.heap_bytes = heap_bytes if subject else 400_000 + 200 * letters
            board.machine.flash_blocks = _FLASH_BLOCKS
            board.flash_path.write_bytes(_flash(shelf or {}))
            if subject:
                board.machine.interpreter = find_micropython(32)
                board.machine.probe = True
                board.on_death = self._died
                self._subject = board
            else:
                self.lab.hear(SUBJECT, name)
        self.lab.run_until(3_000)
        # Three cables: the board's own, and two at houses, so that letters come from everywhere.
        self.hosts = [Courier(self.lab, name, seed) for name in names]

    def _died(self, reason: str) -> None:
        # Not even the lab's part of it had memory left: on a board the watchdog would bite.
        self._deaths += 1

    def _probe(self) -> None:
        """See how the heap is, and who is there; while the shelf fills, too, when there is most to do."""
        self._subject.probe()
        self.hosts[0].ask()
        self.lab.at(self.lab.now_ms + _PROBE_EVERY_MS, self._probe)

    def run(self, hours: float, progress: "object" = None) -> None:
        """Fill the shelf, then ``hours`` of letters from everywhere."""
        subject = self.hosts[0]
        self._probe()
        for number in range(self.letters):
            self.lab.at(self.lab.now_ms + number * _FILL_EVERY_MS, partial(_bring, subject))
        self.lab.run_until(self.lab.now_ms + self.letters * _FILL_EVERY_MS + 30_000)
        start = self.lab.now_ms
        end = start + round(hours * _HOUR_MS)
        for number, host in enumerate(self.hosts):
            for due in range(start + number * 7_000, end, _LETTER_EVERY_MS):
                self.lab.at(due, partial(_bring, host))
        while self.lab.now_ms < end:
            self.lab.run_until(min(self.lab.now_ms + _STEP_MS, end))
            if callable(progress):
                progress((self.lab.now_ms - start) * 100 // max(end - start, 1))
        self.lab.run_until(end + 5_000)

    def result(self, hours: float) -> dict[str, object]:
        """Figures as `--json` prints them; bytes are of the 32-bit heap, after a collection."""
        found = self.hosts[0].statuses
        log = self.lab.log(SUBJECT)
        pieces = [int(size) * _BLOCK_BYTES for size in re.findall(r"max free sz: (\d+)", "\n".join(log))]
        largest = [int(size) * _BLOCK_BYTES for size in re.findall(r"max blk sz: (\d+)", "\n".join(log))]
        free = [int(size) for size in re.findall(r"^GC: .*free: (\d+)", "\n".join(log), re.MULTILINE)]
        return {
            "heap_bytes": self.heap_bytes,
            "envelopes": max((status[0] for status in found), default=0),
            "links": max((status[8] for status in found), default=0),
            "neighbours": max((status[7] for status in found), default=0),
            "hours": hours,
            "letters": sum(len(host.acked) for host in self.hosts),
            "asked": len(found),
            "memory_errors": sum("MemoryError" in line for line in log)
            + max((status[11] for status in found), default=0),
            "resets": max((status[6] for status in found), default=1) - 1 + self._deaths,
            # A probe looks twice: as the heap is, and after a collection.
            "low_water_bytes": min(free[1::2] + [status[5] for status in found], default=0),
            "low_water_uncollected_bytes": min(free[::2], default=0),
            "least_free_piece_bytes": min(pieces[1::2], default=0),
            "largest_piece_bytes": max(largest, default=0),
        }


def _flash(shelf: dict[str, bytes]) -> bytes:
    """A flash with a file system, where there is something to lie in it."""
    if not shelf:
        return b"\xff" * (BLOCK_BYTES * _FLASH_BLOCKS)
    system = LittleFS(block_size=BLOCK_BYTES, block_count=_FLASH_BLOCKS)
    system.mkdir("/shelf")
    for name, content in shelf.items():
        with system.open(f"/shelf/{name}", "wb") as file:
            file.write(content)
    return bytes(system.context.buffer)


def _bring(courier: Courier) -> None:
    courier.write()


def memory(
    hours: Annotated[float, typer.Option(min=0.01, help="Simulated hours after the shelf is full.")] = 24,
    seed: Annotated[int, typer.Option(help="The same seed gives the same day.")] = 1,
    heap: Annotated[int, typer.Option(min=30_000, help="Bytes of heap of the board.")] = 102_400,
    letters: Annotated[int, typer.Option(min=1, max=4_000, help="Envelopes on its shelf.")] = 1_000,
    neighbours: Annotated[int, typer.Option(min=2, max=31, help="Boards that it hears.")] = 12,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON line.")] = False,
) -> None:
    """Run the whole firmware in a small heap; exit status 1 where the memory is too little."""
    quiet = as_json or not sys.stderr.isatty()
    with (
        tempfile.TemporaryDirectory(prefix="hedgerow-lab-") as workdir,
        Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar,
    ):
        task = bar.add_task("A busy board", total=100)
        trial = Trial(heap, letters, neighbours, seed, Path(workdir))
        try:
            trial.run(hours, lambda percent: bar.update(task, completed=percent))
            found = trial.result(hours)
            log = trial.lab.log(SUBJECT)
        finally:
            trial.lab.close()
    if as_json:
        print(json.dumps(found))
    else:
        print(
            f"{found['envelopes']} envelopes, {found['links']} links, {found['neighbours']} neighbours in"
            f" {heap:,} bytes of heap for {hours:g} hours: {found['memory_errors']} times too little memory,"
            f" {found['resets']} restarts, {found['low_water_bytes']:,} bytes free at the least"
        )
    if not found["asked"]:
        raise LabError(f"The board never answered: {heap:,} bytes of heap are too few for it to start.")
    if found["memory_errors"] or found["resets"]:
        errors = [line for line in log if "MemoryError" in line]
        last = errors[-1] if errors else "a link was ended"
        raise LabError(f"{heap:,} bytes of heap are too few for {letters:,} envelopes: {last}.")


def register(app: typer.Typer) -> None:
    """Add the command to the lab's."""
    app.command(epilog="Example: hedgerow-lab memory --hours 24 --json")(memory)
