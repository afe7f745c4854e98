"""Two to five devices of two or three people, whatever happens: who should reads each letter, once."""

from contextlib import suppress
from unittest.mock import patch

import pytest
from devices_support import gather, link, settle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from node_support import DAY_MS, MINUTE_MS, Village

from hedgerow import errors
from hedgerow.groups import limits
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet import sessions
from hedgerow.ratchet.sessions import Sessions
from hedgerow_core.envelope import decode
from hedgerow_core.errors import PeerError

ALICE, BOB, CAROL = "Alice", "Bob", "Carol"
TABLET, PHONE = "Alice's tablet", "Bob's phone"
LANE = "The lane"
STATE_BYTES = 64_000

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(0, 4)),
        st.tuples(st.just("lane"), st.integers(0, 4)),
        st.tuples(st.just("carry"), st.integers(0, 4), st.integers(0, 4)),
        st.tuples(st.just("half"), st.integers(0, 4), st.integers(0, 4)),
        st.tuples(st.just("poll"), st.integers(0, 4)),
        st.tuples(st.just("restart"), st.integers(0, 4)),
        st.tuples(st.just("remove")),
    ),
    max_size=25,
)


def states(village, who):
    """The ratchets of a device, as a thief finds them."""
    rows = village.nodes[who]._database.rows(
        "SELECT id, unseal(ratchet) AS ratchet FROM contacts WHERE role != 4"
    )
    return [Sessions.from_cbor(row["ratchet"]) for row in rows]


def opened(stolen, envelopes):
    """What of ``envelopes`` the stolen states read."""
    found = []
    for state in stolen:
        places = {**sessions.deep_locks(state), **sessions.locks(state)}
        for envelope in envelopes:
            if envelope.lock in places:
                with suppress(PeerError):
                    sessions.decrypt(state, places[envelope.lock], envelope.lock, envelope.body, bytes)
                    found.append(envelope)
    return found


def recorded(village, since=0):
    """Every envelope that was on the air."""
    return [decode(prefix + b"\0\0") for prefix in set(village.on_air[since:]) if len(prefix) > 32]


@given(st.integers(2, 5), STEPS, st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_between_2_to_5_devices_each_letter_is_read_once(count, steps, data):
    devices = [ALICE, BOB, TABLET, CAROL, PHONE][:count]
    people = [ALICE, BOB] + [CAROL] * (CAROL in devices)
    # Deep scans are another matter, and slow.
    with Village(*people) as village, patch.object(ratchet, "JUMP", 300):
        for other in people[1:]:
            village.befriend(ALICE, other)
        for further, first in ((TABLET, ALICE), (PHONE, BOB)):
            if further in devices:
                link(village, first, further)
        village.nodes[ALICE].groups.create(LANE, people[1:], village.now)
        for _ in range(3):
            settle(village)
        said, removed = [], None
        for number, (what, *who) in enumerate(steps):
            village.now += MINUTE_MS
            first = devices[who[0] % count] if who else ALICE
            second = devices[who[1] % count] if len(who) > 1 else BOB
            if what in ("say", "lane") and first != removed:
                to = LANE if what == "lane" else BOB if first in (ALICE, TABLET, CAROL) else ALICE
                # Carol knows Alice only.
                to = ALICE if first == CAROL and what == "say" else to
                village.send(first, to, f"{number}")
                said.append((first, to, f"{number}"))
            elif what == "carry" and first != second:
                village.carry(first, second)
            elif what == "half" and first != second:
                # Some are lost, some come twice and late.
                some = village.envelopes(first)
                for envelope in data.draw(st.permutations(some))[: len(some) // 2 + 1]:
                    village.put(envelope, second)
            elif what == "poll":
                village.poll(first)
            elif what == "restart":
                village.reopen(first)
            elif what == "remove" and removed is None and CAROL in devices:
                removed = CAROL
                village.nodes[ALICE].groups.remove(LANE, CAROL, village.now)
        for _ in range(4):
            settle(village)
        for who in devices:
            shown = [letter.text for letter in village.nodes[who].inbox()]
            assert len(shown) == len(set(shown)), f"{who} reads something twice"
            for writer, to, text in said:
                both = {ALICE: {ALICE, TABLET}, BOB: {BOB, PHONE}}
                ends = both.get(to, {to}) | next((some for some in both.values() if writer in some), {writer})
                if to == LANE:
                    ends = set(devices)
                    if removed is not None:
                        continue  # who read it before the removal depends on the way
                assert (text in shown) == (who in ends), (who, writer, to, text)
            _bounded(village, who)
        if removed is not None:
            alike = {
                tuple(one.text for one in village.nodes[who].inbox(LANE)) for who in devices if who != removed
            }
            assert len(alike) == 1
        _forward_secret(village, devices)
        _heals(village, devices)


def _bounded(village, who):
    database = village.nodes[who]._database
    assert all(len(state.to_cbor()) <= STATE_BYTES for state in states(village, who))
    (epochs,) = database.rows("SELECT count(*) AS n FROM group_epochs")
    assert epochs["n"] <= limits.EPOCHS + limits.WAITING_EPOCHS
    (waiting,) = database.rows("SELECT count(*) AS n FROM entries WHERE content IS NOT NULL AND sequence = 0")
    assert waiting["n"] == 0, "something waits for ever"


def _forward_secret(village, devices):
    """Who steals a device now reads nothing of what was on the air before."""
    for who in devices:
        assert opened(states(village, who), recorded(village)) == []


def _heals(village, devices):
    """Who stole a device reads nothing once both sides have written again."""
    stolen = [state for who in (ALICE, BOB) for state in states(village, who)]
    for writer, reader in ((ALICE, BOB), (BOB, ALICE), (ALICE, BOB), (BOB, ALICE)):
        village.now += MINUTE_MS
        village.send(writer, reader, "healing")
        settle(village)
    before = len(village.on_air)
    village.now += MINUTE_MS
    village.send(ALICE, BOB, "healed")
    village.send(BOB, ALICE, "healed, too")
    settle(village)
    later = recorded(village, before)
    assert later and opened(stolen, later) == []


def test_a_removed_member_with_all_it_has_opens_nothing_that_was_said_afterwards():
    with Village(ALICE, BOB, CAROL) as village:
        gather(village, LANE)
        village.send(BOB, LANE, "before")
        settle(village)
        village.nodes[ALICE].groups.remove(LANE, CAROL, village.now)
        settle(village)
        carol = village.nodes[CAROL]
        # A program of Carol's that ignores the news keeps on looking for what is said.
        for text in ("one", "two"):
            village.send(BOB, LANE, text)
            settle(village)
        village.now += DAY_MS
        settle(village)
        assert [letter.text for letter in carol.inbox(LANE)] == ["before"]
        with pytest.raises(errors.GroupLeft):
            village.send(CAROL, LANE, "hello?")
