"""Logs as files: what is written is read again, by us and by others, and damage costs what it hits alone."""

import io
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_support import ANN, BOB, EVE, NAME

from hedgerow.log import Log, canonical, cid
from hedgerow.log.errors import FileDamaged, NoEntries
from hedgerow.log.interchange import export, jsonl, load
from hedgerow.log.interchange.orbitdb import Converter, Signer

TOP = Path(__file__).resolve().parents[2]
CACHE = TOP / ".cache" / "orbitdb"
SECRET = b"of who exports".ljust(32)


def new(author=ANN, signed=True):
    return Log.open(":memory:", NAME, author, signed=signed, durable=False)


def grown(count, signed=True, seed=1):
    """A log of three authors who hear of each other now and then."""
    dice = random.Random(seed)
    logs = [new(author, signed) for author in (ANN, BOB, EVE)]
    for number in range(count):
        logs[dice.randrange(3)].append(b"entry %d" % number)
        if dice.random() < 0.1:
            one, other = dice.sample(logs, 2)
            one.join_log(other)
    for other in logs[1:]:
        logs[0].join_log(other)
    return logs[0]


def written(log, form):
    stream = io.BytesIO()
    assert export(log, form, stream, SECRET) == len(log)
    return stream.getvalue()


def read(data, signed=True):
    log = new(None, signed)
    return log, load(io.BytesIO(data), lambda name, sealed: log)


def ids(log):
    return [entry.id for entry in log.entries()]


@pytest.mark.parametrize("form", ["jsonl", "car"])
@pytest.mark.parametrize("signed", [True, False])
def test_what_is_written_is_read_again(form, signed):
    log = grown(120, signed)
    other, found = read(written(log, form), signed)
    assert ids(other) == ids(log) and other.heads() == log.heads() and other.verify() == []
    assert found.joined.added == 120 and found.damage is None and found.unreadable == 0
    again = load(io.BytesIO(written(log, form)), lambda name, sealed: other)
    assert again.joined.duplicates == 120 and again.joined.added == 0


def test_half_of_a_car_file_is_joined_as_far_as_it_goes():
    log = grown(50)
    data = written(log, "car")
    other, found = read(data[: len(data) // 2])
    assert 20 < len(other) < 30 and found.damage is not None and "too early" in str(found.damage)
    assert ids(other) == ids(log)[: len(other)] and other.verify() == []


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(["car", "jsonl"]))
def test_a_damaged_byte_costs_what_it_hits_alone(place, byte, form):
    data = bytearray(written(grown(12), form))
    data[place % len(data)] = byte
    try:
        other, found = read(bytes(data))
    except (FileDamaged, NoEntries):
        return
    assert other.verify() == [] and set(ids(other)) <= set(ids(grown(12)))
    if form == "jsonl":
        assert len(other) >= 10


@given(st.binary(max_size=300))
def test_a_file_of_anything_is_refused_in_a_sentence(data):
    for start in (b"", b"{", b"\n"):
        try:
            read(start + data)
        except (FileDamaged, NoEntries) as error:
            assert str(error).endswith(".") or "read" in str(error)


def test_an_entry_under_another_name_is_left_out():
    log = grown(3)
    lines = written(log, "jsonl").splitlines(keepends=True)
    forged = json.loads(lines[1])
    forged["body"] = "Zm9yZ2Vk"
    other, found = read(lines[0] + json.dumps(forged).encode() + b"\n" + lines[2])
    assert found.unreadable == 1 and found.joined.added == 2 and len(other) == 2


def test_an_entry_that_its_author_did_not_sign_is_left_out():
    good = grown(2)
    forged = canonical.make(
        NAME, ANN.key, 9, 9, [bytes(32)], bytes(32), [], 1, b"", lambda message: bytes(64)
    )
    stream = io.BytesIO(written(good, "jsonl"))
    stream.seek(0, io.SEEK_END)

    stream.write(jsonl.write(forged))
    other, found = read(stream.getvalue())
    assert [refusal.reason for refusal in found.joined.refused] == ["a signature that is not authentic"]
    assert ids(other) == ids(good)


def test_orbitdb_s_entries_are_its_form_of_dag_cbor():
    log = grown(30)
    converter = Converter(SECRET)
    blocks = [block for entry in log.entries() for block in converter.blocks(entry)]
    for block in blocks:
        value = cbor2.loads(block)
        assert cbor2.dumps(value, canonical=True) == block
        if "type" not in value:
            assert value["v"] == 2 and value["payload"]["cid"].startswith("bafyrei")
            assert cid.from_text(value["payload"]["cid"]) in ids(log)
            assert all(
                name.startswith("zdpu") for name in (*value["next"], *value["refs"], value["identity"])
            )
    assert sum("type" in cbor2.loads(block) for block in blocks) == 3
    assert Signer(SECRET, ANN.key).key != Signer(bytes(32), ANN.key).key != ANN.key.hex()


@pytest.fixture(scope="module")
def orbitdb():
    """The folder in which OrbitDB is installed; without node and npm only a CI has to have it."""
    npm = shutil.which("npm")
    if npm is None and not os.environ.get("HEDGEROW_EVERYTHING"):
        pytest.skip("node and npm are not installed here")
    assert npm is not None, "install nodejs and npm"
    CACHE.mkdir(parents=True, exist_ok=True)
    package = TOP / "tests" / "orbitdb" / "package.json"
    stamp = CACHE / "installed"
    if not stamp.exists() or stamp.read_text() != package.read_text():
        shutil.copy(package, CACHE / "package.json")
        command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        stamp.write_text(package.read_text())
    shutil.copy(TOP / "tests" / "orbitdb" / "join.mjs", CACHE / "join.mjs")
    return CACHE


def test_the_real_orbitdb_verifies_and_joins_a_thousand_entries(orbitdb, tmp_path):
    log = grown(1_000)
    path = tmp_path / "log.car"
    path.write_bytes(written(log, "orbitdb"))
    command = ["node", "join.mjs", str(path)]
    done = subprocess.run(command, cwd=orbitdb, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["entries"] == 1_000 and found["identities"] == 3
    assert sorted(found["order"]) == sorted(map(cid.to_text, ids(log)))
    assert found["heads"] == sorted(cid.to_text(head.id) for head in log.heads())
    assert found["branches"] > 50 and found["after"] == len(log.heads())
    # Parents stand before their children there, too.
    at = {name: place for place, name in enumerate(found["order"])}
    for entry in log.entries():
        assert all(at[cid.to_text(parent)] < at[cid.to_text(entry.id)] for parent in entry.parents)


def test_the_real_orbitdb_refuses_what_was_changed(orbitdb, tmp_path):
    data = written(grown(20), "orbitdb")
    value = b"entry 7"
    assert data.count(value) == 2  # as the body, and within our own entry
    path = tmp_path / "log.car"
    path.write_bytes(data.replace(value, b"entry X"))
    command = ["node", "join.mjs", str(path)]
    done = subprocess.run(command, cwd=orbitdb, capture_output=True, text=True, check=False)
    assert done.returncode != 0
