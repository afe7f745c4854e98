"""Measures: `tools/bench/run.py` lists what there is, with a NAME it prints one JSON object a line.

A bench is a file beside this one; its first line says what it measures, PEERS in it beside what.
Peers get an environment of their own, .cache/bench/NAME, with the versions of peers.txt. The last figures of
each bench stay in .cache/bench/last.jsonl; `--document` writes them into docs/benchmarks.md, and draws what
was measured with several sizes.
"""

import argparse
import ast
import datetime
import json
import math
import os
import platform
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
CACHE = TOP / ".cache" / "bench"
LAST = CACHE / "last.jsonl"
PAGE = TOP / "docs" / "benchmarks.md"


def benches() -> dict[str, str]:
    """Names, with what they measure."""
    found = {}
    for path in sorted(HERE.glob("*.py")):
        if path.stem not in ("run", "__init__"):
            found[path.stem] = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]
    return found


def peers_of(name: str) -> list[str]:
    """What the bench is measured beside."""
    for node in ast.parse((HERE / f"{name}.py").read_text()).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "PEERS":
            return list(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return []


def pinned(names: list[str]) -> list[str]:
    """The lines of peers.txt for ``names``."""
    lines = [line.strip() for line in (HERE / "peers.txt").read_text().splitlines()]
    return [line for line in lines if line.partition("==")[0] in names]


def python_for(name: str) -> Path:
    """The interpreter with the bench's peers; ours, and a sentence, where they do not install."""
    wanted = pinned(peers_of(name))
    if not wanted:
        return Path(sys.executable)
    folder = CACHE / name
    python = folder / "bin" / "python"
    stamp = folder / "peers"
    # The checkout that made it may be gone, and with it what our own code needs.
    ours = sysconfig.get_paths()["purelib"]
    if stamp.exists() and stamp.read_text().split("\n") == [*wanted, ours]:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1", *wanted]
    if subprocess.run(pip, capture_output=True, check=False).returncode:
        print("bench: The peers do not install here: those that are here have to do.", file=sys.stderr)
        return Path(sys.executable)
    # What our own code needs comes behind the peers.
    for site in folder.glob("lib/python*/site-packages"):
        (site / "project.pth").write_text(ours + "\n")
    stamp.write_text("\n".join([*wanted, ours]))
    return python


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [
            line.partition(":")[2] for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = models[0].strip() if models else cpu
    return {
        "cpu": cpu,
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def commit() -> str:
    """The commit that was measured, or empty."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=TOP, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def measure(name: str, quick: bool) -> int:
    """Run a bench and print its lines; those of a whole run are kept."""
    paths = [str(TOP / folder) for folder in ("shared", "host", "tools")]
    command = [python_for(name), HERE / f"{name}.py", *(["--quick"] if quick else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    lines = []
    with subprocess.Popen(command, cwd=TOP, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(json.loads(line))
    if process.returncode or quick:
        return 1 if process.returncode else 0
    others = [kept for kept in last() if kept["bench"] != name]
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    kept = {
        "bench": name,
        "date": now,
        "commit": commit(),
        "machine": machine(),
        "peers": pinned(peers_of(name)),
        "figures": lines,
    }
    CACHE.mkdir(parents=True, exist_ok=True)
    LAST.write_text("".join(json.dumps(item) + "\n" for item in [*others, kept]))
    return 0


def last() -> list[dict[str, Any]]:
    """The last run of each bench."""
    if not LAST.exists():
        return []
    return [json.loads(line) for line in LAST.read_text().splitlines()]


def number(value: object) -> str:
    """A figure as people write it."""
    if not isinstance(value, int | float):
        return ""
    return f"{value:,.2f}".rstrip("0").rstrip(".") if value < 100 else f"{value:,.0f}"


def sections(page: str) -> dict[str, str]:
    """What a page says of each bench."""
    parts = ("\n" + page).split("\n## ")[1:]
    return {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in parts}


def document(runs: list[dict[str, Any]], before: str = "") -> str:
    """The page; what ``before``, the page as it was, says of benches that were not run here stays."""
    about = benches()
    parts = {name: part for name, part in sections(before).items() if name in about}
    parts |= {str(run["bench"]): section(run, about[str(run["bench"])]) for run in runs}
    head = [
        "# Benchmarks",
        "",
        "Made by `tools/bench/run.py --document` from the last run of each bench. What is marked noisy"
        " depends on the machine and on what else it does; ratios are of interleaved rounds and travel"
        " better. `make bench` lists the benches, `make bench NAME=codec` runs one. Less is better.",
        "",
    ]
    return "\n".join([*head, *(parts[name] for name in sorted(parts))])


def section(run: dict[str, Any], about: str) -> str:
    """What the page says of one bench."""
    where = run["machine"]
    beside = f" Beside {', '.join(run['peers'])}." if run["peers"] else ""
    out = [
        f"## {run['bench']}",
        "",
        about,
        "",
        f"{run['date']}, commit {run['commit']}, {where['cpu']}, {where['cores']} cores,"
        f" {where['system']}, CPython {where['python']}.{beside}",
        "",
    ]
    names = list(dict.fromkeys(name for figure in run["figures"] for name in figure["peers"]))
    columns = ["measured", "value", "unit", "goal", *names]
    out += [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for figure in run["figures"]:
        cells = [figure["metric"], number(figure["value"]), figure["unit"], number(figure["goal"])]
        cells += [number(figure["peers"].get(name)) for name in names]
        out.append(f"| {' | '.join(cells)} |")
    if growth(run):
        out += ["", f"![How each grows with the size]({run['bench']}-growth.svg)"]
    out += ["", "How:", ""]
    ways: dict[str, list[str]] = {}
    for figure in run["figures"]:
        ways.setdefault(figure["how"], []).append(figure["metric"])
    out += [f"- {'; '.join(metrics)}: {how}." for how, metrics in ways.items()]
    return "\n".join(out) + "\n"


def growth(run: dict[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """What was measured with three sizes or more: (size, value) by unit and how it was measured."""
    found: dict[str, list[tuple[float, float]]] = {}
    for figure in run["figures"]:
        size = re.search(r"_(\d+)(k?)$", figure["metric"])
        if size is not None:
            name = f"{figure['metric'].split('_')[1]}, {figure['unit'].replace(' (noisy)', '')}"
            found.setdefault(name, []).append(
                (int(size[1]) * (1000 if size[2] else 1), float(figure["value"]))
            )
    return {name: points for name, points in found.items() if len(points) > 2}


def draw(name: str, points: dict[str, list[tuple[float, float]]], path: Path) -> None:
    """The growth of one bench, a panel for each figure."""
    from matplotlib import pyplot  # type: ignore[import-not-found]  # only for this, of the extra "bench"

    pyplot.rcParams.update({"svg.hashsalt": name, "svg.fonttype": "none", "font.size": 9})
    figure, panels = pyplot.subplots(1, len(points), figsize=(2.6 * len(points), 2.4), squeeze=False)
    for panel, (what, values) in zip(panels[0], points.items(), strict=True):
        panel.loglog(*zip(*values, strict=True), marker="o", color="#3f6f4f")
        for size, value in values:
            above = (0, 6)
            panel.annotate(
                number(value), (size, value), textcoords="offset points", xytext=above, ha="center"
            )
        panel.margins(x=0.25)
        # All panels have three decades: what does not grow looks flat.
        middle = math.exp(sum(math.log(value) for _, value in values) / len(values))
        panel.set_ylim(middle / 32, middle * 32)
        panel.set_title(what, fontsize=9)
        panel.set_yticks([])
        panel.set_xticks([size for size, _ in values], [f"{size:,.0f}" for size, _ in values])
        panel.minorticks_off()
        panel.spines[["top", "right", "left"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None, "Creator": None})


def main() -> int:
    """Exit status 0, 1 where a bench failed, 2 for a mistake in the command."""
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measure; without a name, list what there is to measure.",
        epilog="Example: make bench NAME=codec",
    )
    parser.add_argument("name", nargs="?", default="", help="what to measure")
    parser.add_argument(
        "--quick", action="store_true", help="only see whether it works; figures mean nothing"
    )
    parser.add_argument("--document", action="store_true", help="write docs/benchmarks.md from the last runs")
    arguments = parser.parse_args()
    found = benches()
    if arguments.document:
        runs = last()
        if not runs:
            print("bench: Nothing was measured yet: run `make bench NAME=codec` first.", file=sys.stderr)
            return 2
        PAGE.write_text(document(runs, PAGE.read_text()))
        for run in runs:
            if growth(run):
                draw(run["bench"], growth(run), PAGE.parent / f"{run['bench']}-growth.svg")
        return 0
    if not arguments.name:
        for name, about in found.items():
            print(f"{name:8} {about}")
        return 0
    if arguments.name not in found:
        print(f"bench: There is no bench {arguments.name!r}: there are {', '.join(found)}.", file=sys.stderr)
        return 2
    return measure(arguments.name, arguments.quick)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("bench: Broken off: the figures of this run are not kept.", file=sys.stderr)
        sys.exit(130)
