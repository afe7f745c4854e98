"""What is fuzzed of boards on the host: codes, invitations to a mesh, settings, answers to commands."""

import base64
import hashlib
import json

from fuzz.promise import holds, refusal, told
from hedgerow import errors
from hedgerow.boards import code, meshes
from hedgerow.boards import settings as board_settings
from hedgerow.care import words
from hedgerow_core import cbor, manage, service, slots
from hedgerow_core.errors import HedgerowError

KEY = bytes(range(32))
CODE = code.Code("mill", KEY, b"f" * 16)
LOAN = code.Code("mill", KEY, b"f" * 16, 1_800_000_000_000)
MESH = meshes.Mesh(1, "Mill Lane", KEY, b"a" * 32, b"u" * 60, 0)
SETTINGS = board_settings.BoardSettings("mill", KEY, KEY, finding=b"f" * 16, led_pin=-1, trace=True)
_CODE, _MESH = "hedgerow:board/1/", "hedgerow:mesh/1/"


def _text(prefix: str, data: bytes) -> str:
    """As text, where the first byte says so; else with a checksum that fits."""
    if data[:1] == b"t":
        return data[1:].decode(errors="replace")
    checked = data[1:] + hashlib.sha256(data[1:]).digest()[:4]
    return prefix + base64.urlsafe_b64encode(checked).decode().rstrip("=")


def fuzz_board_code(data: bytes) -> str:
    try:
        found = code.parse(_text(_CODE, data))
    except (errors.PairingCodeDamaged, errors.PairingCodeVersion) as error:
        return refusal(error)
    holds(code.parse(found.uri()) == code.parse(found.for_qr()) == found, "a code that changes on its way")
    return told(found.name, found.key, found.finding, found.ends_ms)


def fuzz_mesh(data: bytes) -> str:
    try:
        name, key, update_key, admin = meshes.read(_text(_MESH, data))
    except (errors.MeshDamaged, errors.MeshVersion) as error:
        return refusal(error)
    again = meshes.invitation(meshes.Mesh(1, name, key, admin, update_key, 0), admin=True)
    holds(meshes.read(again) == (name, key, update_key, admin), "an invitation that changes on its way")
    return told(name, key, update_key, admin)


def fuzz_board_settings(data: bytes) -> str:
    half = len(data) // 2
    try:
        found = board_settings.newest([data[:half], data[half:], slots.seal(1, data)])
        content = found[1].content() if found else b""
    except HedgerowError as error:
        return refusal(error)
    holds(not content or board_settings.parse(content).content() == content, "settings that change")
    return told(content)


def fuzz_care_reply(data: bytes) -> str:
    """What a board answered over the mesh, to the command that the first byte names."""
    command, reply = data[:1] + KEY, data[1:]
    fields = words.fields_of(command, reply)
    shown = json.dumps(fields)
    holds(reply[:1] == bytes((manage.DONE,)) or not fields, "what was not done says something")
    return told(words.name_of(command), words.result_of(reply), shown)


def care_reply_seeds() -> list[bytes]:
    status = bytes((manage.STATUS, manage.DONE)) + service.encode_status((1,) * 13, "mill")
    config = bytes((manage.CONFIG_GET, manage.DONE)) + cbor.encode({"name": "mill", "mesh": b"m", 5: [1]})
    others = [bytes((op, 0, 1)) for op in (manage.CONFIG_SET, manage.REKEY, manage.REBOOT, 0)]
    return [status, status[:-5], config, config[:-1], b"\x09\1", b"\x09", b"\1\0\xa1\xf5\xf5", *others]


def board_code_seeds() -> list[bytes]:
    return [
        b"t" + CODE.uri().encode(),
        b"t" + LOAN.for_qr().encode(),
        b"t" + CODE.uri().replace("/1/", "/2/").encode(),
        b"c" + cbor.encode(["mill", KEY, b"f" * 16, 28_401_120]),
        b"c" + cbor.encode(["mill", KEY, b"short"]),
    ]


def mesh_seeds() -> list[bytes]:
    uri = meshes.invitation(MESH, admin=True)
    return [
        b"t" + uri.encode(),
        b"t" + meshes.for_qr(uri).encode(),
        b"t" + uri.replace("/1/", "/2/").encode(),
        b"c" + cbor.encode(["serial:", KEY, None, None]),
        b"c" + cbor.encode(["Mill", KEY, None, b"short"]),
    ]


def board_settings_seeds() -> list[bytes]:
    content = SETTINGS.content()
    wrong = cbor.encode({"name": "mill", "mesh_key": 7, "led_pin": "two", "pairings": None})
    return [content, SETTINGS.slot() * 2, SETTINGS.slot()[:-1] + SETTINGS.slot(7), cbor.encode({}), wrong]


TARGETS = {
    "care_reply": (fuzz_care_reply, care_reply_seeds),
    "board_code": (fuzz_board_code, board_code_seeds),
    "mesh": (fuzz_mesh, mesh_seeds),
    "board_settings": (fuzz_board_settings, board_settings_seeds),
}
