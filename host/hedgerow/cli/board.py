"""The group `hedgerow board`: modules add the commands that look after one board."""

import typer

app = typer.Typer(no_args_is_help=True, help="Look after a board.")


@app.callback()
def options() -> None:
    """Look after a board."""
