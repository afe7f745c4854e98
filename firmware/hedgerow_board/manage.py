"""What an owner asks of a board (docs/protocol.md, "Manage"); imported for it, and forgotten afterwards.

New settings are written to one of the two files and copied into NVS before the answer leaves, so that a loss
of power leaves the former or the new ones. What needs a restart makes it itself, behind the answer.
"""

import asyncio
import os

import machine

from hedgerow_board import settings
from hedgerow_board.settings import SettingsError
from hedgerow_board.version import NUMBER
from hedgerow_core import cbor, limits, manage, service, sleep, slots
from hedgerow_core.errors import HedgerowError, PeerError
from hedgerow_core.mac import hmac_sha256, sha256

_LAST_WORDS_MS = 500  # for an answer to reach the host
_BLINK_MS = 125
_PIN_MAX = 48
# Short texts become names that never leave the heap, and their table grows in large pieces: here they are
# parts of longer ones.
_WORDS = (
    "relay balanced saver private led_pin led_low trace next_mesh mesh unique version firmware free radio"
)
_PROFILES = _WORDS.split()[:4]
_COUNTS = "shelf_count battery_pin battery_ratio led_pin button_pin sleep_awake sleep_cycle update_leaf"
_PIN = (-1, _PIN_MAX)
_MINUTES = (0, 1_440)
_LEAF = (0, limits.UPDATE_LEAVES)
_NUMBERS = dict(
    zip(
        _COUNTS.split(),
        ((0, limits.BOARD_LETTERS), _PIN, (100, 10_000), _PIN, _PIN, _MINUTES, _MINUTES, _LEAF),
    )
)
_LED = _WORDS.split()[4:6]
_TRUTHS = _WORDS.split()[5:7]
_SIGNER_BYTES = 56  # of the public key that signs updates
_SECRETS = {"finding": manage.FINDING_BYTES, "care_key": manage.KEY_BYTES}  # and how long they are
_AT_START = ("shelf_count", "profile", "sleep_awake", "sleep_cycle")  # what is looked at only then


def answer(board: object, line: object, message: bytes) -> bytes:
    """The answer to MANAGE of the host on ``line``; nothing where the message is another one. Without a
    message the mesh has its next key from now on; without a line pairings are over."""
    if not message:
        _switch(board)
        return b""
    if line is None:
        _let_go(board)
        return b""
    if message[0] != service.MANAGE:
        return b""
    rights = board.rights(line)
    return bytes((service.MANAGE_IS,)) + execute(board, message[1:], rights, line.link.session.pairing)


def execute(board: object, command: bytes, rights: int, pairing: bytes = b"") -> bytes:
    """The reply to a command of who has these ``rights``: over a link of the key ``pairing``, or the mesh."""
    op = command[0] if command else 0
    more = command[1:]
    if rights == manage.CODE and op != manage.PAIR:
        return bytes((manage.REFUSED,))
    if rights != manage.OWNER and op != manage.PAIR:
        own = op == manage.UNPAIR and more == manage.pairing_id(pairing)
        if rights != manage.GUEST or not (own or op == manage.STATUS):
            return bytes((manage.REFUSED,))
    try:
        return _execute(board, op, more, rights, pairing)
    except HedgerowError:
        return bytes((manage.BAD_ARGUMENT,))
    except OSError:
        return bytes((manage.FAILED,))


def _execute(board: object, op: int, more: bytes, rights: int, pairing: bytes) -> bytes:
    store = board.journal.store
    if op == manage.STATUS and not more:
        return bytes((manage.DONE,)) + board.condition()
    if op == manage.REBOOT and not more:
        asyncio.create_task(_restart())
        return bytes((manage.DONE,))
    fields = _kept(store)
    if op == manage.CONFIG_GET and not more:
        return bytes((manage.DONE,)) + cbor.encode(_told(board, fields))
    if op == manage.CONFIG_SET:
        again = _set(fields, more)
        _keep(board, store, fields)
        if again:
            asyncio.create_task(_restart())
        return bytes((manage.DONE, again))
    if op == manage.LOCATE and len(more) == 1:
        pin = fields.get(_LED[0], -1)
        if pin < 0:
            return bytes((manage.FAILED,))
        try:
            led = machine.Pin(pin, machine.Pin.OUT)
        except ValueError:
            return bytes((manage.FAILED,))
        asyncio.create_task(_blink(led, fields.get(_LED[1]) is True, more[0]))
        return bytes((manage.DONE,))
    if op == manage.PAIRINGS and not more:
        return bytes((manage.DONE,)) + manage.encode_pairings(_first(fields) + _records(fields))
    if op in (manage.PAIR, manage.NEW_CODE):
        minute = board.minute()
        reply = _pair(fields, more, op, pairing if rights == manage.CODE else b"", rights, minute)
    elif op == manage.UNPAIR and len(more) == manage.PAIRING_ID_BYTES:
        reply = _unpair(fields, more)
        if reply[0] == manage.DONE and more == manage.pairing_id(pairing):
            reply = bytes((manage.DONE,))  # who goes gets no keys of who stays
    elif op == manage.REKEY and len(more) == 4 + manage.KEY_BYTES and any(more[4:]):
        reply = _rekey(fields, int.from_bytes(more[:4], "big"), more[4:])
    else:
        return bytes((manage.BAD_ARGUMENT,))
    if reply[0] == manage.DONE:
        before = board.settings.finding
        _keep(board, store, fields)
        board.renew()
        # The answer still leaves over the link of a pairing that is gone.
        asyncio.create_task(_part(board, board.settings.finding != before))
    return reply


def _rekey(fields: dict, at: int, key: bytes) -> bytes:
    """Take ``key`` for the mesh at a minute of its clock, 0: now; in place of one that was to come."""
    fields.pop("next_key", None)
    fields.pop("next_at", None)
    if key != fields["mesh_key"]:
        if at:
            fields["next_key"], fields["next_at"] = key, at
        else:
            fields["mesh_key"] = key
            asyncio.create_task(_restart())
    return bytes((manage.DONE,))


def _let_go(board: object) -> None:
    """Pairings that are over leave the settings."""
    minute = board.minute()
    store = board.journal.store
    fields = _kept(store)
    records = _records(fields)
    gone = [one for one in records if 0 < one[1] <= minute]
    if gone:
        _put(fields, [one for one in records if one not in gone])
        _renew(fields, _known_to(gone))
        _keep(board, store, fields)
        board.renew()
        asyncio.create_task(_part(board, True))


def _switch(board: object) -> None:
    store = board.journal.store
    fields = _kept(store)
    fields["mesh_key"] = fields.pop("next_key")
    fields.pop("next_at")
    _write(store, fields)
    # Beacons, links and the sketch of the shelf hang on it.
    machine.reset()


def cable(command: bytes) -> bytes:
    """The reply to PAIR of who holds the cable, and has stopped the board with the escape. It is to be reset
    then."""
    from esp32 import NVS

    store = NVS("hedgerow")
    try:
        fields = _kept(store)
        reply = _pair(fields, command[1:], manage.PAIR, b"", manage.OWNER, 0)
        if reply[0] == manage.DONE:
            _write(store, fields)
        return reply
    except HedgerowError:
        return bytes((manage.BAD_ARGUMENT,))
    except OSError:
        return bytes((manage.FAILED,))


def _kept(store: object) -> dict:
    try:
        return settings.fields(slots.content(settings.newest()))
    except SettingsError:
        pass  # only then, for the copy takes a large piece of the heap
    buffer = bytearray(limits.SETTINGS_BYTES)
    try:
        copy = bytes(buffer[: store.get_blob("settings", buffer)])
    except OSError:
        copy = b""
    return settings.fields(slots.content(settings.newest(copy)))


def _write(store: object, fields: dict) -> object:
    """Write the settings, which leave ``fields`` to make room; as the firmware has them. SettingsError where
    they are wrong or too many."""
    content = cbor.encode(fields)
    fields.clear()
    if len(content) + len(slots.seal(0, b"")) > limits.SETTINGS_BYTES:
        raise SettingsError("too many settings")
    found = settings.parse(slots.seal(0, content))
    store.set_blob("settings", settings.save(content))
    store.commit()
    return found


def _keep(board: object, store: object, fields: dict) -> None:
    former = board.settings.care_key
    board.settings = _write(store, fields)
    if board.settings.care_key != former:
        board.shelf.caught = True  # commands under another key have other locks


async def _restart() -> None:
    await asyncio.sleep_ms(_LAST_WORDS_MS)
    machine.reset()


async def _part(board: object, hides: bool) -> None:
    await asyncio.sleep_ms(_LAST_WORDS_MS)
    board.part()
    if hides and board.radio is not None:
        # The beacon id of the former finding key is known to who has just gone.
        board.radio.rotate_at = 0


async def _blink(led: object, low: bool, seconds: int) -> None:
    for _ in range(seconds * 1_000 // _BLINK_MS // 2):
        led.value(0 if low else 1)
        await asyncio.sleep_ms(_BLINK_MS)
        led.value(1 if low else 0)
        await asyncio.sleep_ms(_BLINK_MS)


def _told(board: object, fields: dict) -> dict:
    """The settings that are no keys, and what the board is."""
    found = {}
    for name, value in fields.items():
        if name in ("name", "profile") or name in _NUMBERS or name in _TRUTHS:
            found[name] = value
    values = [
        sha256(b"hedgerow mesh" + fields["mesh_key"])[:4],
        machine.unique_id(),
        service.VERSION,
        NUMBER,
        _free_bytes(),
        board.radio is not None and board.radio.ble.active(),
    ]
    for name, value in zip(_WORDS.split()[8:], values):
        found[name] = value
    care_key = fields.get("care_key")
    if care_key:
        found["board"] = sha256(b"hedgerow board" + care_key)[:8]
    if fields.get("next_key"):
        found["next_at"] = fields["next_at"]
        found[_WORDS.split()[7]] = sha256(b"hedgerow mesh" + fields["next_key"])[:4]
    return found


def _free_bytes() -> int:
    try:
        state = os.statvfs("/")
        return state[0] * state[3]
    except OSError:
        return 0


def _set(fields: dict, more: bytes) -> int:
    """Put new values into ``fields``, None for the default; 1 where they need a restart. PeerError."""
    wanted = cbor.decode(more)
    if not isinstance(wanted, dict) or not wanted:
        raise PeerError("no settings")
    again = 0
    for name, value in wanted.items():
        if not _fits(name, value):
            raise PeerError("a wrong setting")
        if name in _AT_START and fields.get(name) != value:
            again = 1
        if value is None:
            fields.pop(name, None)
        else:
            fields[name] = value
            if name[-4:] == "_pin" and value >= 0:
                _try_pin(name, value)
    if not sleep.valid(fields.get("sleep_awake", 0), fields.get("sleep_cycle", 0)):
        raise PeerError("a sleep in which nobody meets")
    return again


def _try_pin(name: str, pin: int) -> None:
    """PeerError where this chip has no such pin, or measures no voltage there."""
    try:
        if name == "battery_pin":
            machine.ADC(pin, atten=machine.ADC.ATTN_11DB)
        else:
            machine.Pin(pin)
    except (ValueError, OSError):
        raise PeerError("a wrong pin")


def _fits(name: object, value: object) -> bool:
    if name == "name":
        return isinstance(value, str) and 0 < len(value.encode()) <= 64
    if name == "update_key":
        return isinstance(value, bytes) and len(value) == _SIGNER_BYTES
    if value is None:
        return name == "profile" or name in _NUMBERS or name in _TRUTHS
    if name == "profile":
        return value in _PROFILES
    if name in _TRUTHS:
        return isinstance(value, bool)
    if name not in _NUMBERS or isinstance(value, bool) or not isinstance(value, int):
        return False
    least, most = _NUMBERS[name]
    return least <= value <= most


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
