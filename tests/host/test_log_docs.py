"""The example of the page runs as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "log.md"


def test_the_example_of_the_page_runs_without_any_mesh(tmp_path):
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    top = PAGE.parents[1]
    environment = {"PYTHONPATH": f"{top / 'host'}:{top / 'shared'}", "PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("frozen ['Bob']\n", "")
