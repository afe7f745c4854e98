"""How long a letter takes from board to board, over links that are open and over meetings, in the lab's air.

Lines of 2 to 10 boards that hear only their neighbours; a twentieth of all packets is lost, connection events
come every 30 ms, cryptography and flash cost virtual time. The figures repeat to the digit.
"""

import json
import shutil
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median

from hedgerow_lab.courier import Courier, key
from hedgerow_lab.world import Lab

PEERS: list[str] = []
_LOSS = 0.05
_LONGEST = 10
_LETTERS = 12
_QUIET_MS = 60_000  # between letters: beacons are slow by then
_GIVEN_UP_MS = 120_000
_OPEN_GOAL_MS = 300
_COLD_GOAL_MS = 2_000


def took(count: int, letters: int, cold: bool) -> list[int]:
    """Virtual ms of each of ``letters`` from the host of the first board to that of the last."""
    folder = Path(tempfile.mkdtemp(prefix="hedgerow-bench-"))
    lab = Lab(count, workdir=folder)
    names = [f"b{number}" for number in range(count)]
    try:
        for name in names:
            settings: dict[str, object] = {
                "name": name,
                "mesh_key": key("mesh", ""),
                "pairing_key": key("pairing", name),
            }
            lab.add_board(name, settings=settings)
        for a, b in pairwise(names):
            lab.hear(a, b, loss=_LOSS)
        lab.run_until(3_000)
        first, last = Courier(lab, names[0], 1), Courier(lab, names[-1], 2)
        found = []
        for _ in range(letters + 1):
            lab.run_until(lab.now_ms + _QUIET_MS)
            if cold:
                for a, b in pairwise(names):
                    lab.link_drop(a, b)
                lab.run_until(lab.now_ms + _QUIET_MS)
            start = lab.now_ms
            known = len(last.taken)
            first.write()
            lab.run_until(start + _GIVEN_UP_MS, lambda known=known: len(last.taken) > known)  # type: ignore[misc]
            if len(last.taken) == known:
                sys.exit(f"bench: A letter got lost on a line of {count} boards.")
            found.append(last.taken[-1][0] - start)
        # The first one set the clocks.
        return found[1:]
    finally:
        lab.close()
        shutil.rmtree(folder, ignore_errors=True)


def main(quick: bool) -> None:
    """Print three lines for each of the two."""
    longest, letters = (3, 2) if quick else (_LONGEST, _LETTERS)
    for name, cold, goal in (("open", False, _OPEN_GOAL_MS), ("cold", True, _COLD_GOAL_MS)):
        hops: list[float] = []
        whole: list[int] = []
        for count in range(2, longest + 1):
            whole = took(count, letters, cold)
            hops += [ms / (count - 1) for ms in whole]
        hops.sort()
        what = "links that were open" if not cold else "meetings: no link was open, beacons were slow"
        how = (
            f"lines of 2 to {longest} boards, {letters} letters of some 200 bytes each, over {what};"
            f" {_LOSS:.0%} loss, the hosts' cables at both ends included, virtual time"
        )
        print_line(f"hop_ms_{name}", round(median(hops), 1), "ms", goal, how)
        print_line(f"hop_ms_{name}_p95", round(hops[len(hops) * 95 // 100], 1), "ms", None, how)
        print_line(
            f"line_ms_{name}_{longest}", round(median(whole), 1), "ms", None, "all of the longest line"
        )


def print_line(metric: str, value: float, unit: str, goal: object, how: str) -> None:
    """One figure."""
    fields = {"metric": metric, "value": value, "unit": unit, "goal": goal, "peers": {}, "how": how}
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    try:
        main("--quick" in sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
