from hedgerow_core.table import Table


def row(number: int, tail: bytes = b"..") -> bytes:
    return number.to_bytes(8, "big") + tail


def numbers(table: Table, width: int) -> list[int]:
    flat = b"".join(table.pieces)
    assert len(flat) == len(table) * width
    return [int.from_bytes(flat[at : at + 8], "big") for at in range(0, len(flat), width)]


def test_a_row_is_found_by_its_id_and_by_nothing_else():
    table = Table(10)
    assert table.find(bytes(8)) == b"" and table.take(bytes(8)) == b""
    for number in range(200):
        table.add(row(number, b"ab"))
    assert len(table) == 200 and numbers(table, 10) == list(range(200))
    assert table.find(row(57)[:8]) == row(57, b"ab")
    for other in (b"", bytes(7), bytes(9), row(200)[:8], row(57)):
        assert table.find(other) == b"" and table.take(other) == b""
    assert len(table) == 200


def test_what_only_looks_like_an_id_is_not_taken_for_one():
    table = Table(16)
    table.add(b"abcdefgh" + b"ijklmnop")
    table.add(b"ijklmnop" + b"abcdefgh")
    assert table.find(b"ijklmnop") == b"ijklmnopabcdefgh"
    assert table.find(b"ghijklmn") == b"" and table.find(b"opijklmn") == b""
    assert table.take(b"ijklmnop") == b"ijklmnopabcdefgh"
    assert table.find(b"ijklmnop") == b"" and len(table) == 1


def test_rows_keep_their_order_in_few_pieces_while_others_go():
    table = Table(31)
    kept = []
    for number in range(400):
        table.add(row(number, bytes(23)))
        kept.append(number)
        gone = number * 7919 % 400
        if gone in kept and number % 4:
            assert table.take(row(gone)[:8]) == row(gone, bytes(23))
            kept.remove(gone)
        assert numbers(table, 31) == kept
        assert all(0 < len(piece) <= 512 for piece in table.pieces)
    assert len(table.pieces) <= len(kept) * 31 // 256 + 2
    for number in list(kept):
        table.take(row(number)[:8])
    assert len(table) == 0 and table.pieces == []
