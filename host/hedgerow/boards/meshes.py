"""The meshes whose key is here. Who has the key may flash boards of the mesh, and hears its street.

hedgerow:mesh/1/ .. of CBOR [name, key, update key or null, admin secret or null]; see hedgerow.uri
"""

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from hedgerow import errors
from hedgerow.boards.naming import checked_name, numbered
from hedgerow.database import Database
from hedgerow.uri import Form, OtherVersion
from hedgerow_core import cbor, manage
from hedgerow_core.errors import PeerError

_UPDATE_KEY_BYTES = 128  # at most
_FORM = Form("hedgerow:mesh/", "mesh")
_FINGERPRINT_BYTES = 4


@dataclass(frozen=True)
class Mesh:
    """A mesh. ``admin``: the 32-byte secret of who made it; ``update_key``: what updates are signed with."""

    id: int
    name: str
    key: bytes = field(repr=False)
    admin: bytes | None = field(repr=False)
    update_key: bytes | None
    made_ms: int

    @property
    def fingerprint(self) -> str:
        """By which people tell meshes apart: 8 hexadecimal digits."""
        return fingerprint(self.key)


def fingerprint(key: bytes) -> str:
    """8 hexadecimal digits that tell nothing of the key."""
    return hashlib.sha256(b"hedgerow mesh" + key).digest()[:_FINGERPRINT_BYTES].hex()


def invitation(mesh: Mesh, admin: bool = False) -> str:
    """What another person joins with: it holds the mesh key, with ``admin`` the admin secret, too."""
    content = [mesh.name, mesh.key, mesh.update_key, mesh.admin if admin else None]
    return _FORM.encode(cbor.encode(content))


def for_qr(uri: str) -> str:
    """An invitation in the letters of a QR code's alphanumeric mode."""
    return _FORM.for_qr(uri)


def read(uri: str) -> tuple[str, bytes, bytes | None, bytes | None]:
    """(name, key, update key, admin secret) of an invitation. MeshDamaged, or MeshVersion."""
    try:
        found = cbor.decode(_FORM.decode(uri))
        if not isinstance(found, list) or len(found) != 4:
            raise PeerError("a damaged mesh")
        name, key, update_key, admin = found
        if not (
            isinstance(name, str)
            and _is_key(key)
            and (admin is None or _is_key(admin))
            and (
                update_key is None or (isinstance(update_key, bytes) and len(update_key) <= _UPDATE_KEY_BYTES)
            )
        ):
            raise PeerError("a damaged mesh")
        return checked_name(name), key, update_key, admin
    except OtherVersion:
        raise errors.MeshVersion from None
    except (PeerError, errors.BadBoardName):
        raise errors.MeshDamaged from None


def _is_key(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == manage.KEY_BYTES


class Meshes:
    """The table. ``random`` gives so many secret random bytes."""

    def __init__(self, database: Database, random: Callable[[int], bytes]) -> None:
        self._database = database
        self._random = random

    def all(self) -> list[Mesh]:
        """All of them, by name."""
        return [_mesh(row) for row in self._rows("1")]

    def named(self, name: str) -> Mesh:
        """The one called ``name``. UnknownMesh."""
        for row in self._rows("name = ?", name):
            return _mesh(row)
        raise errors.UnknownMesh(name=name)

    def of_key(self, key: bytes) -> Mesh | None:
        """The one with this key."""
        return next((mesh for mesh in self.all() if mesh.key == key), None)

    def of_fingerprint(self, wanted: str) -> Mesh | None:
        """The one with this fingerprint, as a board tells it: also that of a key that is to come, or of a
        former one, which a board that was away still has."""
        for row in self._database.rows("SELECT name, unseal(next_key) AS next_key, former FROM meshes"):
            mesh = self.named(row["name"])
            known = [mesh.fingerprint]
            if row["next_key"] is not None:
                known.append(fingerprint(row["next_key"]))
            former = bytes(row["former"])
            for at in range(0, len(former), _FINGERPRINT_BYTES):
                known.append(former[at : at + _FINGERPRINT_BYTES].hex())
            if wanted in known:
                return mesh
        return None

    def next_key(self, mesh: Mesh) -> bytes | None:
        """The key that is to come, where another one is under way."""
        rows = self._database.rows("SELECT unseal(next_key) AS key FROM meshes WHERE id = ?", mesh.id)
        key: bytes | None = rows[0]["key"]
        return key

    def create(self, name: str, now: int) -> Mesh:
        """A new mesh, whose admin we are. BadBoardName, or MeshNameTaken."""
        key, admin = self._random(manage.KEY_BYTES), self._random(manage.KEY_BYTES)
        return self._insert(checked_name(name), key, admin, None, now)

    def join(self, uri: str, now: int) -> Mesh:
        """Take in an invitation; one for a mesh that is here already may bring its admin secret.

        MeshDamaged, MeshVersion. A name that is taken gets a number.
        """
        name, key, update_key, admin = read(uri)
        with self._database.transaction():
            there = self.of_key(key)
            if there is None:
                taken = {mesh.name for mesh in self.all()}
                return self._insert(numbered(name, taken), key, admin, update_key, now)
            if there.admin not in (None, admin):
                update_key = None  # of a mesh that is ours no member says who signs its updates
            self._database.run(
                "UPDATE meshes SET admin = coalesce(admin, seal_long(?)),"
                " update_key = coalesce(update_key, ?) WHERE id = ?",
                admin,
                update_key,
                there.id,
            )
            return self.named(there.name)

    def leave(self, name: str) -> Mesh:
        """Forget a mesh; the boards that we are paired with stay."""
        found = self.named(name)
        with self._database.transaction():
            self._database.run("UPDATE boards SET mesh = NULL WHERE mesh = ?", found.id)
            self._database.run("DELETE FROM meshes WHERE id = ?", found.id)
        return found

    def _insert(self, name: str, key: bytes, admin: bytes | None, update_key: bytes | None, now: int) -> Mesh:
        with self._database.transaction():
            if self._rows("name = ?", name):
                raise errors.MeshNameTaken(name=name)
            self._database.run(
                "INSERT INTO meshes (name, key, admin, update_key, made_ms)"
                " VALUES (?, seal_long(?), seal_long(?), ?, ?)",
                name,
                key,
                admin,
                update_key,
                now,
            )
        return self.named(name)

    def _rows(self, which: str, *values: object) -> list[sqlite3.Row]:
        return self._database.rows(
            "SELECT id, name, unseal(key) AS key, unseal(admin) AS admin, update_key, made_ms"
            f" FROM meshes WHERE {which} ORDER BY name",
            *values,
        )


def _mesh(row: sqlite3.Row) -> Mesh:
    return Mesh(*(row[name] for name in ("id", "name", "key", "admin", "update_key", "made_ms")))
