"""Updates of the firmware: head, manifest, signature, and what a board tells of them."""

from fuzz.promise import holds, refusal, told
from hedgerow_core import limits, lms, package, slot_state
from hedgerow_core.errors import PeerError

MARK = b"mark of a meshes"
SIGNER = b"\0\0\0\6\0\0\0\3" + bytes(48)  # the kind of key that boards have


def fuzz_update_head(data: bytes) -> str:
    try:
        found = package.decode_head(data, MARK)
    except PeerError as error:
        return refusal(error)
    holds(data.startswith(found.encode(MARK)), "the head of an update has two encodings")
    holds(found.count() <= limits.UPDATE_OPENING, "a head with too many pieces")
    holds(found.total <= found.count() + limits.UPDATE_PIECES, "an update beyond its bound")
    return told(found.number, found.leaf, found.flags, found.target, found.total, found.ids)


def update_head_seeds() -> list[bytes]:
    ids = bytes(range(8)) * 5
    whole = package.Head(70_000, 3, 1, b"board id", 45, ids).encode(MARK)
    return [whole, whole + bytes(9), whole[:-1], whole[:36] + b"\0", b"?" + whole[1:]]


def _opening(key: bytes, data: bytes) -> package.Opening:
    cut = package.pieces_of(data)
    ids = b"".join([number.to_bytes(8, "big") for number in range(len(cut))])
    get = {number.to_bytes(8, "big"): piece for number, piece in enumerate(cut)}.get
    return package.Opening(key, package.opening_of(ids, get))


def fuzz_manifest(data: bytes) -> str:
    data = data[:0xFFFF]
    try:
        found = _opening(SIGNER, bytes(lms.signature_bytes(SIGNER)) + len(data).to_bytes(2, "big") + data)
        files = found.files()
    except PeerError as error:
        return refusal(error)
    ids = b"".join([found.name(number) for number in range(found.count)])
    again = package.Manifest(found.number, found.flags, found.target, files, ids).encode()
    holds(again == data, "a manifest has two encodings")
    for path, _, _ in files:
        for part in path.split("/"):  # none from the top, none to where it is or above: "a..b" is a name
            holds(part not in ("", ".", ".."), "a path out of its folder")
    whole = sum([size for _, size, _ in files])
    holds(whole <= limits.UPDATE_PIECES * package.PIECE_BYTES, "an update beyond its bound")
    return told(found.number, found.flags, found.target, *[path for path, _, _ in files])


def manifest_seeds() -> list[bytes]:
    files = [("hedgerow_board/app.mpy", 38_848, b"h" * 32), ("number", 4, b"n" * 32)]
    ids = bytes(range(8)) * 79
    whole = package.Manifest(70_000, 1, package.EVERYBODY, files, ids).encode()
    found = [whole, whole[:-1], whole + b"\0", package.Manifest(1, 0, b"board id", files * 2, ids).encode()]
    for path in ("../x", "a/..", "a..b", "a/b/c", "/x", "a/", "X"):
        found.append(package.Manifest(1, 0, b"board id", [(path, 1, b"h" * 32)], bytes(8)).encode())
    for rest in ([], [("a", 1, b"h" * 32)], [("a", 493, b"h" * 32), ("b", 1, b"h" * 32)]):
        found.append(package.Manifest(2, 3, b"board id", rest, bytes(16)).encode())
    return found


def fuzz_update(data: bytes) -> str:
    """A key, and what is signed under it or not."""
    try:
        found = _opening(data[: lms.KEY_BYTES], data[lms.KEY_BYTES :])
        leaf = found.verify()
    except PeerError as error:
        return refusal(error)
    return told(leaf, found.number)


def update_seeds() -> list[bytes]:
    return [
        SIGNER,
        SIGNER + bytes(2_508) + b"\0\1\x80",
        SIGNER + bytes(3_000),
        b"\0\0\0\5\0\0\0\4" + bytes(1_350),
    ]


def fuzz_update_state(data: bytes) -> str:
    try:
        numbers, board, key = slot_state.decode_state(data)
    except PeerError as error:
        return refusal(error)
    holds(slot_state.encode_state(numbers, board, key) == data, "the state of an update has two encodings")
    return told(board, key, *numbers)


def update_state_seeds() -> list[bytes]:
    whole = slot_state.encode_state([70_000, 1, 1, 3, 70_001, 4, 49, 2, 69_999], b"board id", b"key's id")
    return [whole, whole[:-1], whole + b"\0", whole[:5] + b"\3" + whole[6:]]


TARGETS = {
    "update_head": (fuzz_update_head, update_head_seeds),
    "manifest": (fuzz_manifest, manifest_seeds),
    "update": (fuzz_update, update_seeds),
    "update_state": (fuzz_update_state, update_state_seeds),
}
