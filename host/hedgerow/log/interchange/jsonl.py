"""JSON lines: an entry a line, ids as CIDs, bytes in base64, so that any program reads it."""

import base64
import binascii
import json
from typing import Any

from hedgerow.log import canonical, cid
from hedgerow.log.canonical import Entry
from hedgerow_core.errors import HedgerowError, PeerError

LINE_BYTES = 1 << 20
_FIELDS = {
    *("cid", "log", "author", "sequence", "clock", "parents", "previous", "references", "kind", "body"),
    "signature",
}


def write(entry: Entry) -> bytes:
    """An entry as a line."""
    fields = {
        "cid": cid.to_text(entry.id),
        "log": entry.log.hex(),
        "author": entry.author.hex(),
        "sequence": entry.sequence,
        "clock": entry.clock,
        "parents": [cid.to_text(parent) for parent in entry.parents],
        "previous": None if entry.previous is None else cid.to_text(entry.previous),
        "references": [cid.to_text(reference) for reference in entry.references],
        "kind": entry.kind,
        "body": base64.b64encode(entry.body).decode(),
        "signature": base64.b64encode(entry.signature).decode(),
    }
    return json.dumps(fields).encode() + b"\n"


def read(line: bytes) -> Entry:
    """The entry of a line. PeerError where it is none, or not the one that its CID names."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise PeerError("not a line of JSON") from None
    if not isinstance(found, dict) or found.keys() != _FIELDS:
        raise PeerError("not an entry")
    try:
        entry = _entry(found)
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError, HedgerowError, binascii.Error):
        raise PeerError("a damaged entry") from None
    if found["cid"] != cid.to_text(entry.id):
        raise PeerError("an entry that is not what its name says")
    return entry


def _entry(found: dict[str, Any]) -> Entry:
    signature = base64.b64decode(found["signature"], validate=True)
    made = canonical.make(
        bytes.fromhex(found["log"]),
        bytes.fromhex(found["author"]),
        found["sequence"],
        found["clock"],
        [cid.from_text(parent) for parent in found["parents"]],
        None if found["previous"] is None else cid.from_text(found["previous"]),
        [cid.from_text(reference) for reference in found["references"]],
        found["kind"],
        base64.b64decode(found["body"], validate=True),
        (lambda message: signature) if signature else None,
    )
    return canonical.decode(canonical.encode(made))
