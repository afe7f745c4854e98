"""Owners manage a board, guests do not, and what was set survives a loss of power."""

import pytest
from support_firmware import PAIRING, Cable, open_lab, quiet, settings

from hedgerow.boards.meshes import fingerprint
from hedgerow_core import cbor, limits, manage, sealed, service
from hedgerow_core.manage import (
    BAD_ARGUMENT,
    CODE,
    DONE,
    FAILED,
    GUEST,
    NO_ROOM,
    OWNER,
    REFUSED,
)

ALICE, BOB, CAROL = (name * 8 for name in (b"Ali.", b"Bob.", b"Caro"))


class Owner(Cable):
    """A host that asks for more than letters; by default the one that flashed the board."""

    def command(self, op, more=b""):
        """(status, data) of a reply."""
        answer = self.ask(bytes((service.MANAGE, op)) + more)
        assert answer[0] == service.MANAGE_IS
        return answer[1], answer[2:]

    def pair(self, key, rights=OWNER, expires=0, label="", op=manage.PAIR):
        return self.command(op, manage.encode_record(rights, expires, key, label))

    def unheard(self):
        """Whether the board does not know the session any more that we have with it."""
        self._answer = b""
        self.link.service(bytes((service.STATUS,)))
        self._pump()
        self.lab.run_until(self.lab.now_ms + 2_000, lambda: bool(self._answer))
        return not self._answer

    def pairings(self):
        status, data = self.command(manage.PAIRINGS)
        assert status == DONE
        return [(label, rights, identity) for rights, _, identity, label in manage.decode_pairings(data)]

    def config(self):
        status, data = self.command(manage.CONFIG_GET)
        assert status == DONE
        return cbor.decode(data)


class Mill:
    """A board with one host at a time on its cable."""

    def __init__(self, lab, **more):
        self.lab = lab
        self.notes = []
        self._host = None
        lab.add_board("mill", settings={**settings("mill"), **more})
        lab.boards["mill"].note = self._note

    def _note(self, who, what, detail):
        self.notes.append((what, detail))
        self.lab.note(who, what, detail)

    def at(self, key):
        """Another host comes to the cable."""
        if self._host is not None:
            self._host.stop()
        self._host = Owner(self.lab, "mill", key)
        return self._host

    def refuses(self, key):
        """Whether the board does not know ``key``."""
        host = self.at(key)
        self.wait(3, lambda: host.link.closed or host.link.established)
        return host.link.closed and host.link.reason == "wrong key"

    def wait(self, seconds, stop=None):
        self.lab.run_until(self.lab.now_ms + int(seconds * 1000), stop)

    def lose_power(self):
        self.lab.power_off("mill")
        self.lab.power_on("mill")

    @property
    def pins(self):
        """What the board put on its pins, in order."""
        return [detail for what, detail in self.notes if what == "note" and detail.startswith("pin")]


@pytest.fixture
def mill(tmp_path):
    with open_lab(tmp_path) as lab:
        yield Mill(lab, care_key=b"c" * 32, finding=b"f" * 16, led_pin=2, led_low=True)
        assert quiet(lab)


def test_an_owner_sees_what_a_board_is_and_no_key_of_it(mill):
    found = mill.at(PAIRING).config()
    assert (found["name"], found["led_pin"], found["led_low"]) == ("mill", 2, True)
    assert found["mesh"].hex() == fingerprint(settings("mill")["mesh_key"])
    assert len(found["board"]) == 8 and len(found["unique"]) == 6 and found["free"] > 100_000
    assert found["radio"] is True
    assert not {"mesh_key", "pairing_key", "pairings", "finding", "care_key"} & set(found)


def test_a_name_that_was_set_survives_a_loss_of_power_at_once(mill):
    owner = mill.at(PAIRING)
    wanted = {"name": "Mühle", "trace": True, "battery_pin": -1}
    assert owner.command(manage.CONFIG_SET, cbor.encode(wanted)) == (DONE, b"\0")
    mill.lose_power()
    assert service.decode_status(owner.ask(bytes((service.STATUS,))))[1] == "Mühle"
    found = owner.config()
    assert all(found[name] == value for name, value in wanted.items())
    assert owner.status()["starts"] == 2


def test_a_setting_of_the_start_restarts_the_board_after_its_answer(mill):
    owner = mill.at(PAIRING)
    assert owner.command(manage.CONFIG_SET, cbor.encode({"profile": "saver"})) == (DONE, b"\1")
    mill.wait(4)
    assert owner.status()["starts"] == 2 and owner.config()["profile"] == "saver"
    # Nothing changes: nothing restarts.
    assert owner.command(manage.CONFIG_SET, cbor.encode({"profile": "saver"})) == (DONE, b"\0")
    assert owner.command(manage.CONFIG_SET, cbor.encode({"profile": None})) == (DONE, b"\1")
    mill.wait(4)
    assert "profile" not in owner.config()


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"name": ""},
        {"name": "n" * 65},
        {"name": None},
        {"mesh_key": bytes(32)},
        {"pairings": b""},
        {"profile": "fast"},
        {"profile": []},
        {"shelf_count": limits.BOARD_LETTERS + 1},
        {"shelf_count": True},
        {"battery_pin": -2},
        {"battery_pin": "4"},
        {"battery_pin": 5},  # no voltage is measured there
        {"led_pin": 45},
        {"button_pin": 40},
        {"trace": 1},
        {"later": 1},
        {7: 1},
        [],
    ],
)
def test_a_wrong_setting_changes_nothing(mill, wrong):
    owner = mill.at(PAIRING)
    before = owner.config()
    assert owner.command(manage.CONFIG_SET, cbor.encode(wrong)) == (BAD_ARGUMENT, b"")
    after = owner.config()
    # littlefs may tidy up meanwhile.
    assert {**before, "free": 0} == {**after, "free": 0}


def test_damaged_commands_are_refused_and_the_board_goes_on(mill):
    owner = mill.at(PAIRING)
    for op in range(12):
        for more in (b"", b"\0", b"\xff", b"\x01" * 5, bytes(40)):
            if (op, more) in ((manage.REBOOT, b""), (manage.LOCATE, b"\xff")):
                continue
            status, _ = owner.command(op, more)
            assert status in (DONE, BAD_ARGUMENT, FAILED), (op, more)
            assert status != DONE or not more or op == manage.LOCATE, (op, more)
    assert owner.ask(bytes((service.MANAGE,)))[1] == BAD_ARGUMENT
    assert owner.status()["starts"] == 1


def test_a_board_restarts_when_it_is_asked_to_and_keeps_its_letters(mill):
    owner = mill.at(PAIRING)
    owner.put(3)
    mill.wait(3)
    assert owner.command(manage.REBOOT) == (DONE, b"")
    mill.wait(4)
    state = owner.status()
    assert (state["starts"], state["held"]) == (2, 3)


def test_a_board_blinks_where_it_has_a_lamp_and_says_so_where_it_has_none(mill):
    owner = mill.at(PAIRING)
    assert owner.command(manage.LOCATE, b"\x01") == (DONE, b"")
    mill.wait(2)
    # A lamp that is lit by a low level is dark at the end.
    assert mill.pins == ["pin 2 0", "pin 2 1"] * 4
    assert owner.command(manage.CONFIG_SET, cbor.encode({"led_pin": -1}))[0] == DONE
    assert owner.command(manage.LOCATE, b"\x01") == (FAILED, b"")


def test_settings_that_name_pins_which_a_chip_does_not_have_take_no_board_off_the_air(tmp_path):
    with open_lab(tmp_path) as lab:
        wrong = {"battery_pin": 5, "led_pin": 45}
        lab.add_board("mill", settings={**settings("mill"), **wrong})
        lab.add_board("barn", settings=settings("barn"))
        lab.hear("mill", "barn")
        owner = Owner(lab, "mill")
        (sent,) = owner.put()
        far = Cable(lab, "barn")
        lab.run_until(30_000, lambda: far.shelf.has(sent))
        assert far.shelf.has(sent)
        assert owner.command(manage.LOCATE, b"\x01") == (FAILED, b"")
        assert owner.ask(bytes((service.COUNTS,)))[0] == service.COUNTS_IS
        assert owner.status()["starts"] == 1 and quiet(lab)


def test_a_shelf_that_is_larger_than_the_memory_does_not_keep_a_board_from_starting(tmp_path):
    with open_lab(tmp_path) as lab:
        wanted = {"shelf_count": limits.BOARD_LETTERS}
        lab.add_board("mill", settings={**settings("mill"), **wanted}, heap_bytes=260_000)
        owner = Owner(lab, "mill")
        (sent,) = owner.put()
        lab.run_until(10_000)
        assert owner.acked() == {sent}
        state = owner.status()
        assert (state["starts"], state["too_large"]) == (1, 0) and state["free"] > 40_000


def test_status_by_management_is_what_the_service_tells(mill):
    owner = mill.at(PAIRING)
    status, data = owner.command(manage.STATUS)
    assert status == DONE and service.decode_status(data)[1] == "mill"


def test_a_second_owner_has_the_same_rights_and_the_first_one_can_go(mill):
    owner = mill.at(PAIRING)
    status, welcome = owner.pair(ALICE, label="Alice")
    assert status == DONE and manage.decode_welcome(welcome) == ("mill", b"f" * 16, b"c" * 32)
    alice = mill.at(ALICE)
    assert [pairing[:2] for pairing in alice.pairings()] == [("", OWNER), ("Alice", OWNER)]
    first, own = (identity for _, _, identity in alice.pairings())
    status, welcome = alice.command(manage.UNPAIR, first)
    name, finding, care_key = manage.decode_welcome(welcome)
    # What the first owner knew of the board finds it, and commands it, no more.
    assert status == DONE and finding != b"f" * 16 and care_key != b"c" * 32
    assert (name, len(finding), len(care_key)) == ("mill", 16, 32)
    assert [pairing[:2] for pairing in alice.pairings()] == [("Alice", OWNER)]
    assert alice.command(manage.UNPAIR, own) == (REFUSED, b""), "the last owner locked everybody out"
    assert alice.command(manage.UNPAIR, first) == (FAILED, b"")
    assert mill.refuses(PAIRING)
    mill.lose_power()
    assert mill.refuses(PAIRING) and mill.at(ALICE).pairings() == [("Alice", OWNER, own)]


def test_a_board_of_an_earlier_version_gets_the_keys_that_owners_need(tmp_path):
    with open_lab(tmp_path, "mill") as lab:
        owner = Owner(lab, "mill")
        found = [manage.decode_welcome(owner.pair(key)[1]) for key in (ALICE, BOB)]
        assert found[0] == found[1] and len(found[0][1]) == 16 and len(found[0][2]) == 32
        assert len(owner.config()["board"]) == 8


def test_a_link_of_a_pairing_that_was_taken_away_ends_after_the_answer(mill):
    owner = mill.at(PAIRING)
    assert owner.pair(ALICE)[0] == DONE
    assert owner.command(manage.UNPAIR, manage.pairing_id(PAIRING))[0] == DONE
    mill.wait(1)
    assert owner.unheard() and mill.refuses(PAIRING)


def test_an_owner_that_takes_itself_away_gets_no_keys_of_those_who_stay(mill):
    assert mill.at(PAIRING).pair(ALICE)[0] == DONE
    assert mill.at(ALICE).command(manage.UNPAIR, manage.pairing_id(ALICE)) == (DONE, b"")
    assert mill.refuses(ALICE)
    found = mill.at(PAIRING).config()
    assert found["board"] != sealed.board_id(b"c" * 32)


def test_a_guest_on_a_cable_that_the_owner_had_before_does_not_set_the_clock(mill):
    owner = mill.at(PAIRING)
    assert owner.pair(BOB, GUEST, 500_000, "Bob")[0] == DONE
    owner.put(3)
    mill.wait(3)
    owner.stop()
    guest = mill._host = Owner(mill.lab, "mill", BOB, minute=400_000)
    mill.wait(5)
    assert guest.link.established
    assert mill.at(PAIRING).status()["held"] == 3, "letters are over by the clock of a guest"


def test_a_question_and_the_end_of_the_link_in_one_read_do_not_restart_the_board(mill):
    owner = mill.at(PAIRING)
    starts = owner.status()["starts"]
    forged = owner.link.framing.send(b"\4\0\0" + bytes(9))[0]
    for _ in range(64):  # that a link forgives
        owner.line.write(forged)
        mill.wait(0.03)
    owner.link.peer.service(bytes((service.STATUS,)))
    owner.line.write(b"".join(owner.link.outgoing(mill.lab.now_ms)) + forged)
    mill.wait(5)
    assert mill.at(PAIRING).status()["starts"] == starts


def test_a_guest_exchanges_letters_and_manages_nothing(mill):
    assert mill.at(PAIRING).pair(BOB, GUEST, label="Bob")[0] == DONE
    guest = mill.at(BOB)
    (sent,) = guest.put()
    mill.wait(3)
    assert guest.acked() == {sent}
    assert guest.status()["held"] == 1 and guest.log()[0]
    assert guest.ask(bytes((service.COUNTS,)))[0] == service.COUNTS_IS
    # The key of the street would outlive the loan.
    guest.link.service(bytes((service.STREET,)))
    guest._pump()
    mill.wait(3)
    assert not any(name == "service" and value[0] == service.STREET_IS for name, value in guest.events)
    record = manage.encode_record(OWNER, 0, CAROL, "")
    for op, more in (
        (manage.CONFIG_GET, b""),
        (manage.CONFIG_SET, cbor.encode({"name": "mine"})),
        (manage.REBOOT, b""),
        (manage.LOCATE, b"\x01"),
        (manage.PAIRINGS, b""),
        (manage.PAIR, record),
        (manage.UNPAIR, manage.pairing_id(PAIRING)),
        (manage.REKEY, bytes(4) + CAROL),
        (manage.NEW_CODE, manage.encode_record(CODE, 0, CAROL, "")),
    ):
        assert guest.command(op, more) == (REFUSED, b""), op
    assert guest.repair(service.EVERYTHING) == service.NOT_ALLOWED
    assert guest.command(manage.STATUS)[0] == DONE
    # But it may give its own pairing back.
    assert guest.command(manage.UNPAIR, manage.pairing_id(BOB)) == (DONE, b""), "a guest got keys of owners"
    assert mill.refuses(BOB) and mill.refuses(CAROL) and not mill.refuses(PAIRING)
    assert mill.at(PAIRING).status()["starts"] == 1


def test_a_loan_ends_by_the_mesh_clock_and_so_does_its_link(mill):
    mill.wait(130)
    owner = mill.at(PAIRING)
    assert owner.pair(BOB, GUEST, 5, "Bob")[0] == DONE
    assert owner.pair(CAROL, GUEST, 1, "Carol")[0] == DONE
    assert mill.refuses(CAROL), "it is over already"
    guest = mill.at(BOB)
    while mill.lab.now_ms < 280_000:
        assert guest.status()["links"] == 1
        mill.wait(10)
    mill.wait(100)
    assert guest.unheard() and mill.refuses(BOB)
    # A restart does not bring it back.
    mill.lose_power()
    assert mill.refuses(BOB) and not mill.refuses(PAIRING)


@pytest.mark.parametrize("rights, op", [(GUEST, manage.PAIR), (CODE, manage.NEW_CODE)])
def test_who_had_a_loan_or_a_code_does_not_know_the_board_any_more_when_it_is_over(mill, rights, op):
    mill.wait(130)
    owner = mill.at(PAIRING)
    status, welcome = owner.pair(BOB, rights, 5, op=op)
    _, finding, care_key = manage.decode_welcome(welcome)
    identity = owner.config()["board"]
    assert status == DONE and owner.ask(bytes((service.FINDING,)))[1:] == finding
    mill.wait(100)
    assert owner.ask(bytes((service.FINDING,)))[1:] == finding
    mill.wait(200)
    renewed = owner.ask(bytes((service.FINDING,)))[1:]
    assert len(renewed) == 16 and renewed != finding
    assert [pairing[:2] for pairing in owner.pairings()] == [("", OWNER)]
    assert owner.config()["board"] == identity, "of care nobody knew who is gone"
    mill.lose_power()
    assert mill.at(PAIRING).ask(bytes((service.FINDING,)))[1:] == renewed
    mill.wait(130)
    assert mill.at(PAIRING).ask(bytes((service.FINDING,)))[1:] == renewed, "once"


def test_an_ownership_that_is_over_leaves_no_care_key_behind(mill):
    mill.wait(130)
    owner = mill.at(PAIRING)
    assert owner.pair(BOB, OWNER, 5)[0] == DONE
    identity = owner.config()["board"]
    mill.wait(300)
    assert [pairing[:2] for pairing in owner.pairings()] == [("", OWNER)]
    assert owner.config()["board"] != identity


def test_who_saw_a_code_does_not_know_the_board_by_it_once_it_was_used_or_replaced(mill):
    owner, seen = mill.at(PAIRING), []
    for code in (b"1st." * 8, b"2nd." * 8):
        seen.append(manage.decode_welcome(owner.pair(code, CODE, op=manage.NEW_CODE)[1])[1])
    seen.append(manage.decode_welcome(mill.at(b"2nd." * 8).pair(ALICE)[1])[1])
    assert len(set(seen)) == 3 and seen[0] == b"f" * 16
    assert mill.at(ALICE).ask(bytes((service.FINDING,)))[1:] == seen[2]


def test_a_code_lets_one_new_owner_in_and_nobody_twice(mill):
    code = b"code" * 8
    assert mill.at(PAIRING).pair(code, CODE, op=manage.NEW_CODE)[0] == DONE
    stranger = mill.at(code)
    assert stranger.command(manage.CONFIG_GET) == (REFUSED, b"")
    assert stranger.pair(BOB, GUEST) == (REFUSED, b"")
    assert stranger.pair(BOB, CODE, op=manage.NEW_CODE) == (REFUSED, b"")
    status, welcome = stranger.pair(ALICE, label="Alice")
    assert status == DONE and manage.decode_welcome(welcome)[0] == "mill"
    assert mill.refuses(code)
    assert [pairing[:2] for pairing in mill.at(ALICE).pairings()] == [("", OWNER), ("Alice", OWNER)]


def test_a_new_code_takes_the_place_of_the_former(mill):
    owner = mill.at(PAIRING)
    for code in (b"1st." * 8, b"2nd." * 8):
        assert owner.pair(code, CODE, op=manage.NEW_CODE)[0] == DONE
    assert [rights for _, rights, _ in owner.pairings()] == [OWNER, CODE]
    mill.wait(1)
    assert mill.refuses(b"1st." * 8) and not mill.refuses(b"2nd." * 8)


def test_a_code_gets_nothing_but_its_one_answer(mill):
    code = b"code" * 8
    assert mill.at(PAIRING).pair(code, CODE, op=manage.NEW_CODE)[0] == DONE
    stranger = mill.at(code)
    mill.wait(3, lambda: stranger.link.established)
    for kind in (service.STATUS, service.STREET, service.LOG, service.COUNTS):
        stranger.link.service(bytes((kind, 0) if kind == service.LOG else (kind,)))
    stranger._pump()
    before = len([name for name, _ in stranger.events if name == "service"])
    mill.wait(2)
    assert before == len([name for name, _ in stranger.events if name == "service"]) == 0


def test_pairings_have_a_bound_and_the_same_key_counts_once(mill):
    owner = mill.at(PAIRING)
    for number in range(limits.PAIRINGS):
        assert owner.pair(bytes([number + 1]) * 32, GUEST, label=f"guest {number}")[0] == DONE
    assert owner.pair(ALICE) == (NO_ROOM, b"")
    assert owner.pair(b"\x03" * 32, OWNER, label="now an owner")[0] == DONE
    listed = owner.pairings()
    assert len(listed) == limits.PAIRINGS + 1 and ("now an owner", OWNER) in [one[:2] for one in listed]
    assert owner.command(manage.UNPAIR, manage.pairing_id(b"\x01" * 32))[0] == DONE
    assert owner.pair(ALICE)[0] == DONE


def test_a_mesh_key_that_was_changed_is_there_after_the_restart(mill):
    owner = mill.at(PAIRING)
    assert owner.command(manage.REKEY, bytes(4) + CAROL) == (DONE, b"")
    mill.wait(4)
    assert owner.config()["mesh"].hex() == fingerprint(CAROL)


def test_power_that_goes_at_any_moment_of_a_change_leaves_the_former_or_the_new_settings(tmp_path):
    """The change takes some 200 ms of flash; the cuts come every 10 ms."""
    seen = set()
    for late_ms in range(0, 300, 10):
        folder = tmp_path / str(late_ms)
        folder.mkdir()
        with open_lab(folder, seed=late_ms) as lab:
            mill = Mill(lab)
            owner = mill.at(PAIRING)
            mill.wait(5, lambda owner=owner: owner.link.established)
            owner.link.service(bytes((service.MANAGE, manage.CONFIG_SET)) + cbor.encode({"name": "new"}))
            owner._pump()
            mill.wait(late_ms / 1000)
            mill.lose_power()
            mill.wait(0.2)  # what the board said is still on the cable
            answered = owner._answer
            name = owner.config()["name"]
            assert name == "new" or (name == "mill" and not answered), late_ms
            seen.add((name, bool(answered)))
    assert seen >= {("mill", False), ("new", True)}
