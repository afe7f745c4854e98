"""Boards among radios and hosts that send what they should not: they refuse it, and letters go on."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from support_firmware import MESH, Cable, open_lab

from hedgerow_core import limits
from hedgerow_core.session import INITIATOR
from hedgerow_lab.behaviours import maker
from hedgerow_lab.hostile import Hostile
from hedgerow_lab.world import Lab

STRANGE = bytes(32)


def hostile(lab: Lab, kind: str, *hears: str, key: bytes = MESH, who: type[Hostile] = Hostile) -> Hostile:
    """Somebody who is heard by ``hears``."""
    made = who(lab, "mallory", key, 1, maker(kind, "mallory", 1, Counter()))
    for name in hears:
        lab.hear("mallory", name)
    return made


def letters_cross(lab: Lab, count: int = 5, within_ms: int = 120_000) -> None:
    """Bring letters to a; b's host has them soon."""
    giver, taker = Cable(lab, "a"), Cable(lab, "b")
    lab.run_until(lab.now_ms + 3_000)
    ids = set(giver.put(count))
    lab.run_until(lab.now_ms + within_ms, lambda: ids <= set(taker.shelf.ids()))
    assert ids <= set(taker.shelf.ids()), "the letters did not come"
    giver.stop()
    taker.stop()


def quiet(lab: Lab) -> bool:
    return not any("Traceback" in line for name in lab.boards for line in lab.log(name))


class Parrot(Hostile):
    """It has no key: it says again what others said, from its own address, with or without a flipped bit."""

    heard: Sequence[bytes] = ()
    flips = False

    def _advertise(self) -> None:
        if self.heard:
            data = bytearray(self._dice.choice(self.heard))
            if self.flips:
                at = self._dice.randrange(7, len(data))
                data[at] ^= 1 << self._dice.randrange(8)
            self._lab.air.advertise(self.radio, 200_000, True, bytes(data), b"")


def listen(lab: Lab, parrot: Parrot) -> None:
    heard: list[bytes] = []
    parrot.heard = heard
    lab.air.advert_watchers.append(lambda name, data: heard.append(data) if name != "mallory" else None)


def test_replayed_beacons_make_nobody_call_and_letters_cross(tmp_path):
    with open_lab(tmp_path, "a", "b") as lab:
        parrot = hostile(lab, "stop", "a", "b", key=STRANGE, who=Parrot)
        listen(lab, parrot)
        lab.run_until(60_000)
        neighbours = Cable(lab, "a")
        assert neighbours.status()["hears"] == 1
        neighbours.stop()
        letters_cross(lab)
        assert quiet(lab)


def test_beacons_with_a_flipped_bit_are_nobodys(tmp_path):
    with open_lab(tmp_path, "a", "b") as lab:
        parrot = hostile(lab, "stop", "a", "b", key=STRANGE, who=Parrot)
        listen(lab, parrot)
        parrot.flips = True
        lab.run_until(120_000)
        neighbours = Cable(lab, "a")
        assert neighbours.status()["hears"] == 1
        neighbours.stop()
        letters_cross(lab)
        assert quiet(lab)


def test_who_has_another_key_gets_no_link_and_hangs_nobody_up(tmp_path):
    with open_lab(tmp_path, "a", "b") as lab:
        stranger = hostile(lab, "flood", "a", "b", key=STRANGE)
        lab.run_until(60_000)
        letters_cross(lab)
        assert stranger.talks > 5, "it had no opportunity"
        cable = Cable(lab, "b")
        assert cable.status()["held"] == 5
        assert quiet(lab)


class Replayer(Hostile):
    """It has no key, but all that was written on the air: on each link it sends it once more."""

    recorded: Sequence[bytes] = ()
    flips = False

    def connected(self, handle: int, role: int, address: tuple[int, bytes]) -> None:
        super().connected(handle, role, address)
        talk = self._links[handle]
        if talk.session.role == INITIATOR:
            talk.session.outgoing()  # no handshake of its own
        for packet in self.recorded[-60:]:
            data = bytearray(packet)
            if self.flips:
                data[self._dice.randrange(len(data))] ^= 1 << self._dice.randrange(8)
            talk._packets.append(bytes(data))
        talk.pump()


@pytest.mark.parametrize("flips", [False, True])
def test_recorded_handshakes_and_frames_open_no_link_whole_or_with_a_flipped_bit(flips, tmp_path):
    with open_lab(tmp_path, "a", "b") as lab:
        recorded: list[bytes] = []
        # Writes and notifications: what follows the code and the handle.
        lab.on_air(
            lambda data: recorded.append(data[3:]) if data[:1] in (b"\x12", b"\x1b", b"\x52") else None
        )
        lab.run_until(5_000)
        letters_cross(lab)
        assert len(recorded) >= 15
        replayer = hostile(lab, "stop", "a", "b", key=STRANGE, who=Replayer)
        replayer.recorded, replayer.flips = list(recorded), flips
        lab.run_until(lab.now_ms + 120_000)
        assert replayer.talks > 5, "it had no opportunity"
        cable = Cable(lab, "b")
        status = cable.status()
        assert status["held"] == 5 and status["starts"] == 1
        cable.stop()
        letters_cross(lab)
        assert quiet(lab)


def test_two_with_one_address_cost_time_and_no_letter(tmp_path):
    with open_lab(tmp_path, "a", "b") as lab:
        twin = hostile(lab, "swallow", "a")

        def follow() -> None:
            twin.radio.address = lab.boards["b"].radio.address
            if lab.now_ms % 10_000 == 0:
                lab.air.drop("a", "mallory")
            lab.at(lab.now_ms + 500, follow)

        lab.at(2_000, follow)
        lab.run_until(60_000)
        letters_cross(lab, within_ms=400_000)
        assert twin.talks > 1, "it had no opportunity"
        assert quiet(lab)


def test_a_host_that_wants_everything_and_never_reads_is_given_up_and_the_radio_goes_on(tmp_path):
    with open_lab(tmp_path, "a", "b") as lab:
        lab.run_until(2_000)
        first = Cable(lab, "a")
        first.put(20)
        lab.run_until(20_000)
        first.stop()
        deaf = Cable(lab, "a")
        lab.run_until(lab.now_ms + 500, lambda: deaf.link.established)
        deaf.line.on_receive = None
        deaf.stop()
        before = lab.counters["adverts"]
        lab.run_until(lab.now_ms + 60_000)
        assert lab.counters["adverts"] > before + 5
        letters_cross(lab)
        assert quiet(lab)


def test_a_host_that_puts_damaged_envelopes_is_refused_and_the_next_one_is_served(tmp_path):
    dice = random.Random(3)
    with open_lab(tmp_path, "a", "b") as lab:
        lab.run_until(2_000)
        bad = Cable(lab, "a")
        lab.run_until(4_000)
        assert bad.link.established
        for _ in range(40):
            body = dice.randbytes(dice.randrange(0, 220))
            bad.link.session.send(bytes((3, 0x80)) + body)
            bad.link.session.send(bytes((dice.randrange(1, 10),)) + body)
            bad._pump()
            lab.run_until(lab.now_ms + 200)
        bad.stop()
        lab.run_until(lab.now_ms + 30_000)
        letters_cross(lab)
        assert quiet(lab)


def test_beacons_of_a_whole_street_with_another_key_fill_no_table(tmp_path):
    with open_lab(tmp_path, "a", "b") as lab:
        others = [hostile_beacon(lab, number) for number in range(limits.NEIGHBOURS + 8)]
        lab.run_until(30_000)
        cable = Cable(lab, "a")
        assert cable.status()["hears"] == 1 and len(others) > limits.NEIGHBOURS
        cable.stop()
        letters_cross(lab)
        assert quiet(lab)


def hostile_beacon(lab: Lab, number: int) -> Hostile:
    name = f"other{number}"
    made = Hostile(lab, name, STRANGE, number, maker("stop", name, number, Counter()))
    lab.hear(name, "a")
    return made
