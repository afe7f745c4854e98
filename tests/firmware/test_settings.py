"""A board keeps valid settings wherever a write was cut, and without any it says what to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgerow.boards.settings import BoardSettings, newest, parse
from hedgerow_board.settings import SettingsError, load, save
from hedgerow_core import cbor, limits, manage, slots

GOOD = {"name": "mill", "mesh_key": bytes(32), "pairing_key": bytes(range(32))}
OLD, NEW = (cbor.encode({**GOOD, "name": name}) for name in ("old", "new"))


@pytest.fixture
def paths(tmp_path):
    return str(tmp_path / "settings.a"), str(tmp_path / "settings.b")


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_good_settings_are_read(paths):
    write(paths[0], slots.seal(1, cbor.encode({**GOOD, "later": 1000, "profile": "relay"})))
    settings = load(paths=paths)
    assert (settings.name, settings.mesh_key) == ("mill", bytes(32))
    assert settings.pairings == [(manage.OWNER, 0, GOOD["pairing_key"])]
    assert read(paths[1]) == read(paths[0])  # the second file comes back


def test_no_settings_is_one_sentence(paths):
    with pytest.raises(SettingsError, match="no settings: flash it"):
        load(paths=paths)


@pytest.mark.parametrize("key", ["mesh_key", "pairing_key"])
@pytest.mark.parametrize("value", [b"short", "text", 5])
def test_a_missing_or_wrong_key_is_named(paths, key, value):
    write(paths[0], slots.seal(1, cbor.encode({**GOOD, key: value})))
    with pytest.raises(SettingsError, match=key):
        load(paths=paths)


def test_what_the_host_writes_is_what_the_board_reads(paths):
    guest = manage.encode_record(manage.GUEST, 77, b"g" * 32, "Bob's phöne")
    written = BoardSettings(
        "mill",
        b"m" * 32,
        b"p" * 32,
        guest,
        b"f" * 16,
        b"c" * 32,
        b"u" * 60,
        "saver",
        0,
        True,
        4,
        150,
        -1,
        True,
        9,
        10,
        60,
    )
    for path in paths:
        write(path, written.slot())
    found = load(paths=paths)
    assert (found.name, found.mesh_key, found.profile, found.trace) == ("mill", b"m" * 32, "saver", True)
    assert found.pairings == [(manage.OWNER, 0, b"p" * 32), (manage.GUEST, 77, b"g" * 32)]
    assert (found.finding, found.care_key) == (b"f" * 16, b"c" * 32)
    assert (found.battery_pin, found.battery_ratio, found.sleep_awake, found.sleep_cycle) == (4, 150, 10, 60)
    assert parse(written.content()) == written
    assert newest([b"damaged", written.slot(7)]) == (7, written)


def test_settings_with_all_pairings_of_the_longest_names_still_fit():
    record = manage.encode_record(manage.OWNER, 0, bytes(32), "n" * limits.LABEL_BYTES)
    full = BoardSettings(
        "ü" * 32,
        bytes(32),
        bytes(32),
        record * limits.PAIRINGS,
        bytes(16),
        bytes(32),
        bytes(128),
        "balanced",
        limits.BOARD_LETTERS,
        True,
        48,
        1000,
        48,
        True,
        48,
        10_000,
        10_000,
    )
    assert len(full.slot()) <= limits.SETTINGS_BYTES


def test_an_owner_among_the_pairings_stands_for_the_one_who_flashed_the_board(paths):
    for rights in (manage.OWNER, manage.GUEST):
        record = manage.encode_record(rights, 0, b"o" * 32, "Alice")
        for path in paths:
            write(path, BoardSettings("mill", bytes(32), pairings=record).slot())
        if rights == manage.OWNER:
            assert load(paths=paths).pairings == [(manage.OWNER, 0, b"o" * 32)]
        else:
            with pytest.raises(SettingsError, match="lack a pairing_key"):
                load(paths=paths)


def test_the_newer_settings_hold_and_the_next_ones_go_over_the_older(paths):
    for number, name in enumerate(("one", "two", "three", "four")):
        before = [read(path) if number else None for path in paths]
        save(cbor.encode({**GOOD, "name": name}), paths)
        assert load(paths=paths).name == name
        if number > 1:
            assert sum(read(path) != was for path, was in zip(paths, before)) == 1


@pytest.mark.parametrize("which", [0, 1])
def test_settings_cut_at_any_byte_leave_the_others(paths, which):
    other = 1 - which
    for newer, wanted in ((which, "old"), (other, "new")):
        # The cut file was being written over, or was the older one.
        kept = slots.seal(4, OLD) if newer == which else slots.seal(5, NEW)
        cut = slots.seal(5, NEW) if newer == which else slots.seal(4, OLD)
        for end in range(len(cut)):
            write(paths[which], cut[:end])
            write(paths[other], kept)
            assert load(paths=paths).name == wanted
            assert read(paths[which]) == kept  # mended
            assert load(paths=paths).name == wanted


def test_settings_with_a_wrong_byte_leave_the_others(paths):
    for at in range(len(slots.seal(5, NEW))):
        data = bytearray(slots.seal(5, NEW))
        data[at] ^= 1
        write(paths[0], bytes(data))
        write(paths[1], slots.seal(4, OLD))
        assert load(paths=paths).name == "old"


def test_the_copy_serves_only_where_no_file_does(paths):
    copy = slots.seal(9, OLD)
    write(paths[0], slots.seal(1, NEW))
    assert load(copy, paths).name == "new"
    for path in paths:
        write(path, b"damaged")
    assert load(copy, paths).name == "old"
    assert read(paths[0]) == read(paths[1]) == copy
    for path in paths:
        write(path, b"damaged")
    with pytest.raises(SettingsError, match="damaged: flash it again"):
        load(copy[:-1], paths)


@given(st.binary(max_size=600), st.binary(max_size=600), st.binary(max_size=600))
def test_damaged_settings_never_end_in_anything_but_a_sentence(tmp_path_factory, first, second, third):
    folder = tmp_path_factory.mktemp("settings")
    paths = (str(folder / "a"), str(folder / "b"))
    for path, data in zip(paths, (first, slots.seal(7, second))):
        write(path, data)
    with pytest.raises(SettingsError):
        load(third, paths)
