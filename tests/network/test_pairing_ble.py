"""Pairing over Bluetooth by codes and loans, in virtual time, with a firmware that knows no better."""

import asyncio

import pytest
from ble_support import MESH, Someone, finding_of, open_lab, pairing_of, run, until

from hedgerow import errors
from hedgerow.boards import code as codes
from hedgerow.boards import pairing
from hedgerow.boards.code import Code
from hedgerow.boards.managing import Managing, over
from hedgerow.boards.pairing import in_step
from hedgerow.links.keeper import Keeper
from hedgerow_core import manage, service
from hedgerow_core.clock import EPOCH_MINUTES
from hedgerow_core.manage import GUEST, OWNER

KEY = b"one-time key of the test's code."


@pytest.fixture
def lab(tmp_path):
    with open_lab(tmp_path / "lab", "mill") as found:
        yield found
        assert not found.log("mill")


def someone(lab, name, tmp_path):
    return Someone(lab, name, tmp_path, ["mill"])


def owner(lab, tmp_path):
    """Alice, who flashed the board."""
    alice = someone(lab, "Alice", tmp_path)
    alice.know("mill")
    return alice


async def managed(who, ask, board="mill"):
    """What ``ask`` gives over the air."""
    keeper = who.keeper(f"ble:{board}")
    try:
        await keeper.open()
        return await ask(Managing(over(keeper)))
    finally:
        await keeper.close()


async def pairs(who, text):
    """Somebody types what they see."""

    def make(url, key, finding):
        return who.keeper(url, [key], finding=finding)

    code = codes.parse(text)
    return await pairing.by_code(who.node, code, f"ble:{code.name}", who.name, who.now, make)


def test_a_code_makes_one_new_owner_over_the_air_and_no_second_one(lab, tmp_path):
    alice, bob, eve = owner(lab, tmp_path), someone(lab, "Bob", tmp_path), someone(lab, "Eve", tmp_path)
    mesh = bob.node.meshes.create("Mill Lane", bob.now())
    bob.node._database.run("UPDATE meshes SET key = seal_long(?)", MESH)

    async def main():
        told = await managed(alice, lambda managing: managing.pair(KEY, manage.CODE, ""))
        code = Code("mill", KEY, told.finding)
        paired = await pairs(bob, code.for_qr())
        assert (paired.name, paired.rights, paired.mesh) == ("mill", OWNER, mesh.id)
        assert paired.finding != finding_of("mill") and len(paired.board_id) == 8
        assert len(paired.care_key) == 32 and paired.address == "ble:mill"
        with pytest.raises(errors.CodeNotInReach, match="or this code was used"):
            await pairs(eve, code.uri())
        assert eve.node.boards.all() == []
        listed = await managed(bob, lambda managing: managing.pairings())
        assert [(one.label, one.rights) for one in listed] == [("", OWNER), ("Bob", OWNER)]
        # The link works for letters at once.
        keeper = bob.keeper("ble:mill")
        try:
            await keeper.open()
            await keeper.settle()
        finally:
            await keeper.close()

    run(lab.clock, main())


def test_a_code_of_a_board_that_is_out_of_reach_leaves_nothing_behind(lab, tmp_path):
    bob = someone(lab, "Bob", tmp_path)

    async def main():
        with pytest.raises(errors.BoardNotInReach):
            await pairs(bob, Code("school", KEY, b"another board's.").uri())
        assert bob.node.boards.all() == []

    run(lab.clock, main())


def test_an_answer_that_is_lost_leaves_the_new_owner_paired(lab, tmp_path):
    alice, bob = owner(lab, tmp_path), someone(lab, "Bob", tmp_path)

    async def main():
        told = await managed(alice, lambda managing: managing.pair(KEY, manage.CODE, ""))

        heard = []

        async def deaf(self, key, rights, label, expires=0):
            heard.append(await Managing.pair(self, key, rights, label, expires))
            if len(heard) == 1:
                raise errors.BoardSilent
            return heard[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pairing, "Managing", type("Deaf", (Managing,), {"pair": deaf}))
            paired = await pairs(bob, Code("mill", KEY, told.finding).uri())
        assert paired.owned and bob.node.boards.named("mill") == paired
        assert (await managed(bob, lambda managing: managing.config()))["name"] == "mill"

    run(lab.clock, main())


def losing(patch, then=lambda: None):
    """The packet that answers MANAGE PAIR is lost, once, and ``then`` happens."""
    lost = []

    def take(self, link, data):
        for name, value in link.receive(data, self._now()):
            if name == "service" and value[0] == service.MANAGE_IS and not lost:
                lost.append(value)
                then()
            elif name == "service":
                self._answers[value[0]] = value

    patch.setattr(Keeper, "_take", take)
    return lost


def test_a_packet_that_is_lost_with_the_answer_to_a_code_leaves_the_new_owner_paired(lab, tmp_path):
    alice, bob = owner(lab, tmp_path), someone(lab, "Bob", tmp_path)

    async def main():
        told = await managed(alice, lambda managing: managing.pair(KEY, manage.CODE, ""))
        with pytest.MonkeyPatch.context() as patch:
            lost = losing(patch)
            paired = await pairs(bob, Code("mill", KEY, told.finding).uri())
        assert lost and paired.owned and bob.node.boards.all() == [paired] and len(paired.care_key) == 32
        listed = await managed(bob, lambda managing: managing.pairings())
        assert [(one.label, one.rights) for one in listed] == [("", OWNER), ("Bob", OWNER)]

    run(lab.clock, main())


@pytest.mark.parametrize("how", ["Ctrl-C", "out of reach"])
def test_who_is_cut_short_at_the_answer_to_a_code_completes_it_with_the_same_code(lab, tmp_path, how):
    alice, bob = owner(lab, tmp_path), someone(lab, "Bob", tmp_path)

    async def main():
        told = await managed(alice, lambda managing: managing.pair(KEY, manage.CODE, ""))
        code = Code("mill", KEY, told.finding)
        with pytest.MonkeyPatch.context() as patch:
            task = asyncio.current_task()
            lost = losing(patch, task.cancel if how == "Ctrl-C" else lambda: lab.power_off("mill"))
            with pytest.raises((asyncio.CancelledError, errors.PairingUnfinished)):
                await pairs(bob, code.uri())
        assert lost
        if how == "Ctrl-C":
            task.uncancel()
        else:
            lab.power_on("mill")
        (kept,) = bob.node.boards.all()
        assert kept.used_ms == 0
        paired = await pairs(bob, code.uri())
        assert paired.owned and paired.used_ms and bob.node.boards.all() == [paired]
        assert paired.pairing_key == kept.pairing_key
        listed = await managed(bob, lambda managing: managing.pairings())
        assert [(one.label, one.rights) for one in listed] == [("", OWNER), ("Bob", OWNER)]

    run(lab.clock, main())


def test_a_code_whose_command_was_lost_is_good_for_another_try(lab, tmp_path):
    alice, bob = owner(lab, tmp_path), someone(lab, "Bob", tmp_path)

    async def main():
        told = await managed(alice, lambda managing: managing.pair(KEY, manage.CODE, ""))

        async def gone(self, key, rights, label, expires=0):
            raise errors.BoardGone(name="mill")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pairing, "Managing", type("Gone", (Managing,), {"pair": gone}))
            with pytest.raises(errors.BoardGone):
                await pairs(bob, Code("mill", KEY, told.finding).uri())
        assert bob.node.boards.all() == []
        assert (await pairs(bob, Code("mill", KEY, told.finding).uri())).owned

    run(lab.clock, main())


def test_a_loan_serves_until_it_is_over_and_its_guest_manages_nothing(lab, tmp_path):
    alice, bob = owner(lab, tmp_path), someone(lab, "Bob", tmp_path)
    end = alice.now() // 60_000 + 30

    async def main():
        told = await managed(alice, lambda managing: managing.pair(KEY, GUEST, "Bob", end - EPOCH_MINUTES))
        paired = await pairs(bob, Code("mill", KEY, told.finding, end * 60_000).uri())
        assert (paired.rights, paired.expires_ms) == (GUEST, end * 60_000)
        with pytest.raises(errors.NotOwner):
            await managed(bob, lambda managing: managing.config())
        lab.run_until(lab.now_ms + 31 * 60_000)
        # It does not even know the board's beacons any more, and the owner learns how to.
        with pytest.raises(errors.BoardNotInReach):
            await managed(bob, lambda managing: managing.config())
        assert not any(sighting.of(told.finding) for sighting in await bob.radio().look())
        await managed(alice, lambda managing: managing.config())
        known = alice.node.boards.named("mill").finding
        assert any(sighting.of(known) for sighting in await alice.radio().look())
        late = Code("mill", KEY, told.finding, end * 60_000)
        with pytest.raises(errors.LoanOver, match="mill is over"):
            await pairs(bob, late.uri())

    run(lab.clock, main())


def test_an_owner_and_a_guest_write_to_each_other_over_one_board_at_the_same_time(lab, tmp_path):
    alice, bob = owner(lab, tmp_path), someone(lab, "Bob", tmp_path)

    async def main():
        told = await managed(alice, lambda managing: managing.pair(KEY, GUEST, "Bob"))
        await pairs(bob, Code("mill", KEY, told.finding, bob.now() + 3_600_000).uri())
        bob.node.add(alice.node.invite(alice.now()), bob.now())
        alice.node.boards.add("school", b"s" * 32, alice.now(), finding=b"s" * 16)  # many boards, one host
        tasks = [asyncio.create_task(who.keeper("ble:mill").keep()) for who in (alice, bob)]
        await until(lab, lambda: alice.linked and bob.linked)
        await until(lab, lambda: all(c.connected for who in (alice, bob) for c in who.node.contacts()))
        for number in range(5):
            alice.node.send("Bob", f"to Bob {number}", alice.now())
            bob.node.send("Alice", f"to Alice {number}", bob.now())
        await until(lab, lambda: len(alice.texts) == len(bob.texts) == 5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(lab.clock, main())
    assert (alice.linked, bob.linked) == (2, 1)  # once to lend it
    assert sorted(bob.texts) == [f"to Bob {number}" for number in range(5)]


def test_who_was_taken_away_does_not_recognise_the_board_any_more_and_the_others_find_it(lab, tmp_path):
    alice, bob = owner(lab, tmp_path), someone(lab, "Bob", tmp_path)

    async def main():
        told = await managed(alice, lambda managing: managing.pair(KEY, GUEST, "Bob"))
        bob.node.boards.add("mill", KEY, bob.now(), rights=GUEST, finding=told.finding)
        assert (await managed(bob, lambda managing: managing._done(manage.STATUS))) != b""
        again = await managed(alice, lambda managing: managing.unpair(manage.pairing_id(KEY)))
        assert again.finding != told.finding
        alice.node.boards.change(1, finding=again.finding)
        lab.run_until(lab.now_ms + 10_000)
        with pytest.raises(errors.BoardNotInReach):
            await managed(bob, lambda managing: managing.config())
        assert (await managed(alice, lambda managing: managing.config()))["name"] == "mill"

    run(lab.clock, main())


def test_an_owner_learns_the_keys_that_the_board_made_when_another_one_went(lab, tmp_path):
    alice, bob = owner(lab, tmp_path), someone(lab, "Bob", tmp_path)

    async def main():
        told = await managed(alice, lambda managing: managing.pair(KEY, manage.CODE, ""))
        await pairs(bob, Code("mill", KEY, told.finding).uri())
        carol = b"Carol" * 6 + b"!!"
        await managed(alice, lambda managing: managing.pair(carol, OWNER, "Carol"))
        again = await managed(alice, lambda managing: managing.unpair(manage.pairing_id(carol)))
        lab.run_until(lab.now_ms + 5_000)
        before = bob.node.boards.named("mill")
        assert before.care_key not in (again.care_key, None) and before.finding != again.finding
        for _ in range(2):
            board = bob.node.boards.named("mill")
            found = await managed(bob, lambda managing, board=board: in_step(bob.node, board, managing))
            after = bob.node.boards.named("mill")
            assert (after.care_key, after.finding) == (again.care_key, again.finding)
            assert after.board_id == found["board"] or board == before
            assert after.firmware == found["firmware"]
        listed = await managed(bob, lambda managing: managing.pairings())
        assert [(one.label, one.rights) for one in listed] == [("", OWNER), ("Bob", OWNER)]

    run(lab.clock, main())


def test_a_computer_that_pairs_again_has_one_pairing_there_and_keeps_its_name_for_the_board(lab, tmp_path):
    alice = owner(lab, tmp_path)

    async def main():
        for number in range(2):
            key = bytes([number + 1]) * 32
            told = await managed(alice, lambda managing, key=key: managing.pair(key, manage.CODE, ""))
            await pairs(alice, Code("mill", key, told.finding).uri())
            listed = await managed(alice, lambda managing: managing.pairings(), "mill 2")
            assert [one.label for one in listed] == ["", "Alice"]
            assert alice.node.boards.of_key(pairing_of("mill")) is not None
        assert [board.name for board in alice.node.boards.all()] == ["mill 2", "mill"]

    run(lab.clock, main())
