"""Fuzzes one target in a process of its own: one.py ENGINE TARGET SECONDS CORPUS FINDS SEED.

Prints one JSON line at the end: executions, and inputs that were new.
"""

import json
import random
import resource
import sys
import time
from pathlib import Path

_MAX_BYTES = 2_048
_MEMORY_MB = 1_024
_KEPT = 300  # inputs that hypothesis adds to a corpus in one run


def with_atheris(target: str, seconds: int, corpus: Path, finds_folder: Path, seed: int) -> None:
    """libFuzzer prints its own statistics, which run.py reads; it ends the process itself."""
    import atheris

    # The ciphers take no decisions, and most of the time.
    with atheris.instrument_imports(include=["hedgerow_core", "hedgerow"], exclude=["hedgerow_core.mac"]):
        from fuzz import finds

    def one_input(data: bytes) -> None:
        result = finds.outcome(target, data)
        if result.startswith("Broken"):
            raise RuntimeError(result)

    options = [
        f"-max_total_time={seconds}",
        f"-max_len={_MAX_BYTES}",
        f"-rss_limit_mb={_MEMORY_MB}",
        "-timeout=10",
        f"-artifact_prefix={finds_folder}/",
        f"-seed={seed}",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup([sys.argv[0], str(corpus), *options], one_input)
    atheris.Fuzz()


def with_hypothesis(target: str, seconds: int, corpus: Path, finds_folder: Path, seed: int) -> None:
    """Random inputs, and the corpus with bytes turned, put in and left out."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st

    from fuzz import finds

    resource.setrlimit(resource.RLIMIT_AS, (4 * _MEMORY_MB << 20, 4 * _MEMORY_MB << 20))
    known = [path.read_bytes() for path in sorted(corpus.iterdir())] or [b""]
    seen = {finds.outcome(target, data) for data in known}
    edits = st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, _MAX_BYTES), st.binary(max_size=9)), max_size=4
    )
    deadline = time.monotonic() + seconds
    counts = {"executions": 0, "new": 0}

    def edited(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
        for how, where, part in changes:
            at = where % (len(data) + 1)
            cut = at if how == 0 else at + len(part)
            data = data[:at] + (b"" if how == 2 else part) + data[cut:]
        return data[:_MAX_BYTES]

    inputs = st.binary(max_size=200) | st.builds(edited, st.sampled_from(known), edits)

    def one_input(data: bytes) -> None:
        if time.monotonic() > deadline:
            return
        counts["executions"] += 1
        result = finds.outcome(target, data)
        if result.startswith("Broken"):
            (finds_folder / "crash-hypothesis").write_bytes(data)
            raise RuntimeError(result)
        if result not in seen and counts["new"] < _KEPT:
            seen.add(result)
            counts["new"] += 1
            (corpus / f"h{seed:08x}-{counts['new']:04}").write_bytes(data)

    dice = random.Random(seed)
    try:
        while time.monotonic() < deadline:
            checks = settings(
                max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck)
            )
            seeded(dice.getrandbits(32))(checks(given(inputs)(one_input)))()
    except RuntimeError:
        pass
    print(json.dumps(counts))


if __name__ == "__main__":
    engine = with_atheris if sys.argv[1] == "atheris" else with_hypothesis
    engine(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]), int(sys.argv[6]))
