"""Who is in a group: the same on all replicas, whatever came in which order, and whoever lies."""

from itertools import permutations

import pytest
from groups_support import Replica, village
from hypothesis import given, settings
from hypothesis import strategies as st
from people_support import flip

from hedgerow.groups import operation
from hedgerow.groups.membership import Membership
from hedgerow_core.errors import PeerError

NAMES = ("alice", "bob", "carol", "dora", "erin")


def agree(replicas, told):
    """Every replica gets all of ``told``, in every order that there is for a few; they end alike."""
    hashes = set()
    for order in permutations(told):
        for replica in replicas:
            fresh = Membership()
            for data in (*replica_start(replica), *order):
                fresh = fresh.take(data)
            hashes.add((fresh.members.hash, fresh.members.name))
    assert len(hashes) == 1
    for replica in replicas:
        replica.take(*told)
    return replicas[0]


def replica_start(replica):
    return replica.state.operations()


def test_a_group_has_whom_its_creator_added_and_they_are_no_admins():
    alice, bob, _ = village("alice", "bob", "carol")
    assert bob.names == ["alice", "bob", "carol"] and bob.admins == ["alice"]
    assert alice.state.members.hash == bob.state.members.hash


def test_only_admins_add_remove_promote_and_rename():
    _, bob, carol = village("alice", "bob", "carol")
    for wish in (
        lambda: bob.add(Replica("dora")),
        lambda: bob.remove(carol),
        lambda: bob.promote(bob),
        lambda: bob.rename("x"),
    ):
        with pytest.raises(PeerError):
            wish()
    assert bob.names == ["alice", "bob", "carol"]


def test_who_is_promoted_acts_as_an_admin():
    alice, bob, carol = village("alice", "bob", "carol", admins=("bob",))
    told = bob.remove(carol)
    alice.take(told)
    assert alice.names == ["alice", "bob"] and alice.admins == ["alice", "bob"]


def test_everybody_may_leave_and_comes_back_only_when_added():
    alice, bob, _ = village("alice", "bob", "carol")
    alice.take(bob.leave())
    assert alice.names == ["alice", "carol"]
    alice.add(bob)
    assert alice.names == ["alice", "bob", "carol"] and alice.admins == ["alice"]


def test_concurrent_removals_of_one_member_keep_the_smaller_last_sequence():
    alice, bob, carol = village("alice", "bob", "carol", admins=("bob",))
    told = [alice.remove(carol, 7), bob.remove(carol, 4)]
    found = agree([alice, bob], told)
    device = carol.account.device_key
    assert found.state.members.accepts(device, 4) and not found.state.members.accepts(device, 5)


@pytest.mark.parametrize("last", [0, 100])
def test_of_two_admins_who_remove_each_other_the_one_promoted_first_stays(last):
    alice, bob, carol = village("alice", "bob", "carol", admins=("bob", "carol"))
    told = [bob.remove(carol, last), carol.remove(bob, last)]
    found = agree([alice, bob, carol], told)
    assert found.names == ["alice", "bob"]


@pytest.mark.parametrize("what", ["promote", "remove", "rename", "add"])
def test_a_removed_admin_does_not_act_by_signing_with_a_sequence_of_before_the_removal(what):
    alice, bob, carol, dora = village("alice", "bob", "carol", "dora", admins=("bob", "dora"))
    bob.sequence = 5  # of letters, which the one who removes has read
    removal = alice.remove(bob, 5)
    bob.sequence = 2
    wishes = {
        "promote": lambda: bob.promote(carol),
        "remove": lambda: bob.remove(dora, 0),
        "rename": lambda: bob.rename("taken over"),
        "add": lambda: bob.add(Replica("erin")),
    }
    forged = wishes[what]()
    carol.take(removal)
    dora.take(forged)
    found = agree([carol, dora], [removal, forged])
    assert found.names == ["alice", "carol", "dora"] and found.admins == ["alice", "dora"]
    assert found.state.members.name == "the lane"


def test_what_an_admin_did_before_the_removal_was_made_still_holds():
    alice, bob, carol = village("alice", "bob", "carol", admins=("bob",))
    alice.take(bob.promote(carol))
    alice.remove(bob, 0)
    assert alice.names == ["alice", "carol"] and alice.admins == ["alice", "carol"]


def test_a_ring_of_removals_ends_alike_in_every_order():
    alice, bob, carol, dora = village("alice", "bob", "carol", "dora", admins=("bob", "carol", "dora"))
    told = [bob.remove(carol, 0), carol.remove(dora, 0), dora.remove(bob, 0)]
    found = agree([alice, bob, carol, dora], told)
    assert "alice" in found.names and len(found.names) < 4


def test_the_creator_is_not_removed_by_who_has_not_seen_all_the_creator_did():
    alice, bob, carol = village("alice", "bob", "carol", admins=("bob",))
    told = [bob.remove(alice, 0), alice.remove(carol, 0)]
    found = agree([alice, bob], told)
    assert found.names == ["alice", "bob"]


def test_what_a_removed_admin_did_meanwhile_does_not_hold():
    alice, bob, carol = village("alice", "bob", "carol", admins=("bob",))
    removal = alice.remove(bob, bob.sequence)
    dora = Replica("dora")
    told = [removal, bob.add(dora), bob.promote(dora)]
    fresh = [alice]
    # The promotion rests on the addition, so it cannot come first and be placed.
    for order in permutations(told):
        state = Membership()
        for data in (*alice.state.operations(), *order):
            state = state.take(data)
        fresh.append(state)
    assert {state.members.hash for state in fresh[1:]} == {fresh[1].members.hash}
    assert sorted(member.name for member in fresh[1].members.accounts.values()) == ["alice", "carol"]


def test_operations_wait_for_their_parents_and_forged_ones_do_not_hold_them_up():
    alice, bob = village("alice", "bob")
    one, two, three = alice.rename("one"), alice.rename("two"), alice.rename("three")
    bob.take(three, two)
    assert bob.state.members.name == "the lane" and len(bob.state.missing()) == 1
    bob.take(one)
    assert bob.state.members.name == "three" and not bob.state.missing()


def test_an_operation_of_another_group_or_of_a_stranger_is_refused():
    alice, bob = village("alice", "bob")
    mallory = Replica("mallory")
    mallory.create()
    for data in mallory.state.operations():
        with pytest.raises(PeerError):
            bob.take(data)
    mallory.state = alice.state
    with pytest.raises(PeerError):
        mallory.rename("taken over")


def test_somebody_elses_device_cannot_be_added_as_ones_own():
    alice, bob = village("alice", "bob")
    # Bob certifies Carol's device with his account: the device's own account stays who it was.
    carol = Replica("carol")
    alice.add(carol)
    alice.remove(carol, 3)
    stolen = bob.account.certify(carol.account.device_key, carol.account.device_dh)
    card = bob.card.__class__(
        "carol", bob.account.account_key, carol.account.device_key, carol.account.device_dh, stolen
    )
    bob.take(*alice.state.operations())
    with pytest.raises(PeerError):
        bob.take(operation.add(*bob.next(), card, 1))


@given(st.integers(0, 8 * 300), st.sampled_from(["flip", "cut"]))
@settings(max_examples=80, deadline=None)
def test_an_operation_that_was_changed_on_its_way_changes_nothing(at, how):
    alice, bob = village("alice", "bob")
    data = alice.add(Replica("carol"))
    changed = flip(data, at % (8 * len(data))) if how == "flip" else data[: at % len(data)]
    before = bob.state
    with pytest.raises(PeerError):
        bob.take(changed)
    assert bob.state is before


ACTIONS = st.tuples(
    st.integers(0, 4),
    st.sampled_from(["add", "remove", "promote", "leave", "rename"]),
    st.integers(0, 4),
    st.integers(0, 12),
)


@given(st.integers(2, 5), st.lists(ACTIONS, max_size=12), st.data())
@settings(max_examples=120, deadline=None)
def test_any_operations_in_any_order_with_any_losses_end_alike(count, actions, data):
    people = village(*NAMES[:count], admins=NAMES[1:count:2])
    outsiders = [Replica(name) for name in NAMES[count:]]
    everybody = [*people, *outsiders]
    said = list(people[0].state.operations())
    for actor, what, target, last in actions:
        one, other = everybody[actor % count], everybody[target]
        heard = data.draw(st.lists(st.sampled_from(said), max_size=4)) if said else []
        for part in heard:
            one.take(part)
        try:
            said.append(
                one.leave()
                if what == "leave"
                else one.rename(f"name {last}")
                if what == "rename"
                else one.remove(other, last)
                if what == "remove"
                else getattr(one, what)(other)
            )
        except PeerError:
            continue
    orders = [data.draw(st.permutations(said)) for _ in people]
    ends = []
    for one, order in zip(people, orders, strict=True):
        for part in (*order, *order[:3]):
            one.take(part)
        assert not one.state.held
        ends.append((one.state.members.hash, one.state.members.name, frozenset(one.admins)))
    assert len(set(ends)) == 1
    # Whoever began is in, or left, or was removed by who had seen all they did.
    fresh = Membership()
    for part in said:
        fresh = fresh.take(part)
    assert fresh.members.hash == ends[0][0]
