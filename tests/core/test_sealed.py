"""Commands to a board several hops away, without a board."""

from hedgerow_core import envelope, limits, sealed
from hedgerow_core.errors import LimitError
from support import letter, refuses, shelf, unhex, vectors

KEY = bytes(range(32))


def command(number, message=b"\x09", salt=b"saltsalt", key=KEY):
    return sealed.seal(key, sealed.DOWN, number, 1_000, message, salt)


def next_of(on, first=0):
    return sealed.next_command(on, KEY, first, 0)


def test_a_command_of_the_vectors_is_sealed_and_opened_as_they_say():
    for case in vectors("sealed")["sealed"]:
        key, way, number = unhex(case["key"]), case["way"], case["number"]
        message, minute = unhex(case["message"]), case["minute"]
        made = sealed.seal(key, way, number, minute, message, unhex(case["salt"]), case["ttl"])
        assert made.body == unhex(case["body"]) and made.lock == unhex(case["lock"])
        assert sealed.token(key, way, number) == unhex(case["token"])
        assert sealed.open_sealed(key, way, number, made) == (minute, message)


def test_what_the_vectors_refuse_is_refused():
    for case in vectors("sealed")["refused"]:
        found = envelope.make(envelope.NORMAL, case["ttl"], bytes(12), unhex(case["body"]))
        assert refuses(sealed.open_sealed, unhex(case["key"]), case["way"], case["number"], found)


def test_a_board_looks_for_the_commands_of_the_vectors():
    for first, watched in vectors("sealed")["watched"]:
        assert sealed.numbers(first) == watched
    key, identity = vectors("sealed")["board_id"]
    assert sealed.board_id(unhex(key)) == unhex(identity)


def test_a_command_looks_like_a_short_letter():
    made = command(0)
    assert len(made.encode()) == 96
    assert (made.flags, made.ttl) == (letter(1).flags, letter(1).ttl)


def test_the_largest_command_fits_and_a_larger_one_is_refused():
    assert len(command(0, bytes(975)).encode()) == limits.ENVELOPE_BYTES
    assert sealed.open_sealed(KEY, sealed.DOWN, 0, command(0, bytes(975)))[1] == bytes(975)
    try:
        command(0, bytes(976))
        raise AssertionError
    except LimitError:
        pass


def test_an_empty_command_and_one_that_ends_in_zeros_come_out_as_they_were():
    for message in (b"", bytes(3), b"\x80", b"\x80\0\0"):
        assert sealed.open_sealed(KEY, sealed.DOWN, 5, command(5, message))[1] == message


def test_a_minute_past_the_bound_is_the_last_there_is():
    made = sealed.seal(KEY, sealed.DOWN, 0, 1 << 40, b"x", b"saltsalt")
    assert sealed.open_sealed(KEY, sealed.DOWN, 0, made)[0] == limits.M_MINUTES


def test_the_first_command_on_the_shelf_comes_first_whatever_came_first():
    on = shelf(5)
    for number in (3, 1, 2):
        on.put(command(number, bytes((number,))), 0)
    assert next_of(on) == (1, 1_000, b"saltsalt", b"\1")
    assert next_of(on, 2) == (2, 1_000, b"saltsalt", b"\2")
    assert next_of(on, 4) is None


def test_a_forgery_under_the_lock_of_a_command_does_not_hide_it():
    on = shelf(5)
    real = command(0)
    for number in range(4):
        on.put(envelope.make(envelope.NORMAL, 10, real.lock, bytes(40 + number)), 0)
    assert next_of(on) is None
    on.put(real, 0)
    assert next_of(on) == (0, 1_000, b"saltsalt", b"\x09")


def test_many_forgeries_are_let_go_a_few_at_a_time_and_the_command_is_found_behind_them():
    on = shelf(5)
    real = command(0)
    for number in range(3 * limits.CARE_FORGERIES):
        on.put(envelope.make(envelope.NORMAL, 10, real.lock, bytes(40 + number)), 0)
    on.put(real, 0)
    found = None
    looks = 0
    while found is None:
        on.caught = False
        held = on.count()
        found = next_of(on)
        assert held - on.count() <= limits.CARE_FORGERIES
        assert found is not None or on.caught, "what waits behind the forgeries would never be looked for"
        looks += 1
    assert found == (0, 1_000, b"saltsalt", b"\x09") and looks <= 4
    on.caught = False
    while next_of(on, 1) is not None or on.caught:
        on.caught = False
    assert not on.caught


def test_a_command_whose_lifetime_or_priority_a_carrier_changed_is_not_opened():
    real = command(0)
    for priority, ttl, shared in ((envelope.URGENT, 10, False), (envelope.NORMAL, 15, False), (0, 10, True)):
        changed = envelope.make(priority, ttl, real.lock, real.body, 0, shared)
        assert refuses(sealed.open_sealed, KEY, sealed.DOWN, 0, changed)


def test_a_command_of_another_board_and_a_reply_are_no_command():
    on = shelf(0)
    on.put(command(0, key=bytes(32)), 0)
    on.put(sealed.seal(KEY, sealed.UP, 0, 1_000, b"\x09", b"saltsalt"), 0)
    assert next_of(on) is None


def test_the_shelf_says_that_a_command_came_and_of_nothing_else():
    on = shelf(5)
    on.watched = sealed.locks(KEY, 0)
    on.put(letter(77), 0)
    on.put(command(8), 0)
    assert not on.caught
    on.put(command(7), 0)
    assert on.caught


def test_a_command_that_was_proved_is_not_found_again():
    on = shelf(3)
    on.put(command(0), 0)
    on.prove(sealed.token(KEY, sealed.DOWN, 0), 0)
    assert next_of(on) is None
    on.put(command(0), 0)
    assert next_of(on) is None


def test_the_last_number_can_be_chosen_and_none_behind_it():
    last = limits.CARE_NUMBERS - 1
    assert sealed.choose(last, last) == last
    for arguments in ((last + 1, last + 1), (last - 50, 0), (last, last, 1)):
        try:
            sealed.choose(*arguments)
            raise AssertionError
        except LimitError:
            pass


def test_who_does_not_know_where_a_board_is_tries_all_that_it_may_look_for_and_begins_again():
    tries = [sealed.choose(5, 0, doubt) for doubt in range(1, 12)]
    assert tries == [1 << 16, 1 << 20, 1 << 24] + [step << 28 for step in range(1, 8)] + [1 << 16]
    assert sealed.choose(8, 0) == 1 << 16 and sealed.choose(7, 0) == 7
    assert sealed.choose(0xFFFF, 0xFFFF, 2) == 1 << 20
