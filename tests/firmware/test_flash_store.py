"""The board's store: append-only files that survive a loss of power at any byte."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hedgerow_board.flash as flash
from hedgerow_board.flash import FlashStore

records = st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=12)


def kept(folder: str) -> list[bytes]:
    return [bytes(record) for _, record in FlashStore(folder).records()]


@given(records)
@settings(max_examples=50, deadline=None)
def test_what_was_flushed_is_there_after_a_restart(contents):
    with tempfile.TemporaryDirectory() as folder:
        store = FlashStore(folder)
        places = [store.append(record) for record in contents]
        assert [bytes(store.read(place)) for place in places] == contents
        store.flush()
        assert kept(folder) == contents


@given(records, st.data())
@settings(max_examples=100, deadline=None)
def test_a_record_cut_at_any_byte_costs_no_record_before_it(contents, data):
    with tempfile.TemporaryDirectory() as folder:
        store = FlashStore(folder)
        for record in contents:
            store.append(record)
        store.flush()
        (path,) = Path(folder).iterdir()
        whole = path.read_bytes()
        cut = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:cut])
        ends = [sum(6 + len(record) for record in contents[: n + 1]) for n in range(len(contents))]
        survivors = contents[: sum(end <= cut for end in ends)]
        assert kept(folder) == survivors
        # And it goes on from there.
        store = FlashStore(folder)
        list(store.records())
        store.append(b"new")
        store.flush()
        assert kept(folder) == [*survivors, b"new"]


@given(records, st.data())
@settings(max_examples=50, deadline=None)
def test_a_flipped_bit_is_never_handed_out(contents, data):
    with tempfile.TemporaryDirectory() as folder:
        store = FlashStore(folder)
        for record in contents:
            store.append(record)
        store.flush()
        (path,) = Path(folder).iterdir()
        damaged = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(damaged)
        assert all(record in contents for record in kept(folder))


@given(records, st.sets(st.integers(0, 11)))
@settings(max_examples=50, deadline=None)
def test_what_was_dropped_stays_dropped_after_a_restart(contents, gone):
    with tempfile.TemporaryDirectory() as folder:
        store = FlashStore(folder)
        places = [store.append(record) for record in contents]
        for index in gone:
            if index < len(places):
                store.drop(places[index])
        store.flush()
        assert kept(folder) == [record for at, record in enumerate(contents) if at not in gone]


def test_the_flash_does_not_fill_up_while_old_letters_expire(tmp_path, monkeypatch):
    monkeypatch.setattr(flash, "_SEGMENT_BYTES", 1_000)
    monkeypatch.setattr(flash, "_SEGMENTS", 6)
    store = FlashStore(str(tmp_path))
    oldest = store.append(b"the one that stays" * 5)
    living = []
    for number in range(500):
        living.append((store.append(number.to_bytes(2, "big") * 50), number))
        if len(living) > 10:
            store.drop(living.pop(0)[0])
        if number % 5 == 0:
            store.flush()
    store.flush()
    assert len(os.listdir(tmp_path)) <= 8
    assert store.read(oldest) == b"the one that stays" * 5
    assert all(store.read(place) == number.to_bytes(2, "big") * 50 for place, number in living)
    assert sorted(kept(str(tmp_path))) == sorted(
        [b"the one that stays" * 5] + [number.to_bytes(2, "big") * 50 for _, number in living]
    )


def test_a_full_flash_is_an_error_and_nothing_old_is_lost(tmp_path, monkeypatch):
    store = FlashStore(str(tmp_path))
    store.append(b"kept")
    store.flush()

    class Full:
        def write(self, data):
            raise OSError(28)

        def flush(self):
            raise OSError(28)

        def close(self):
            pass

    real, store._file = store._file, Full()
    with pytest.raises(OSError):
        store.append(b"too much")
    real.close()
    assert kept(str(tmp_path)) == [b"kept"]
    # With room again the next append works, in a new segment.
    store.append(b"again")
    store.flush()
    assert kept(str(tmp_path)) == [b"kept", b"again"]


def test_stray_files_are_cleaned_at_boot(tmp_path):
    (tmp_path / "tmp.part").write_bytes(b"half")
    assert kept(str(tmp_path)) == []
    assert os.listdir(tmp_path) == []
