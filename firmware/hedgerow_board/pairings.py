"""Who owns a board and who borrowed it; imported when that changes, and forgotten afterwards."""

import os

from hedgerow_board import changes
from hedgerow_core import limits, manage
from hedgerow_core.errors import HedgerowError, PeerError
from hedgerow_core.mac import hmac_sha256

_SECRETS = {"finding": manage.FINDING_BYTES, "care_key": manage.KEY_BYTES}  # and how long they are


def answer(board: object, fields: dict, op: int, more: bytes, rights: int, pairing: bytes) -> tuple:
    """(reply, what it changes); without a command pairings that are over leave the settings. Where no
    ``board`` runs nobody knows the minute."""
    minute = 0 if board is None else board.minute()
    try:
        reply = _reply(fields, op, more, rights, pairing, minute)
    except HedgerowError:
        reply = bytes((manage.BAD_ARGUMENT,))
    changed = reply[:1] == bytes((manage.DONE,)) and op != manage.PAIRINGS
    return reply, changes.PARTS if changed else changes.NOTHING


def _reply(fields: dict, op: int, more: bytes, rights: int, pairing: bytes, minute: int) -> bytes:
    if not op:
        return _let_go(fields, minute)
    if op == manage.PAIRINGS and not more:
        return bytes((manage.DONE,)) + manage.encode_pairings(_first(fields) + _records(fields))
    if op in (manage.PAIR, manage.NEW_CODE):
        return _pair(fields, more, op, pairing if rights == manage.CODE else b"", rights, minute)
    if op == manage.UNPAIR and len(more) == manage.PAIRING_ID_BYTES:
        reply = _unpair(fields, more)
        # Who goes gets no keys of who stays.
        return reply[:1] if more == manage.pairing_id(pairing) else reply
    return bytes((manage.BAD_ARGUMENT,))


def _first(fields: dict) -> list:
    """The pairing of who flashed the board, where it is still there."""
    key = fields.get("pairing_key")
    return [(manage.OWNER, 0, key, "")] if key else []


def _records(fields: dict) -> list:
    return manage.decode_records(fields.get("pairings", b""))


def _owned(fields: dict) -> bool:
    """Whether somebody owns the board whose pairing does not end by itself."""
    for rights, expires, _, _ in _first(fields) + _records(fields):
        if rights == manage.OWNER and not expires:
            return True
    return False


def _put(fields: dict, records: list) -> None:
    fields["pairings"] = b"".join([manage.encode_record(*record) for record in records])


def _let_go(fields: dict, minute: int) -> bytes:
    """Nothing where no pairing is over."""
    records = _records(fields)
    gone = [one for one in records if 0 < one[1] <= minute]
    if not gone:
        return b""
    _put(fields, [one for one in records if one not in gone])
    _renew(fields, _known_to(gone))
    return bytes((manage.DONE,))


def _pair(fields: dict, record: bytes, op: int, code: bytes, rights: int, minute: int) -> bytes:
    """Add a pairing. One with the same key, those that are over, the ``code`` that was used and, for a new
    code, the former one make room."""
    new = manage.decode_records(record)
    if len(new) != 1:
        raise PeerError("not one pairing")
    wanted = new[0]
    if rights != manage.OWNER and (op != manage.PAIR or rights != manage.CODE or wanted[0] != manage.OWNER):
        return bytes((manage.REFUSED,))
    if (wanted[0] == manage.CODE) != (op == manage.NEW_CODE) or not any(wanted[2]):
        raise PeerError("a wrong pairing")
    kept, gone = [], []
    for one in _records(fields):
        over = 0 < one[1] <= minute
        former = op == manage.NEW_CODE and one[0] == manage.CODE
        if over or former or one[2] == code:
            gone.append(one)
        elif one[2] != wanted[2]:
            kept.append(one)
    if wanted[2] == fields.get("pairing_key"):
        fields.pop("pairing_key")
    if len(kept) == limits.PAIRINGS:
        return bytes((manage.NO_ROOM,))
    kept.append(wanted)
    _put(fields, kept)
    kept = None  # it makes room
    if not _owned(fields):
        return bytes((manage.REFUSED,))
    # Boards that were flashed with an earlier version have none.
    known = _known_to(gone)
    _renew(fields, [name for name in _SECRETS if name in known or name not in fields])
    return _welcome(fields)


def _welcome(fields: dict) -> bytes:
    finding, care_key = fields.get("finding", b""), fields.get("care_key", b"")
    return bytes((manage.DONE,)) + manage.encode_welcome(fields.get("name", "board"), finding, care_key)


def _unpair(fields: dict, identity: bytes) -> bytes:
    """Take a pairing away. What it knew of finding and care is renewed; the last owner's stays."""
    first = _first(fields)
    records = _records(fields)
    gone = [one for one in first + records if manage.pairing_id(one[2]) == identity]
    if not gone:
        return bytes((manage.FAILED,))
    if first and first[0] in gone:
        fields.pop("pairing_key")
    _put(fields, [one for one in records if one not in gone])
    if not _owned(fields):
        return bytes((manage.REFUSED,))
    _renew(fields, _known_to(gone))
    return _welcome(fields)


def _known_to(gone: list) -> list:
    """The secrets that these pairings knew."""
    if not gone:
        return []
    owned = [one for one in gone if one[0] == manage.OWNER]
    return [name for name in _SECRETS if owned or name == "finding"]


def _renew(fields: dict, names: list) -> None:
    for name in names:
        # The generator is weak while the radio is off, so it is not trusted alone.
        secret = fields["mesh_key"] + fields.get(name, b"")
        fields[name] = hmac_sha256(secret, name.encode() + os.urandom(32))[: _SECRETS[name]]
