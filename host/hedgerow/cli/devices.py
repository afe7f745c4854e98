"""The commands device: further computers of one account."""

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hedgerow import errors
from hedgerow.cli import linking, secrets
from hedgerow.cli.inviting import drawn, drawn_code
from hedgerow.cli.terminal import AsJson, clock, now_ms, open_node, print_event, print_json
from hedgerow.database import DATABASE_FILE
from hedgerow.devices import joining
from hedgerow.identity.phrase import ENTROPY_BYTES, entropy_of
from hedgerow.links import lan
from hedgerow.node import Node
from hedgerow.whole import writing

_DAY_MS = 24 * 3_600_000
_HISTORY_DAYS = 30

app = typer.Typer(no_args_is_help=True, help="Your devices: one account on several computers.")


@app.command(epilog="Example: hedgerow device join --label laptop --lan")
def join(
    context: typer.Context,
    label: Annotated[
        str | None, typer.Option(help="How you call this device; else the computer's name.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="What `hedgerow device add` wrote for this device.")
    ] = None,
    over_lan: Annotated[
        bool, typer.Option("--lan", help="Wait for the other computer on this network.")
    ] = False,
    qr: Annotated[bool, typer.Option("--qr", help="Show the code as a QR code, too.")] = False,
    board: linking.MaybeBoardUrl = None,
    key_file: linking.KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Make this computer a further device of an account that you have on another one.

    It shows a code for `hedgerow device add` there. The answer comes with any board, in a file, or by --lan.
    """
    if not (context.obj / DATABASE_FILE).exists():
        protect = secrets.chosen_protection()
        entropy = os.urandom(ENTROPY_BYTES)
        Node.create(context.obj, "new device", os.urandom, now_ms(), entropy, protect).close()
    node = open_node(context)
    node.poll(now_ms())
    if node.joined is not None:
        node.close()
        _tell(node.joined, None, as_json)
        return
    wanted = label or socket.gethostname()[: joining.LABEL_BYTES] or "device"
    code = node.join_code(wanted, now_ms())
    if file is not None:
        try:
            whole = file.read_bytes()
        except OSError as error:
            raise errors.FileMissing(path=file, reason=(error.strerror or str(error)).lower()) from None
        node.take_bundle(whole, now_ms(), file)
    elif not as_json:
        print(
            "Give this code to `hedgerow device add` on the other device; whoever sees it could take this one"
        )
        print("into their account, so show it to nobody else. It holds for a day.\n")
        print(code)
        if qr:
            sys.stdout.write(drawn(drawn_code(joining.for_qr(code))))
    if over_lan:
        _wait(node, code, as_json)
    elif board is not None:
        linking.exchange_now(node, board, key_file, as_json)
    joined = node.joined
    node.close()
    if joined is None and file is not None:
        raise errors.NotJoined
    _tell(joined, code, as_json)


def _tell(joined: str | None, code: str | None, as_json: bool) -> None:
    if as_json:
        print_json(code=code, joined=joined)
    elif joined is not None:
        print(
            f"This device belongs to {joined} now: `hedgerow contacts` and `hedgerow inbox` show what came."
        )


def _wait(node: Node, code: str, as_json: bool) -> None:
    waiting = lan.listen()
    address = lan.address_of(waiting)
    if as_json:
        print_json(code=code, address=address)
    else:
        print(f"\nOn the other device: hedgerow device add CODE --lan {address}", flush=True)
    with waiting:
        while node.joined is None:
            lan.answer(waiting, lambda theirs: node.take_bundle(theirs, now_ms()))


@app.command(epilog="Example: hedgerow device add 'hedgerow:device/1/hlgg...' --file for-laptop.letters")
def add(
    context: typer.Context,
    code: Annotated[str, typer.Argument(help="What `hedgerow device join` shows on the new device.")],
    history: Annotated[
        int, typer.Option("--history", min=0, help="It gets the letters of so many days; 0: none.")
    ] = _HISTORY_DAYS,
    file: Annotated[
        Path | None, typer.Option("--file", help="Write what it needs into a file, for `device join --file`.")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option("--lan", help="Hand it over to this address, as `device join --lan` shows it."),
    ] = None,
    board: linking.MaybeBoardUrl = None,
    key_file: linking.KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a new device into this account. What it needs leaves with a board, in a file, or by --lan."""
    if file is not None and file.exists():
        raise errors.FileExists(path=file)
    node = open_node(context)
    node.poll(now_ms())
    now = now_ms()
    device = node.add_device(code, now - history * _DAY_MS, now)
    whole = node.bundle_for(device)
    if file is not None:
        with writing(file, 0o600) as stream:
            stream.write(whole)
    if address is not None:
        node.take_bundle(lan.hand_over(address, whole), now_ms())
        for event in node.poll(now_ms()):
            if not as_json:
                print_event(event)
    if board is not None:
        linking.exchange_now(node, board, key_file, as_json)
    if as_json:
        print_json(
            number=device.number, label=device.label, bytes=len(whole), file=str(file) if file else None
        )
    elif file is not None:
        print(
            f"{device.label} is your device {device.number}. Take {file} there, for `hedgerow device join`."
        )
    else:
        print(f"{device.label} is your device {device.number}; your contacts will write to it, too.")
    node.close()


@app.command("list", epilog="Example: hedgerow device list --json")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the devices of this account, this one first."""
    node = open_node(context)
    node.poll(now_ms())
    found = node.people.devices.all()
    node.close()
    if as_json:
        for one in found:
            print_json(
                number=one.number,
                label=one.label,
                this=one.this,
                connected=one.connected,
                device_key=one.device_key.hex(),
                made_ms=one.made_ms,
            )
        return
    table = Table("Number", "Device", "Key", "Since", "", box=None, pad_edge=False)
    for one in found:
        state = "" if one.connected else "not heard from yet"
        since = clock(one.made_ms) if one.made_ms else ""
        table.add_row(str(one.number), one.label, one.device_key.hex()[:8], since, state)
    Console(highlight=False, markup=False, emoji=False).print(table)


@app.command(epilog="Example: hedgerow device revoke laptop")
def revoke(
    context: typer.Context,
    device: Annotated[str, typer.Argument(help="Its number or name, as `hedgerow device list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Take a device out of this account: nothing is sealed for it any more, and nobody hears it."""
    node = open_node(context)
    node.poll(now_ms())
    gone = node.revoke_device(device, now_ms())
    node.close()
    if as_json:
        print_json(revoked=gone.label, device_key=gone.device_key.hex())
    else:
        print(f"{gone.label} is revoked. Your contacts learn of that with the next letters they get.")


@app.command(epilog="Example: hedgerow device recover")
def recover(context: typer.Context, as_json: AsJson = False) -> None:
    """Give this further device the account key, of the 24 words: for when the first device is lost."""
    node = open_node(context)
    node.recover(entropy_of(secrets.ask("The 24 words")), now_ms())
    node.close()
    if as_json:
        print_json(recovered=True)
    else:
        print("This device has the account key now: `hedgerow device revoke` takes the lost one out.")


def register(parent: typer.Typer) -> None:
    """Add the commands to ``parent``."""
    parent.add_typer(app, name="device")
