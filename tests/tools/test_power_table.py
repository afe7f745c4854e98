"""The table of how long boards last, and what it is computed from."""

import subprocess
import sys
import tomllib
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
FOUND = tomllib.loads((TOP / "tools/power.toml").read_text())


def printed():
    command = [sys.executable, str(TOP / "tools/power_table")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_docs_show_the_table_as_it_is_computed():
    page = (TOP / "docs/boards.md").read_text()
    shown = page.partition("<!-- made by `tools/power_table` -->\n")[2].partition("<!-- end -->")[0]
    assert shown == printed(), "put what tools/power_table prints into docs/boards.md"


def test_every_kind_of_board_has_a_row_and_every_current_a_source():
    assert set(FOUND["kind"]) == {path.stem for path in (TOP / "boards").glob("*.toml")}
    for kind in FOUND["kind"].values():
        for what in ("awake", "asleep"):
            assert (what in kind) is (f"{what}_ma" in kind)


def test_the_days_are_those_of_the_figures():
    # XIAO ESP32C3: 29 mA and half of 55 mA for listening; asleep 85 % of the time.
    row = next(line for line in printed().splitlines() if "`seeed-xiao-esp32c3` |" in line)
    assert row.split(" | ")[2] == f"{2_000 / (29 + 55 / 2) / 24:.1f}"
    asleep = 0.15 * (29 + 55 / 2) + 0.85 * 0.0451
    assert row.split(" | ")[4] == f"{2_000 / asleep / 24:.1f} |"
