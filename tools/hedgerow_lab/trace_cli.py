"""The command that shows a trace: `trace`."""

from pathlib import Path
from typing import Annotated

import typer

from hedgerow_lab import picture
from hedgerow_lab.scenario import duration_ms
from hedgerow_lab.timeline import TraceError, clock, lines, read


def trace(
    file: Annotated[Path, typer.Argument(help="What `hedgerow-lab run --trace` wrote.")],
    svg: Annotated[Path | None, typer.Option(help="Draw a picture into this file instead.")] = None,
    start: Annotated[str, typer.Option("--from", help="Leave out what was before: 90s, 2m.")] = "0s",
    end: Annotated[str | None, typer.Option("--to", help="Leave out what came later.")] = None,
    board: Annotated[list[str] | None, typer.Option(help="Only this board; may be given again.")] = None,
) -> None:
    """Show a trace as a time line: power, links and what went over them, letters."""
    found = read(file)
    start_us = duration_ms(start) * 1000
    end_us = found.end_us if end is None else min(duration_ms(end) * 1000, found.end_us)
    if end_us <= start_us:
        raise TraceError(
            f"Nothing is left of {file}: it ends at {clock(found.end_us)}, so mend --from and --to."
        )
    for name in board or []:
        if name not in found.boards:
            raise TraceError(
                f"There is no board called {name!r} in {file}: it has {', '.join(found.boards)}."
            )
    if svg is None:
        for line in lines(found, start_us, end_us, board or []):
            print(line)
        return
    svg.write_text(picture.draw(found, start_us, end_us, board or found.boards))
    print(f"{svg}: {len(found.boards)} boards, {len(found.links)} links, {len(found.letters)} letters")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: hedgerow-lab trace line3.trace --svg line3.svg --from 4m --to 9m")(trace)
