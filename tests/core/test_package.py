from hedgerow_core import limits, package, slot_state
from hedgerow_core.errors import LimitError
from support import refuses, unhex, vectors

MARK = package.mark_of(b"k" * 32)
KEY = unhex(vectors("lms")["lms"]["vectors"][2][0])
SIGNATURE = bytes(2_508)  # which nobody made


def head(count: int = 3, content: int = 40) -> package.Head:
    ids = bytes(range(8)) * count
    return package.Head(7, 2, package.DOWNGRADE, b"board id", count + content, ids)


def manifest(*files, count: int = -1) -> bytes:
    if count < 0:
        count = (sum([size for _, size, _ in files]) + package.PIECE_BYTES - 1) // package.PIECE_BYTES
    ids = b"".join([number.to_bytes(8, "big") for number in range(count)])
    return package.Manifest(7, 0, package.EVERYBODY, list(files), ids).encode()


def opened(data: bytes, key: bytes = KEY, signature: bytes = SIGNATURE) -> package.Opening:
    whole = package.pieces_of(signature + len(data).to_bytes(2, "big") + data)
    ids = b"".join([number.to_bytes(8, "big") for number in range(len(whole))])
    get = {number.to_bytes(8, "big"): piece for number, piece in enumerate(whole)}.get
    return package.Opening(key, package.opening_of(ids, get))


def unread(data: bytes) -> bool:
    """Whether an opening with this manifest is refused."""
    return refuses(lambda: opened(data).files())


def test_a_head_comes_back_whatever_fills_it_up():
    body = head().encode(MARK)
    for data in (body, body + bytes(29)):
        found = package.decode_head(data, MARK)
        assert (found.number, found.leaf, found.flags) == (7, 2, package.DOWNGRADE)
        assert found.target == b"board id" and found.ids == bytes(range(8)) * 3
        assert (found.count(), found.total) == (3, 43)


def test_a_head_that_is_cut_or_of_another_mesh_is_refused():
    body = head().encode(MARK)
    for size in range(len(body)):
        assert refuses(package.decode_head, body[:size], MARK)
    assert refuses(package.decode_head, body, package.mark_of(b"other"))
    assert refuses(package.decode_head, MARK + b"\1" + body[17:], MARK)
    assert refuses(package.decode_head, body[:36] + b"\0" + body[37:], MARK)
    for total in (0, 3, 4 + limits.UPDATE_PIECES):
        assert refuses(package.decode_head, body[:34] + total.to_bytes(2, "big") + body[36:], MARK)
    for leaf, good in ((1_023, True), (1_024, False)):
        body = package.Head(7, leaf, 0, bytes(8), 2, bytes(8)).encode(MARK)
        assert refuses(package.decode_head, body, MARK) != good


def test_the_largest_head_is_as_small_as_a_piece_and_no_larger_one_is_made():
    body = head(limits.UPDATE_OPENING, limits.UPDATE_PIECES).encode(MARK)
    assert len(body) <= package.PIECE_BYTES
    assert package.decode_head(body, MARK).count() == limits.UPDATE_OPENING
    for count, content in ((0, 1), (limits.UPDATE_OPENING + 1, 1), (1, 0), (1, limits.UPDATE_PIECES + 1)):
        try:
            head(count, content).encode(MARK)
        except LimitError:
            continue
        raise AssertionError


def test_pieces_give_the_update_at_any_place_and_say_where_one_is_missing():
    size = package.PIECE_BYTES
    update = bytes([number % 251 for number in range(2 * size + 100)])
    cut = package.pieces_of(update)
    assert [len(piece) for piece in cut] == [size] * 3
    ids = b"".join([bytes((number,)) * 8 for number in range(3)])
    kept = {bytes((number,)) * 8: piece for number, piece in enumerate(cut)}
    pieces = package.opening_of(ids, kept.get)
    for at in (0, 1, size - 1, size, 2 * size - 1, 2 * size + 90):
        assert pieces.read(at, 10) == update[at : at + 10]
    assert pieces.read(0, len(update)) == update
    assert pieces.read(3 * size - 12, 100) == bytes(12)  # what fills it up, and no more
    kept[b"\1" * 8] = cut[1][:-1]
    assert package.opening_of(ids, kept.get).read(0, size) == cut[0]
    assert refuses(package.opening_of(ids, kept.get).read, size - 2, 5)
    del kept[b"\1" * 8]
    assert refuses(package.opening_of(ids, kept.get).read, size - 2, 5)


def test_a_manifest_comes_back():
    files = [("hedgerow_board/app.mpy", 38_848, b"h" * 32), ("number", 4, b"n" * 32)]
    data = manifest(*files)
    found = opened(data)
    assert found.files() == files and (found.number, found.flags, found.target) == (7, 0, bytes(8))
    assert [found.name(number) for number in (0, 78, 79, -1)] == [bytes(8), bytes(7) + b"\x4e", b"", b""]
    again = package.Manifest(
        found.number,
        found.flags,
        found.target,
        files,
        b"".join([found.name(number) for number in range(found.count)]),
    )
    assert again.encode() == data
    for size in range(len(data)):
        assert unread(data[:size]), size
    assert unread(data + b"\0")


def test_a_path_out_of_the_folder_is_refused():
    for path in ("", "/a", "a/", "../a", "a/../b", ".", "a/.b", "a//b", "a/b/c", "A", "a b", "a\0", "x" * 65):
        assert unread(manifest((path, 1, b"h" * 32))), path
    assert unread(manifest(("a", 1, b"h" * 32)).replace(b"\1a", b"\1\xff"))
    assert not unread(manifest(("x" * 64, 1, b"h" * 32)))


def test_a_manifest_out_of_its_bounds_is_refused():
    good = ("number", 4, b"n" * 32)
    room = limits.UPDATE_PIECES * package.PIECE_BYTES
    assert not unread(manifest(("a", room, b"n" * 32)))
    for data in (
        manifest(),
        manifest(good, good),
        manifest(*[("f" + str(number), 1, b"n" * 32) for number in range(limits.UPDATE_FILES + 1)]),
        manifest(("number", room + 1, b"n" * 32)),
        manifest(("a", room // 2, b"n" * 32), ("b", room // 2 + 1, b"n" * 32)),
        manifest(good, count=0),
        manifest(good, count=2),
        b"\1" + manifest(good)[1:],
        manifest(good)[:14] + b"\0" + manifest(good)[15:],
    ):
        assert unread(data)


def test_a_signed_manifest_is_found_in_its_pieces_and_a_changed_one_is_not():
    key, message, signature = [unhex(part) for part in vectors("lms")["lms"]["vectors"][2]]
    assert opened(message, key, signature).verify() == 3
    assert refuses(lambda: opened(message[:10] + b"?" + message[11:], key, signature).verify())
    assert refuses(lambda: opened(message + b"\0", key, signature).verify())
    assert refuses(lambda: opened(message, key, signature[:-1] + b"?").verify())
    assert refuses(lambda: opened(b"", key, signature))
    assert refuses(lambda: opened(bytes(limits.UPDATE_MANIFEST_BYTES + 1), key, signature))
    assert refuses(lambda: package.Opening(key, package.opening_of(bytes(8), {}.get)))


def test_a_state_comes_back_and_a_damaged_one_does_not():
    numbers = [70_000, slot_state.SLOT_B, 1, 3, 70_001, 4, 49, slot_state.NO_ROOM, 69_999]
    message = slot_state.encode_state(numbers, b"board id", b"key's id")
    assert slot_state.decode_state(message) == (numbers, b"board id", b"key's id")
    for size in range(len(message)):
        assert refuses(slot_state.decode_state, message[:size])
    assert refuses(slot_state.decode_state, message + b"\0")
    for place, value in (
        (slot_state.SLOT, 3),
        (slot_state.TRIAL, 2),
        (slot_state.FAILURE, slot_state.FAILURES),
    ):
        changed = list(numbers)
        changed[place] = value
        assert refuses(slot_state.decode_state, slot_state.encode_state(changed, bytes(8), bytes(8)))
