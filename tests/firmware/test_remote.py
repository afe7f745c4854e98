"""Commands for a board several hops away, on boards that run the real firmware."""

import pytest
from support_firmware import MESH, PAIRING, Cable, open_lab, patched, quiet, settings

from hedgerow_core import cbor, envelope, manage, sealed, service, slots
from hedgerow_lab.world import Lab, find_aioble

MINUTE = 60_000
NEW = bytes(range(64, 96))


def care_key(name):
    return name.encode() * 32


def cared(name, **more):
    return {**settings(name), "care_key": care_key(name), **more}


def line_of(tmp_path, *names, seed=1, **board):
    lab = Lab(seed, workdir=tmp_path, aioble=find_aioble())
    for at, name in enumerate(names):
        lab.add_board(name, settings=cared(name), **board)
        if at:
            lab.hear(names[at - 1], name)
    return lab


class Admin(Cable):
    """A host that has the care keys of all boards."""

    def __init__(self, lab, board):
        super().__init__(lab, board)
        self.salts = iter(range(1, 1_000))

    def command(self, board, number, *command, until=1_000):
        """Seal a command and bring it to our board; the envelope."""
        salt = next(self.salts).to_bytes(8, "big")
        message = b"".join(bytes((part,)) if isinstance(part, int) else part for part in command)
        made = sealed.seal(care_key(board), sealed.DOWN, number, until, message, salt)
        self.give(made)
        return made

    def give(self, envelope):
        self.shelf.put(envelope, self.lab.now_ms)
        self.link.push(self.lab.now_ms)
        self._pump()

    def reply(self, board, number, command, minutes=5):
        """The reply, or None where none comes in time."""
        lock = sealed.lock(care_key(board), sealed.UP, number)
        wait = self.lab.now_ms + minutes * MINUTE
        self.lab.run_until(wait, lambda: any(self._under(lock)))
        for found in self._under(lock):
            _, message = sealed.open_sealed(care_key(board), sealed.UP, number, found)
            assert message[:8] == command.body[:8]
            return message[8:]
        return None

    def _under(self, lock):
        found = [self.shelf.get(identity, self.lab.now_ms) for identity in self.shelf.under(lock)]
        return [one for one in found if one is not None and one.lock == lock]

    def leave(self):
        self.stop()
        self.line.connected = False


def test_a_command_crosses_three_hops_and_its_reply_comes_back(tmp_path):
    with line_of(tmp_path, "a", "b", "c", "d") as lab:
        lab.run_until(2_000)
        admin = Admin(lab, "a")
        letters = admin.put(5)
        asked = admin.command("d", 0, manage.STATUS)
        reply = admin.reply("d", 0, asked)
        assert reply[0] == manage.DONE
        numbers, name = service.decode_status(reply[1:])
        assert name == "d" and numbers[6] == 1
        # Who opened it proved it: on the way nothing is left of it.
        lab.run_until(lab.now_ms + MINUTE, lambda: not admin.shelf.has(asked.id))
        assert not admin.shelf.has(asked.id)
        admin.shelf.prove(sealed.token(care_key("d"), sealed.UP, 0), lab.now_ms)
        admin.link.push(lab.now_ms)
        lab.run_until(lab.now_ms + 2 * MINUTE)
        held = admin.status()
        assert held["held"] - held["proofs"] == len(letters)
        assert quiet(lab)


def test_a_command_that_is_replayed_by_a_member_changes_nothing(tmp_path):
    with line_of(tmp_path, "a", "b") as lab:
        lab.run_until(2_000)
        admin = Admin(lab, "a")
        first = admin.command("b", 0, manage.CONFIG_SET, cbor.encode({"name": "one"}))
        assert admin.reply("b", 0, first) == b"\0\0"
        again = admin.command("b", 1, manage.CONFIG_SET, cbor.encode({"name": "two"}))
        assert admin.reply("b", 1, again) == b"\0\0"
        reboot = admin.command("b", 2, manage.REBOOT)
        assert admin.reply("b", 2, reboot) == b"\0"
        lab.run_until(lab.now_ms + MINUTE)
        lab.power_off("b")
        lab.power_on("b")
        lab.run_until(lab.now_ms + 5_000)
        starts = len(lab.boards["b"].causes)
        # A member who kept all of it, at the cable of the board itself, and one who made some up.
        hostile = Admin(lab, "b")
        for old in (first, again, reboot):
            hostile.give(old)
        forged = sealed.seal(bytes(32), sealed.DOWN, 3, 1_000, bytes((manage.REBOOT,)), bytes(8))
        forged = type(forged)(forged.flags, forged.ttl, sealed.lock(care_key("b"), 0, 3), forged.body, 0, 0)
        hostile.give(forged)
        lab.run_until(lab.now_ms + 2 * MINUTE)
        assert len(lab.boards["b"].causes) == starts
        config = hostile.command("b", 3, manage.CONFIG_GET)
        reply = hostile.reply("b", 3, config)
        assert reply[0] == manage.DONE and cbor.decode(reply[1:])["name"] == "two" and quiet(lab)


def test_a_command_whose_power_goes_after_its_number_was_stored_never_runs(tmp_path):
    cut = "            if not _run(board, key, tries < _TRIES, *found):\n"
    before = "            if board.journal.starts == 1:\n                import machine\n"
    before += "                machine.reset()\n"
    source = patched(tmp_path / "source", "remote.py", (cut, before + cut))
    with line_of(tmp_path / "lab", "a", source=source) as lab:
        lab.run_until(2_000)
        admin = Admin(lab, "a")
        lost = admin.command("a", 0, manage.CONFIG_SET, cbor.encode({"name": "lost"}))
        assert admin.reply("a", 0, lost, 1) is None
        assert lab.boards["a"].causes == [1, 2]
        admin.leave()
        other = Admin(lab, "a")
        other.give(lost)
        assert other.reply("a", 0, lost, 1) is None
        asked = other.command("a", 1, manage.CONFIG_GET)
        reply = other.reply("a", 1, asked)
        assert reply[0] == manage.DONE and cbor.decode(reply[1:])["name"] == "a"


def test_a_command_that_lay_there_while_the_board_was_off_runs_when_it_starts(tmp_path):
    with line_of(tmp_path, "a", "b") as lab:
        lab.run_until(2_000)
        lab.power_off("b")
        admin = Admin(lab, "a")
        late = admin.command("b", 0, manage.STATUS, until=0)
        asked = admin.command("b", 1 << 20, manage.STATUS)
        lab.run_until(3 * MINUTE)
        lab.power_on("b")
        assert admin.reply("b", 0, late) == bytes((manage.REFUSED,))  # its time was over
        assert admin.reply("b", 1 << 20, asked)[0] == manage.DONE
        assert quiet(lab)


def test_no_reply_over_the_mesh_gives_new_keys_to_who_knows_the_former_ones(tmp_path):
    with line_of(tmp_path, "a", "b") as lab:
        lab.run_until(2_000)
        admin = Admin(lab, "a")
        commands = (
            (manage.PAIR, manage.encode_record(manage.OWNER, 0, NEW, "new")),
            (manage.NEW_CODE, manage.encode_record(manage.CODE, 0, NEW, "")),
            (manage.UNPAIR, manage.pairing_id(PAIRING)),
        )
        for number, command in enumerate(commands):
            asked = admin.command("b", number, *command)
            assert admin.reply("b", number, asked) == bytes((manage.REFUSED,))
        asked = admin.command("b", 3, manage.PAIRINGS)
        reply = admin.reply("b", 3, asked)
        (kept,) = manage.decode_pairings(reply[1:])
        assert kept[2] == manage.pairing_id(PAIRING) and quiet(lab)


def test_a_board_hears_commands_under_a_care_key_that_was_renewed_over_a_link(tmp_path):
    with line_of(tmp_path, "a") as lab:
        lab.run_until(2_000)
        admin = Admin(lab, "a")
        before = admin.command("a", 0, manage.STATUS)
        assert admin.reply("a", 0, before)[0] == manage.DONE
        record = manage.encode_record(manage.OWNER, 0, NEW, "")
        assert admin.ask(bytes((service.MANAGE, manage.PAIR)) + record)[1] == manage.DONE
        gone = manage.pairing_id(NEW)
        told = admin.ask(bytes((service.MANAGE, manage.UNPAIR)) + gone)
        key = manage.decode_welcome(told[2:])[2]
        asked = sealed.seal(key, sealed.DOWN, 1, 1_000, bytes((manage.STATUS,)), bytes(8))
        admin.give(asked)
        lock = sealed.lock(key, sealed.UP, 1)
        lab.run_until(lab.now_ms + MINUTE, lambda: any(admin._under(lock)))
        assert any(admin._under(lock)) and quiet(lab)


def test_forgeries_under_the_lock_of_a_command_are_let_go_and_the_command_runs(tmp_path):
    with line_of(tmp_path, "a") as lab:
        lab.run_until(2_000)
        admin = Admin(lab, "a")
        lock = sealed.lock(care_key("a"), sealed.DOWN, 0)
        forged = [envelope.make(envelope.NORMAL, 10, lock, bytes((n,)) * 77) for n in range(20)]
        for one in forged:
            admin.give(one)
        asked = admin.command("a", 0, manage.STATUS)
        assert admin.reply("a", 0, asked)[0] == manage.DONE
        assert admin.status()["held"] <= len(forged) and admin.status()["starts"] == 1 and quiet(lab)


@pytest.mark.parametrize("error", ["OSError(28)", 'HedgerowError("full")'])
def test_a_command_that_finds_the_flash_full_does_not_end_the_board(tmp_path, error):
    cut = "            if not _run(board, key, tries < _TRIES, *found):\n"
    fails = f"            if number == 1:\n                raise {error}\n"
    names = "from hedgerow_core import manage, sealed\n"
    more = "from hedgerow_core.errors import HedgerowError\n"
    source = patched(tmp_path / "source", "remote.py", (cut, fails + cut), (names, names + more))
    with line_of(tmp_path / "lab", "a", source=source) as lab:
        lab.run_until(2_000)
        admin = Admin(lab, "a")
        lost = admin.command("a", 0, manage.STATUS)
        assert admin.reply("a", 0, lost, 1) is None
        asked = admin.command("a", 1, manage.STATUS)
        assert admin.reply("a", 1, asked)[0] == manage.DONE
        assert lab.boards["a"].causes == [1]
        texts = [text for _, _, text in admin.log()[1]]
        assert len(texts) == 1 and texts[0].startswith("remote: ")


def test_a_mesh_key_that_cannot_be_written_is_written_a_minute_later(tmp_path):
    cut = '        fields["mesh_key"] = fields.pop("next_key")\n'
    full = "        if board.now() < 300_000:\n            raise OSError(28)\n"
    source = patched(tmp_path / "source", "mesh_key.py", (cut, full + cut))
    with line_of(tmp_path / "lab", "a", source=source) as lab:
        lab.run_until(2_000)
        admin = Admin(lab, "a")
        asked = admin.command("a", 0, manage.REKEY, (2).to_bytes(4, "big"), NEW)
        assert admin.reply("a", 0, asked) == bytes((manage.DONE,))
        lab.run_until(4 * MINUTE)
        assert meshes(lab, "a")["a"] == MESH and lab.boards["a"].causes == [1]
        lab.run_until(8 * MINUTE)
        assert meshes(lab, "a")["a"] == NEW


def meshes(lab, names):
    """The mesh key of each board, as its settings have it."""
    found = {}
    for name in names:
        copy = (lab.boards[name].nvs_path / "hedgerow.settings.b").read_bytes()
        found[name] = cbor.decode(slots.content(copy))["mesh_key"]
    return found


def test_all_boards_of_a_mesh_take_another_key_together_even_one_that_was_off_in_between(tmp_path):
    names = ("a", "b", "c", "d")
    with line_of(tmp_path, *names) as lab:
        lab.run_until(2_000)
        admin = Admin(lab, "a")
        letters = admin.put(3)
        at = 20
        asked = {name: admin.command(name, 0, manage.REKEY, at.to_bytes(4, "big"), NEW) for name in names}
        for name in names:
            assert admin.reply(name, 0, asked[name]) == bytes((manage.DONE,))
        assert set(meshes(lab, names).values()) == {MESH}
        lab.power_off("d")
        lab.run_until(at * MINUTE + 2 * MINUTE)
        found = meshes(lab, names)
        assert [found[name] for name in "abc"] == [NEW] * 3 and found["d"] == MESH
        # It does not know how late it is; it hears that the others have it.
        lab.power_on("d")
        lab.run_until(lab.now_ms + 2 * MINUTE)
        assert meshes(lab, names)["d"] == NEW
        later = admin.command("d", 1, manage.STATUS)
        assert admin.reply("d", 1, later)[0] == manage.DONE
        far = Cable(lab, "d")
        lab.run_until(lab.now_ms + MINUTE)
        assert set(letters) <= set(far.shelf.ids())
        assert quiet(lab)


def test_a_board_that_missed_the_new_key_gets_it_from_a_host_that_comes_by(tmp_path):
    with line_of(tmp_path, "a", "b") as lab:
        lab.run_until(2_000)
        lab.power_off("b")
        admin = Admin(lab, "a")
        first = admin.command("a", 0, manage.REKEY, bytes(4), NEW)
        other = admin.command("b", 0, manage.REKEY, bytes(4), NEW)
        assert admin.reply("a", 0, first) == bytes((manage.DONE,))
        lab.power_on("b")
        lab.run_until(lab.now_ms + 2 * MINUTE)
        assert meshes(lab, "ab") == {"a": NEW, "b": MESH}
        admin.leave()
        visitor = Admin(lab, "b")
        visitor.give(other)
        assert visitor.reply("b", 0, other) == bytes((manage.DONE,))
        lab.run_until(lab.now_ms + MINUTE)
        assert meshes(lab, "ab") == {"a": NEW, "b": NEW}
        letters = visitor.put(1)
        near = Cable(lab, "a")
        lab.run_until(lab.now_ms + MINUTE)
        assert set(letters) <= set(near.shelf.ids()) and quiet(lab)


@pytest.mark.parametrize("at_ms", [1, 40, 90, 140, 200, 260])
def test_a_loss_of_power_while_the_key_changes_leaves_the_former_or_the_new_one(tmp_path, at_ms):
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2_000)
        cable = Cable(lab, "a")
        lab.run_until(4_000)
        cable.link.service(bytes((service.MANAGE, manage.REKEY)) + bytes(4) + NEW)
        cable._pump()
        lab.run_until(lab.now_ms + at_ms)
        lab.power_off("a")
        lab.power_on("a")
        lab.run_until(lab.now_ms + 10_000)
        assert meshes(lab, "a")["a"] in (MESH, NEW)
        assert Cable(lab, "a", PAIRING).status()["damage"] == 0
