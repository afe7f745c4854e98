"""What is said to a group: read once by all who are in, written by nobody else, hard to make disappear."""

from dataclasses import replace

import pytest
from groups_support import village as replicas
from hypothesis import given, settings
from hypothesis import strategies as st
from people_support import NOW, flip, person

from hedgerow.groups import control, epoch, letter, limits, operation
from hedgerow.groups.control import Control
from hedgerow.groups.epoch import Chain, Epoch
from hedgerow.groups.letter import Letter
from hedgerow.identity import keys
from hedgerow.log.entry import TEXT, Entry
from hedgerow.ratchet import kdf
from hedgerow_core import envelope as envelopes
from hedgerow_core.errors import AuthError, LimitError, PeerError

ALICE, BOB, CAROL = (person(name) for name in ("alice", "bob", "carol"))


def group():
    """(epoch, its chains) of a group of three."""
    alice, _, _ = replicas("alice", "bob", "carol")
    made = Epoch(alice.state.group, 1, alice.state.heads, ALICE.device_key, bytes(range(32)))
    return made, epoch.chains(made, alice.state.members)


def said(text, sequence=1, references=()):
    return Letter(Entry(TEXT, sequence, sequence, 0, NOW - NOW % 60_000, text), references)


def sealed(made, chain, text, sequence=1, who=ALICE):
    return letter.seal(chain, made.group, made.id, who.device_seed, said(text, sequence))


def opened(made, chain, number, body, who=ALICE):
    return letter.open(chain, number, made.group, made.id, who.device_key, body)


def test_20_characters_to_a_group_cost_160_bytes_on_the_air():
    made, chains = group()
    references = tuple((bytes(4), 100) for _ in range(limits.REFERENCES))
    _, lock, body, _ = letter.seal(
        chains[ALICE.device_key], made.group, made.id, ALICE.device_seed, said("x" * 20, 100, references)
    )
    assert len(envelopes.make(0, 10, lock, body, 0, True).encode()) == 160


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
@settings(max_examples=60, deadline=None)
def test_letters_in_any_order_and_with_losses_are_each_read_once(order, lost):
    made, chains = group()
    writer = reader = chains[ALICE.device_key]
    sent = []
    for number in range(8):
        writer, lock, body, _ = sealed(made, writer, f"{number}", number + 1)
        sent.append((lock, body))
    for number in order:
        if number in lost:
            continue
        lock, body = sent[number]
        assert epoch.locks(reader)[lock] == number
        reader, found = opened(made, reader, number, body)
        assert found == said(f"{number}", number + 1)
        assert lock not in epoch.locks(reader)
        with pytest.raises(PeerError):
            opened(made, reader, number, body)
    assert len(reader.skipped) <= 8


def test_who_steals_the_chain_reads_nothing_that_was_read_before():
    made, chains = group()
    writer = reader = chains[ALICE.device_key]
    writer, _, body, _ = sealed(made, writer, "before")
    reader, _ = opened(made, reader, 0, body)
    stolen = Chain.from_cbor(reader.to_cbor())
    with pytest.raises(PeerError):
        opened(made, stolen, 0, body)
    # The keys that would open it are not in what was stolen.
    _, key = epoch.key_of(chains[ALICE.device_key], 0)
    assert key not in reader.to_cbor()


def test_the_secret_of_an_epoch_is_not_in_what_is_kept_of_it():
    made, chains = group()
    assert all(made.secret not in chain.to_cbor() for chain in chains.values())


def test_a_member_cannot_write_as_another():
    made, chains = group()
    # Bob knows Alice's chain, as all members do, and signs with his own key.
    _, _, body, _ = letter.seal(
        chains[ALICE.device_key], made.group, made.id, BOB.device_seed, said("I am Alice")
    )
    with pytest.raises(AuthError):
        opened(made, chains[ALICE.device_key], 0, body)


def test_a_letter_cannot_be_moved_to_another_place_epoch_or_group():
    made, chains = group()
    chain, _, body, _ = sealed(made, chains[ALICE.device_key], "once")
    for other_number, other in ((1, made), (0, replace(made, group=bytes(16))), (0, replace(made, number=2))):
        with pytest.raises(PeerError):
            opened(other, chains[ALICE.device_key], other_number, body)
    with pytest.raises(PeerError):
        opened(made, chains[BOB.device_key], 0, body, BOB)


def test_a_member_who_knows_the_lock_cannot_have_the_letter_let_go():
    made, chains = group()
    _, lock, body, stop = sealed(made, chains[ALICE.device_key], "stays")
    assert letter.stop(ALICE.device_seed, made.group, made.id, 0) == stop
    # With all that members know: chains, locks, tokens.
    assert stop not in {letter.stop(one.device_seed, made.group, made.id, 0) for one in (BOB, CAROL)}
    made_envelope = envelopes.make(0, 10, lock, body, 0, True)
    assert made_envelope.proof_hash() == body[:16] != lock[:12]


def test_a_removed_member_has_no_chain_of_the_next_epoch():
    alice, bob, carol = replicas("alice", "bob", "carol")
    alice.remove(carol, 5)
    made = Epoch(alice.state.group, 2, alice.state.heads, ALICE.device_key, bytes(32))
    chains = epoch.chains(made, alice.state.members)
    assert CAROL.device_key not in chains and set(chains) == {ALICE.device_key, BOB.device_key}


def test_who_counts_other_members_has_other_chains():
    alice, bob, carol = replicas("alice", "bob", "carol")
    made = Epoch(alice.state.group, 2, alice.state.heads, ALICE.device_key, bytes(32))
    before = epoch.chains(made, alice.state.members)
    alice.remove(carol, 5)
    assert epoch.chains(made, alice.state.members)[ALICE.device_key] != before[ALICE.device_key]


def test_a_chain_ends_after_500_letters_and_forged_numbers_cost_no_more():
    made, chains = group()
    chain = chains[ALICE.device_key]
    for _ in range(limits.EPOCH_MESSAGES):
        chain, _, _ = epoch.step(chain)
    with pytest.raises(LimitError):
        epoch.step(chain)
    with pytest.raises(PeerError):
        epoch.key_of(chains[ALICE.device_key], limits.EPOCH_MESSAGES)
    far, _ = epoch.key_of(chains[ALICE.device_key], limits.EPOCH_MESSAGES - 1)
    assert len(far.skipped) == limits.EPOCH_MESSAGES - 1 <= limits.SKIPPED_KEYS
    assert len(epoch.locks(chains[ALICE.device_key])) == limits.WINDOW


@given(st.integers(0, 8 * 200))
@settings(max_examples=100, deadline=None)
def test_a_letter_that_was_changed_is_refused_and_the_true_one_still_read(bit):
    made, chains = group()
    reader = chains[ALICE.device_key]
    _, _, body, _ = sealed(made, reader, "the true one")
    with pytest.raises(PeerError):
        opened(made, reader, 0, flip(body, bit % (8 * len(body))))
    with pytest.raises(PeerError):
        opened(made, reader, 0, body[: bit % len(body)])
    assert opened(made, reader, 0, body)[1] == said("the true one")


@given(st.binary(max_size=200))
def test_whatever_a_member_seals_is_a_letter_or_refused(data):
    made, chains = group()
    chain, number, key = epoch.step(chains[BOB.device_key])
    head = made.group + made.id + bytes(16)
    plain = data + keys.sign(BOB.device_seed, b"hedgerow group letter" + head + data)
    body = bytes(16) + keys.seal(kdf.seal_key(key), plain + b"\x80", head)
    try:
        _, found = opened(made, chains[BOB.device_key], 0, body, BOB)
    except PeerError:
        return
    assert isinstance(found, Letter)


@given(st.binary(max_size=200))
def test_whatever_a_device_sends_about_a_group_is_read_or_refused(data):
    try:
        found = control.decode(data, ALICE.device_key)
    except PeerError:
        return
    assert isinstance(found, Control)


@given(st.lists(st.binary(min_size=1, max_size=800), max_size=20), st.booleans(), st.integers(0, 24))
def test_what_devices_tell_each_other_fits_into_letters_and_comes_whole(operations, begins, wants):
    made, _ = group()
    missing = tuple(bytes((at,)) * operation.ID_BYTES for at in range(wants))
    found = Control(made.group, tuple(operations), made if begins else None, missing)
    parts = control.encode(found)
    assert all(len(part) <= 920 for part in parts)
    read = [control.decode(part, ALICE.device_key) for part in parts]
    assert tuple(data for part in read for data in part.operations) == tuple(operations)
    assert [part.epoch for part in read][:-1] == [None] * (len(read) - 1) and read[-1].epoch == found.epoch
    assert read[-1].wants == missing
