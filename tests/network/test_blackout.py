"""Boards that lose their power all day long: what they acknowledged stays, and ends when it should."""

import random
from functools import partial
from itertools import pairwise

from hedgerow_core.envelope import TTL_MINUTES
from hedgerow_lab.courier import Courier, key
from hedgerow_lab.world import Lab, find_aioble

BOARDS = ("mill", "school", "bridge", "station")
HOURS = 12
ROUND_MS = 15 * 60_000
STAY_MS = 40_000
# What docs/protocol.md allows ("Mesh clock"): 10 minutes for a loss of power, and minutes that are cut off.
ERROR_MINUTES = 15


def plan_cuts(lab: Lab, dice: random.Random) -> int:
    """Each board loses its power every one and a half hours or so, for up to 20 minutes; how often in all."""
    cuts = 0
    for board in BOARDS:
        at = 0.0
        while at < HOURS * 3_600_000:
            at += dice.expovariate(1 / 5_400_000)
            back = at + dice.randrange(1_000, 1_200_000)
            lab.at(round(at), partial(lab.power_off, board))
            lab.at(round(back), partial(lab.power_on, board))
            at = back
            cuts += 1
    return cuts


def visit(lab: Lab, board: str, seed: int, ttls: tuple[int, ...] = ()) -> tuple[Courier, list[bytes]]:
    """A courier comes to a board for a while, with a letter of each lifetime class."""
    courier = Courier(lab, board, seed)
    ids = [courier.write(ttl) for ttl in ttls]
    lab.run_until(lab.now_ms + STAY_MS)
    courier.leave()
    return courier, ids


def test_letters_end_neither_early_nor_late_although_all_boards_lose_power_all_day(tmp_path, capsys):
    dice = random.Random(3)
    born: dict[bytes, tuple[int, int]] = {}
    acked: dict[bytes, int] = {}
    seen = late = early = 0
    with Lab(3, workdir=tmp_path, aioble=find_aioble()) as lab:
        for name in BOARDS:
            settings = {"name": name, "mesh_key": key("mesh", ""), "pairing_key": key("pairing", name)}
            lab.add_board(name, settings=settings)
        for a, b in pairwise(BOARDS):
            lab.hear(a, b)
        cuts = plan_cuts(lab, dice)
        for number in range(HOURS * 4):
            lab.run_until(number * ROUND_MS + 10_000)
            now = lab.now_ms
            writer, ids = visit(lab, "mill", number, (0, 1, 2, 3, 4))
            born.update({one: (now, TTL_MINUTES[ttl]) for ttl, one in enumerate(ids)})
            acked.update(dict.fromkeys(writer.acked, lab.now_ms))
            for board in BOARDS:
                reader, _ = visit(lab, board, 1_000 + number)
                for taken_ms, letter in reader.taken:
                    age = (taken_ms - born[letter.id][0]) / 60_000
                    seen += 1
                    late += age > born[letter.id][1] + ERROR_MINUTES
                    assert abs(letter.age - age) <= ERROR_MINUTES
                if board == "mill" and reader.statuses + reader.taken:
                    here = {letter.id for _, letter in reader.taken}
                    for one in acked:
                        age = (lab.now_ms - born[one][0]) / 60_000
                        early += one not in here and age < born[one][1] - ERROR_MINUTES
        errors = {name: lab.log(name) for name in BOARDS}
    with capsys.disabled():
        print(f"\n  {cuts} losses of power, {len(acked)} letters acknowledged, {seen} looked at")
    assert not any(errors.values()), errors
    assert len(acked) > 100 and seen > 500
    assert (late, early) == (0, 0)
