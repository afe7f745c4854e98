"""An image is looked at before anything is written, and kept as it was first seen."""

import hashlib

import images_support
import pytest
from esptool.targets import CHIP_DEFS

from hedgerow.flashing import aioble, catalogue, errors, image
from hedgerow_lab.bare import chips

CHIPS = [("esp32", 0, 0x1000), ("esp32c3", 5, 0), ("esp32c6", 13, 0), ("esp32s3", 9, 0)]
KIND = catalogue.named("esp32-c3-generic")


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """MicroPython's download pages, here; and an empty cache."""
    folder = tmp_path / "pages"
    folder.mkdir()
    monkeypatch.setattr(image, "SOURCE", folder.as_uri())
    (folder / "ESP32_GENERIC_C3-20250415-v1.25.0.bin").write_bytes(images_support.whole(5))
    return folder


def fetched(tmp_path, kind=KIND):
    return image.fetched(kind, None, lambda part: None, tmp_path / "cache")


def test_flashing_and_virtual_boards_know_of_chips_what_esptool_knows():
    for number, name in image.CHIP_IDS.items():
        assert number == CHIP_DEFS[name].IMAGE_CHIP_ID
    for name, offset in catalogue.OFFSETS.items():
        assert offset == CHIP_DEFS[name].BOOTLOADER_FLASH_OFFSET
    assert chips.CHIPS.keys() == catalogue.OFFSETS.keys()
    for name, chip in chips.CHIPS.items():
        its = CHIP_DEFS[name]
        assert (chip.id, chip.image_offset) == (its.IMAGE_CHIP_ID, its.BOOTLOADER_FLASH_OFFSET)


@pytest.mark.parametrize("chip,number,offset", CHIPS)
def test_a_whole_image_tells_its_chip(chip, number, offset):
    assert image.look(images_support.whole(number, offset)) == (chip, "")


def test_an_image_that_is_cut_anywhere_is_refused():
    data = images_support.whole(5)
    for size in [*range(0, 200), *range(200, len(data), 997), len(data) - 1]:
        assert image.look(data[:size])[1], size


def test_an_image_with_one_wrong_bit_in_what_counts_is_refused():
    data = images_support.whole(5)
    boot = len(images_support.one(5, b"boot" * 25))
    for at in [*range(0, boot, 7), *range(0x10000, len(data), 11)]:
        spoiled = data[:at] + bytes((data[at] ^ 0x10,)) + data[at + 1 :]
        assert image.look(spoiled) != ("esp32c3", ""), at


@pytest.mark.parametrize("data", [b"", b"\x7fELF" * 100, b"\xe9" * 100_000, b"<!doctype html>" * 1_000])
def test_other_files_are_refused(data, tmp_path):
    (tmp_path / "image.bin").write_bytes(data)
    with pytest.raises(errors.ImageDamaged, match="nothing was written"):
        image.from_file(tmp_path / "image.bin")


def test_an_image_whose_parts_are_for_two_chips_is_refused():
    mixed = images_support.whole(5)[:0x10000] + images_support.whole(9)[0x10000:]
    assert image.look(mixed) == ("esp32c3", "its application is for another chip")


def test_an_image_of_another_chip_names_the_right_one(tmp_path):
    (tmp_path / "image.bin").write_bytes(images_support.whole(9))
    found = image.from_file(tmp_path / "image.bin")
    with pytest.raises(errors.ImageOtherChip, match="get ESP32_GENERIC_C3-20250415"):
        image.fitting(found, KIND)


def test_a_file_has_the_sum_that_was_given(tmp_path):
    path = tmp_path / "image.bin"
    path.write_bytes(images_support.whole(5))
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    assert image.from_file(path, right.upper()).sha256 == right
    with pytest.raises(errors.ImageOtherSum, match=right):
        image.from_file(path, "0" * 64)
    for text in ("", "0" * 63, "g" * 64):
        with pytest.raises(errors.NotASum):
            image.from_file(path, text)


def test_an_image_says_how_much_flash_it_is_made_for(tmp_path):
    path, data = tmp_path / "image.bin", images_support.whole(9)
    path.write_bytes(data)
    assert image.from_file(path).flash_mb == 4


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(errors.ImageMissing, match="no such file"):
        image.from_file(tmp_path / "nowhere.bin")


def test_an_image_is_fetched_once_and_offline_from_then_on(pages, tmp_path):
    first = fetched(tmp_path)
    (pages / first.path.name).unlink()
    assert fetched(tmp_path) == first
    assert first.path.with_suffix(".sha256").read_text().strip() == first.sha256


def test_a_later_download_has_to_be_what_the_first_one_was(pages, tmp_path):
    first = fetched(tmp_path)
    first.path.unlink()
    assert fetched(tmp_path) == first
    first.path.unlink()
    (pages / first.path.name).write_bytes(images_support.whole(5) + b"\xff")
    with pytest.raises(errors.ImageOtherSum, match=first.sha256):
        fetched(tmp_path)
    assert not first.path.exists()


def test_a_damaged_copy_is_fetched_again(pages, tmp_path):
    first = fetched(tmp_path)
    first.path.write_bytes(first.path.read_bytes()[:1_000])
    assert fetched(tmp_path) == first


@pytest.mark.parametrize("note", [None, b"", b"12ab"])
def test_a_copy_whose_checksum_was_not_written_down_is_fetched_again(pages, tmp_path, note):
    first = fetched(tmp_path)
    first.path.write_bytes(images_support.whole(5) + b"\xff")
    path = first.path.with_suffix(".sha256")
    path.unlink() if note is None else path.write_bytes(note)
    assert fetched(tmp_path) == first
    assert path.read_text().strip() == first.sha256


def test_what_is_no_image_is_not_kept(pages, tmp_path):
    (pages / "ESP32_GENERIC_C3-20250415-v1.25.0.bin").write_bytes(b"moved")
    with pytest.raises(errors.ImageDamaged):
        fetched(tmp_path)
    assert not list((tmp_path / "cache").glob("*"))


def test_without_internet_it_says_how_to_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(image, "SOURCE", "http://127.0.0.1:9/firmware")
    with pytest.raises(
        errors.ImageNotFetched, match=r"\(connection refused\): .* give the file with --firmware"
    ):
        fetched(tmp_path)
    with pytest.raises(errors.AiobleNotFetched, match=r"\(connection refused\): .* with --aioble"):
        aioble.fetch("http://127.0.0.1:9")


def test_aioble_is_fetched_file_by_file_and_nothing_else_is_taken_for_it(pages, monkeypatch):
    for name in ("one.py", "two.py"):
        (pages / name).write_text(name)
    sums = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("one.py", "two.py")}
    monkeypatch.setattr(aioble, "SHA256", sums)
    parts = []
    assert aioble.fetch(image.SOURCE, parts.append) == {"one.py": b"one.py", "two.py": b"two.py"}
    assert parts == [0.5, 1.0]
    (pages / "two.py").write_text("other")
    with pytest.raises(errors.AiobleOther, match=r"two\.py"):
        aioble.fetch(image.SOURCE)


def test_a_full_disk_is_one_sentence(pages, tmp_path):
    (tmp_path / "cache").write_text("a file, no folder")
    with pytest.raises(errors.NoRoomHere):
        fetched(tmp_path)


def test_the_addresses_are_those_of_the_download_pages():
    assert image.SOURCE == "https://micropython.org/resources/firmware"
    small = catalogue.named("esp32-s3-generic").image_for(4)
    assert image.address_of(catalogue.named("esp32-s3-generic"), small).endswith(
        "/ESP32_GENERIC_S3-FLASH_4M-20250415-v1.25.0.bin"
    )
