"""Fuzzes every parser: `python -m fuzz --seconds 600`.

Each target runs for its share of the time on CPython, under atheris where that installs (into .cache/fuzz),
else under hypothesis. The inputs that it found interesting are kept in .cache/fuzz-corpus; then they go
through every MicroPython that tools/get_micropython found, where they must come out the same. A find becomes
a file in tests/vectors/fuzz, which tests/fuzz runs from then on.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from fuzz import core, finds
from fuzz.targets import TARGETS

TOP = Path(__file__).resolve().parents[2]
CACHE = TOP / ".cache"
VENV = CACHE / "fuzz"
CORPUS = CACHE / "fuzz-corpus"
VECTORS = TOP / "tests" / "vectors" / "fuzz"
_ATHERIS = "atheris==3.0.0"
_MICROPYTHON_SHARE = 0.2
_START_S = 1  # of a target's process
_PATIENCE_S = 30  # for start and end of a process, on top of its time


@dataclass
class Count:
    """What came of one target."""

    target: str
    executions: int = 0
    new: int = 0
    coverage: int = 0
    found: list[finds.Find] = field(default_factory=list)
    failure: str = ""


def atheris_python() -> Path | None:
    """A Python that has atheris, or None where it does not install."""
    python = VENV / "bin" / "python"
    refused = CACHE / "fuzz-without-atheris"
    if refused.exists():
        return None
    probe = [python, "-c", "import atheris"]
    if python.exists() and subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return python
    made = subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True, check=False)
    if made.returncode:
        print("fuzz: No environment can be made for atheris here (is python3-venv there?).", file=sys.stderr)
        return None
    pip = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--retries",
        "1",
        _ATHERIS,
    ]
    subprocess.run(pip, capture_output=True, check=False)
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return python
    refused.write_text("atheris did not install; remove this file to try again.\n")
    return None


def _environment() -> dict[str, str]:
    paths = [str(TOP / part) for part in ("shared", "host", "tools")]
    # What the project needs is in the environment that runs this; atheris has one of its own.
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, sysconfig.get_paths()["purelib"]])}


def _fuzz(target: str, python: Path, engine: str, seconds: int, seed: int) -> Count:
    corpus = CORPUS / target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(TARGETS[target][1]()):
        (corpus / f"seed-{number:02}").write_bytes(data)
    count = Count(target)
    with tempfile.TemporaryDirectory() as folder:
        command = [python, TOP / "tools/fuzz/one.py", engine, target, str(seconds), corpus, folder, str(seed)]
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=_environment(),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds + _PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            count.failure = f"{target}: the process did not end in time."
            return count
        if engine == "atheris":
            executions = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
            new = re.search(r"stat::new_units_added:\s*(\d+)", done.stderr)
            count.executions = int(executions[1]) if executions else 0
            count.new = int(new[1]) if new else 0
            count.coverage = max(
                [int(number) for number in re.findall(r" cov: (\d+)", done.stderr)], default=0
            )
        elif done.stdout.startswith("{"):
            numbers = json.loads(done.stdout.splitlines()[-1])
            count.executions, count.new = numbers["executions"], numbers["new"]
        for path in sorted(Path(folder).glob("*-*")):
            count.found.append(_found(target, path))
        if not count.executions and not count.found:
            last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
            count.failure = f"{target}: the fuzzer did not run ({last})."
    return count


def _found(target: str, path: Path) -> finds.Find:
    """The find in a file that the engine left: "crash-...", "timeout-...", "oom-..."."""
    data = path.read_bytes()
    if path.name.startswith("crash"):
        data = finds.smaller(target, data)
        return finds.Find(target, data, finds.outcome(target, data))
    slow = path.name.startswith("timeout")
    return finds.Find(target, data, "Broken: too slow" if slow else "Broken: too much memory")


def _on_micropython(
    interpreters: list[Path], targets: list[str], until: float
) -> tuple[int, list[finds.Find]]:
    """Compare the corpora, the newest inputs first, as long as there is time: (inputs, finds)."""
    files = []
    for target in targets:
        if target in core.TARGETS:
            files += [(path.stat().st_mtime_ns, target, path) for path in (CORPUS / target).iterdir()]
    files.sort(reverse=True)
    found: list[finds.Find] = []
    count = 0
    step = 300
    for at in range(0, len(files), step):
        if at and time.monotonic() > until:
            break
        batch = [(target, path.read_bytes()) for _, target, path in files[at : at + step]]
        count += len(batch)
        with ThreadPoolExecutor(len(interpreters)) as pool:
            for some in pool.map(lambda one, inputs=batch: finds.differences(one, inputs), interpreters):
                found += some
    return count, found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="fuzz",
        description="Fuzz every parser of core and host, on CPython and on MicroPython.",
        epilog="Example: make fuzz SECONDS=600",
        usage=argparse.SUPPRESS,
    )
    parser.add_argument("--seconds", default="60", help="how long, in all")
    parser.add_argument("--target", action="append", help="only this one; may be given again")
    parser.add_argument("--engine", choices=("atheris", "hypothesis"), help="else atheris where it installs")
    parser.add_argument("--seed", type=int, help="else another one each time")
    arguments = parser.parse_args()
    if not arguments.seconds.isdigit() or not int(arguments.seconds):
        parser.exit(
            2, f"fuzz: {arguments.seconds!r} is no number of seconds: give a whole one of 1 or more.\n"
        )
    for target in arguments.target or []:
        if target not in TARGETS:
            parser.exit(2, f"fuzz: There is no target {target!r}: there are {', '.join(TARGETS)}.\n")
    return arguments


def main() -> int:
    """Exit status 0, 1 where something was found or did not run, 2 for a mistake in the command."""
    arguments = _arguments()
    targets = arguments.target or list(TARGETS)
    seconds = int(arguments.seconds)
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().getrandbits(31)
    python = atheris_python() if arguments.engine != "hypothesis" else None
    if python is None and arguments.engine == "atheris":
        print("fuzz: atheris does not install here: leave --engine out.", file=sys.stderr)
        return 2
    engine = "hypothesis" if python is None else "atheris"
    interpreters = sorted((CACHE / "micropython" / "bin").glob("micropython*"))
    started = time.monotonic()
    jobs = min(os.cpu_count() or 1, len(targets))
    share = max(1, int(seconds * (1 - _MICROPYTHON_SHARE) * jobs / len(targets) - _START_S))
    with ThreadPoolExecutor(jobs) as pool:
        runner = python or Path(sys.executable)
        counts = list(pool.map(lambda target: _fuzz(target, runner, engine, share, seed), targets))
    for count in counts:
        coverage = f", coverage {count.coverage}" if count.coverage else ""
        print(f"{count.target:22} {count.executions:9,} executions, {count.new:5,} new inputs{coverage}")
    compared, differing = 0, []
    if interpreters:
        compared, differing = _on_micropython(interpreters, targets, started + seconds)
    found = [find for count in counts for find in count.found] + differing
    for find in found:
        path = finds.write(VECTORS, find)
        print(f"fuzz: {find.target}: {find.about}: see {path.relative_to(TOP)}.", file=sys.stderr)
    failures = [count.failure for count in counts if count.failure]
    for failure in failures:
        print(f"fuzz: {failure}", file=sys.stderr)
    executions = sum(count.executions for count in counts)
    new = sum(count.new for count in counts)
    names = " and ".join(path.name for path in interpreters) or "no MicroPython"
    print(
        f"{executions:,} executions of {len(targets)} target{'' if len(targets) == 1 else 's'}"
        f" in {time.monotonic() - started:.0f} s ({engine}, seed {seed}), {new:,} new inputs,"
        f" {compared:,} inputs through {names}, {len(found) or 'no'} find{'' if len(found) == 1 else 's'}"
    )
    return 1 if found or failures else 0
