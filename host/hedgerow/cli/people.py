"""Commands about people: contacts, requests, verify and what goes with them."""

import shlex
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hedgerow.cli.terminal import AsJson, clock, now_ms, open_polled, print_json
from hedgerow.events import Contact
from hedgerow.node import Node
from hedgerow.people import fingerprint as fingerprints
from hedgerow.people.answering import Waiting

_Name = Annotated[str, typer.Argument(help="A contact, as `hedgerow contacts` shows it.")]
_Wanted = Annotated[str, typer.Argument(help="Who waits, as `hedgerow requests` shows it: name or number.")]
_GROUPS = 6  # of five digits, in a line


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)


def contacts(context: typer.Context, as_json: AsJson = False) -> None:
    """List your contacts."""
    node = open_polled(context, as_json)
    found = node.contacts()
    node.close()
    if as_json:
        for contact in found:
            print_json(
                name=contact.name,
                connected=contact.connected,
                account_key=contact.account_key.hex(),
                asked=contact.asked,
                verified=contact.verified,
                changed=contact.changed,
                rivalled=contact.rivalled,
                blocked=contact.blocked,
                introduced_by=contact.introduced_by,
                called=contact.called,
                expired=contact.expired,
            )
    elif not found:
        print("No contacts yet: give somebody an invite (`hedgerow invite`), or add theirs.")
    else:
        table = Table("Name", "State", box=None, pad_edge=False)
        for contact in found:
            table.add_row(contact.name, _state(contact))
        _console().print(table)


def _state(contact: Contact) -> str:
    if contact.blocked:
        return "blocked"
    found = ["contact"]
    if not contact.connected:
        found = ["has your request, no answer yet" if contact.asked else "asked, no answer yet"]
        found += ["the invite has expired: ask for a new one"] if contact.expired else []
    if contact.changed:
        found.append("KEY CHANGED: `hedgerow requests`, `hedgerow verify`")
    elif contact.verified:
        found.append("verified")
    if contact.rivalled:
        found.append("somebody else asks under this name: `hedgerow requests`")
    if contact.called is not None:
        found.append(f"calls themselves {contact.called}")
    if contact.introduced_by is not None:
        found.append(f"introduced by {contact.introduced_by}")
    return ", ".join(found)


def requests(context: typer.Context, as_json: AsJson = False) -> None:
    """List who waits for your yes: who asks, who is introduced to you, and contacts with another key."""
    node = open_polled(context, as_json)
    found = node.people.answers.waiting(now_ms())
    node.close()
    if as_json:
        for one in found:
            print_json(
                id=one.id,
                name=one.name,
                account_key=one.account_key.hex(),
                received_ms=one.received_ms,
                expires_ms=one.expires_ms,
                contact=one.contact,
                new_device=one.new_device,
                new_account=one.new_account,
                introduced_by=one.introduced_by,
                introducer_verified=one.vouched,
                group=one.group,
            )
    elif not found:
        print("Nobody waits for your answer.")
    else:
        table = Table("Number", "Came", "Name", "", box=None, pad_edge=False)
        for one in found:
            table.add_row(str(one.id), clock(one.received_ms), one.name, _about(one))
        _console().print(table)
        print("`hedgerow accept` or `hedgerow refuse` answers; who is refused is not told.")


def _about(one: Waiting) -> str:
    if one.new_device:
        return f"your contact {one.contact} on another device: verify, or accept --new-key"
    if one.new_account:
        return f"NOT the {one.contact} you know: another account (if it is they, accept --new-key)"
    if one.introduced_by is not None:
        sure = "" if one.vouched else ", whom you did not verify"
        return f"introduced by {one.introduced_by}{sure}"
    if one.group is not None:
        return f"asks to become your contact, and a member of {one.group}"
    return "asks to become your contact"


def accept(
    context: typer.Context,
    name: _Wanted,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Go on with this contact under the key that came.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say yes to who waits, or to another key of a contact."""
    node = open_polled(context, as_json)
    found, connected = node.people.answers.accept(name, new_key, now_ms())
    node.close()
    if as_json:
        print_json(name=found, connected=connected)
    elif connected:
        print(f"{found} is a contact now. The answer leaves with the next board.")
    else:
        print(
            f"You agreed; {found} hears of it with the next board, and becomes a contact with their answer."
        )


def refuse(context: typer.Context, name: _Wanted, as_json: AsJson = False) -> None:
    """Say no to who waits. Nothing is sent."""
    node = open_polled(context, as_json)
    found = node.people.answers.refuse(name, now_ms())
    node.close()
    if as_json:
        print_json(name=found, refused=True)
    else:
        print(f"Refused; {found} is not told.")


def verify(
    context: typer.Context,
    name: _Name,
    code: Annotated[str | None, typer.Option("--code", help="The digits that they read aloud.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Begin anew, with other digits.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make sure who a contact is: six digits that both of you must see. Read them to each other."""
    node = open_polled(context, as_json)
    contact = node.people.book.id_of(name)
    if code is not None:
        node.people.verifying.compare(contact, code, now_ms())
        if as_json:
            print_json(name=name, verified=True)
        else:
            print(f"{name} is verified.")
        node.close()
        return
    digits = node.people.verifying.begin(contact, again, now_ms())
    verified = _verified(node, name)
    node.close()
    if as_json:
        print_json(name=name, verified=verified, digits=digits)
    elif digits is None:
        print(f"No digits yet: letters go to {name} and back first. Then `hedgerow verify` shows them.")
    else:
        print(f"{digits[:3]} {digits[3:]}")
        print(f"Call {name}, or meet: {name} must see the same after `hedgerow verify`. Type what you hear:")
        print(f"  hedgerow verify {shlex.quote(name)} --code DIGITS")


def _verified(node: Node, name: str) -> bool:
    return next(one.verified for one in node.contacts() if one.name.casefold() == name.casefold())


def fingerprint(
    context: typer.Context,
    name: _Name,
    same: Annotated[
        bool, typer.Option("--same", help="You compared all of it with them: they are verified.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the 60 digits that you and a contact must both see, to compare without sending anything."""
    node = open_polled(context, as_json)
    contact = node.people.book.id_of(name)
    digits = node.people.verifying.fingerprint(contact)
    if same:  # of the keys that were just looked at
        node.people.verifying.verified(contact, now_ms())
    verified = _verified(node, name)
    node.close()
    if as_json:
        print_json(name=name, fingerprint=digits, verified=verified)
    else:
        groups = fingerprints.groups(digits)
        for at in range(0, len(groups), _GROUPS):
            print(" ".join(groups[at : at + _GROUPS]))
        print(f"{name} is verified." if verified else f"Does {name} see the same? Say so with --same.")


def introduce(
    context: typer.Context,
    name: _Name,
    to: Annotated[str, typer.Argument(help="Another contact, who is to know the first one.")],
    as_json: AsJson = False,
) -> None:
    """Bring two contacts together whom you verified. Both are asked."""
    node = open_polled(context, as_json)
    node.people.introducing.introduce(node.people.book.id_of(name), node.people.book.id_of(to), now_ms())
    node.close()
    if as_json:
        print_json(name=name, to=to, asked=True)
    else:
        print(f"{name} is asked with the next board. If they agree, {to} is.")


def block(context: typer.Context, name: _Name, as_json: AsJson = False) -> None:
    """Hear nothing of a contact any more. They are not told, and their letters stay unread."""
    node = open_polled(context, as_json)
    node.people.book.block(name, now_ms())
    node.close()
    if as_json:
        print_json(name=name, blocked=True)
    else:
        print(f"{name} is blocked. `hedgerow unblock` ends that.")


def unblock(context: typer.Context, name: _Name, as_json: AsJson = False) -> None:
    """Hear a contact again."""
    node = open_polled(context, as_json)
    node.people.book.unblock(name, now_ms())
    node.close()
    if as_json:
        print_json(name=name, blocked=False)
    else:
        print(f"{name} is heard again; what boards still carry for you comes with the next one.")


def rename(
    context: typer.Context,
    name: _Name,
    new: Annotated[str, typer.Argument(help="What you call them from now on.")],
    as_json: AsJson = False,
) -> None:
    """Call a contact another name. Nobody else sees it."""
    node = open_polled(context, as_json)
    node.people.book.rename(name, new, now_ms())
    node.close()
    if as_json:
        print_json(name=new, before=name)
    else:
        print(f"{name} is called {new} here.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: hedgerow contacts --json")(contacts)
    app.command(epilog="Example: hedgerow requests --json")(requests)
    app.command(epilog="Example: hedgerow accept Carol")(accept)
    app.command(epilog="Example: hedgerow refuse 3")(refuse)
    app.command(epilog="Example: hedgerow verify Bob --code 123456")(verify)
    app.command(epilog="Example: hedgerow fingerprint Bob")(fingerprint)
    app.command(epilog="Example: hedgerow introduce Carol Bob")(introduce)
    app.command(epilog="Example: hedgerow block Bob")(block)
    app.command(epilog="Example: hedgerow unblock Bob")(unblock)
    app.command(epilog="Example: hedgerow rename Bob 'Bob of the mill'")(rename)
