"""Commands about stores that a conversation shares: keys, a counter, a set, a feed, documents."""

import json
from typing import Annotated, Any

import typer

from hedgerow import errors
from hedgerow.cli.terminal import AsJson, now_ms, open_polled, print_json, shown
from hedgerow.log.stores import AddWinsSet, Counter, Documents, Feed, KeyValue
from hedgerow.node import Node

app = typer.Typer(no_args_is_help=True, help="Values that everybody in a conversation shares, for scripts.")

Name = Annotated[str, typer.Argument(help="A contact or a group.")]
Value = Annotated[str, typer.Argument(help="JSON, or else a text.")]
Which = Annotated[str, typer.Option("--store", help="One of several stores of a kind.")]


def _value(given: str) -> Any:
    try:
        return json.loads(given)
    except ValueError:
        return given


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return (
        shown(value) if isinstance(value, str) else shown(json.dumps(value, default=str, ensure_ascii=False))
    )


def _said(node: Node, as_json: bool, **fields: Any) -> None:
    node.close()
    if as_json:
        print_json(**fields)
    else:
        print("Written; it leaves with the next board.")


@app.command(epilog="Example: hedgerow store put Lane key-of-the-shed '\"at the mill\"'")
def put(
    context: typer.Context, name: Name, key: str, value: Value, store: Which = "", as_json: AsJson = False
) -> None:
    """Give a key a value. Of two values the later one holds, for all alike."""
    node = open_polled(context, as_json)
    KeyValue(node.chat.shared(name, now_ms()), store).put(key, _value(value))
    _said(node, as_json, key=key, value=_value(value))


@app.command(epilog="Example: hedgerow store get Lane key-of-the-shed")
def get(context: typer.Context, name: Name, key: str, store: Which = "", as_json: AsJson = False) -> None:
    """Print the value of a key."""
    node = open_polled(context, as_json)
    held = KeyValue(node.chat.shared(name, now_ms()), store)
    there, value = key in held, held.get(key)
    node.close()
    if not there:
        raise errors.NoSuchKey(key=key)
    if as_json:
        print_json(key=key, value=value)
    else:
        print(_shown(value))


@app.command(epilog="Example: hedgerow store delete Lane key-of-the-shed")
def delete(context: typer.Context, name: Name, key: str, store: Which = "", as_json: AsJson = False) -> None:
    """Take a key and its value away."""
    node = open_polled(context, as_json)
    KeyValue(node.chat.shared(name, now_ms()), store).delete(key)
    _said(node, as_json, key=key)


@app.command("list", epilog="Example: hedgerow store list Lane --json")
def list_all(context: typer.Context, name: Name, store: Which = "", as_json: AsJson = False) -> None:
    """Print all keys with their values."""
    node = open_polled(context, as_json)
    items = list(KeyValue(node.chat.shared(name, now_ms()), store).items())
    node.close()
    for key, value in items:
        if as_json:
            print_json(key=key, value=value)
        else:
            print(f"{shown(key)}: {_shown(value)}")


@app.command(epilog="Example: hedgerow store count Lane --add 2 --store eggs")
def count(
    context: typer.Context,
    name: Name,
    add: Annotated[int, typer.Option("--add", help="Count up; a negative number counts down.")] = 0,
    store: Which = "",
    as_json: AsJson = False,
) -> None:
    """Print what all counted together."""
    node = open_polled(context, as_json)
    counter = Counter(node.chat.shared(name, now_ms()), store)
    if add:
        counter.add(add)
    value = counter.value
    node.close()
    if as_json:
        print_json(value=value)
    else:
        print(value)


@app.command(epilog="Example: hedgerow store add Lane Ann --store 'who brings bread'")
def add(
    context: typer.Context, name: Name, member: Value, store: Which = "", as_json: AsJson = False
) -> None:
    """Put something into a set."""
    node = open_polled(context, as_json)
    AddWinsSet(node.chat.shared(name, now_ms()), store).add(_value(member))
    _said(node, as_json, member=_value(member))


@app.command(epilog="Example: hedgerow store remove Lane Ann --store 'who brings bread'")
def remove(
    context: typer.Context, name: Name, member: Value, store: Which = "", as_json: AsJson = False
) -> None:
    """Take something out of a set. What somebody puts in at the same time stays."""
    node = open_polled(context, as_json)
    AddWinsSet(node.chat.shared(name, now_ms()), store).remove(_value(member))
    _said(node, as_json, member=_value(member))


@app.command(epilog="Example: hedgerow store members Lane --store 'who brings bread'")
def members(context: typer.Context, name: Name, store: Which = "", as_json: AsJson = False) -> None:
    """Print what is in a set."""
    node = open_polled(context, as_json)
    found = AddWinsSet(node.chat.shared(name, now_ms()), store).members()
    node.close()
    for member in found:
        if as_json:
            print_json(member=member)
        else:
            print(_shown(member))


@app.command(epilog="Example: hedgerow store append Lane '{\"well\": 320}' --store level")
def append(
    context: typer.Context, name: Name, value: Value, store: Which = "", as_json: AsJson = False
) -> None:
    """Add something to a feed."""
    node = open_polled(context, as_json)
    Feed(node.chat.shared(name, now_ms()), store).add(_value(value))
    _said(node, as_json, value=_value(value))


@app.command(epilog="Example: hedgerow store feed Lane --store level")
def feed(context: typer.Context, name: Name, store: Which = "", as_json: AsJson = False) -> None:
    """Print a feed in its order."""
    node = open_polled(context, as_json)
    found = list(Feed(node.chat.shared(name, now_ms()), store).events())
    node.close()
    for event in found:
        if as_json:
            print_json(id=event.id.hex(), value=event.value, author=event.author.hex(), clock=event.clock)
        else:
            print(_shown(event.value))


@app.command(epilog='Example: hedgerow store note Lane \'{"_id": "pump", "state": "broken"}\'')
def note(
    context: typer.Context, name: Name, document: Value, store: Which = "", as_json: AsJson = False
) -> None:
    """Add a document, or put it in place of the one with its `_id`."""
    node = open_polled(context, as_json)
    found = _value(document)
    if not isinstance(found, dict):
        raise errors.NoDocument
    Documents(node.chat.shared(name, now_ms()), store).add(found)
    _said(node, as_json, document=found)


@app.command(epilog="Example: hedgerow store find Lane --where state=broken")
def find(
    context: typer.Context,
    name: Name,
    where: Annotated[
        str | None, typer.Option("--where", help="FIELD=VALUE; VALUE as JSON or a text.")
    ] = None,
    store: Which = "",
    as_json: AsJson = False,
) -> None:
    """Print documents, all or those with a value in a field."""
    field, equals, wanted = (where or "").partition("=")
    if where is not None and not (field and equals):
        raise errors.NoCondition(given=where or "Nothing")
    node = open_polled(context, as_json)
    documents = Documents(node.chat.shared(name, now_ms()), store)
    found = documents.where(field, _value(wanted)) if where else list(documents.all())
    node.close()
    for document in found:
        if as_json:
            print_json(document=document)
        else:
            print(_shown(document))
