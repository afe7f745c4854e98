"""The command wipe: erases a home, and boards that are in reach, and looks at what is left."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from hedgerow import errors
from hedgerow.cli import secrets
from hedgerow.cli.linking import KeyFile, keeper_for
from hedgerow.cli.terminal import AsJson, confirm, open_node, print_json, shown
from hedgerow.cli.wording import counted
from hedgerow.links.keeper import Keeper
from hedgerow.node import Node
from hedgerow.vault import wipe as wiping
from hedgerow_core import service

_GONE_S = 20.0
_LOOK_S = 1.5


def wipe(
    context: typer.Context,
    boards: Annotated[
        list[str] | None,
        typer.Option("--board", help="A board to be erased, too; repeat for several."),
    ] = None,
    key_file: KeyFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase keys, contacts and letters of this home for good, and look whether anything is left."""
    home: Path = context.obj
    if not wiping.there(home):
        raise errors.NoHome(home=home)
    node, closed = _opened(context)
    if not yes:
        confirm(_warning(home, boards or [], closed))
    sealed = wiping.sealed_keys_of(home)
    erased: list[str] = []
    failed: list[tuple[str, str]] = []
    for url in boards or []:
        try:
            if node is None:
                raise closed or errors.NoPairingKey()
            erased.append(erase_board(node, url, key_file))
        except errors.UserError as error:
            failed.append((url, str(error).rstrip(".")))
    others = max(0, len(node.pairing_keys()) - len(erased) - len(failed)) if node else 0
    searched = node.secrets() if node else []
    if node:
        node.close()
    left = wiping.wipe(home)
    left += [path for path in wiping.search(home, [*searched, *sealed]) if path not in left]
    if left:
        raise errors.NotWiped(left=", ".join(map(str, left)))
    if as_json:
        print_json(
            wiped=str(home),
            searched=len(searched) + len(sealed),
            boards_erased=erased,
            boards_left=[{"board": url, "reason": reason} for url, reason in failed],
            other_boards=others,
        )
    else:
        print(f"Wiped. None of {len(searched) + len(sealed):,} keys and texts is found in {home} any more.")
        for name in erased:
            print(f"{name} erased itself: flash it before it is used again.")
        if others:
            print(
                f"Not erased: {counted(others, 'other board')} that this computer was linked to. Each holds"
                " its mesh key, its pairing key and sealed letters: flash it anew."
            )
        print("Backups, and copies that the system made of its disk, are not reached.")
    if failed:
        raise errors.BoardsNotErased(boards="; ".join(f"{url} ({reason})" for url, reason in failed))


def _opened(context: typer.Context) -> tuple[Node | None, errors.UserError | None]:
    """The home where it opens without a question; else why not. It can be wiped all the same."""
    try:
        return open_node(context, secrets.without_asking), None
    except errors.UserError as error:
        return None, error


def _warning(home: Path, boards: list[str], closed: errors.UserError | None) -> str:
    lines = [f"Keys, contacts and letters in {home} will be lost, and no command brings them back."]
    lines += [f"So will be all that {url} holds." for url in boards if closed is None]
    if boards and closed is not None:
        lines.append(f"No board can be erased from here: {closed}")
    return "\n".join(lines)


def erase_board(node: Node, url: str, key_file: Path | None) -> str:
    """Let a board erase itself; its name. NotOwner."""
    keeper = keeper_for(node, url, key_file)

    async def erase() -> str:
        name = shown((await keeper.status())[1])
        done = await keeper.repair(service.EVERYTHING)
        if done == service.NOT_ALLOWED:
            raise errors.NotOwner
        if done != service.DONE:
            raise errors.OtherVersion
        return name

    name = asyncio.run(keeper.linked(erase))
    asyncio.run(_gone(keeper, name))
    return name


async def _gone(keeper: Keeper, name: str) -> None:
    """Wait until the board does not know its pairing key any more."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _GONE_S
    while loop.time() < until:
        await asyncio.sleep(_LOOK_S)
        try:
            await keeper.open()
        except errors.UserError:
            return
        finally:
            await keeper.close()
    raise errors.BoardGoesOn(name=name)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: hedgerow wipe --board serial:/dev/ttyUSB0")(wipe)
