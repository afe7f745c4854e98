"""What flashing costs: bytes of firmware on a board, the time to copy them, from a reset to the first beacon.

The files are those of `hedgerow flash`; the unmodified mpremote copies them over a virtual cable of 115,200
baud to a bare board of the lab, whose flash takes its time, on the wall clock. A real chip starts more
slowly, for its interpreter is slower than this computer's, and its boot loader is not played.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from hedgerow.boards.settings import BoardSettings
from hedgerow.flashing import aioble, build, onboard, sources
from hedgerow.flashing.ports import Port
from hedgerow_lab.bare import image
from hedgerow_lab.bare.board import BareBoard
from hedgerow_lab.bare.chips import chip_named
from hedgerow_lab.bare.desk import Desk
from hedgerow_lab.world import CHILD, find_aioble

PEERS: list[str] = []
_CHIP = "esp32"
_STARTS = 9
_BEACON_S = 20
_SETTINGS = {"name": "mill", "mesh_key": bytes(32), "pairing_key": bytes(range(32)), "profile": "balanced"}


def staged(folder: Path) -> dict[str, Path]:
    """All files by their names on the board."""
    found = sources.find()
    library = find_aioble() or CHILD / "standin"
    content = {path.name: path.read_bytes() for path in sorted((library / "aioble").glob("*.py"))}
    build.lay_out(folder, aioble.compiled(content, found), found)
    for name in ("settings.a", "settings.b"):
        (folder / name).write_bytes(BoardSettings(**_SETTINGS).slot())  # type: ignore[arg-type]
    return {f"/{path.relative_to(folder)}": path for path in sorted(folder.rglob("*.*")) if path.is_file()}


def size_of(sizes: dict[str, int], begin: str) -> int:
    """Bytes of the files below ``begin``."""
    return sum(size for name, size in sizes.items() if name.startswith(begin))


def to_beacon_s(desk: Desk, board: BareBoard) -> float:
    """From a reset to the first beacon."""
    heard: list[float] = []
    desk.do(lambda: desk.lab.air.advert_watchers.append(lambda name, data: heard.append(time.monotonic())))
    began = time.monotonic()
    desk.do(board.reset)
    while not heard and time.monotonic() < began + _BEACON_S:
        time.sleep(0.001)
    desk.do(desk.lab.air.advert_watchers.clear)
    if not heard:
        sys.exit("bench: The board sends no beacon.")
    return heard[0] - began


def main(quick: bool) -> None:
    """Print the figures; a quick board has a quick cable."""
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as name:
        folder = Path(name)
        files = staged(folder / "files")
        sizes = {path: file.stat().st_size for path, file in files.items()}
        chip = chip_named(_CHIP)
        flash = folder / "flash"
        flash.write_bytes(image.installed(chip))
        with Desk(folder, quick=quick) as desk:
            board = desk.board(_CHIP, flash=flash)
            port = Port(str(board.link))
            compiled = {path: file for path, file in files.items() if path.endswith(".mpy")}
            began, heard = time.monotonic(), board.heard_bytes
            _, copied = onboard.fill(port, compiled, lambda part: None)
            took_s, sent = time.monotonic() - began, board.heard_bytes - heard
            onboard.put(port, {path: files[path] for path in files.keys() - compiled}, lambda part: None)
            beacons = [to_beacon_s(desk, board) for _ in range(2 if quick else _STARTS)]
    how = f"{'the real aioble' if find_aioble() else 'aioble: the stand-in of the lab'}; chip {_CHIP}"
    print_line("flash_bytes_firmware", size_of(sizes, "/a/"), "bytes", "core, firmware and console as .mpy")
    print_line("flash_bytes_app", size_of(sizes, "/a/hedgerow_board/app"), "bytes", "the module that stays")
    print_line("flash_bytes_aioble", size_of(sizes, "/lib/aioble/"), "bytes", how)
    cable = "a cable that takes no time" if quick else "115,200 baud"
    how = f"{copied} bytes with mpremote over {cable}, every SHA-256 compared before and after; {how}"
    print_line("flash_copy_s", round(took_s, 1), "s (noisy)", how)
    how = "what the cable carried for them: programs, which hold them deflated"
    print_line("flash_copy_sent_bytes", sent, "bytes", how)
    how = f"from a reset, median of {len(beacons)} on the wall clock; a chip's own boot loader not included"
    print_line("flash_boot_to_beacon_s", round(median(beacons), 3), "s (noisy)", how)


def print_line(metric: str, value: float, unit: str, how: str) -> None:
    """One figure."""
    fields = {"metric": metric, "value": value, "unit": unit, "goal": None, "peers": {}, "how": how}
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    try:
        main("--quick" in sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
