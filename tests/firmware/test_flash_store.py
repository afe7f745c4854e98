"""The board's store: append-only files that survive a loss of power at any byte."""

import os
import random
import tempfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hedgerow_board.flash as flash
import shelf_model
from hedgerow_board.flash import FlashStore

contents_of_records = st.binary(min_size=1, max_size=300).map(lambda data: b"\x10" + data)
records = st.lists(contents_of_records, min_size=1, max_size=12)


class Owner:
    """Stands for the shelf: knows what counts, and where it is."""

    def __init__(self, folder, max_bytes=4_096):
        self.store = FlashStore(folder, max_bytes)
        self.store.attach(self)
        self.places = {}
        for place, record in self.store.records():
            if record is None:
                del self.places[place]
            else:
                self.places[place] = bytes(record)

    def holds(self, place):
        return place in self.places

    def moved(self, old, new):
        self.places[new] = self.places.pop(old)

    def append(self, record):
        self.places[self.store.append(record)] = record

    def drop(self, record):
        place = next(place for place, found in self.places.items() if found == record)
        del self.places[place]
        self.store.drop(place, True)

    def kept(self):
        assert all(bytes(self.store.read(place)) == record for place, record in self.places.items())
        return [self.places[place] for place in sorted(self.places)]


def kept(folder: str) -> list[bytes]:
    return Owner(folder).kept()


@given(records)
@settings(max_examples=50, deadline=None)
def test_what_was_flushed_is_there_after_a_restart(contents):
    with tempfile.TemporaryDirectory() as folder:
        store = Owner(folder)
        for record in contents:
            store.append(record)
        assert store.kept() == contents
        store.store.flush(7)
        assert kept(folder) == contents
        assert FlashStore(folder).minute == 7


@given(records, st.data())
@settings(max_examples=100, deadline=None)
def test_a_record_cut_at_any_byte_costs_no_record_before_it(contents, data):
    with tempfile.TemporaryDirectory() as folder:
        store = Owner(folder)
        for record in contents:
            store.append(record)
        store.store.flush(1)
        (path,) = Path(folder).iterdir()
        whole = path.read_bytes()
        cut = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:cut])
        ends = [sum(7 + len(record) for record in contents[: n + 1]) for n in range(len(contents))]
        survivors = contents[: sum(end <= cut for end in ends)]
        again = Owner(folder)
        assert again.kept() == survivors
        # And it goes on from there.
        again.append(b"\x10new")
        again.store.flush(1)
        assert kept(folder) == [*survivors, b"\x10new"]


@given(records, st.data())
@settings(max_examples=100, deadline=None)
def test_a_damaged_byte_costs_no_record_but_its_own(contents, data):
    with tempfile.TemporaryDirectory() as folder:
        store = Owner(folder)
        for record in contents:
            store.append(record)
        store.store.flush(1)
        (path,) = Path(folder).iterdir()
        damaged = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, sum(7 + len(record) for record in contents) - 1))
        damaged[at] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(damaged)
        again = Owner(folder)
        found = again.kept()
        assert len(found) == len(contents) - 1 and again.store.damaged
        assert all(record in contents for record in found)


def test_a_record_inside_a_letter_is_no_record_even_where_the_letter_is_damaged(tmp_path):
    donor = Owner(str(tmp_path / "donor"))
    donor.append(b"\x10forged")
    donor.store.flush(1)
    forged = next((tmp_path / "donor").iterdir()).read_bytes()
    store = Owner(str(tmp_path / "board"))
    store.append(b"\x10" + bytes(20) + forged + bytes(20))
    store.append(b"\x10behind")
    store.store.flush(1)
    (path,) = (tmp_path / "board").iterdir()
    damaged = bytearray(path.read_bytes())
    damaged[12] ^= 1
    path.write_bytes(damaged)
    assert kept(str(tmp_path / "board")) == [b"\x10behind"]


@given(st.lists(contents_of_records, min_size=1, max_size=12, unique=True), st.sets(st.integers(0, 11)))
@settings(max_examples=50, deadline=None)
def test_what_was_dropped_stays_dropped_after_a_restart(contents, gone):
    with tempfile.TemporaryDirectory() as folder:
        store = Owner(folder)
        for record in contents:
            store.append(record)
        for index in gone:
            if index < len(contents):
                store.drop(contents[index])
        store.store.flush(1)
        assert kept(folder) == [record for at, record in enumerate(contents) if at not in gone]


@pytest.fixture
def small_segments(monkeypatch):
    monkeypatch.setattr(flash, "_SEGMENT_BYTES", 1_000)


def churn(store, living, number):
    """A letter more and, of more than ten, the oldest one less; every fifth time all of it is flushed."""
    living.append(b"\x10" + number.to_bytes(2, "big") * 50)
    store.append(living[-1])
    if len(living) > 10:
        store.drop(living.pop(0))
    if number % 5 == 0:
        store.store.flush(number)


def test_the_flash_does_not_fill_up_while_old_letters_go(tmp_path, small_segments):
    store = Owner(str(tmp_path), 3_000)
    stays = b"\x10the one that stays" * 5
    store.append(stays)
    living = []
    for number in range(500):
        churn(store, living, number)
        if number % 5 == 0:
            assert len(os.listdir(tmp_path)) <= 8
            assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 8_000
    store.store.flush(500)
    assert sorted(store.kept()) == sorted([stays, *living]) == sorted(kept(str(tmp_path)))
    assert FlashStore(str(tmp_path)).minute == 500


def test_a_board_that_loses_power_all_the_time_does_not_fill_its_flash_with_small_files(tmp_path):
    for number in range(100):
        store = Owner(str(tmp_path), 65_536)
        store.append(b"\x10" + number.to_bytes(2, "big"))
        store.store.flush(number)
    assert len(os.listdir(tmp_path)) <= 10
    assert len(kept(str(tmp_path))) == 100


def test_the_shelf_on_flash_does_what_plain_lists_would_do(tmp_path, small_segments):
    dice = random.Random(5)
    for number in range(30):
        steps = [(dice.randrange(shelf_model.STEPS), dice.randrange(41)) for _ in range(120)]
        shelf_model.follow(steps, partial(FlashStore, str(tmp_path / str(number)), 4_000))


def test_a_full_flash_is_an_error_and_nothing_old_is_lost(tmp_path):
    store = Owner(str(tmp_path))
    store.append(b"\x10kept")
    store.store.flush(1)

    class Full:
        def write(self, data):
            raise OSError(28)

        def flush(self):
            raise OSError(28)

        def close(self):
            pass

    real, store.store._file = store.store._file, Full()
    with pytest.raises(OSError):
        store.append(b"\x10too much")
    real.close()
    assert kept(str(tmp_path)) == [b"\x10kept"]
    # With room again the next append works, in a new segment.
    store.append(b"\x10again")
    store.store.flush(1)
    assert kept(str(tmp_path)) == [b"\x10kept", b"\x10again"]


def test_the_numbers_of_segments_go_round_and_nothing_is_lost(tmp_path, small_segments, monkeypatch):
    monkeypatch.setattr(flash, "_RING", 40)
    store = Owner(str(tmp_path), 3_000)
    living = []
    for number in range(2_000):
        churn(store, living, number)
        if number % 97 == 0:
            store.store.flush(number)
            store = Owner(str(tmp_path), 3_000)
            assert sorted(store.kept()) == sorted(living) and store.store.minute == number
    assert max(int(name) for name in os.listdir(tmp_path)) < 40


def test_letters_that_could_not_be_moved_are_found_where_they_were(tmp_path, small_segments, monkeypatch):
    store = Owner(str(tmp_path), 3_000)
    failed = []

    def sync(self):
        if self._moving and not failed:
            failed.append(self._path(self._newest))
            size, path = self._synced, failed[0]
            self._end_segment()
            os.truncate(path, size)
            raise OSError(5)
        real(self)

    def move(self, segment):
        self._moving = True
        try:
            return moves(self, segment)
        finally:
            self._moving = False

    real, moves = FlashStore._sync, FlashStore._move
    monkeypatch.setattr(FlashStore, "_sync", sync)
    monkeypatch.setattr(FlashStore, "_move", move)
    monkeypatch.setattr(FlashStore, "_moving", False, raising=False)
    stays = b"\x10stays" * 10
    store.append(stays)
    for number in range(60):
        record = b"\x10" + number.to_bytes(2, "big") * 50
        store.append(record)
        try:
            store.store.flush(number)
        except OSError:
            assert stays in store.kept()
        store.drop(record)
    store.store.flush(60)
    assert failed and store.kept() == [stays] == kept(str(tmp_path))


def test_stray_files_are_cleaned_at_boot(tmp_path):
    (tmp_path / "tmp.part").write_bytes(b"half")
    assert kept(str(tmp_path)) == []
    assert os.listdir(tmp_path) == []
