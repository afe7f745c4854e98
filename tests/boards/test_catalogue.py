"""The kinds of boards: every key is checked, and the docs show what the files say."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hedgerow.cli import app
from hedgerow.flashing import catalogue, errors, pages

TOP = Path(__file__).resolve().parents[2]
KINDS = catalogue.kinds(TOP / "boards")
NAMES = {
    *("esp32-generic", "esp32-s3-generic", "esp32-c3-generic", "esp32-c6-generic", "seeed-xiao-esp32c3"),
    *("seeed-xiao-esp32s3", "lolin-c3-mini", "m5stack-atom", "lilygo-ttgo-lora32", "unexpectedmaker-tinys3"),
}
GOOD = (TOP / "boards/unexpectedmaker-tinys3.toml").read_text()


def read(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return catalogue.read(path)


def test_all_boards_are_there_and_each_chip_has_a_generic_one():
    assert {kind.name for kind in KINDS} == NAMES
    for chip in catalogue.OFFSETS:
        assert catalogue.generic_of(chip).chip == chip
        assert catalogue.generic_of(chip).name.endswith("-generic")


def test_a_board_without_an_image_of_its_own_says_so():
    generic = {kind.image for kind in KINDS if kind.name.endswith("-generic")}
    for kind in KINDS:
        shares = kind.image.partition("-")[0] in generic and not kind.name.endswith("-generic")
        assert shares == any("no image of its own" in note for note in kind.notes), kind.name


def test_what_does_not_work_yet_is_said():
    assert any("Only its Bluetooth LE" in note for note in catalogue.named("lilygo-ttgo-lora32").notes)


NEEDED = [line.split(" = ")[0] for line in GOOD.splitlines() if " = " in line and "button" not in line]


@pytest.mark.parametrize("key", NEEDED)
def test_a_missing_key_is_named(tmp_path, key):
    lines, kept, inside = GOOD.splitlines(), [], False
    for line in lines:
        inside = line.startswith(f"{key} = ") or (inside and line.startswith((" ", "]")))
        if not inside:
            kept.append(line)
    with pytest.raises(errors.BadBoardFile) as found:
        read(tmp_path, "\n".join(kept))
    assert key in str(found.value) and "mine.toml" in str(found.value)


@pytest.mark.parametrize(
    "key,value",
    [
        ("chip", '"esp8266"'),
        ("chip", "3"),
        ("image", '"../image"'),
        ("version", '"latest"'),
        ("date", '"2025-04-15"'),
        ("offset", "0x1000"),
        ("flash_mb", '"8"'),
        ("flash_mb", "true"),
        ("memory", '"huge"'),
        ("serial", '"bluetooth"'),
        ("profile", '"loud"'),
        ("led", '"none"'),
        ("led_pin", "99"),
        ("button_pin", "-1"),
        ("battery_ratio", "2.5"),
        ("notes", '"one text"'),
        ("notes", '[""]'),
        ("product", '""'),
        ("colour", '"red"'),
    ],
)
def test_a_wrong_value_is_named(tmp_path, key, value):
    lines = [line for line in GOOD.split("notes = [")[0].splitlines() if not line.startswith(f"{key} = ")]
    notes = "" if key == "notes" else 'notes = ["a note"]'
    with pytest.raises(errors.BadBoardFile) as found:
        read(tmp_path, "\n".join([*lines, f"{key} = {value}", notes]))
    assert f"`{key}`" in str(found.value) and "mine.toml" in str(found.value)


def test_a_file_that_is_no_toml_is_one_sentence(tmp_path):
    with pytest.raises(errors.BadBoardFile, match=r"mine\.toml"):
        read(tmp_path, "chip = ")


def test_an_unknown_kind_lists_those_that_are_known():
    with pytest.raises(errors.UnknownKind, match="esp32-c3-generic, esp32-c6-generic"):
        catalogue.named("../boards/esp32-generic")


def test_a_chip_that_hedgerow_does_not_run_on():
    with pytest.raises(errors.UnknownChip, match="esp32h2"):
        catalogue.generic_of("esp32h2")


def test_the_docs_show_the_kinds_as_the_files_have_them():
    page = (TOP / "docs/boards.md").read_text()
    shown = page.partition("<!-- made by `hedgerow boards --markdown` -->\n")[2].partition("<!-- end -->")[0]
    assert shown == pages.markdown(KINDS), "run `hedgerow boards --markdown` and put it into docs/boards.md"


def test_the_docs_explain_every_key():
    page = (TOP / "docs/boards.md").read_text()
    for name in pages.fields(KINDS[0]):
        if name not in ("name", "address"):
            assert f"`{name}`" in page, name


def test_json_has_all_of_a_kind():
    found = json.loads(json.dumps(pages.fields(catalogue.named("lilygo-ttgo-lora32"))))
    assert (found["battery_pin"], found["battery_ratio"], found["led_pin"]) == (35, 200, 25)
    assert found["address"].endswith("/LILYGO_TTGO_LORA32-20250415-v1.25.0.bin")


@pytest.mark.parametrize("columns", ["80", "120"])
def test_one_kind_is_shown_whole_and_what_is_long_goes_on_below_itself(columns):
    done = CliRunner().invoke(app, ["boards", "lilygo-ttgo-lora32"], env={"COLUMNS": columns})
    kind = catalogue.named("lilygo-ttgo-lora32")
    title, *lines = done.output.splitlines()
    assert (done.exit_code, title) == (0, kind.name)
    assert all(not (line[:2] + line[13:15]).strip() and line[15:].strip() for line in lines), done.output
    texts = " ".join(line[15:].strip() for line in lines)
    for text in (kind.product, "4 MB", "pin 35, divider 2 : 1", *kind.notes):
        assert text in texts
