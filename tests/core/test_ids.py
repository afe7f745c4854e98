from hedgerow_core.ids import Ids

ONE, TWO, THREE = b"1" * 8, b"12345678", b"3" * 8


def test_ids_come_out_in_the_order_in_which_they_came():
    ids = Ids()
    for identity in (ONE, TWO, THREE):
        ids.add(identity)
    assert len(ids) == 3 and ids.first() == ONE
    assert ids.take(2) == ONE + TWO
    assert ids.take(2) == THREE
    assert not ids and ids.first() == b"" and ids.take(1) == b""


def test_an_id_that_lies_across_two_others_is_not_here():
    ids = Ids(ONE + TWO)
    across = (ONE + TWO)[4:12]
    assert across not in ids
    ids.remove(across)
    assert ids.take(9) == ONE + TWO
    ids.join(ONE + TWO)
    ids.add(across)
    assert across in ids
    ids.remove(across)
    assert across not in ids and len(ids) == 2


def test_removing_what_is_not_here_changes_nothing():
    ids = Ids(ONE + THREE)
    ids.remove(TWO)
    ids.remove(ONE)
    assert ids.take(2) == THREE
