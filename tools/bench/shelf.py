"""What a letter costs the board's flash, how long start, insert and look-up take, and when the flash is worn.

The firmware's store and core's shelf in MicroPython, on littlefs over a chip in memory that counts, as
`hedgerow-lab powercut` has it. Beside it a store with a file for each letter on the same littlefs. The floors
of the times are what no store can do without, in the same interpreter and in interleaved rounds.
"""

import json
import sys

PEERS: list = []
_TEXT_BYTES = 200
_MINUTE_MS = 60_000


def measure(rounds: int, held: int) -> dict:
    """Under MicroPython: ratios of insert, look-up and reading to their floors, in thousandths."""
    import time

    import vfs

    sys.path[:] = ["shared", "firmware", "tools/hedgerow_lab/powercut/child", ".frozen"]
    from chip import BLOCK, Chip
    from making import Ways

    from hedgerow_core.envelope import NORMAL, TTL_DEFAULT, decode, make, padded_body_size
    from hedgerow_core.mac import sha256

    batch = 20
    size = padded_body_size(_TEXT_BYTES)
    ways = Ways()
    vfs.umount("/")
    chip = Chip(bytearray(b"\xff" * (256 * BLOCK)))
    vfs.VfsLfs2.mkfs(chip, readsize=32, progsize=32)
    vfs.mount(vfs.VfsLfs2(chip, readsize=32, progsize=32), "/")
    bounds = {"store": "board", "max_count": held, "max_bytes": held * 400, "tombstones": 500}
    bounds["store_bytes"] = bounds["max_bytes"]
    shelf = ways.make(bounds)

    def letters(first: int, count: int) -> list:
        locks = [sha256(number.to_bytes(4, "big")) for number in range(first, first + count)]
        return [make(NORMAL, TTL_DEFAULT, lock[:12], bytes(size)) for lock in locks]

    minute = [0]

    def insert(new: list) -> None:
        # Each batch is a minute younger: a full shelf takes nothing that is older than all it has.
        minute[0] += 1
        for letter in new:
            shelf.put(letter, minute[0] * _MINUTE_MS)
        ways.flush(shelf, minute[0])

    def write(file: object, new: list) -> None:
        for letter in new:
            file.write(letter.encode())
        file.flush()

    def read(names: list) -> None:
        for at in names:
            with open("/floor", "rb") as file:
                file.seek(at)
                decode(file.read(length))

    def took_us(call: object, argument: object) -> int:
        start = time.ticks_us()
        call(argument)
        return max(time.ticks_diff(time.ticks_us(), start), 1)

    for first in range(0, held, batch):
        insert(letters(first, batch))
    length = len(letters(0, 1)[0].encode())
    found = {"insert": [], "look_up": [], "read": []}
    for number in range(rounds):
        new = letters(held + number * batch, batch)
        ids = [bytes(identity) for identity in shelf.ids()]
        table = {identity: True for identity in ids}
        asked = ids + [identity[4:] + identity[:4] for identity in ids]
        # The floor of each, then ours; inserting comes last, for it evicts.
        floor = took_us(lambda those: [identity in table for identity in those], asked)  # noqa: B023
        ours = took_us(lambda those: [shelf.has(identity) for identity in those], asked)
        found["look_up"].append((ours * 1000 // floor, ours, floor))
        with open("/floor", "wb") as file:
            floor = took_us(lambda letters: write(file, letters), new)
        if None in [shelf.get(identity, 0) for identity in ids[:batch]]:
            raise ValueError("a letter is not there")
        some = took_us(lambda those: [shelf.get(identity, 0) for identity in those], ids[:batch])
        bare = took_us(read, [i * length for i in range(batch)])
        found["read"].append((some * 1000 // bare, some, bare))
        ours = took_us(insert, new)
        found["insert"].append((ours * 1000 // floor, ours, floor))
    return {name: sorted(found[name])[rounds // 2] for name in found}


def flash_bytes_of(board: str) -> int:
    """What MicroPython leaves of a board's flash for files."""
    import tomllib
    from pathlib import Path

    text = (Path(__file__).resolve().parents[2] / "boards" / f"{board}.toml").read_text()
    # The image and its settings have the first 2 MiB, by MicroPython's partitions-4MiB.csv.
    return (tomllib.loads(text)["flash_mb"] - 2) << 20


def main(quick: bool) -> None:
    """On CPython: what it costs, then what it takes."""
    costs(quick)
    boots(quick)
    ratios(quick)


def letters(first: int, count: int) -> list:
    """Letters of one size, a minute apart: a full shelf takes all of them. None expires."""
    import random

    from hedgerow_core import envelope as env
    from hedgerow_lab.powercut.letters import Letter

    made = []
    for number in range(first, first + count):
        dice = random.Random(number)
        body = dice.randbytes(env.padded_body_size(_TEXT_BYTES))
        made.append(Letter(env.make(env.NORMAL, env.TTL_DEFAULT, dice.randbytes(12), body), b"", number))
    return made


def plan(new: list, batch: int) -> object:
    """A life that puts ``new`` and flushes each ``batch``; a count before and behind."""
    from hedgerow_lab.powercut.plan import Plan, Verb

    verbs = [Verb("count", new[0].minute)]
    for at in range(0, len(new), batch):
        some = new[at : at + batch]
        verbs.extend([Verb("put", letter.minute, letter) for letter in some])
        verbs.append(Verb("flush", some[-1].minute))
    verbs.append(Verb("count", new[-1].minute))
    return Plan(new[0].minute, verbs)


def made(held: int, store: str, blocks: int) -> object:
    """A board for ``held`` letters, as firmware/hedgerow_board/app.py makes it."""
    from hedgerow_lab.powercut.image import BLOCK_BYTES
    from hedgerow_lab.powercut.life import Make

    size = min(held * 400, blocks * BLOCK_BYTES * 3 // 8)
    return Make(blocks, max_count=held, max_bytes=size, store_bytes=size, tombstones=500, store=store)


def lived(bench, image: bytearray, life: object, fresh: bool):
    """The report of a life without a cut, all of which must have worked."""
    from hedgerow_core.errors import HedgerowError

    try:
        report, _ = bench.live(image, life, fresh, quiet=True)
    except HedgerowError as error:
        sys.exit(f"bench: {error}")
    if report.error:
        sys.exit(f"bench: The shelf of this bench failed with {report.error}.")
    return report


def costs(quick: bool) -> None:
    """Programmed bytes and erases a letter, on a shelf that is full and evicts; wear."""
    from hedgerow_lab.powercut.image import BLOCK_BYTES, blank
    from hedgerow_lab.powercut.life import Bench

    held, count = (40, 60) if quick else (300, 1200)
    blocks = flash_bytes_of("esp32-generic") // BLOCK_BYTES
    envelope_bytes = len(letters(0, 1)[0].envelope.encode())
    goals = {1: (2300, 1.06), 5: (575, 0.27), 20: (230, 0.11)}
    for batch, (bytes_goal, erases_goal) in goals.items():
        took = {}
        for store in ("board", "files"):
            make = made(held, store, blocks)
            # A file for each letter costs as much for the 100th as for the 1000th.
            some = count if store == "board" else min(count, held + 100)
            with Bench(make) as bench:
                image = blank(blocks)
                lived(bench, image, plan(letters(0, held), 20), True)
                report = lived(bench, image, plan(letters(held, some - held), batch), False)
            before, after = report.counters
            took[store] = [(b - a) / (some - held) for a, b in zip(before, after, strict=True)]
            if store == "board":
                hottest = report.hottest / (some - held)
        how = (
            f"{count - held} envelopes of {envelope_bytes} bytes onto a full shelf of {held}, "
            + ("each flushed" if batch == 1 else f"flushed in batches of {batch}")
            + ", compaction and eviction included; goal: the measurements before it was built"
        )
        name = f"shelf_programmed_bytes_per_envelope_{batch}"
        print_line(name, round(took["board"][3]), "bytes", bytes_goal, {"files": took["files"][3]}, how)
        name = f"shelf_erases_per_envelope_{batch}"
        peers = {"files": round(took["files"][4], 3)}
        print_line(name, round(took["board"][4], 3), "erases", erases_goal, peers, how)
        if batch == 1:
            wear(took["board"][4], took["files"][4], hottest, blocks)


def wear(erases: float, peer: float, hottest: float, blocks: int) -> None:
    """Years until blocks of a classic ESP32 are worn out."""
    cycles, a_day = 100_000, 2_000

    def years(erases_of_a_block: float) -> float:
        return round(cycles / (erases_of_a_block * a_day * 365), 1)

    how = (
        f"{a_day} envelopes a day, each flushed, {cycles} erases a block, spread by littlefs over {blocks}"
        " blocks that an ESP32 has for files; more is better"
    )
    peers = {"files": years(peer / blocks)}
    print_line("shelf_wear_years", years(erases / blocks), "years", None, peers, how)
    how = "the same for the block that was erased most often, if it stayed the same for ever; more is better"
    print_line("shelf_wear_years_hottest_block", years(hottest), "years", None, {}, how)


def boots(quick: bool) -> None:
    """Flash reads and time from power on until the shelf is there."""
    from hedgerow_lab.powercut.image import BLOCK_BYTES, blank
    from hedgerow_lab.powercut.life import Bench
    from hedgerow_lab.powercut.plan import Plan

    blocks = flash_bytes_of("esp32-s3-generic") // BLOCK_BYTES
    for name, count in (("1k", 60 if quick else 1000), ("4k", 240 if quick else 4000)):
        told = {}
        for store in ("board", "files"):
            # More files take too long to fill: each name is looked for among all others.
            held = count if store == "board" else min(count, 300)
            make = made(held, store, blocks)
            with Bench(make) as bench:
                image = blank(blocks)
                for first in range(0, held, 500):
                    lived(bench, image, plan(letters(first, min(500, held - first)), 20), first == 0)
                boots = [lived(bench, image, Plan(0), False).boot for _ in range(3)]
            if boots[0]["count"] != held:
                sys.exit(f"bench: Of {held} letters {boots[0]['count']} are there after a restart.")
            # The peer's reads are counted up to as many letters.
            reads = boots[0]["counters"][0] * count / held
            told[store] = (reads, sorted(boot["us"] for boot in boots)[1] * count / held)
        how = (
            f"mount, store and index of a shelf with {count} letters, on the flash of an ESP32-S3;"
            f" the peer's are those of {held}, times {count / held:.3g}, which is kind to it"
        )
        peers = {"files": round(told["files"][0])}
        print_line(f"shelf_boot_reads_{name}", told["board"][0], "reads", None, peers, how)
        peers = {"files": round(told["files"][1] / 1000, 1)}
        print_line(f"shelf_boot_ms_{name}", round(told["board"][1] / 1000, 1), "ms (noisy)", None, peers, how)


def ratios(quick: bool) -> None:
    """Times of insert, look-up and reading against their floors, in each MicroPython."""
    import subprocess
    from pathlib import Path

    top = Path(__file__).resolve().parents[2]
    found = sorted((top / ".cache/micropython/bin").glob("micropython*"))
    floors = {
        "insert": ("20 letters and a flush", "write and flush them into one file"),
        "look_up": ("as many ids that are here as are not", "a dict of the same ids"),
        "read": ("20 letters", "open a file, seek, read and decode"),
    }
    for interpreter in found:
        rounds, held = ("3", "40") if quick else ("51", "300")
        command = [interpreter, "-X", "heapsize=16m", "tools/bench/shelf.py", rounds, held]
        done = subprocess.run(command, cwd=top, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stdout + done.stderr).strip().splitlines()[-1]
            sys.exit(f"bench: {interpreter.name} failed with: {last}")
        took = json.loads(done.stdout)
        bits = 32 if interpreter.name.endswith("32") else 64
        for name, (what, floor) in floors.items():
            ratio, ours_us, floor_us = took[name]
            how = (
                f"{what} on a shelf of {held}, flash in memory; the floor is: {floor};"
                f" {took['version']}, {bits}-bit, median of {rounds} interleaved rounds"
            )
            print_line(f"shelf_{name}_ratio_{bits}", ratio / 1000, "times", None, {"floor": 1}, how)
            print_line(f"shelf_{name}_us_{bits}", ours_us, "us (noisy)", None, {"floor": floor_us}, how)


def print_line(metric: str, value: float, unit: str, goal: object, peers: dict, how: str) -> None:
    """One figure."""
    fields = {"metric": metric, "value": value, "unit": unit, "goal": goal, "peers": peers, "how": how}
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    if sys.implementation.name == "micropython":
        result = measure(int(sys.argv[1]), int(sys.argv[2]))
        result["version"] = "MicroPython " + ".".join([str(part) for part in sys.implementation[1][:3]])
        print(json.dumps(result))
    else:
        try:
            main("--quick" in sys.argv)
        except KeyboardInterrupt:
            sys.exit(130)
