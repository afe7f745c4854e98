"""Commands and replies as people read them."""

from dataclasses import dataclass
from typing import Any

from hedgerow.boards import telling
from hedgerow.boards.meshes import fingerprint
from hedgerow_core import manage, service
from hedgerow_core.errors import PeerError

QUEUED = "queued"  # no board has it yet
CARRIED = "carried"  # a board has it, not the one that it is for
TAKEN = "taken"  # its board took it, and the reply is on its way
ANSWERED = "answered"
EXPIRED = "expired"  # no answer came in time

# Whose repetition does no harm where only the reply was lost.
REPEATED = (manage.STATUS, manage.CONFIG_GET, manage.CONFIG_SET, manage.PAIRINGS, manage.REKEY)

_NAMES = {
    manage.STATUS: "status",
    manage.CONFIG_GET: "config",
    manage.CONFIG_SET: "set",
    manage.REBOOT: "restart",
    manage.LOCATE: "locate",
    manage.REKEY: "rekey",
}
_RESULTS = ("done", "refused", "wrong argument", "failed", "no room")


@dataclass(frozen=True)
class Command:
    """A row of ``hedgerow care list``. ``reply`` as the board sent it, None while there is none."""

    id: int
    board: str
    command: bytes
    state: str
    made_ms: int
    until_ms: int
    answered_ms: int | None
    reply: bytes | None

    @property
    def what(self) -> str:
        """One word for what it asks for."""
        return name_of(self.command)

    @property
    def result(self) -> str | None:
        """One or two words for what came of it; None where nobody knows yet."""
        return None if self.reply is None else result_of(self.reply)

    def fields(self) -> dict[str, Any]:
        """What the reply says, by name; nothing where it was not done or cannot be read."""
        return fields_of(self.command, self.reply or b"")


def name_of(command: bytes) -> str:
    """One word for a command."""
    return _NAMES.get(command[0], "other") if command else "other"


def result_of(reply: bytes) -> str:
    """One or two words for the status of a reply."""
    return _RESULTS[reply[0]] if reply and reply[0] < len(_RESULTS) else "unknown answer"


def fields_of(command: bytes, reply: bytes) -> dict[str, Any]:
    """What a reply to ``command`` says, by name."""
    if not command or reply[:1] != bytes((manage.DONE,)):
        return {}
    try:
        if command[0] == manage.STATUS:
            return telling.status_of(*service.decode_status(reply[1:]))
        if command[0] == manage.CONFIG_GET:
            return telling.config_of(telling.read_config(reply[1:]))
    except PeerError:
        return {}
    if command[0] == manage.CONFIG_SET:
        return {"restarts": reply[1:] == b"\1"}
    if command[0] == manage.REKEY:
        return {"fingerprint": fingerprint(command[5:])}
    return {}
