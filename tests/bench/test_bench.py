"""The benches run and print what they should; no figure is judged here."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
RUN = TOP / "tools" / "bench" / "run.py"
FIELDS = ["metric", "value", "unit", "goal", "peers", "how"]

specification = importlib.util.spec_from_file_location("bench_run", RUN)
bench = importlib.util.module_from_spec(specification)
specification.loader.exec_module(bench)


def run(*arguments):
    return subprocess.run(
        [sys.executable, RUN, *arguments], cwd=TOP, capture_output=True, text=True, check=False
    )


def test_without_a_name_the_names_are_listed_with_one_line_each():
    done = run()
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(bench.benches())
    assert {"bytes", "codec", "flash", "frame", "hop", "lab", "ratchet", "shelf"} <= set(bench.benches())
    assert all(len(line.split()) > 4 for line in done.stdout.splitlines())


def test_an_unknown_name_is_one_sentence():
    done = run("nothing")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("bench: There is no bench 'nothing'") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "name",
    ["bytes", "codec", "flash", "frame", "group", "hop", "lab", "log", "ratchet", "reconcile", "shelf"],
)
def test_a_bench_prints_one_json_object_a_line(name):
    before = bench.LAST.read_bytes() if bench.LAST.exists() else None
    done = run(name, "--quick")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) >= 4
    for line in lines:
        assert list(line) == FIELDS
        assert isinstance(line["metric"], str) and isinstance(line["unit"], str) and line["how"]
        assert isinstance(line["value"], int | float) and line["value"] > 0
        assert line["goal"] is None or isinstance(line["goal"], int | float)
        assert all(isinstance(value, int | float) for value in line["peers"].values())
    assert len({line["metric"] for line in lines}) == len(lines)
    assert (bench.LAST.read_bytes() if bench.LAST.exists() else None) == before


def test_every_peer_is_pinned():
    for name in bench.benches():
        peers = bench.peers_of(name)
        assert [line.partition("==")[0] for line in bench.pinned(peers)] == sorted(peers)
        assert all(line.partition("==")[2] for line in bench.pinned(peers))


def test_the_page_is_made_of_the_figures():
    figure = {
        "metric": "a card",
        "value": 12.5,
        "unit": "us",
        "goal": None,
        "peers": {"cbor2": 1.25},
        "how": "so",
    }
    machine = {"cpu": "a chip", "cores": "2", "system": "Linux", "python": "3.11.0"}
    kept = {
        "bench": "codec",
        "date": "2026-11-23",
        "commit": "abc",
        "machine": machine,
        "peers": ["cbor2==6"],
    }
    page = bench.document(
        [{**kept, "figures": [figure, {**figure, "metric": "x", "value": 12345, "goal": 5}]}]
    )
    assert "| measured | value | unit | goal | cbor2 |" in page
    assert "| a card | 12.5 | us |  | 1.25 |" in page
    assert "| x | 12,345 | us | 5 | 1.25 |" in page
    assert "2026-11-23, commit abc, a chip, 2 cores, Linux, CPython 3.11.0. Beside cbor2==6." in page
    assert "- a card; x: so." in page


def test_figures_of_benches_that_were_not_run_here_stay_in_the_page():
    page = bench.PAGE.read_text()
    assert bench.document([], page) == page


def test_what_was_measured_with_three_sizes_is_drawn(tmp_path):
    figures = [
        {"metric": f"log_open_ms_{size}", "value": 1.0, "unit": "ms (noisy)"} for size in ("1k", "20", "3k")
    ]
    run = {"figures": [*figures, {"metric": "log_bytes", "value": 2, "unit": "bytes"}]}
    assert bench.growth(run) == {"open, ms": [(1000, 1.0), (20, 1.0), (3000, 1.0)]}


def test_the_page_in_the_docs_has_every_bench():
    page = bench.PAGE.read_text()
    for name in bench.benches():
        assert f"\n## {name}\n" in page
