"""Hosts that come over the air: they are hosts, whatever their system does with packets."""

import random

import pytest
from support_central import AirHost
from support_firmware import MESH, Cable, open_lab, quiet, settings
from support_strangers import Stranger

from hedgerow_core import beacon, envelope, limits, manage, service
from hedgerow_core.session import MESH as MEMBER
from hedgerow_lab.world import Lab, find_aioble


def star(tmp_path, *names, connections=4, **more):
    lab = Lab(1, workdir=tmp_path, aioble=find_aioble())
    for name in ("a", *names):
        lab.add_board(name, settings={**settings(name), **more}).machine.connections = connections
        lab.boards[name].radio.most = connections
        if name != "a":
            lab.hear("a", name)
    lab.run_until(3_000)
    return lab


def boards_linked(lab, name="a"):
    ends = [end for link in lab.boards[name].radio.connections.values() for end in link.ends]
    return sum(end.listener.name in lab.boards and end.listener.name != name for end in ends)


def up_within(lab, host, ms):
    start = lab.now_ms
    lab.run_until(start + ms, lambda: host.up)
    assert host.up, "it has no link"
    return lab.now_ms - start


@pytest.mark.parametrize("mtu, late", [(247, False), (185, False), (517, False), (None, False), (185, True)])
def test_letters_cross_whatever_size_of_packets_a_system_asks_for_and_none_is_cut_off(tmp_path, mtu, late):
    with open_lab(tmp_path, "a", "b") as lab:
        lab.run_until(3_000)
        host = AirHost(lab, "a", mtu=mtu, late=late)
        up_within(lab, host, 12_000)
        far = Cable(lab, "b")
        dice = random.Random(1)
        lock = dice.randbytes(limits.LOCK_BYTES)
        body = dice.randbytes(envelope.padded_body_size(900))
        long = envelope.make(envelope.NORMAL, envelope.TTL_DEFAULT, lock, body)
        far.shelf.put(long, lab.now_ms)
        ids = [*far.put(5), long.id]
        lab.run_until(lab.now_ms + 40_000, lambda: all(map(host.shelf.has, ids)))
        assert all(map(host.shelf.has, ids))
        most = min(mtu or 23, 247) - 3
        assert min(most, 230) <= max(host.sizes) <= most
        assert host.link.framing.noise == 0 and host.ends == 0
        # And the other way.
        back = envelope.make(envelope.NORMAL, envelope.TTL_DEFAULT, lock, body[::-1])
        host.put(back)
        lab.run_until(lab.now_ms + 20_000, lambda: far.shelf.has(back.id))
        assert far.shelf.has(back.id) and quiet(lab)


def test_a_host_over_the_air_counts_once_and_is_no_board_of_the_neighbourhood(tmp_path):
    with star(tmp_path, "b", "c") as lab:
        Cable(lab, "b").put(1)
        lab.run_until(40_000)
        host = AirHost(lab, "a")
        up_within(lab, host, 12_000)
        lab.run_until(lab.now_ms + 5_000)
        assert boards_linked(lab) == 2 and host.up and host.ends == 0
        cable = Cable(lab, "a")
        lab.run_until(lab.now_ms + 12_000)
        # Two hosts and one board: nobody is one too many twice.
        assert boards_linked(lab) == 1 and host.up and host.ends == 0
        assert cable.status()["links"] == 3
        nodes = cable.ask(bytes((service.NODES, 0)))
        assert (len(nodes) - 3) // 15 == 2 and quiet(lab)


def test_a_host_over_the_air_gets_its_place_within_two_seconds_of_its_call(tmp_path):
    with star(tmp_path, "b", "c") as lab:
        Cable(lab, "b").put(1)
        lab.run_until(40_000)
        Stranger(lab, "slow", MESH, "slow", ["a"])
        lab.run_until(55_000)
        assert len(lab.boards["a"].radio.connections) == 3
        radio = lab.boards["a"].radio
        assert radio.advertising[1] and not beacon.for_all(radio.advertising[2])
        host = AirHost(lab, "a")
        lab.run_until(lab.now_ms + 10_000, lambda: host.handle is not None)
        start = lab.now_ms
        lab.run_until(start + 2_000, lambda: host.up and len(radio.connections) == 3)
        assert host.up and boards_linked(lab) == 2 and host.ends == 0
        lab.run_until(lab.now_ms + 60_000)
        assert host.up and host.ends == 0 and quiet(lab)


def test_where_the_radio_has_three_connections_only_a_host_waits_for_the_one_that_rotates(tmp_path):
    with star(tmp_path, "b", "c", connections=3) as lab:
        Cable(lab, "b").put(1)
        lab.run_until(40_000)
        stranger = Stranger(lab, "slow", MESH, "slow", ["a"])
        lab.run_until(55_000)
        radio = lab.boards["a"].radio
        assert len(radio.connections) == 3 and radio.advertising is not None and not radio.advertising[1]
        host = AirHost(lab, "a")
        lab.run_until(lab.now_ms + 10_000)
        assert not host.up
        lab.power_off("b")
        up_within(lab, host, 20_000)
        assert stranger.calls and host.ends == 0 and quiet(lab)


def test_a_board_that_comes_through_the_door_for_hosts_is_shown_out(tmp_path):
    with star(tmp_path, "b", "c") as lab:
        Cable(lab, "b").put(1)
        lab.run_until(40_000)
        Stranger(lab, "slow", MESH, "slow", ["a"])
        lab.run_until(55_000)
        member = AirHost(lab, "a", key=MESH, kind=MEMBER, ask_ms=0)
        lab.run_until(lab.now_ms + 10_000, lambda: member.ends > 0)
        assert member.ends == 1 and boards_linked(lab) == 2
        # And who proves nothing keeps nobody out for long.
        silent = AirHost(lab, "a", "silent", key=bytes(32))
        lab.run_until(lab.now_ms + 15_000, lambda: silent.ends > 0)
        assert silent.ends and boards_linked(lab) == 2 and quiet(lab)


def test_hosts_leave_one_place_for_the_mesh(tmp_path):
    with star(tmp_path, "b", "c") as lab:
        Cable(lab, "b").put(1)
        lab.run_until(40_000)
        first, second = AirHost(lab, "a", "one"), AirHost(lab, "a", "two")
        up_within(lab, first, 12_000)
        up_within(lab, second, 12_000)
        lab.run_until(lab.now_ms + 15_000)
        assert boards_linked(lab) == 1 and first.up and second.up
        third = AirHost(lab, "a", "three")
        lab.run_until(lab.now_ms + 15_000)
        assert not third.up and first.ends == second.ends == 0
        assert boards_linked(lab) == 1 and quiet(lab)


def test_guests_do_not_keep_the_owner_out(tmp_path):
    guest = b"lent to a guest " * 2
    lent = manage.encode_record(manage.GUEST, 0, guest, "guest")
    with star(tmp_path, "b", pairings=lent) as lab:
        Cable(lab, "b").put(1)
        guests = [AirHost(lab, "a", name, key=guest) for name in ("one", "two")]
        for host in guests:
            up_within(lab, host, 15_000)
        lab.run_until(lab.now_ms + 30_000, lambda: boards_linked(lab) == 1)
        owner = AirHost(lab, "a", "owner")
        up_within(lab, owner, 15_000)
        lab.run_until(lab.now_ms + 10_000)
        assert owner.up and owner.ends == 0 and sum(host.up for host in guests) == 1
        assert quiet(lab)


def test_the_place_of_a_host_that_went_is_free_again(tmp_path):
    with star(tmp_path, "b", "c") as lab:
        Cable(lab, "b").put(1)
        lab.run_until(40_000)
        host = AirHost(lab, "a")
        up_within(lab, host, 12_000)
        # Out of range: the supervision timeout ends it; a carrier wave without a word: the silence does.
        radio = lab.boards["a"].radio
        assert not beacon.for_all(radio.advertising[2])
        lab.deafen("laptop", "a")
        lab.run_until(lab.now_ms + 8_000)
        assert boards_linked(lab) == 2 and len(radio.connections) == 2
        assert beacon.for_all(radio.advertising[2])
        lab.hear("laptop", "a")
        up_within(lab, host, 20_000)
        host.mute = True
        lab.run_until(lab.now_ms + 20_000)
        assert len(radio.connections) == 2 and quiet(lab)


def test_a_host_over_the_air_is_never_hung_up_on_because_it_has_nothing_to_say(tmp_path):
    with star(tmp_path, "b", "c", "d") as lab:
        host = AirHost(lab, "a")
        up_within(lab, host, 12_000)
        near, far = Cable(lab, "b"), Cable(lab, "d")
        for _ in range(20):
            near.put(1)
            lab.run_until(lab.now_ms + 30_000)
        assert host.up and host.ends == 0
        lab.run_until(lab.now_ms + 60_000, lambda: set(host.shelf.ids()) == set(far.shelf.ids()))
        assert set(far.shelf.ids()) == set(near.shelf.ids()) == set(host.shelf.ids())
        assert quiet(lab)


def test_who_holds_the_finding_key_knows_a_board_whatever_its_address_is_and_nobody_else_does(tmp_path):
    finding = bytes(range(16))
    heard = set()
    with Lab(1, workdir=tmp_path, aioble=find_aioble()) as lab:
        lab.add_board("a", settings={**settings("a"), "finding": finding})
        lab.air.advert_watchers.append(lambda name, data: heard.add(beacon.read(data[7:]).beacon_id))
        lab.run_until(5_000)
        cable = Cable(lab, "a")
        assert cable.ask(bytes((service.FINDING,))) == bytes((service.FINDING_IS,)) + finding
        lab.run_until(31 * 60_000)
        assert len(heard) >= 2 and quiet(lab)
    assert all(beacon.resolves(finding, identity) for identity in heard)
    assert not any(beacon.resolves(bytes(16), identity) for identity in heard)


def test_a_board_without_a_finding_key_is_nobody_to_anybody(tmp_path):
    with star(tmp_path) as lab:
        cable = Cable(lab, "a")
        lab.run_until(lab.now_ms + 3_000)
        cable.link.service(bytes((service.FINDING,)))
        assert cable.status()["links"] == 1
        assert not any(name == "service" and value[0] == service.FINDING_IS for name, value in cable.events)
