from hedgerow_core import cbor, limits, package, slot_state
from hedgerow_core.errors import LimitError
from support import refuses, unhex, vectors

MARK = package.mark_of(b"k" * 32)
KEY = unhex(vectors("lms")["lms"]["vectors"][2][0])


def head(count: int = 3) -> package.Head:
    return package.Head(7, 2, package.DOWNGRADE, b"board id", bytes(range(8)) * count)


def manifest(*files) -> bytes:
    return package.Manifest(7, 0, package.EVERYBODY, list(files)).encode()


def test_a_head_comes_back_whatever_fills_it_up():
    body = head().encode(MARK)
    for data in (body, body + bytes(29)):
        found = package.decode_head(data, MARK)
        assert (found.number, found.leaf, found.flags) == (7, 2, package.DOWNGRADE)
        assert found.target == b"board id" and found.ids == bytes(range(8)) * 3 and found.count() == 3


def test_a_head_that_is_cut_or_of_another_mesh_is_refused():
    body = head().encode(MARK)
    for size in range(len(body)):
        assert refuses(package.decode_head, body[:size], MARK)
    assert refuses(package.decode_head, body, package.mark_of(b"other"))
    assert refuses(package.decode_head, MARK + b"\2" + body[17:], MARK)
    assert refuses(package.decode_head, body[:34] + b"\0" + body[35:], MARK)
    for leaf, good in ((1_023, True), (1_024, False)):
        body = package.Head(7, leaf, 0, bytes(8), bytes(8)).encode(MARK)
        assert refuses(package.decode_head, body, MARK) != good


def test_the_largest_head_fits_into_an_envelope_and_no_larger_one_is_made():
    body = head(limits.UPDATE_PIECES).encode(MARK)
    assert len(body) <= package.PIECE_BYTES
    assert package.decode_head(body, MARK).count() == limits.UPDATE_PIECES
    for count in (0, limits.UPDATE_PIECES + 1):
        try:
            head(count).encode(MARK)
        except LimitError:
            continue
        raise AssertionError


def test_pieces_give_the_update_at_any_place_and_say_where_one_is_missing():
    update = bytes([number % 251 for number in range(2_500)])
    cut = package.pieces_of(update)
    assert [len(piece) for piece in cut] == [package.PIECE_BYTES] * 3
    ids = b"".join([bytes((number,)) * 8 for number in range(3)])
    kept = {bytes((number,)) * 8: piece for number, piece in enumerate(cut)}
    pieces = package.Pieces(ids, kept.get)
    for at in (0, 1, 1_003, 1_004, 2_007, 2_490):
        assert pieces.read(at, 10) == update[at : at + 10]
    assert pieces.read(0, 2_500) == update
    assert pieces.read(3_000, 100) == bytes(12)  # what fills it up, and no more
    kept[b"\1" * 8] = cut[1][:-1]
    assert package.Pieces(ids, kept.get).read(0, 1_004) == cut[0]
    assert refuses(package.Pieces(ids, kept.get).read, 1_000, 5)
    del kept[b"\1" * 8]
    assert refuses(package.Pieces(ids, kept.get).read, 1_000, 5)


def test_a_manifest_comes_back():
    files = [("hedgerow_board/app.mpy", 38_848, b"h" * 32), ("number", 4, b"n" * 32)]
    data = manifest(*files)
    found = package.decode_manifest(data, KEY)
    assert found.files == files and found.number == 7 and found.start == 2_508 + 2 + len(data)
    assert found.encode() == data
    for size in range(len(data)):
        assert refuses(package.decode_manifest, data[:size], KEY)


def test_a_path_out_of_the_folder_is_refused():
    for path in ("", "/a", "a/", "../a", "a/../b", ".", "a/.b", "a//b", "a/b/c", "A", "a b", "a\0", "x" * 65):
        assert refuses(package.decode_manifest, manifest((path, 1, b"h" * 32)), KEY), path


def test_a_manifest_out_of_its_bounds_is_refused():
    good = ("number", 4, b"n" * 32)
    room = limits.UPDATE_PIECES * package.PIECE_BYTES
    for files in (
        [],
        [good, good],
        [("f" + str(number), 0, b"n" * 32) for number in range(limits.UPDATE_FILES + 1)],
        [("number", room, b"n" * 32)],
        [("a", room // 2, b"n" * 32), ("b", room // 2, b"n" * 32)],
        [("number", -1, b"n" * 32)],
        [("number", True, b"n" * 32)],
        [("number", 4, b"n" * 31)],
    ):
        assert refuses(package.decode_manifest, manifest(*files), KEY)
    for whole in (
        [2, 7, 0, package.EVERYBODY, [list(good)]],
        [True, 7, 0, package.EVERYBODY, [list(good)]],
        [1, 1 << 32, 0, package.EVERYBODY, [list(good)]],
        [1, 7, 256, package.EVERYBODY, [list(good)]],
        [1, 7, 0, b"", [list(good)]],
        [1, 7, 0, package.EVERYBODY, [b""]],
        [1, 7, 0, package.EVERYBODY],
        {1: 2},
    ):
        assert refuses(package.decode_manifest, cbor.encode(whole), KEY)


def test_a_signed_manifest_is_found_in_its_pieces_and_a_changed_one_is_not():
    key, message, signature = [unhex(part) for part in vectors("lms")["lms"]["vectors"][2]]
    update = signature + len(message).to_bytes(2, "big") + message + b"files"

    def opened(update: bytes) -> "tuple[int, bytes]":
        kept = package.pieces_of(update)
        ids = b"".join([number.to_bytes(8, "big") for number in range(len(kept))])
        get = {number.to_bytes(8, "big"): piece for number, piece in enumerate(kept)}.get
        return package.open_manifest(key, package.Pieces(ids, get))

    assert opened(update) == (3, message)
    at = len(signature)
    assert refuses(opened, update[:at] + b"\0\0" + update[at + 2 :])
    assert refuses(opened, update[:at] + b"\xff\xff" + update[at + 2 :])
    assert refuses(opened, update[: at + 10] + b"?" + update[at + 11 :])
    assert refuses(opened, update[:at])


def test_a_state_comes_back_and_a_damaged_one_does_not():
    numbers = [70_000, slot_state.SLOT_B, 1, 3, 70_001, 4, 49, slot_state.NO_ROOM, 69_999]
    message = slot_state.encode_state(numbers, b"board id", b"key's id")
    assert slot_state.decode_state(message) == (numbers, b"board id", b"key's id")
    for size in range(len(message)):
        assert refuses(slot_state.decode_state, message[:size])
    assert refuses(slot_state.decode_state, message + b"\0")
    for place, value in ((slot_state.SLOT, 3), (slot_state.TRIAL, 2), (slot_state.FAILURE, 8)):
        changed = list(numbers)
        changed[place] = value
        assert refuses(slot_state.decode_state, slot_state.encode_state(changed, bytes(8), bytes(8)))
