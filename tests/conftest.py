"""Names, at the head of every run, what the boards of the lab run on. No example has a deadline: machines are
noisy, and benches measure. Processes that test side by side have a core each, for their labs too."""

import os

from hypothesis import settings

from hedgerow_lab.simulate import interpreter_name
from hedgerow_lab.world import LabError, find_aioble, find_micropython

settings.register_profile("hedgerow", deadline=None)
settings.load_profile("hedgerow")


def pytest_report_header() -> str:
    try:
        aioble = find_aioble()
        kind = "stand-in" if aioble is None else f"real ({aioble})"
        return f"lab: {interpreter_name(find_micropython())}, aioble: {kind}"
    except LabError as error:
        return f"lab: {error}"


def pytest_configure() -> None:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})
