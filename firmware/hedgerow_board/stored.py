"""The settings where they lie: read whole, changed whole or not at all; imported for it, and forgotten.

The file is what counts. Until it is written, an error leaves everything as it was. From then on the new
settings hold: what cannot be told of them, the next start tells.
"""

import machine

from hedgerow_board import settings
from hedgerow_board.settings import SettingsError
from hedgerow_core import cbor, limits, manage, slots
from hedgerow_core.errors import HedgerowError


def kept(store: object) -> dict | None:
    """All settings; None where there are none."""
    try:
        return settings.fields(settings.newest())
    except SettingsError:
        pass  # only then, for the copy takes a large piece of the heap
    buffer = bytearray(limits.SETTINGS_BYTES)
    try:
        copy = bytes(buffer[: store.get_blob("settings", buffer)])
        return settings.fields(settings.newest(copy))
    except (OSError, SettingsError):
        return None


def keep(board: object, store: object, fields: dict) -> int:
    """Write the settings, which leave ``fields`` to make room, and let the ``board`` have them, where one
    runs. DONE, or BAD_ARGUMENT where they are wrong or too many. Whatever it raises, the former ones hold."""
    try:
        slot, found = settings.save(_content(fields))
    except HedgerowError:
        return manage.BAD_ARGUMENT
    try:
        store.set_blob("settings", slot)
        store.commit()
    except (OSError, MemoryError):
        pass  # the next start does it
    if board is not None:
        try:
            former = board.settings.care_key
            board.settings = found
            if found.care_key != former:
                board.shelf.caught = True  # commands under another key have other locks
            board.renew()
        except MemoryError:
            machine.reset()  # it starts with the new ones
    return manage.DONE


def _content(fields: dict) -> bytes:
    # As cbor.encode does it, but what is encoded leaves the heap.
    parts = [cbor.write_head(5, len(fields))]
    for name in sorted(fields, key=cbor.encode):
        parts.append(cbor.encode(name) + cbor.encode(fields.pop(name)))
    content = b"".join(parts)
    if len(content) + slots.HEAD_BYTES > limits.SETTINGS_BYTES:
        raise SettingsError("too many settings")
    return content
