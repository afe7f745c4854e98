"""Which mesh a board becomes part of, and what its settings hold: its keys outlast a flash."""

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hedgerow.boards import settings as files
from hedgerow.boards.code import Code
from hedgerow.boards.meshes import Mesh
from hedgerow.boards.paired import OWNER, Paired
from hedgerow.boards.settings import BoardSettings
from hedgerow.errors import BoardNameTaken
from hedgerow.flashing import errors
from hedgerow.flashing.catalogue import Kind
from hedgerow.flashing.onboard import Found
from hedgerow.node import Node
from hedgerow_core import limits, manage
from hedgerow_core.clock import EPOCH_MINUTES
from hedgerow_core.errors import PeerError

FIRST_MESH = "home"
CODE_DAYS = 7  # for which the printed code holds
_BOARD_ID_BYTES = 8
_CODE_LABEL = "code"

Random = Callable[[int], bytes]


@dataclass(frozen=True)
class Wishes:
    """What the user said of the board; None where nothing was said."""

    name: str | None = None
    mesh: str | None = None
    profile: str | None = None
    trace: bool = False


@dataclass(frozen=True)
class Provision:
    """What goes onto the board; ``key`` is this computer's pairing key, ``code`` pairs another one."""

    settings: BoardSettings
    key: bytes = field(repr=False)
    code: Code


def settings_in(found: Found | None) -> BoardSettings | None:
    """Those of the board; None where there are none, or none that are whole."""
    try:
        newest = None if found is None else files.newest(list(found.settings))
    except PeerError:
        return None
    return None if newest is None else newest[1]


def mesh_for(node: Node, wanted: str | None, there: BoardSettings | None, now: int) -> tuple[Mesh, bool]:
    """(the mesh, whether it was made just now): the one that is wanted, the board's own, the only one here,
    or a new one. SeveralMeshes, UnknownMesh."""
    if wanted is not None:
        return node.meshes.named(wanted), False
    its = None if there is None else node.meshes.of_key(there.mesh_key)
    if its is not None:
        return its, False
    here = node.meshes.all()
    if len(here) > 1:
        raise errors.SeveralMeshes(names=", ".join(mesh.name for mesh in here))
    return (here[0], False) if here else (node.meshes.create(FIRST_MESH, now), True)


def prepare(
    node: Node,
    kind: Kind,
    mesh: Mesh,
    wishes: Wishes,
    there: BoardSettings | None,
    default_name: str,
    remembers: bool,
    random: Random,
    now: int,
) -> Provision:
    """Settings for a board. ``there``: those that it keeps, as far as nothing else is wished, with its other
    pairings. A board has its keys again when it is flashed again under its name; but that of its care only
    where it ``remembers`` which commands it ran: else it would run them again. BadBoardName."""
    name = wishes.name or (there.name if there is not None else default_name)
    known = _known(node, name, mesh, there)
    base = there or _fresh(kind, mesh, name)
    key = random(manage.KEY_BYTES) if known is None else known.pairing_key
    finding = base.finding or (known and known.finding) or random(manage.FINDING_BYTES)
    one_time = random(manage.KEY_BYTES)
    ends = now // 60_000 + CODE_DAYS * 1_440 - EPOCH_MINUTES
    records = [record for record in _records(base) if record[0] != manage.CODE]
    if base.pairing_key is None:
        base = replace(base, pairing_key=key)
    elif base.pairing_key != key and all(record[2] != key for record in records):
        # Another computer flashed it.
        records = [(manage.OWNER, 0, key, _label(node.name)), *records[: limits.PAIRINGS - 2]]
    records = [*records[: limits.PAIRINGS - 1], (manage.CODE, ends, one_time, _CODE_LABEL)]
    changed = replace(
        base,
        name=name,
        mesh_key=mesh.key,
        pairings=b"".join(manage.encode_record(*record) for record in records),
        finding=finding,
        care_key=(base.care_key if remembers else None) or random(manage.KEY_BYTES),
        update_key=node.signers.key(mesh) or base.update_key,
        profile=wishes.profile or base.profile or kind.profile,
        trace=True if wishes.trace else base.trace,
    )
    changed.content()
    return Provision(changed, key, Code(name, one_time, finding))


def _fresh(kind: Kind, mesh: Mesh, name: str) -> BoardSettings:
    lit = kind.led in ("high", "low")
    return BoardSettings(
        name=name,
        mesh_key=mesh.key,
        battery_pin=kind.battery_pin,
        battery_ratio=kind.battery_ratio,
        led_pin=kind.led_pin if lit else None,
        led_low=True if kind.led == "low" else None,
        button_pin=kind.button_pin,
    )


def _known(node: Node, name: str, mesh: Mesh, there: BoardSettings | None) -> Paired | None:
    """The board in our table: by a key that it has, or by its name."""
    keys = set() if there is None else {there.pairing_key, *(record[2] for record in _records(there))}
    for board in node.boards.all():
        if board.pairing_key in keys and board.owned:
            return board
    for board in node.boards.all():
        if board.name == name and board.mesh == mesh.id and board.owned:
            return board
    return None


def _records(settings: BoardSettings) -> list[tuple[int, int, bytes, str]]:
    try:
        return manage.decode_records(settings.pairings or b"")
    except PeerError:
        return []


def _label(name: str) -> str:
    """As much of a name as a board keeps."""
    return name.encode()[: limits.LABEL_BYTES].decode(errors="ignore")


def remember(
    node: Node, provision: Provision, mesh: Mesh, kind: Kind, firmware: int, url: str, now: int
) -> Paired:
    """Write down what this computer needs to talk with the board; before the board has it, so that it is not
    lost when the cable is pulled."""
    care_key = provision.settings.care_key or b""
    former = node.boards.of_key(provision.key)
    board = node.boards.add(
        provision.settings.name,
        provision.key,
        now,
        mesh=mesh.id,
        finding=provision.settings.finding,
        care_key=care_key,
        care_next=former.care_next if former is not None and former.care_key == care_key else 0,
        board_id=hashlib.sha256(b"hedgerow board" + care_key).digest()[:_BOARD_ID_BYTES],
        rights=OWNER,
        kind=kind.name,
        firmware=firmware,
        url=url,
    )
    with contextlib.suppress(BoardNameTaken):
        node.boards.rename(board.id, provision.settings.name)
    return next(one for one in node.boards.all() if one.id == board.id)
