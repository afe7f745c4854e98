"""`hedgerow-lab bare`: a bare board at a pseudo-terminal until Ctrl-C."""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from hedgerow_lab.bare import image
from hedgerow_lab.bare.board import BareBoard
from hedgerow_lab.bare.chips import CHIPS, chip_named
from hedgerow_lab.clock import RealClock
from hedgerow_lab.live_cli import Ending
from hedgerow_lab.world import Lab

_FOR_EVER_US = 1 << 62


def bare(
    chip: Annotated[str, typer.Option(help=f"One of {', '.join(sorted(CHIPS))}.")] = "esp32",
    pty: Annotated[
        Path | None, typer.Option(help="Link to the port.", show_default="in a new folder")
    ] = None,
    flash: Annotated[
        Path | None,
        typer.Option(help="Keep its flash in this file, and go on with it.", show_default="erased"),
    ] = None,
    make_image: Annotated[
        Path | None,
        typer.Option(help="Write an image that it starts to this file; nothing of MicroPython is in it."),
    ] = None,
    quick: Annotated[bool, typer.Option(help="Flash and cable take next to no time.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
) -> None:
    """Run a board as it comes out of the bag until Ctrl-C, for the unmodified esptool and mpremote."""
    made = chip_named(chip)
    if make_image is not None:
        make_image.write_bytes(image.micropython(made))
    with Ending() as ending, tempfile.TemporaryDirectory(prefix="hedgerow-lab-") as folder:
        clock = RealClock()
        ending.listen(clock)
        lab = Lab(1, workdir=Path(folder), clock=clock)
        board = BareBoard(lab, made, link=pty, flash=flash, quick=quick)
        try:
            board.plug_in()
            if as_json:
                print(json.dumps({"chip": chip, "pty": str(board.link), "ready": True}), flush=True)
            else:
                print(f"An {made.title} is at {board.link} until Ctrl-C.", flush=True)
            clock.run_until(_FOR_EVER_US, lambda: ending.asked)
        finally:
            board.pull()
            lab.close()
            clock.close()


def register(app: typer.Typer) -> None:
    """Add the command to the lab's command line."""
    app.command(epilog="Example: hedgerow-lab bare --chip esp32c3 --pty /tmp/board --flash board.flash")(bare)
