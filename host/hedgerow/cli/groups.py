"""The commands group: who is in, and who decides."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hedgerow.cli.inviting import drawn, qr_code
from hedgerow.cli.terminal import AsJson, now_ms, open_polled, print_json
from hedgerow.groups.book import Group, GroupMember

app = typer.Typer(
    no_args_is_help=True,
    help="Groups: several people in one conversation; `send` and `inbox` take them, too.",
)

_Group = Annotated[str, typer.Argument(help="A group, as `hedgerow group list` shows it.")]
_People = Annotated[list[str], typer.Argument(help="Contacts, as `hedgerow contacts` shows them.")]
_Member = Annotated[str, typer.Argument(help="A member, as `hedgerow group list` shows it.")]


@app.command(epilog="Example: hedgerow group create Lane Bob Carol")
def create(context: typer.Context, name: _Group, people: _People, as_json: AsJson = False) -> None:
    """Begin a group with some of your contacts. You are its admin."""
    node = open_polled(context, as_json)
    node.groups.create(name, people, now_ms())
    node.close()
    if as_json:
        print_json(group=name, added=people)
    else:
        print(f"{name} is there; they hear of it with the next board. `hedgerow send {name} 'Hello all'`.")


@app.command(epilog="Example: hedgerow group add Lane Dora")
def add(context: typer.Context, group: _Group, people: _People, as_json: AsJson = False) -> None:
    """Take contacts into a group. They read what is said from now on."""
    node = open_polled(context, as_json)
    node.groups.add(group, people, now_ms())
    node.close()
    if as_json:
        print_json(group=group, added=people)
    else:
        print(f"Added to {group}: {', '.join(people)}.")


@app.command(epilog="Example: hedgerow group remove Lane Carol")
def remove(context: typer.Context, group: _Group, member: _Member, as_json: AsJson = False) -> None:
    """Put a member out: they read nothing that is said by who has heard of that, and are not read."""
    node = open_polled(context, as_json)
    node.groups.remove(group, member, now_ms())
    node.close()
    if as_json:
        print_json(group=group, removed=member)
    else:
        print(f"{member} is put out of {group}; the others get new keys with the next board.")


@app.command(epilog="Example: hedgerow group promote Lane Bob")
def promote(context: typer.Context, group: _Group, member: _Member, as_json: AsJson = False) -> None:
    """Make a member an admin, who adds and removes people and renames the group."""
    node = open_polled(context, as_json)
    node.groups.promote(group, member, now_ms())
    node.close()
    if as_json:
        print_json(group=group, promoted=member)
    else:
        print(f"{member} is an admin of {group} now.")


@app.command(epilog="Example: hedgerow group rename Lane 'The long lane'")
def rename(
    context: typer.Context,
    group: _Group,
    new: Annotated[str, typer.Argument(help="Its name from now on, for all.")],
    as_json: AsJson = False,
) -> None:
    """Give a group another name, for all."""
    node = open_polled(context, as_json)
    node.groups.rename(group, new, now_ms())
    node.close()
    if as_json:
        print_json(group=new, before=group)
    else:
        print(f"{group} is called {new} now.")


@app.command(epilog="Example: hedgerow group leave Lane")
def leave(context: typer.Context, group: _Group, as_json: AsJson = False) -> None:
    """Go. What was said stays here; the others go on."""
    node = open_polled(context, as_json)
    node.groups.leave(group, now_ms())
    node.close()
    if as_json:
        print_json(left=group)
    else:
        print(f"You are not in {group} any more.")


@app.command(epilog="Example: hedgerow group invite Lane")
def invite(
    context: typer.Context,
    group: _Group,
    qr: Annotated[bool, typer.Option("--qr", help="Show it as a QR code.")] = False,
    days: Annotated[int | None, typer.Option("--days", help="For how long it holds, 14 days else.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print an invite to a group: who adds it waits for your yes, and is a contact and a member then."""
    node = open_polled(context, as_json)
    uri = node.groups.invite(group, now_ms(), days)
    node.close()
    if as_json:
        print_json(group=group, invite=uri)
    elif qr:
        print(drawn(qr_code(uri)), end="")
    else:
        print(uri)


@app.command("list", epilog="Example: hedgerow group list --json")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List your groups, with who is in."""
    node = open_polled(context, as_json)
    found = node.groups.all()
    node.close()
    if as_json:
        for group in found:
            print_json(
                name=group.name,
                id=group.id.hex(),
                admin=group.admin,
                left=group.left,
                contradicted=list(group.contradicted),
                members=[_fields(member) for member in group.members],
            )
    elif not found:
        print("You are in no group: `hedgerow group create NAME CONTACT...` begins one.")
    else:
        table = Table("Group", "Members", "", box=None, pad_edge=False)
        for group in found:
            table.add_row(group.name, ", ".join(map(_shown, group.members)), _state(group))
        Console(highlight=False, markup=False, emoji=False).print(table)


def _fields(member: GroupMember) -> dict[str, object]:
    return {
        "name": member.name,
        "admin": member.admin,
        "you": member.us,
        "contact": member.contact,
        "devices": member.devices,
        "account_key": member.account_key.hex(),
    }


def _shown(member: GroupMember) -> str:
    marks = ["you"] if member.us else [] if member.contact else ["no contact of yours"]
    marks += ["admin"] if member.admin else []
    return f"{member.name} ({', '.join(marks)})" if marks else member.name


def _state(group: Group) -> str:
    if group.left:
        return "you are not in it any more"
    if group.contradicted:
        return f"{', '.join(group.contradicted)} told members different things in one place: beware"
    return ""


def register(parent: typer.Typer) -> None:
    """Add the commands to ``parent``."""
    parent.add_typer(app, name="group")
