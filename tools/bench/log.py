"""The log: append, join, open, read and bytes on disk, beside OrbitDB on Level, pycrdt, and a floor.

Entries of 58 bytes of text, fresh each time. Ours are signed, and on the disk (fsync) when `append` returns;
OrbitDB's are signed, and written when Level sees fit; pycrdt's are neither signed nor stored. The floor of an
append is CBOR, SHA-256, Ed25519 and one commit of SQLite.
"""

import base64
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cbor2
from nacl import bindings

from hedgerow.log import Author, Log, canonical

PEERS = ["pycrdt"]

_HERE = Path(__file__).resolve().parent
_CACHE = _HERE.parents[1] / ".cache" / "bench" / "orbitdb"
_NAME = bytes(32)
_ANN, _BOB = (Author.from_seed(bytes((number,)) * 32) for number in (1, 2))


def text(number: int) -> bytes:
    """What one entry says: 58 characters that no disk makes smaller."""
    return base64.b64encode(os.urandom(44))[:50] + b"%08d" % number


def ours(folder: Path, size: int) -> dict[str, float]:
    """Figures of our log."""
    found: dict[str, float] = {}
    with Log.open(folder / "log", _NAME, _ANN) as log:
        began = time.perf_counter()
        for number in range(size):
            log.append(text(number))
        found["append_per_s"] = size / (time.perf_counter() - began)
    began = time.perf_counter()
    with Log.open(folder / "log", _NAME, _ANN) as log:
        assert len(log.last(50)) == 50
        found["open_ms"] = (time.perf_counter() - began) * 1000
        began = time.perf_counter()
        assert sum(1 for _ in log.entries()) == size
        found["read_s"] = time.perf_counter() - began
    found["bytes"] = sum(path.stat().st_size for path in folder.glob("log*"))
    with (
        Log.open(folder / "left", _NAME, _ANN, durable=False) as left,
        Log.open(folder / "right", _NAME, _BOB, durable=False) as right,
    ):
        for number in range(size // 2):
            left.append(text(number))
            right.append(text(number))
        theirs = [canonical.encode(entry) for entry in right.entries()]
    with Log.open(folder / "left", _NAME, _ANN) as left:
        began = time.perf_counter()
        left.join(theirs)
        found["merge_s"] = time.perf_counter() - began
        assert len(left) == size // 2 * 2
    return found


def floor(folder: Path, size: int) -> float:
    """Appends a second that nobody can be above on this disk, signing, hashing and committing each."""
    _, secret = bindings.crypto_sign_seed_keypair(b"f" * 32)
    connection = sqlite3.connect(folder / "floor", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE entries (id BLOB, body BLOB)")
    before = bytes(32)
    began = time.perf_counter()
    for number in range(size):
        content = cbor2.dumps([1, _NAME, secret[32:], number, before, text(number)])
        whole = content + bindings.crypto_sign(content, secret)[:64]
        before = hashlib.sha256(whole).digest()
        connection.execute("INSERT INTO entries VALUES (?, ?)", (before, whole))
    took = time.perf_counter() - began
    connection.close()
    return size / took


def orbitdb(folder: Path, size: int, install: bool) -> dict[str, float]:
    """Figures of OrbitDB; none where node or npm is missing, or it does not, or shall not, install."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return {}
    _CACHE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "log.mjs"):
        shutil.copy(_HERE / "orbitdb" / name, _CACHE / name)
    if not (_CACHE / "node_modules" / "@orbitdb").is_dir():
        command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund"]
        if not install:
            return {}
        if subprocess.run(command, cwd=_CACHE, capture_output=True, check=False).returncode:
            print("bench: OrbitDB does not install here.", file=sys.stderr)
            return {}
    done = subprocess.run(
        [node, "log.mjs", folder / "orbitdb", str(size)],
        cwd=_CACHE,
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout) if done.returncode == 0 else {}


def pycrdt(size: int) -> dict[str, float]:
    """Figures of a pycrdt array in memory."""
    try:
        from pycrdt import Array, Doc
    except ImportError:
        return {}

    def filled(count: int) -> tuple[Doc, float]:
        doc: Doc = Doc()
        doc["entries"] = array = Array()
        began = time.perf_counter()
        for number in range(count):
            array.append(text(number).decode())
        return doc, time.perf_counter() - began

    whole, took = filled(size)
    began = time.perf_counter()
    assert len(list(whole["entries"])) == size
    read = time.perf_counter() - began
    left, right = filled(size // 2)[0], filled(size // 2)[0]
    update = right.get_update()
    began = time.perf_counter()
    left.apply_update(update)
    return {
        "append_per_s": size / took,
        "read_s": read,
        "merge_s": time.perf_counter() - began,
        "bytes": len(whole.get_update()),
    }


def main(quick: bool) -> None:
    """A line for each figure."""
    size = 1_000 if quick else 10_000
    sizes = [200, size] if quick else [1_000, size, 100_000]
    folder = Path(tempfile.mkdtemp(prefix="hedgerow-bench-"))
    try:
        found = {count: ours(_new(folder, count), count) for count in sizes}
        least = floor(folder, size)
        theirs = orbitdb(folder, size, not quick)
        other = pycrdt(size)
    finally:
        shutil.rmtree(folder)

    def lines(metric: str, name: str, unit: str, how: str, goal: float, share: bool = True) -> None:
        """One figure of all sizes; ``goal`` is a share of OrbitDB's, or a figure."""
        for count in sizes:
            each = count if name == "bytes" else 1
            peers = {}
            if count == size:
                beside = {"orbitdb": theirs, "pycrdt": other}
                peers = {peer: figures[name] / each for peer, figures in beside.items() if name in figures}
                if name == "append_per_s":
                    peers["floor"] = least
            wanted = goal if not share else peers["orbitdb"] * goal if "orbitdb" in peers else None
            half = _short(count // 2)
            what = metric.format(half, half) if "{}" in metric else f"{metric}_{_short(count)}"
            if name == "bytes" and count == size:
                what = metric
            _print(what, found[count][name] / each, unit, wanted, peers, how)

    disk = "signed and on the disk one by one; MORE is better, the goal is 5 times OrbitDB's"
    lines("log_append_per_s", "append_per_s", "a second (noisy)", disk, 5)
    joined = "half of the entries somebody else's, verified, into as many of ours; a tenth of OrbitDB's"
    lines("log_merge_s_{}_{}", "merge_s", "s (noisy)", joined, 0.1)
    opened = "a log that was closed, until its last 50 entries are there"
    lines("log_open_ms", "open_ms", "ms (noisy)", opened, 10, False)
    lines("log_read_s", "read_s", "s (noisy)", "all entries in order; a fifth of OrbitDB's", 0.2)
    kept = "files of the log by its entries, with 58 bytes of text each; half of OrbitDB's"
    lines("log_bytes_per_entry", "bytes", "bytes", kept, 0.5)


def _new(folder: Path, count: int) -> Path:
    path = folder / str(count)
    path.mkdir()
    return path


def _short(count: int) -> str:
    return f"{count // 1_000}k" if count >= 1_000 else str(count)


def _print(
    metric: str, value: float, unit: str, goal: float | None, peers: dict[str, float], how: str
) -> None:
    rounded = {name: round(figure, 4) for name, figure in peers.items()}
    fields = {
        "metric": metric,
        "value": round(value, 4),
        "unit": unit,
        "goal": None if goal is None else round(goal, 4),
        "peers": rounded,
        "how": how,
    }
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    try:
        main("--quick" in sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
