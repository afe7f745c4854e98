"""Makes the envelopes of an update (docs/protocol.md, "Updates")."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from hedgerow import errors
from hedgerow_core import envelope, limits, package
from hedgerow_core.envelope import Envelope
from hedgerow_core.errors import LimitError

MESH_TTL = 13  # 7 days: a mesh is crossed in hours, boards that are off come back
DIRECT_TTL = 2  # 2 hours: it goes to the board at the other end of the link
_LAST_HOP = limits.HOPS - 1  # the board keeps it and hands it on to nobody
_FIRST_HOPS = 4

Sign = Callable[[bytes], tuple[int, bytes]]


def files_of(folder: Path) -> dict[str, bytes]:
    """What ``hedgerow.flashing.build.firmware`` made: path -> content."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def content_of(files: Mapping[str, bytes]) -> bytes:
    """What follows the manifest."""
    return b"".join(files[path] for path in sorted(files))


def listed(files: Mapping[str, bytes]) -> list[tuple[str, int, bytes]]:
    """The files as a manifest names them."""
    return [(path, len(data), hashlib.sha256(data).digest()) for path, data in sorted(files.items())]


def envelopes(
    files: Mapping[str, bytes],
    number: int,
    sign: Sign,
    mark: bytes,
    random: Callable[[int], bytes],
    target: bytes = package.EVERYBODY,
    downgrade: bool = False,
) -> list[Envelope]:
    """An update for one board, which stays with it, or for all; the head comes last. UpdateTooLarge."""
    direct = target != package.EVERYBODY
    ttl = DIRECT_TTL if direct else MESH_TTL
    hops = _LAST_HOP if direct else random(1)[0] % _FIRST_HOPS
    flags = package.DOWNGRADE if downgrade else 0

    def pieces(data: bytes) -> list[Envelope]:
        # Not bulk: on a board that is full, nothing goes for that.
        return [
            envelope.make(envelope.NORMAL, ttl, random(limits.LOCK_BYTES), body).carried(hops, 0)
            for body in package.pieces_of(data)
        ]

    whole = content_of(files)
    if len(whole) > limits.UPDATE_PIECES * package.PIECE_BYTES:
        raise errors.UpdateTooLarge(size=len(whole))
    content = pieces(whole)
    manifest = package.Manifest(number, flags, target, listed(files), _ids(content)).encode()
    leaf, signature = sign(manifest)
    opening = pieces(signature + len(manifest).to_bytes(2, "big") + manifest)
    total = len(opening) + len(content)
    try:
        body = package.Head(number, leaf, flags, target, total, _ids(opening)).encode(mark)
    except LimitError:
        raise errors.UpdateTooLarge(size=len(whole)) from None
    body += bytes(envelope.padded_body_size(len(body)) - len(body))
    head = envelope.make(envelope.NORMAL, ttl, random(limits.LOCK_BYTES), body, shared=True)
    return [*opening, *content, head.carried(hops, 0)]


def _ids(pieces: list[Envelope]) -> bytes:
    return b"".join(one.id for one in pieces)
