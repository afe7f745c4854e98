"""What a person at the cable sees of the mesh: who is around, the way to a board, and what was counted."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from support_firmware import MESH, Cable, quiet, settings
from support_strangers import Stranger

from hedgerow_core import counts, envelope, limits, probe, service, survey
from hedgerow_core.envelope import BULK, NORMAL, URGENT
from hedgerow_core.mac import sha256
from hedgerow_lab.behaviours import Script
from hedgerow_lab.hostile import Hostile
from hedgerow_lab.world import Lab, find_aioble

_PUT, _PROOF, _WHOLE = 3, 7, 0x80
_SECOND = 1_000


def village(tmp_path, opted_in, *names, seed=1, **extra):
    """Boards in a line, of which those in ``opted_in`` take part in probes."""
    lab = Lab(seed, workdir=tmp_path, aioble=find_aioble())
    for name in names:
        lab.add_board(name, settings={**settings(name), "trace": name in opted_in, **extra})
    for a, b in pairwise(names):
        lab.hear(a, b)
    return lab


def nodes(cable):
    return survey.decode_nodes(cable.ask(bytes((service.NODES, 0))))[2]


def counted(cable):
    return survey.decode_counts(cable.ask(bytes((service.COUNTS,))))


def traced(cable, name, nonce=b"nonce one"[:8], hops=limits.TRACE_HOPS):
    """The hops to ``name``, our own board first; None where no echo came."""
    for _ in range(5):
        cable.lab.run_until(cable.lab.now_ms + 5 * _SECOND, lambda: cable.link.established)
    before = len(cable.events)
    cable.link.service(probe.question(nonce, name, hops))
    cable.link.push(cable.lab.now_ms)

    def answers():
        said = [value for event, value in cable.events[before:] if event == "service"]
        return [value for value in said if value[0] == service.TRACE_IS]

    cable.lab.run_until(cable.lab.now_ms + limits.PROBE_MS, lambda: bool(answers()))
    if not answers():
        return None
    found, ways = probe.hops_of(answers()[0])
    assert found == nonce
    return ways[::-1]


# Nodes


def test_nodes_tells_neighbours_with_age_signal_version_and_battery(tmp_path):
    with village(tmp_path, (), "a", "b", battery_pin=34, shelf_count=20) as lab:
        lab.boards["a"].machine.battery_uv = lab.boards["b"].machine.battery_uv = 3_750_000 // 2
        lab.hear("a", "b", rssi=-77)
        cable = Cable(lab, "a")
        cable.put(2)
        lab.run_until(20 * _SECOND)
        ((_, age_s, rssi, load, known, version, battery, flags),) = nodes(cable)
        assert (age_s <= 3, rssi, load, known) == (True, -77, 2 * 255 // 20, 2)
        assert (version, battery) == (service.VERSION, 51), "a half of the way from 3.3 to 4.2 V"
        assert flags & survey.LINKED
        lab.power_off("b")
        left = lab.now_ms
        lab.run_until(left + 40 * _SECOND)
        ((_, age_s, _, _, _, _, _, flags),) = nodes(cable)
        assert 35 <= age_s <= 43 and not flags & survey.LINKED
        lab.run_until(left + limits.NEIGHBOUR_FORGET_MS + 3 * _SECOND)
        assert nodes(cable) == []
        assert quiet(lab)


def test_more_neighbours_than_a_page_holds_are_all_told(tmp_path):
    with village(tmp_path, (), "a") as lab:
        for number in range(20):
            Stranger(lab, f"house{number}", MESH, "mute", ["a"])
        cable = Cable(lab, "a")
        lab.run_until(20 * _SECOND)
        found = set()
        page, pages = 0, 1
        while page < pages:
            _, pages, rows = survey.decode_nodes(cable.ask(bytes((service.NODES, page))))
            found |= {row[0] for row in rows}
            page += 1
        assert len(found) == 20 and pages == 2


@pytest.mark.parametrize(
    "question",
    [
        bytes((service.NODES,)),
        bytes((service.NODES, 0, 0)),
        bytes((service.COUNTS, 1)),
        bytes((service.TRACE,)),
        bytes((service.TRACE,)) + bytes(17),
        bytes((service.TRACE,)) + bytes(40),
        bytes((service.TRACE,)) + bytes(8) + b"\xff" + bytes(8),
        bytes((service.PROBE,)) + bytes(17),
        bytes((service.ECHO,)) + bytes(17),
        bytes((0x6F,)) + bytes(200),
    ],
)
def test_a_question_that_makes_no_sense_changes_nothing(tmp_path, question):
    with village(tmp_path, (), "a") as lab:
        lab.run_until(2 * _SECOND)
        cable = Cable(lab, "a")
        before = cable.status()
        cable.link.service(question)
        lab.run_until(lab.now_ms + 3 * _SECOND)
        after = cable.status()
        assert (after["starts"], after["too_large"]) == (before["starts"], 0)
        assert traced(cable, "a") == [(0, "a")]
        assert quiet(lab)


# Trace


def test_trace_over_three_boards_tells_two_hops_with_their_times(tmp_path):
    with village(tmp_path, ("b", "c"), "a", "b", "c") as lab:
        cable = Cable(lab, "a")
        cable.put()
        lab.run_until(20 * _SECOND)
        ways = traced(cable, "c")
        assert [name for _, name in ways] == ["a", "b", "c"]
        (whole, _), (half, _), (end, _) = ways
        assert end == 0 < half < whole < 1_000
        assert quiet(lab)


def test_trace_makes_the_links_that_a_quiet_mesh_has_not(tmp_path):
    with village(tmp_path, ("b", "c"), "a", "b", "c") as lab:
        cable = Cable(lab, "a")
        lab.run_until(10 * _SECOND)
        assert not lab.linked("a", "b") and not lab.linked("b", "c")
        assert [name for _, name in traced(cable, "c")] == ["a", "b", "c"]
        assert quiet(lab)


@pytest.mark.parametrize("opted_in, wanted", [(("b",), "c"), (("c",), "c"), (("a", "c"), "b"), ((), "b")])
def test_a_board_that_did_not_opt_in_is_neither_found_nor_passed(tmp_path, opted_in, wanted):
    with village(tmp_path, opted_in, "a", "b", "c") as lab:
        cable = Cable(lab, "a")
        cable.put()
        lab.run_until(20 * _SECOND)
        assert traced(cable, wanted) is None
        assert traced(cable, "a", b"nonce 2!") == [(0, "a")], "one's own board answers its host"
        assert quiet(lab)


def test_in_a_ring_of_boards_one_answer_comes_over_a_short_way(tmp_path):
    with village(tmp_path, "abcd", "a", "b", "c", "d") as lab:
        lab.hear("d", "a")
        cable = Cable(lab, "a")
        cable.put()
        lab.run_until(30 * _SECOND)
        assert len(traced(cable, "c")) == 3
        lab.run_until(lab.now_ms + 2 * limits.PROBE_MS)
        said = [value[0] for event, value in cable.events if event == "service"]
        assert said.count(service.TRACE_IS) == 1
        assert traced(cable, "d", b"nonce 2!")[-1] == (0, "d")
        assert quiet(lab)


class Prober(Script):
    """A member that says ``messages`` and keeps what it hears."""

    def __init__(self, messages, heard):
        super().__init__(random.Random(1), Counter())
        self._messages = messages
        self._heard = heard

    def opened(self, now):
        return list(self._messages)

    def heard(self, message, now):
        self._heard.append(message)
        return []


def probed(tmp_path, opted_in, messages):
    """What a board says to a member that says ``messages``, but for the exchange; and how it is."""
    heard = []
    with village(tmp_path, opted_in, "a") as lab:
        Hostile(lab, "mallory", MESH, 1, lambda: Prober(messages, heard))
        lab.hear("mallory", "a")
        cable = Cable(lab, "a")
        cable.put()
        lab.run_until(40 * _SECOND)
        assert heard, "they never met"
        state = cable.status()
        assert quiet(lab)
        return [message for message in heard if message[0] > service.NAME], state


def said_by_a_member(name, nonce=b"12345678"):
    return bytes((service.PROBE,)) + probe.question(nonce, name)[1:]


def test_a_probe_is_answered_once_however_often_a_member_says_it(tmp_path):
    answers, _ = probed(tmp_path, "a", [said_by_a_member("a")] * 30)
    assert answers and all(answer[0] == service.ECHO for answer in answers)
    # A member may say it again on the next link: it is answered when it is forgotten, every 5 s at most.
    assert len(answers) <= 8
    assert probe.hops_of(answers[0]) == (b"12345678", [(0, "a")])


def test_a_flood_of_probes_gets_as_few_answers_as_a_board_remembers(tmp_path):
    answers, state = probed(tmp_path, "a", [said_by_a_member("a", bytes((n,)) * 8) for n in range(60)])
    assert 0 < len(answers) <= 8 * (limits.PROBES - 1)
    assert (state["starts"], state["too_large"]) == (1, 0)


def test_forged_oversized_and_damaged_messages_get_no_answer_and_do_no_harm(tmp_path):
    echo = bytes((service.ECHO,)) + b"12345678" + b"\0\0\4mill"
    bad = [echo, echo[:7], echo + bytes(200), bytes((service.PROBE,)), said_by_a_member("a") + b"!"]
    bad += [bytes((service.TRACE_IS,)) + bytes(12), bytes((service.PROBE,)) + bytes(220)]
    bad += [bytes((service.TRACE,)) + said_by_a_member("a")[1:], bytes((service.NODES, 0))]
    answers, state = probed(tmp_path, "a", bad)
    # A member is no host: what only a host may ask is not answered either.
    assert answers == []
    assert (state["starts"], state["too_large"]) == (1, 0)


def test_who_did_not_opt_in_says_nothing_to_a_probe_that_names_it(tmp_path):
    assert probed(tmp_path, (), [said_by_a_member("a")] * 5)[0] == []


# What a board counts


def put(cable, made):
    """Say an envelope to the board, whatever the host's shelf would think of it."""
    cable.link.session.send(bytes((_PUT, _WHOLE)) + made.encode())
    # The cable's buffer on the board holds little more than one.
    cable.lab.run_until(cable.lab.now_ms + 300)


def letter(number, priority=NORMAL, ttl=envelope.TTL_DEFAULT, lock=None):
    body = number.to_bytes(4, "big") + bytes(envelope.padded_body_size(60) - 4)
    return envelope.make(priority, ttl, lock or number.to_bytes(limits.LOCK_BYTES, "big"), body)


class Counting:
    """A cable, and by how much each counter rises from one look to the next."""

    def __init__(self, cable):
        self.cable = cable
        self.last = self.numbers()

    def numbers(self):
        return counted(self.cable)[3]

    def after(self, seconds):
        self.cable.lab.run_until(self.cable.lab.now_ms + round(seconds * _SECOND))
        before, self.last = self.last, self.numbers()
        return [now - then for now, then in zip(self.last, before, strict=True)]


def test_each_counter_of_letters_is_raised_by_what_it_counts(tmp_path):
    lab = Lab(1, workdir=tmp_path, aioble=find_aioble())
    with lab:
        lab.add_board("a", settings={**settings("a"), "shelf_count": 20})
        lab.run_until(2 * _SECOND)
        cable = Cable(lab, "a")
        cable.status()
        look = Counting(cable)

        read = letter(1)
        put(cable, read)
        rose = look.after(1)
        assert (rose[counts.OFFERED], rose[counts.KEPT]) == (1, 1)

        put(cable, read)
        rose = look.after(1)
        assert (rose[counts.OFFERED], rose[counts.KEPT]) == (1, 0), "known before"

        over = letter(2, ttl=0)
        put(cable, over.carried(0, envelope.TTL_MINUTES[0]))
        rose = look.after(1)
        assert (rose[counts.OVER], rose[counts.KEPT]) == (1, 0)

        put(cable, letter(3, ttl=0))
        rose = look.after(32 * 60)
        assert (rose[counts.KEPT], rose[counts.EXPIRED]) == (1, 1)

        for number in range(100, 119):
            put(cable, letter(number, URGENT))
        put(cable, letter(4, BULK))
        rose = look.after(2)
        assert (rose[counts.KEPT], rose[counts.NO_ROOM], rose[counts.EVICTED]) == (19, 1, 0)

        put(cable, letter(200, URGENT))
        rose = look.after(1)
        assert (rose[counts.KEPT], rose[counts.EVICTED]) == (1, 1)

        for number in range(300, 340):
            put(cable, letter(number, URGENT))
        rose = look.after(2)
        assert rose[counts.ABOVE_SHARE] == 40 - rose[counts.KEPT] > 0
        assert quiet(lab)


def test_a_letter_whose_proof_came_is_counted_as_purged(tmp_path):
    with village(tmp_path, (), "a") as lab:
        lab.run_until(2 * _SECOND)
        cable = Cable(lab, "a")
        cable.status()
        look = Counting(cable)
        token = b"a token of 16 by"
        put(cable, letter(1, lock=sha256(token)[: limits.LOCK_BYTES]))
        assert look.after(1)[counts.PURGED] == 0
        cable.link.session.send(bytes((_PROOF,)) + token)
        assert look.after(1)[counts.PURGED] == 1
        assert cable.status()["proofs"] == 1


def test_beacons_meetings_and_calls_in_vain_are_counted(tmp_path):
    with village(tmp_path, (), "a", "b") as lab:
        lab.deafen("a", "b")
        lab.run_until(2 * _SECOND)
        cable = Cable(lab, "a")
        cable.status()
        look = Counting(cable)
        rose = look.after(10)
        assert not any(rose[place] for place in (counts.HEARD, counts.STRANGE, counts.MET, counts.VAIN))

        lab.hear("a", "b")
        rose = look.after(10)
        assert rose[counts.HEARD] > 0 == rose[counts.STRANGE] == rose[counts.MET]

        cable.put(3)
        rose = look.after(10)
        assert (rose[counts.MET], rose[counts.VAIN]) == (1, 0)

        lab.deafen("a", "b")
        Stranger(lab, "other mesh", bytes(32), "mute", ["a"])
        rose = look.after(10)
        assert rose[counts.STRANGE] > 0 == rose[counts.HEARD]

        Stranger(lab, "nobody home", MESH, "mute", ["a"])
        rose = look.after(30)
        assert rose[counts.VAIN] > 0 and rose[counts.MET] == 0
        assert quiet(lab)


def test_heap_low_water_starts_and_their_causes_are_told(tmp_path):
    with village(tmp_path, (), "a", battery_pin=34) as lab:
        lab.boards["a"].machine.battery_uv = 2_100_000
        lab.run_until(2 * _SECOND)
        cable = Cable(lab, "a")
        free = cable.status()["free"]
        cause, starts, battery, numbers = counted(cable)
        assert (cause, starts, battery) == (1, [0, 1, 0, 0, 0, 0], 101)
        assert 0 < numbers[counts.LOW_WATER] <= free
        cable.put(60)
        lab.run_until(lab.now_ms + 10 * _SECOND)
        assert counted(cable)[3][counts.LOW_WATER] < numbers[counts.LOW_WATER], "letters in queues take heap"
        lab.power_off("a")
        lab.power_on("a")
        lab.run_until(lab.now_ms + 10 * _SECOND)
        cause, starts, _, numbers = counted(cable)
        assert (cause, starts[1]) == (1, 2)
        assert numbers[counts.KEPT] == 0, "it counts from its start on"
