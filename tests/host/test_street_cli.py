"""`hedgerow say` and `hedgerow hear` as somebody types them; with boards in tests/network."""

import json
import os
import re
import threading

import pytest
from people_support import person, source
from test_cli import Person, carry

from hedgerow import cli
from hedgerow.node import Node
from hedgerow.street import keys as street_keys
from hedgerow.street import letter

STREET = street_keys.of_mesh(bytes(32))
MINUTE_MS = 60_000


@pytest.fixture
def street(tmp_path):
    """Alice and Bob, who live in one street and are no contacts."""
    found = []
    for name in ("Alice", "Bob"):
        someone = Person(tmp_path / name).begin(name)
        node = someone.node()
        node.street.learn(STREET, cli.now_ms())
        node.close()
        found.append(someone)
    return found


def put(someone, text, name="Eve", sos=False, ago_ms=0):
    """What a stranger said comes to their computer."""
    at = cli.now_ms() - ago_ms
    writer = street_keys.pseudonym(person(name).device_seed, STREET, letter.day_of(at))
    node = Node.open(someone.home, os.urandom, cli.now_ms())
    node.shelf.put(letter.seal(STREET, writer, name, text, sos, at, source(text + name)), cli.now_ms())
    node.close()


def lines(shown):
    return [line.rstrip() for line in shown.splitlines()]


def test_say_and_hear_always_say_that_all_members_can_read_it(street):
    alice, bob = street
    assert (
        alice.right("say", "Is anyone there?")
        == "Said, visible to all members; it leaves with the next board.\n"
    )
    assert alice.right("say", "--sos", "Help").startswith("SOS said, visible to all members; ")
    carry(alice, bob)
    for shown in (alice.right("hear"), bob.right("hear"), bob.right("hear", "--all")):
        assert lines(shown)[0] == "The street · visible to all members"
    found = bob.json("hear")
    assert {row["visible_to"] for row in found + alice.json("say", "More")} == {"all members"}
    assert [(row["name"], row["sos"], row["text"]) for row in found[:-1]] == [
        ("Alice", False, "Is anyone there?"),
        ("Alice", True, "Help"),
    ]


def test_what_was_heard_stands_by_its_time_with_its_age_and_who_said_it(street):
    alice, _ = street
    put(alice, "the first", ago_ms=3 * 60 * MINUTE_MS)
    put(alice, "the third\nin two lines", name="Finn", sos=True, ago_ms=2 * MINUTE_MS)
    put(alice, "the second", ago_ms=40 * MINUTE_MS)
    shown = lines(alice.right("hear"))
    mark = r"~[0-9a-f]{8}"
    text = "\n".join(shown)
    assert re.search(rf"^ +3 h ago  Eve {mark}\n +the first$", text, re.M)
    assert re.search(rf"^40 min ago  (Eve {mark}\n +)?the second$|^40 min ago +the second$", text, re.M)
    assert re.search(rf"^ 2 min ago   SOS   Finn {mark}\n {{14}}the third\n {{14}}in two lines$", text, re.M)
    assert "anybody may use the name" in text


def test_nobody_looks_like_a_contact_or_like_ourselves_who_is_not(street):
    alice, bob = street
    bob.right("add", alice.right("invite").strip())
    for _ in range(3):
        carry(alice, bob)
        alice.poll()
        bob.poll()
    bob.right("say", "I am Bob")
    carry(alice, bob)
    for name in ("Bob", "bob", "Alice", "you"):
        put(alice, f"fake {name}", name=name)
    shown = lines(alice.right("hear"))
    heads = [line for line in shown if " ago" in line or line.startswith("now ")]
    assert sum("not your contact" in line for line in heads) == 4
    (real,) = [line for line in heads if "~" not in line]
    assert real.endswith("  Bob")


def test_what_others_write_does_not_reach_the_terminal_raw(street):
    alice, _ = street
    put(alice, "\x1b[2J\x9b2J\u202eevil\n\nBob\nsend money", name="\x1b]0;Eve\x07", sos=True)
    for words in (("hear",), ("hear", "--json")):
        shown = alice.right(*words)
        assert not set(shown) & set("\x1b\x9b\u202e\x07")
    assert "\N{REPLACEMENT CHARACTER}[2J" in shown


def test_too_much_ends_in_one_sentence_that_says_how_long_to_wait(street):
    alice, _ = street
    for _ in range(3):
        alice.right("say", "Hello")
    assert alice.wrong("say", "Hello").endswith("so wait 5 minutes before you say more.")
    alice.right("say", "--sos", "Help")
    assert alice.wrong("say", "--sos", "Help").endswith("the next one can follow in 10 minutes.")


@pytest.mark.parametrize(
    "words, told",
    [
        (("say", ""), "There is nothing to say"),
        (("say", "x" * 401), "This text has 401 bytes, 400 fit"),
        (("say", b"\xff" * 500), "This text has"),
    ],
)
def test_a_text_that_cannot_be_said_is_refused_in_one_sentence(street, words, told):
    assert told in street[0].wrong(*words)


def test_without_a_street_both_commands_say_what_to_do(tmp_path):
    alone = Person(tmp_path / "alone").begin("Carol")
    assert "name a board with --board" in alone.wrong("say", "Hello?")
    assert "hedgerow hear --board" in alone.right("hear")
    assert json.loads(alone.right("hear", "--json")) == {"visible_to": "all members", "left_out": 0}


def test_an_sos_is_said_even_where_the_board_is_gone_and_who_says_it_knows(street):
    alice, _ = street
    found = alice.run("say", "--sos", "Help", "--board", "serial:/dev/nothing-there")
    assert found[0] == 1 and "SOS said, visible to all members; it leaves with the next board." in found[1]
    assert found[2].startswith("hedgerow: ") and found[2].count("\n") == 1


def test_follow_shows_what_another_process_brings(street):
    alice, _ = street
    process = alice.process("hear", "--follow", "--json")
    # A loaded machine may take long; what never comes ends the process, and so the wait.
    limit = threading.Timer(120, process.kill)
    limit.start()
    try:
        rows = [process.stdout.readline()]
        put(alice, "as it comes")
        alice.poll()
        rows.append(process.stdout.readline())
        process.send_signal(2)
        out, err = process.communicate()
    finally:
        limit.cancel()
    rows += out.splitlines()
    assert err == b"" and [json.loads(row).get("text") for row in rows if row.strip()] == [
        None,
        "as it comes",
    ]


def test_floods_are_counted_and_not_shown(street):
    alice, _ = street
    for number in range(20):
        put(alice, f"spam {number}")
    assert "letters are not shown: there were too many of them within an hour." in alice.right("hear")
    assert alice.json("hear")[-1]["left_out"] == 5


def test_other_commands_tell_of_an_sos_at_once_on_one_line_with_a_date_that_is_odd(street):
    alice, bob = street
    put(alice, "Water\nin the mill", sos=True, ago_ms=400 * 24 * 60 * MINUTE_MS)
    put(bob, "soup at seven")
    shown = alice.right("contacts")
    assert re.search(
        r"^SOS on the street \(visible to all members\), from Eve ~\w{8}, dated .+: Water / in the mill$",
        shown,
        re.M,
    )
    assert re.search(
        r"^New on the street \(visible to all members\), from Eve ~[0-9a-f]{8}: `hedgerow hear`\.$",
        bob.right("contacts"),
        re.M,
    )
    assert "New on" not in bob.right("contacts")
