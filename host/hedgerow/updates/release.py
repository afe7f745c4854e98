"""A release of the firmware on the shelf of this computer: what is signed already goes on."""

from collections.abc import Callable, Mapping

from hedgerow.boards.meshes import Mesh
from hedgerow.node import Node
from hedgerow.updates.making import content_of, envelopes, listed
from hedgerow_core import limits, package
from hedgerow_core.errors import PeerError


class Release:
    """A firmware to bring: its ``files`` (path -> content) and ``number``; ``downgrade`` where it may be an
    older one."""

    def __init__(
        self,
        node: Node,
        mesh: Mesh,
        files: Mapping[str, bytes],
        number: int,
        random: Callable[[int], bytes],
        downgrade: bool = False,
    ) -> None:
        self.number = number
        self.downgrade = downgrade
        self._node = node
        self._mesh = mesh
        self._files = files
        self._random = random
        self._mark = package.mark_of(mesh.key)

    def give(self, target: bytes, next_leaf: int, now: int) -> tuple[int, list[bytes]]:
        """(one-time key, ids) of the update for ``target``, on this computer's shelf from now on. What was
        signed before and is there whole goes on. NotTheSigner, NoSigner, SignerSpent, UpdateTooLarge."""
        there = self._there(target, next_leaf, now)
        if there is not None:
            return there
        made = envelopes(
            self._files,
            self.number,
            lambda manifest: self._node.signers.sign(self._mesh, manifest),
            self._mark,
            self._random,
            target,
            self.downgrade,
        )
        for one in made:
            self._node.shelf.put(one, now)
        head = package.decode_head(made[-1].body, self._mark)
        return head.leaf, [one.id for one in made]

    def forget(self, ids: list[bytes]) -> None:
        """It has arrived: take it off this computer's shelf."""
        for identity in ids:
            self._node.shelf.drop(identity)

    def _there(self, target: bytes, next_leaf: int, now: int) -> tuple[int, list[bytes]] | None:
        shelf = self._node.shelf
        flags = package.DOWNGRADE if self.downgrade else 0
        files = content_of(self._files)
        key = self._node.signers.key(self._mesh)
        first = 0

        def get(identity: bytes) -> bytes | None:
            return _body(self._node, identity, now)

        while first >= 0 and key is not None:
            first, envelope = shelf.marked(self._mark, first)
            if envelope is None:
                continue
            try:
                head = package.decode_head(envelope.body, self._mark)
                if head.leaf < next_leaf or head.target != target:
                    continue
                opening = package.Opening(key, package.opening_of(head.ids, get))
                leaf, its = opening.verify(), opening.files()
                ids = [opening.name(number) for number in range(opening.count)]
                content = package.Pieces(opening.name, get)
                # A member may have put pieces of its own behind a true signature.
                whole = content.read(0, len(files)) == files
            except PeerError:
                continue
            size = limits.ID_BYTES
            names = [head.ids[at : at + size] for at in range(0, len(head.ids), size)]
            found = (leaf, opening.number, opening.flags, opening.target, its, head.total)
            wanted = (head.leaf, self.number, flags, target, listed(self._files), len(names) + len(ids))
            if whole and found == wanted and all(shelf.has(one) for one in ids):
                return leaf, [*names, *ids, envelope.id]
        return None


def _body(node: Node, identity: bytes, now: int) -> bytes | None:
    envelope = node.shelf.get(identity, now)
    return None if envelope is None else envelope.body
