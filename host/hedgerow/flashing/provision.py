"""Which mesh a board becomes part of, and what its settings hold: its keys outlast a flash."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hedgerow.boards import code as codes
from hedgerow.boards import settings as files
from hedgerow.boards.code import Code
from hedgerow.boards.managing import label_of
from hedgerow.boards.meshes import Mesh, fingerprint
from hedgerow.boards.naming import numbered
from hedgerow.boards.paired import Paired
from hedgerow.boards.settings import BoardSettings
from hedgerow.flashing import errors
from hedgerow.flashing.catalogue import Kind
from hedgerow.flashing.onboard import Found
from hedgerow.node import Node
from hedgerow_core import limits, manage, sealed
from hedgerow_core.clock import EPOCH_MINUTES
from hedgerow_core.errors import PeerError

FIRST_MESH = "home"
CODE_DAYS = 7  # for which the printed code holds

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


def mesh_of(node: Node, there: BoardSettings) -> Mesh | None:
    """The mesh of ours that a board is of, also by a key that is to come, or a former one: it was away."""
    return node.meshes.of_key(there.mesh_key) or node.meshes.of_fingerprint(fingerprint(there.mesh_key))


def trusted(node: Node, there: BoardSettings) -> bool:
    """Whether a board is one of ours with all that it has. With a key of the mesh that is not today's, only
    one that is paired with this computer and was not left out: a stolen board has a former key, and the thief
    knows its pairings."""
    if node.meshes.of_key(there.mesh_key) is not None:
        return True
    own = _own(node, there)
    return own is not None and mesh_of(node, there) is not None and not node.rekeyings.left_out(own)


def mesh_for(node: Node, wanted: str | None, there: BoardSettings | None) -> Mesh | None:
    """The mesh that is wanted, the board's own, or the only one here; None where the board begins one,
    called FIRST_MESH. SeveralMeshes, UnknownMesh."""
    if wanted is not None:
        return node.meshes.named(wanted)
    its = None if there is None else mesh_of(node, there)
    if its is not None:
        return its
    here = node.meshes.all()
    if len(here) > 1:
        raise errors.SeveralMeshes(names=", ".join(mesh.name for mesh in here))
    return here[0] if here else None


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
    pairings. Keys that it does not keep are new ones: whoever stole a board of that name has the former. That
    of its care stays only where it ``remembers`` which commands it ran: else it would run them again.
    BadBoardName, or NoPairingLeft."""
    check_room(node, there)
    name = wishes.name or (there.name if there is not None else default_name)
    own = _own(node, there)
    base = there or _fresh(kind, mesh, name)
    # It may be some minutes ahead of this computer in taking the key that is to come.
    mesh_key = base.mesh_key if base.mesh_key == node.meshes.next_key(mesh) else mesh.key
    if base.mesh_key != mesh_key:
        base = replace(base, next_key=None, next_at=None)  # another key of the mesh that it leaves
    key = random(manage.KEY_BYTES) if own is None else own.pairing_key
    finding = base.finding or random(manage.FINDING_BYTES)
    one_time = random(manage.KEY_BYTES)
    ends = now // 60_000 + CODE_DAYS * 1_440 - EPOCH_MINUTES
    records = [record for record in _records(base) if record[0] != manage.CODE]
    if base.pairing_key is None:
        base = replace(base, pairing_key=key)
    elif base.pairing_key != key and all(record[2] != key for record in records):
        # Another computer flashed it.
        records = [(manage.OWNER, 0, key, label_of(node.name)), *records]
    records = [*records, (manage.CODE, ends, one_time, codes.LABEL)]
    update_key = node.signers.key(mesh) or base.update_key
    changed = replace(
        base,
        name=name,
        mesh_key=mesh_key,
        pairings=b"".join(manage.encode_record(*record) for record in records),
        finding=finding,
        care_key=(base.care_key if remembers else None) or random(manage.KEY_BYTES),
        update_key=update_key,
        update_leaf=_first_leaf(node, mesh, base, update_key),
        profile=wishes.profile or base.profile or kind.profile,
        trace=True if wishes.trace else base.trace,
    )
    changed.content()
    return Provision(changed, key, Code(name, one_time, finding))


def _first_leaf(node: Node, mesh: Mesh, base: BoardSettings, update_key: bytes | None) -> int | None:
    """A board that is erased forgets which update it had last: none of those signed so far may come back."""
    its = base.update_leaf if base.update_key == update_key else None
    ours = node.signers.next_leaf(mesh)
    return its if ours is None else max(ours, its or 0)


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


def check_room(node: Node, there: BoardSettings | None) -> None:
    """NoPairingLeft where a board that keeps ``there`` has no room for us and a new code."""
    if there is None:
        return
    others = sum(record[0] != manage.CODE for record in _records(there))
    ours = there.pairing_key is not None and _own(node, there) is None
    if others + ours + 1 > limits.PAIRINGS:
        raise errors.NoPairingLeft(name=there.name, most=limits.PAIRINGS)


def _own(node: Node, there: BoardSettings | None) -> Paired | None:
    """The board in our table by a key that it showed."""
    keys = set() if there is None else {there.pairing_key, *(record[2] for record in _records(there))}
    return next((board for board in node.boards.all() if board.pairing_key in keys and board.owned), None)


def _former(node: Node, key: bytes, shown: BoardSettings | None, unique_id: bytes | None) -> Paired | None:
    """The row of the board that was flashed: by its key, the chip's address, or a key that it had before."""
    found = node.boards.of_key(key)
    if found is not None:
        return found
    for board in node.boards.all():
        if unique_id is not None and board.unique_id == unique_id and board.owned:
            return board
    found = _own(node, shown)
    return found if found is not None and None in (found.unique_id, unique_id) else None


def _records(settings: BoardSettings) -> list[tuple[int, int, bytes, str]]:
    try:
        return manage.decode_records(settings.pairings or b"")
    except PeerError:
        return []


def remember(
    node: Node,
    provision: Provision,
    mesh: Mesh,
    kind: Kind,
    firmware: int,
    url: str,
    address: str,
    shown: BoardSettings | None,
    now: int,
) -> tuple[Paired, str | None]:
    """Write down what this computer needs to talk with the board; before the board has it, so that it is not
    lost when the cable is pulled. ``address`` is the chip's, "" where nobody knows; ``shown`` is what the
    board held before. (its row, how another board of the mesh is called now that had its name)."""
    care_key = provision.settings.care_key or b""
    unique_id = bytes.fromhex(address.replace(":", "")) or None
    former = _former(node, provision.key, shown, unique_id)
    name = provision.settings.name
    for other in node.boards.all():
        again = unique_id is not None and other.unique_id == unique_id
        if again and former is not None and other.id != former.id:
            node.boards.forget(other.id)  # the chip has other keys now
    renamed = _make_room(node, name, mesh, former)
    if former is not None:
        node.boards.change(former.id, pairing_key=provision.key)
    board = node.boards.add(
        name,
        provision.key,
        now,
        mesh=mesh.id,
        finding=provision.settings.finding,
        care_key=care_key,
        care_next=former.care_next if former is not None and former.care_key == care_key else 0,
        board_id=sealed.board_id(care_key),
        rights=manage.OWNER,
        kind=kind.name,
        firmware=firmware,
        url=url,
        unique_id=unique_id,
    )
    node.rekeyings.let_in(board)
    taken = {other.name for other in node.boards.all() if other.id != board.id}
    node.boards.rename(board.id, numbered(name, taken))
    return node.boards.of_number(board.id), renamed


def _make_room(node: Node, name: str, mesh: Mesh, former: Paired | None) -> str | None:
    """Number another board of the mesh that is called so; its new name. It stays: it may have been stolen,
    and has to be left out of a new mesh key."""
    names = {board.name.casefold(): board for board in node.boards.all()}
    holder = names.get(name.casefold())
    if holder is None or holder == former or not holder.owned or holder.mesh != mesh.id:
        return None
    return node.boards.rename(holder.id, numbered(name, set(names)))
