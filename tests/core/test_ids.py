from hedgerow_core import ids

ONE, TWO, THREE = b"1" * 8, b"12345678", b"3" * 8


def test_ids_lie_in_the_order_in_which_they_came():
    flat = b""
    for identity in (ONE, TWO, THREE):
        flat = ids.add(flat, identity)
    assert flat == ONE + TWO + THREE and ids.where(flat, TWO) == 8
    assert ids.cut(flat, 0, 16) == THREE


def test_an_empty_list_takes_no_room():
    assert ids.remove(ids.add(b"", ONE), ONE) == b""
    assert type(ids.remove(ids.add(b"", ONE), ONE)) is bytes
    assert type(ids.cut(ids.add(b"", ONE + TWO), 0, 999)) is bytes


def test_an_id_that_lies_across_two_others_is_not_here():
    across = (ONE + TWO)[4:12]
    assert ids.where(ONE + TWO, across) < 0
    assert ids.remove(ONE + TWO, across) == ONE + TWO
    assert ids.remove(ONE + TWO + across, across) == ONE + TWO


def test_removing_what_is_not_here_changes_nothing():
    assert ids.remove(ids.remove(ONE + THREE, TWO), ONE) == THREE
    assert ids.remove(b"", ONE) == b""
