import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from log_support import new

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
# 200 for a release.
ROUNDS = int(os.environ.get("HEDGEROW_KILL_ROUNDS", "20"))


@pytest.fixture(scope="module")
def environment():
    paths = [HERE, TOP / "shared", TOP / "host"]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}


def test_no_entry_that_was_promised_is_lost_when_the_program_is_killed(tmp_path, environment):
    path, other = tmp_path / "log", tmp_path / "other"
    promised = set()
    chance = random.Random(7)
    for turn in range(ROUNDS):
        command = [sys.executable, HERE / "log_worker.py", path, other, str(turn)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as worker:
            first = worker.stdout.readline()
            time.sleep(chance.random() * 0.12)
            worker.kill()
            told = first + worker.stdout.read()
        # The last line may be half a line.
        promised.update(bytes.fromhex(line) for line in told.split("\n")[:-1])
        with new(path=path) as log:
            assert all(entry_id in log for entry_id in promised)
            assert log.verify() == [] and not log.refused()
    assert len(promised) > ROUNDS
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
