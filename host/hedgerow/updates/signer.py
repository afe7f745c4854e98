"""Who signs the updates of a mesh: an LMS key (RFC 8554) whose one-time keys are used once each, for ever.

The number of the next one is on the disk before anything is signed. A home that was copied or restored does
not know how far the other copy got, so it has no signer any more (hedgerow.vault).
"""

from collections.abc import Callable
from dataclasses import dataclass

from pyhsslms import pyhsslms as hashed

from hedgerow import errors
from hedgerow.boards.meshes import Mesh
from hedgerow.database import Database
from hedgerow_core import cbor, limits
from hedgerow_core.errors import PeerError

SIGNATURES = limits.UPDATE_LEAVES
_HEIGHT = hashed.lms_sha256_m32_h10
# 500 hashes for a board to verify and 2,508 bytes; with 8 bits it would be 4,300 and 1,452.
_WIDTH = hashed.lmots_sha256_n32_w4
_SEED_BYTES = 32
_IDENTIFIER_BYTES = 16


@dataclass(frozen=True)
class _State:
    seed: bytes
    identifier: bytes
    leaf: int  # the next one-time key

    def to_cbor(self) -> bytes:
        return cbor.encode([1, self.seed, self.identifier, self.leaf])

    def private(self) -> hashed.LmsPrivateKey:
        """About a second: all one-time keys are made."""
        return hashed.LmsPrivateKey(_HEIGHT, _WIDTH, SEED=self.seed, I=self.identifier, q=self.leaf)


def _read(mesh: Mesh, sealed: bytes) -> _State:
    try:
        found = cbor.decode(sealed)
    except PeerError:
        found = None
    if not isinstance(found, list) or len(found) != 4 or found[0] != 1 or not isinstance(found[3], int):
        raise errors.SignerDamaged(mesh=mesh.name)
    return _State(bytes(found[1]), bytes(found[2]), found[3])


class Signers:
    """The signers of meshes. ``random`` gives so many secret random bytes."""

    def __init__(self, database: Database, random: Callable[[int], bytes]) -> None:
        self._database = database
        self._random = random

    def key(self, mesh: Mesh) -> bytes | None:
        """The public key that boards of ``mesh`` are to trust; made where we made the mesh and there is none
        yet, which takes a second."""
        rows = self._database.rows("SELECT update_key FROM meshes WHERE id = ?", mesh.id)
        known = rows[0]["update_key"] if rows else None
        if known is None and mesh.admin is not None:
            return self.renew(mesh)
        return None if known is None else bytes(known)

    def next_leaf(self, mesh: Mesh) -> int | None:
        """The one-time key that signs next; None where we do not sign for ``mesh``."""
        rows = self._database.rows("SELECT unseal(signer) AS signer FROM meshes WHERE id = ?", mesh.id)
        sealed = rows[0]["signer"] if rows else None
        return None if sealed is None else _read(mesh, sealed).leaf

    def renew(self, mesh: Mesh) -> bytes:
        """Make another signer; boards have to be told of it. NotTheSigner."""
        if mesh.admin is None:
            raise errors.NotTheSigner(mesh=mesh.name)
        state = _State(self._random(_SEED_BYTES), self._random(_IDENTIFIER_BYTES), 0)
        key: bytes = state.private().publicKey().serialize()
        with self._database.transaction():
            self._keep(mesh, state)
            self._database.run("UPDATE meshes SET update_key = ? WHERE id = ?", key, mesh.id)
        return key

    def sign(self, mesh: Mesh, message: bytes) -> tuple[int, bytes]:
        """(number of the one-time key, signature) of ``message``. NotTheSigner, NoSigner, or SignerSpent."""
        with self._database.transaction():
            rows = self._database.rows("SELECT unseal(signer) AS signer FROM meshes WHERE id = ?", mesh.id)
            if mesh.admin is None:
                raise errors.NotTheSigner(mesh=mesh.name)
            if not rows or rows[0]["signer"] is None:
                raise errors.NoSigner(mesh=mesh.name)
            state = _read(mesh, rows[0]["signer"])
            if state.leaf >= SIGNATURES:
                raise errors.SignerSpent(mesh=mesh.name)
            # On the disk before the key is used: whatever happens then, nobody uses it again.
            self._keep(mesh, _State(state.seed, state.identifier, state.leaf + 1))
        signature: bytes = state.private().sign(message)
        return state.leaf, signature

    def _keep(self, mesh: Mesh, state: _State) -> None:
        self._database.run("UPDATE meshes SET signer = seal_long(?) WHERE id = ?", state.to_cbor(), mesh.id)
