"""The trace of a run as a time line and as a picture."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hedgerow_lab import picture, timeline
from hedgerow_lab.scenario import load
from hedgerow_lab.simulate import Simulation

TOP = Path(__file__).resolve().parents[2]
SCENARIOS = Path(__file__).parent / "scenarios"
MINUTE_US = 60_000_000
# Two boards: one calls the other, two packets go there and one back, then the called one loses power.
SMALL = """\
10000 mill power on
20000 the school power on
30000 mill address 0069b685fab404
30020 mill address 01278c1d82ea64
1000000 mill connected the school
1010000 mill event 3 00000001278c1d82ea64
1010000 the school event 3 0700010110ffd512fa7c
1020000 the school event 5 0700aabbcc
1030000 mill event 5 0000dd
1040000 the school event 5 0700ee
1050000 mill event 7 00112233
1060000 mill event 7 44
2000000 the school power off
2500000 mill event 4 ffff0001278c1d82ea64
2500000 mill event 2 
3000000 mill note hello there
"""


def lab(*arguments):
    folders = (str(TOP / name) for name in ("shared", "host", "tools"))
    return subprocess.run(
        [sys.executable, "-c", "from hedgerow_lab.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        check=False,
    )


@pytest.fixture(scope="module")
def line3(tmp_path_factory):
    """The trace of a run."""
    folder = tmp_path_factory.mktemp("timeline")
    path = folder / "line3.trace"
    simulation = Simulation(load(SCENARIOS / "line3.toml"), 7, folder / "lab", path)
    try:
        simulation.run()
    finally:
        simulation.close()
    return path


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.trace"
    path.write_text(SMALL)
    return path


def test_a_small_trace_is_told_line_by_line(small):
    found = timeline.read(small)
    assert found.boards == ["mill", "the school"]
    assert found.powered == {"mill": [[10_000, -1]], "the school": [[20_000, 2_000_000]]}
    assert [
        (link.central, link.peripheral, link.start_us, link.end_us, link.packets, link.bytes)
        for link in found.links
    ] == [("mill", "the school", 1_000_000, 2_000_000, [2, 1], [4, 1])]
    told = timeline.lines(found, 0, found.end_us, [])
    assert [line.split(maxsplit=1)[1] for line in told] == [
        "mill        power on",
        "the school  power on",
        "mill        has the address 27:8c:1d:82:ea:64",
        "mill        calls the school: 1.0 s, 2 packets there and 1 back, 5 bytes",
        "mill        5 bytes from its host",
        "the school  power off",
        "mill        a call failed (1 so far)",
        "mill        hello there",
    ]
    assert told[0].split()[0] == "0:00:00.010"


def test_a_part_of_it_can_be_asked_for(small):
    done = lab("trace", small, "--from", "1500ms", "--to", "2.2s")
    assert done.stdout.splitlines() == ["  0:00:02.000  the school  power off"]
    done = lab("trace", small, "--board", "the school")
    assert [line.split(maxsplit=1)[1][:16].strip() for line in done.stdout.splitlines()] == [
        "the school  powe",
        "mill        call",
        "the school  powe",
    ]


def test_every_letter_of_a_run_is_written_and_read(line3):
    found = timeline.read(line3)
    assert found.hosts == {"Alice": "west", "Bob": "east"}
    assert len(found.letters) == 10
    for number, letter in enumerate(found.letters, 1):
        assert letter.number == number
        assert letter.written_us < letter.read_us
        assert (letter.board, letter.read_board) in (("west", "east"), ("east", "west"))
    assert len(found.powered["middle"]) == 2
    assert {frozenset((link.central, link.peripheral)) for link in found.links} == {
        frozenset(("west", "middle")),
        frozenset(("middle", "east")),
    }
    for link in found.links:
        assert link.end_us is None or link.end_us > link.start_us
        assert sum(link.packets) and sum(link.bytes)
    for counts in found.knows.values():
        # Letters come, and are let go when they were read.
        assert counts[0][1] == counts[-1][1] == 0 < max(count for _, count in counts)
    told = "\n".join(timeline.lines(found, 0, found.end_us, []))
    assert "Alice   writes to Bob: “letter 1 from Alice to Bob”" in told
    assert re.search(r"Bob +reads from Alice: “letter 1 from Alice to Bob”, after \d+\.\d s", told)


def test_a_letter_that_nobody_read_is_told(tmp_path):
    path = tmp_path / "trace"
    path.write_text(
        "1 a power on\n2 b power on\n3 X plugs a\n4 Y plugs b\n5 X writes Y: one\n9000000 a note x\n"
    )
    found = timeline.read(path)
    assert [(letter.text, letter.read_us) for letter in found.letters] == [("one", None)]
    assert "not read" in picture.draw(found, 0, found.end_us, found.boards)


def classes(svg, name):
    return [item for item in ElementTree.fromstring(svg).iter() if item.get("class") == name]


def test_the_picture_has_boards_links_and_letters(line3, tmp_path):
    target = tmp_path / "line3.svg"
    done = lab("trace", line3, "--svg", target)
    assert done.returncode == 0, done.stderr
    found = timeline.read(line3)
    svg = target.read_text()
    assert done.stdout == f"{target}: 3 boards, {len(found.links)} links, 10 letters\n"
    assert len(classes(svg, "off")) == 3
    assert len(classes(svg, "on")) == 4  # the middle one lost power once
    assert len(classes(svg, "link")) == len(found.links) + 1  # and the legend
    assert len(classes(svg, "letter")) == 12
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_a_part_of_the_picture_can_be_asked_for(line3):
    found = timeline.read(line3)
    part = picture.draw(found, 4 * MINUTE_US, 6 * MINUTE_US, ["west", "middle"])
    assert len(classes(part, "off")) == 2
    assert 0 < len(classes(part, "link")) < len(found.links)
    assert len(classes(part, "letter")) == 2  # the legend: both ends of a letter must be in the picture


def test_names_cannot_break_the_picture(tmp_path):
    path = tmp_path / "trace"
    path.write_text('1 <b>&" power on\n2 X</svg> plugs <b>&"\n5 X</svg> writes Y: <one>\n900 <b>&" note x\n')
    found = timeline.read(path)
    texts = "".join(ElementTree.fromstring(picture.draw(found, 0, 900, found.boards)).itertext())
    assert '<b>&"' in texts and "X</svg>" in texts and "<one>" in texts


def test_the_same_run_gives_the_same_picture(line3):
    found = timeline.read(line3)
    assert picture.draw(found, 0, found.end_us, found.boards) == picture.draw(
        timeline.read(line3), 0, found.end_us, found.boards
    )


@pytest.mark.parametrize(
    "content, sentence",
    [
        (None, "cannot be read (no such file or directory)"),
        (b"", "no board is in it"),
        (b"hello\n", "line 1 is no event"),
        (b"1 a power on\n2 a event x 00\n", "line 2 is no event"),
        (b"1 a power on\n2 a event 3 00\n", "line 2 is no event"),
        (b"1 a power on\n2 a knows many\n", "line 2 is no event"),
        (b"\xff\xfe\x00", "a file of another kind"),
    ],
)
def test_what_is_no_trace_is_refused_with_one_sentence(content, sentence, tmp_path):
    path = tmp_path / "trace"
    if content is not None:
        path.write_bytes(content)
    done = lab("trace", path)
    assert done.returncode == 1 and sentence in done.stderr
    assert done.stderr.startswith("hedgerow-lab: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["--board", "nobody"], "no board called 'nobody'"),
        (["--from", "2m"], "Nothing is left"),
        (["--from", "soon"], "no duration"),
        (["--svg", "nowhere/at/all.svg"], "The system refused"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_one_sentence(options, sentence, small):
    done = lab("trace", small, *options)
    assert done.returncode == 1 and sentence in done.stderr
    assert done.stderr.startswith("hedgerow-lab: ") and done.stderr.count("\n") == 1
