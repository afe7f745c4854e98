"""Covers leave at random times, look like letters, and are gone again once they are proved."""

import hashlib
from itertools import pairwise

import pytest
from node_support import DAY_MS, MINUTE_MS, Village
from people_support import source
from typer.testing import CliRunner

from hedgerow import covers
from hedgerow.cli import app
from hedgerow.node import Node
from hedgerow.outbox import QUEUED
from hedgerow_core.envelope import NORMAL, TTL_DEFAULT, proof_id


def let_pass(village, minutes, who="Alice"):
    """Minutes go by; when a new envelope came onto the shelf, and what all of them were."""
    times, seen = [], {}
    for _ in range(minutes):
        village.now += MINUTE_MS
        village.nodes[who].poll(village.now)
        for envelope in village.envelopes(who):
            if envelope.id not in seen:
                seen[envelope.id] = envelope
                times.append(village.now)
    return times, list(seen.values())


def test_nothing_leaves_that_was_not_asked_for():
    with Village("Alice") as village:
        assert village.nodes["Alice"].profile == covers.BALANCED
        assert let_pass(village, 600) == ([], [])


def test_covers_leave_about_every_half_hour_and_no_two_waits_are_alike():
    with Village("Alice") as village:
        village.nodes["Alice"].choose_profile(covers.PRIVATE, village.now)
        times, _ = let_pass(village, 2 * 24 * 60)
        assert 60 < len(times) < 135
        waits = {b - a for a, b in pairwise(times)}
        assert len(waits) > 25 and min(waits) <= 5 * MINUTE_MS and max(waits) > 60 * MINUTE_MS


def test_a_cover_looks_like_the_letters_that_are_around():
    with Village("Alice", "Bob") as village:
        alice = village.nodes["Alice"]
        bob = village.nodes["Bob"]
        bob.add(alice.invite(village.now), village.now)
        for one in village.envelopes("Bob"):
            alice.shelf.put(one, village.now)
        alice.poll(village.now)
        for number in range(20):
            alice.send("Bob", "x" * 20 * number + "!", village.now)
        sizes = {len(one.encode()) // 32 for one in village.envelopes("Alice") if not one.shared}
        letters = {one.id for one in village.envelopes("Alice")}
        alice.choose_profile(covers.PRIVATE, village.now)
        _, found = let_pass(village, 24 * 60)
        sent = [one for one in found if one.id not in letters]
        assert len(sent) > 20
        for one in sent:
            assert (one.priority, one.shared) == (NORMAL, False)
            assert len(one.encode()) // 32 in sizes
        assert {one.ttl for one in sent} == set(range(TTL_DEFAULT, TTL_DEFAULT + 4))
        assert len({len(one.body) for one in sent}) > 3
        assert {one.hops for one in sent} == {1, 2, 3, 4}, "as at the origin of any letter, and one more"


def test_each_cover_is_proved_by_itself_after_a_while_and_none_stays():
    with Village("Alice") as village:
        alice = village.nodes["Alice"]
        alice.choose_profile(covers.PRIVATE, village.now)
        _, found = let_pass(village, 24 * 60)
        while not village.envelopes("Alice"):
            found += let_pass(village, 1)[1]
        # Some wait still.
        alice.choose_profile(covers.BALANCED, village.now)
        _, later = let_pass(village, 12 * 60)
        assert village.envelopes("Alice") == []
        proofs = village.proofs("Alice")
        assert {hashlib.sha256(one).digest()[:12] for one in proofs} >= {one.lock for one in found}
        assert all(alice.shelf.has(proof_id(one)) for one in proofs)
        assert len(later) <= len(found), "no new one came"


def test_a_computer_that_was_off_sends_one_cover_and_not_all_that_it_missed():
    with Village("Alice") as village:
        village.nodes["Alice"].choose_profile(covers.PRIVATE, village.now)
        village.now += 2 * DAY_MS
        village.reopen("Alice")
        assert village.nodes["Alice"].profile == covers.PRIVATE
        village.nodes["Alice"].poll(village.now)
        assert len(village.envelopes("Alice")) == 1


def test_a_clock_that_was_set_back_does_not_end_the_covers():
    with Village("Alice") as village:
        village.nodes["Alice"].choose_profile(covers.PRIVATE, village.now + 400 * DAY_MS)
        times, _ = let_pass(village, 6 * 60)
        assert len(times) > 3


@pytest.mark.parametrize("answer", ["balanced", "private"])
def test_the_command_keeps_what_was_chosen(answer, tmp_path):
    run = CliRunner().invoke
    home = ["--home", str(tmp_path / "home")]
    assert run(app, [*home, "init", "--name", "Alice"]).exit_code == 0
    assert "balanced" in run(app, [*home, "profile"]).output
    assert run(app, [*home, "profile", answer, "--json"]).output.strip() == f'{{"profile": "{answer}"}}'
    assert answer in run(app, [*home, "profile"]).output
    wrong = run(app, [*home, "profile", "secret"])
    assert wrong.exit_code != 0 and "Traceback" not in wrong.output


def test_a_letter_leaves_some_minutes_after_it_was_written_and_never_at_the_same_interval():
    waits, lifetimes = set(), set()
    with Village("Alice", "Bob") as village:
        village.befriend("Alice", "Bob")
        alice = village.nodes["Alice"]
        alice.choose_profile(covers.PRIVATE, village.now)
        for number in range(12):
            envelope = village.send("Alice", "Bob", f"number {number}")
            lifetimes.add(envelope.ttl)
            assert not alice.shelf.has(envelope.id) and village.states("Alice")[-1] == QUEUED
            minutes = 0
            while not alice.shelf.has(envelope.id):
                minutes += 1
                assert minutes <= covers.JITTER_MS // MINUTE_MS
                village.now += MINUTE_MS
                village.poll("Alice")
            waits.add(minutes)
        village.carry("Alice", "Bob")
        village.poll("Bob")
        assert len(village.read("Bob")) == 12
    assert len(waits) > 3 and len(lifetimes) > 1


def test_a_letter_that_waits_outlives_its_process_and_leaves_at_once_in_another_profile():
    with Village("Alice", "Bob") as village:
        village.befriend("Alice", "Bob")
        village.nodes["Alice"].choose_profile(covers.PRIVATE, village.now)
        first, second = (village.send("Alice", "Bob", text).id for text in ("first", "second"))
        village.reopen("Alice")
        village.now += covers.JITTER_MS
        village.poll("Alice")
        assert village.nodes["Alice"].shelf.has(first) and village.nodes["Alice"].shelf.has(second)
        third = village.send("Alice", "Bob", "third").id
        village.nodes["Alice"].choose_profile(covers.BALANCED, village.now)
        village.reopen("Alice")
        village.poll("Alice")
        assert village.nodes["Alice"].shelf.has(third)


def test_what_another_process_wrote_leaves_in_time():
    with Village("Alice", "Bob") as village:
        village.befriend("Alice", "Bob")
        village.nodes["Alice"].choose_profile(covers.PRIVATE, village.now)
        village.poll("Alice")
        writer = Node.open(village.home("Alice"), source("a second window"), village.now)
        letter = writer.send("Bob", "from a second window", village.now).id
        writer.close()
        for _ in range(11):
            village.now += MINUTE_MS
            village.poll("Alice")
        assert village.nodes["Alice"].shelf.has(letter)


def test_a_ping_does_not_wait():
    with Village("Alice", "Bob") as village:
        village.befriend("Alice", "Bob")
        village.nodes["Alice"].choose_profile(covers.PRIVATE, village.now)
        before = village.nodes["Alice"].shelf.count()
        village.nodes["Alice"].ping("Bob", village.now)
        assert village.nodes["Alice"].shelf.count() == before + 1
