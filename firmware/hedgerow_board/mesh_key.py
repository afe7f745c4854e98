"""Another key of the mesh, now or at a minute of its clock; imported for it, and forgotten afterwards."""

from hedgerow_board import changes
from hedgerow_core import manage


def answer(board: object, fields: dict, op: int, more: bytes, rights: int, pairing: bytes) -> tuple:
    """(reply to REKEY, what it changes); without a command the mesh has its next key from now on."""
    done = bytes((manage.DONE,))
    if not op:
        fields["mesh_key"] = fields.pop("next_key")
        fields.pop("next_at")
        # Beacons, links and the sketch of the shelf hang on it.
        return done, changes.RESTARTS
    if len(more) != 4 + manage.KEY_BYTES or not any(more[4:]):
        return bytes((manage.BAD_ARGUMENT,)), changes.NOTHING
    # In place of one that was to come.
    fields.pop("next_key", None)
    fields.pop("next_at", None)
    at, key = int.from_bytes(more[:4], "big"), more[4:]
    if key == fields["mesh_key"]:
        return done, changes.WRITTEN
    if at:
        fields["next_key"], fields["next_at"] = key, at
        return done, changes.WRITTEN
    fields["mesh_key"] = key
    return done, changes.RESTARTS
