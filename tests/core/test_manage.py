from hedgerow_core import limits, manage
from hedgerow_core.errors import LimitError
from support import refuses

KEY = bytes(range(32))
PAIRINGS = [
    (manage.OWNER, 0, KEY, ""),
    (manage.GUEST, 1 << 31, b"g" * 32, "Bob"),
    (manage.CODE, 7, b"c" * 32, "ü" * 8),
]


def records():
    return b"".join([manage.encode_record(*pairing) for pairing in PAIRINGS])


def test_records_come_back_as_they_were_and_lists_without_keys():
    assert manage.decode_records(records()) == PAIRINGS
    assert manage.decode_records(b"") == []
    listed = manage.encode_pairings(PAIRINGS)
    for key in (KEY, b"g" * 32, b"c" * 32):
        assert key not in listed
    assert manage.decode_pairings(listed) == [
        (rights, expires, manage.pairing_id(key), label) for rights, expires, key, label in PAIRINGS
    ]


def test_vectors_of_a_record_and_its_id():
    assert manage.encode_record(1, 258, KEY, "Bob") == b"\3\1\0\0\1\2" + KEY + b"Bob"
    assert manage.pairing_id(KEY) == b"\xa1\xfa\x55\x7a"


def test_records_cut_at_any_byte_are_refused_or_fewer():
    data = records()
    ends = []
    for end in range(len(data)):
        if not refuses(manage.decode_records, data[:end]):
            ends.append(end)
    assert ends == [0, 38, 79]
    listed = manage.encode_pairings(PAIRINGS)
    ends = [end for end in range(len(listed)) if not refuses(manage.decode_pairings, listed[:end])]
    assert ends == [0, 10, 23]


def test_more_records_than_a_board_keeps_and_wrong_rights_and_labels_are_refused():
    one = manage.encode_record(manage.OWNER, 0, KEY, "")
    assert len(manage.decode_records(one * limits.PAIRINGS)) == limits.PAIRINGS
    assert refuses(manage.decode_records, one * (limits.PAIRINGS + 1))
    listed = manage.encode_pairings([PAIRINGS[0]])
    assert len(manage.decode_pairings(listed * (limits.PAIRINGS + 1))) == limits.PAIRINGS + 1
    assert refuses(manage.decode_pairings, listed * (limits.PAIRINGS + 2))
    assert refuses(manage.decode_records, b"\0\3" + one[2:])
    assert refuses(manage.decode_records, b"\1" + one[1:] + b"\xff")
    assert refuses(manage.decode_records, b"\x11" + one[1:] + b"n" * 17)


def test_a_record_that_no_board_takes_is_not_made():
    for key, label in ((b"short", "Bob"), (KEY, "n" * 17)):
        try:
            manage.encode_record(manage.OWNER, 0, key, label)
        except LimitError:
            continue
        raise AssertionError


def test_a_welcome_comes_back_and_what_a_board_lacks_is_empty():
    for finding, care_key in ((b"f" * 16, b"c" * 32), (b"", b"")):
        data = manage.encode_welcome("mill", finding, care_key)
        assert manage.decode_welcome(data) == ("mill", finding, care_key)
    for end in range(48):
        assert refuses(manage.decode_welcome, data[:end])
    assert refuses(manage.decode_welcome, data + b"\xff")
