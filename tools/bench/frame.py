"""AES-CTR and HMAC of a 244-byte frame in MicroPython, against the bare ciphers of the same interpreter.

Runs itself in each MicroPython that tools/get_micropython found. The floor is what no frame can do without:
one AES-ECB call over the counters and the two SHA-256 of HMAC, over the same number of bytes.
"""

import json
import sys

PEERS: list = []
FRAME_BYTES = 244
# design notes of the lab: a 32-bit interpreter here against an ESP32 at 160 MHz; a guess until calibrated.
_ESP32_FACTOR = 85
_ESP32_GOAL_MS = 0.7


def measure(rounds: int, repeats: int) -> dict:
    """Under MicroPython: medians of interleaved rounds, in ns and as ratios."""
    import hashlib
    import time

    from cryptolib import aes

    sys.path.insert(0, "shared")
    from hedgerow_core.mac import aes_ctr, hmac_sha256

    key, data, counter = b"k" * 32, b"d" * FRAME_BYTES, bytes(16)
    blocks, inner, outer = bytes(256), bytes(64 + 4 + FRAME_BYTES), bytes(64 + 32)
    tagged = b"0000" + data

    def floor() -> None:
        aes(key, 1).encrypt(blocks)
        hashlib.sha256(inner).digest()
        hashlib.sha256(outer).digest()

    def whole() -> None:
        aes_ctr(key, counter, data)
        hmac_sha256(key, tagged)

    def cipher() -> None:
        aes_ctr(key, counter, data)

    calls = {"floor": floor, "frame": whole, "aes_ctr": cipher}
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name in calls:
            call = calls[name]
            start = time.ticks_us()
            for _ in range(repeats):
                call()
            times[name].append(time.ticks_diff(time.ticks_us(), start) * 1000 // repeats)
    ratios = [1000 * a // b for a, b in zip(times["frame"], times["floor"])]  # noqa: B905
    return {
        "ratio": middle(ratios) / 1000,
        "floor_ns": middle(times["floor"]),
        "frame_ns": middle(times["frame"]),
        "aes_ctr_ns": middle(times["aes_ctr"]),
    }


def middle(values: list) -> int:
    """The median."""
    return sorted(values)[len(values) // 2]


def main(quick: bool) -> None:
    """On CPython: start the interpreters, print what they measured."""
    import subprocess
    from pathlib import Path

    top = Path(__file__).resolve().parents[2]
    found = sorted((top / ".cache/micropython/bin").glob("micropython*"))
    if not found:
        sys.exit("bench: There is no MicroPython here: run `make setup` first.")
    for interpreter in found:
        rounds = ["3", "5"] if quick else ["200", "20"]
        command = [str(interpreter), "-X", "heapsize=2m", "tools/bench/frame.py"]
        command.extend(rounds)  # [*a, b] is not of MicroPython
        done = subprocess.run(command, cwd=top, capture_output=True, text=True, check=True)
        took = json.loads(done.stdout)
        bits = 32 if interpreter.name.endswith("32") else 64
        how = f"{took['version']}, {bits}-bit, median of interleaved rounds of {rounds[1]} frames"
        peers = {"floor": took["floor_ns"] / 1000}
        print_line(f"frame against the floor, {bits}-bit", took["ratio"], "times", None, {"floor": 1}, how)
        print_line(f"frame, {bits}-bit", took["frame_ns"] / 1000, "us (noisy)", None, peers, how)
        rest = (took["frame_ns"] - took["aes_ctr_ns"]) / 1000
        print_line(f"its HMAC alone, {bits}-bit", rest, "us (noisy)", None, {}, how)
        if bits == 32:
            guess = round(took["frame_ns"] * _ESP32_FACTOR / 1e6, 2)
            how = f"the 32-bit figure times {_ESP32_FACTOR}: a guess until a board is measured"
            print_line("frame on an ESP32 at 160 MHz", guess, "ms (guess)", _ESP32_GOAL_MS, {}, how)


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
