"""Commands for boards over the mesh, on the host's side; the boards are played by core."""

import json
from contextlib import closing

import pytest
from people_support import NOW, source
from typer.testing import CliRunner

from hedgerow import errors
from hedgerow.boards import meshes
from hedgerow.care import words
from hedgerow.cli import app, caring
from hedgerow.cli.terminal import print_event
from hedgerow.events import Answered
from hedgerow.node import Node
from hedgerow.vault import epoch
from hedgerow_core import cbor, envelope, limits, manage, sealed, service
from hedgerow_core.clock import EPOCH_MINUTES, Clock
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
STATUS = bytes((manage.STATUS,))
RESTART = bytes((manage.REBOOT,))


class Board:
    """What the firmware does with commands (firmware/hedgerow_board/remote.py), on a shelf in memory."""

    def __init__(self, name, care_key):
        self.name = name
        self.key = care_key
        self.number = 0
        self.ran = []
        self.salts = iter(range(1, 1 << 20))
        self.shelf = Shelf(MemoryStore(), Clock(), NOW)

    def meet(self, node, now):
        """Exchange everything with a host, and run what came."""
        _give(node.shelf, self.shelf, now)
        while True:
            found = sealed.next_command(self.shelf, self.key, self.number, now)
            if found is None:
                break
            number, until, salt, command = found
            self.number = number + 1
            late = now // MINUTE - EPOCH_MINUTES > until
            if not late:
                self.ran.append(command)
            reply = bytes((manage.REFUSED if late else manage.DONE,))
            made = sealed.seal(self.key, sealed.UP, number, until, salt + reply, next(self.salts).to_bytes(8))
            self.shelf.put(made, now)
            self.shelf.prove(sealed.token(self.key, sealed.DOWN, number), now)
        _give(self.shelf, node.shelf, now)
        events = node.poll(now)
        _give(node.shelf, self.shelf, now)
        return [event for event in events if isinstance(event, Answered)]


def _give(one, other, now):
    for identity in one.ids():
        token = one.proof(identity)
        if token is not None:
            other.prove(token, now)
        else:
            other.put(one.get(identity, now), now)


def owned(node, name, number=1, **more):
    """A board that ``node`` owns, and its other side."""
    key = bytes((number,)) * 32
    care_key = bytes((number + 100,)) * 32
    node.boards.add(name, key, NOW, care_key=care_key, board_id=sealed.board_id(care_key), **more)
    return Board(name, care_key)


def states(node, now=NOW):
    return [command.state for command in node.care.commands(now)]


def test_a_command_leaves_as_a_letter_and_its_answer_is_told_once(node):
    mill = owned(node, "mill")
    number = node.care.ask("mill", STATUS, NOW + 3 * DAY, NOW)
    (identity,) = node.shelf.ids()
    sent = node.shelf.get(identity, NOW)
    assert len(sent.encode()) == 96 and (sent.priority, sent.ttl) == (envelope.NORMAL, envelope.TTL_DEFAULT)
    assert states(node) == [words.QUEUED]
    node.acked(identity, NOW)
    assert states(node) == [words.CARRIED]
    assert mill.meet(node, NOW) == [Answered("mill", number, STATUS, bytes((manage.DONE,)))]
    assert mill.ran == [STATUS] and states(node) == [words.ANSWERED]
    assert node.care.command(number, NOW).result == "done"
    # Both proved what they read: nothing but proofs lies about.
    for shelf in (node.shelf, mill.shelf):
        assert all(shelf.proof(identity) for identity in shelf.ids())
    assert mill.meet(node, NOW + DAY) == [] and mill.ran == [STATUS]


def test_commands_for_one_board_go_one_after_the_other_and_in_order(node):
    mill = owned(node, "mill")
    wanted = [bytes((manage.LOCATE, seconds)) for seconds in range(1, 4)]
    for command in wanted:
        node.care.ask("mill", command, NOW + DAY, NOW)
    assert len(node.shelf.ids()) == 1
    for minute in range(4):
        mill.meet(node, NOW + minute * MINUTE)
    assert mill.ran == wanted and set(states(node)) == {words.ANSWERED}


def test_what_does_no_harm_twice_is_tried_again_and_a_restart_is_not(node):
    owned(node, "mill")
    owned(node, "weir", 2)
    asked = node.care.ask("mill", STATUS, NOW + 10 * DAY, NOW)
    node.care.ask("weir", RESTART, NOW + 10 * DAY, NOW)
    first = set(node.shelf.ids())
    later = NOW + 3 * DAY + MINUTE
    node.poll(later)
    assert states(node, later) == [words.QUEUED, words.EXPIRED]
    assert len(set(node.shelf.ids()) - first) == 1
    node.poll(NOW + 11 * DAY)
    assert states(node, NOW + 11 * DAY) == [words.EXPIRED] * 2
    node.poll(NOW + 40 * DAY)
    assert node.care.commands(NOW + 40 * DAY) == []
    with pytest.raises(errors.UnknownCommand, match=str(asked)):
        node.care.command(asked, NOW)


def ask_until_it_ran(node, board, command, now):
    """Ask anew every two days, as often as ten times."""
    for _ in range(10):
        node.care.ask("mill", command, now + DAY, now)
        if board.meet(node, now):
            break
        now += 2 * DAY
        node.poll(now)


def test_a_board_that_was_off_for_a_year_of_commands_is_reached_by_the_next_one(node):
    mill = owned(node, "mill")
    node.care.ask("mill", STATUS, NOW + DAY, NOW)
    mill.meet(node, NOW)
    now = NOW
    for _ in range(40):
        now += 3 * DAY + MINUTE
        node.care.ask("mill", RESTART, now + DAY, now)
        node.poll(now)
        node.poll(now + 2 * DAY)
    now += 9 * DAY
    ask_until_it_ran(node, mill, STATUS, now)
    assert mill.ran[-1] == STATUS and len(mill.ran) == 2


def test_a_home_that_went_back_does_not_use_a_number_that_the_board_ran(node, tmp_path):
    mill = owned(node, "mill")
    for _ in range(5):
        node.care.ask("mill", STATUS, NOW + DAY, NOW)
        mill.meet(node, NOW)
    before = mill.number
    node._database.run("UPDATE boards SET care_next = 0")
    node._database.run("DELETE FROM care")
    epoch.begin(node._database)
    node.care.reload()
    now = NOW + 5 * DAY
    node.poll(now)
    ask_until_it_ran(node, mill, RESTART, now)
    assert mill.ran[5:] == [RESTART] and mill.number > before


def test_two_admins_do_not_take_each_others_answers(node, tmp_path):
    mill = owned(node, "mill")
    with closing(Node.create(tmp_path / "bob", "Bob", source(2), NOW)) as bob:
        owned(bob, "mill")
        node.care.ask("mill", STATUS, NOW + DAY, NOW)
        bob.care.ask("mill", RESTART, NOW + DAY, NOW)
        told = {"Alice": [], "Bob": []}
        for minute in range(1, 8):
            told["Alice"] += mill.meet(node, NOW + minute * MINUTE)
            told["Bob"] += mill.meet(bob, NOW + minute * MINUTE)
        assert [event.command for event in told["Alice"]] == [STATUS]
        # Bob's number was used up by Alice's: he heard that by proofs only, and tries when its time is over.
        now = NOW + 2 * DAY
        bob.poll(now)
        bob.care.ask("mill", RESTART, now + DAY, now)
        told["Bob"] += mill.meet(bob, now)
        assert [event.command for event in told["Bob"]] == [RESTART]
        assert mill.ran == [STATUS, RESTART]


def test_a_command_that_our_own_shelf_let_go_is_put_there_again(node):
    owned(node, "mill")
    node.care.ask("mill", STATUS, NOW + DAY, NOW)
    (identity,) = node.shelf.ids()
    node.shelf._take(node.shelf._index.find(identity))
    node.poll(NOW + 2 * MINUTE)
    assert node.shelf.ids() == [identity]


def test_somebody_elses_bytes_under_the_lock_of_an_answer_are_no_answer(node):
    mill = owned(node, "mill")
    node.care.ask("mill", STATUS, NOW + DAY, NOW)
    lock = sealed.lock(mill.key, sealed.UP, 1 << 16)
    node.shelf.put(envelope.make(envelope.NORMAL, 10, lock, bytes(77)), NOW)
    assert node.poll(NOW) == [] and states(node) == [words.QUEUED]
    assert len(mill.meet(node, NOW)) == 1


def test_commands_survive_a_restart_of_the_computer_and_go_with_their_board(node, tmp_path):
    mill = owned(node, "mill")
    node.care.ask("mill", STATUS, NOW + DAY, NOW)
    node.close()
    with closing(Node.open(tmp_path / "home", source(3), NOW)) as again:
        assert len(mill.meet(again, NOW)) == 1
        again.boards.forget(again.boards.named("mill").id)
        assert again.care.commands(NOW) == []
        again.care.reload()


def test_who_may_not_send_commands_reads_why(node):
    node.boards.add("lent", bytes(32), NOW, rights=manage.GUEST)
    node.boards.add("old", b"o" * 32, NOW)
    owned(node, "mill")
    for name, error in (
        ("nobody", errors.UnknownBoard),
        ("lent", errors.NotOwner),
        ("old", errors.NoCareKey),
    ):
        with pytest.raises(error):
            node.care.ask(name, STATUS, NOW + DAY, NOW)
    for _ in range(20):
        node.care.ask("mill", STATUS, NOW + DAY, NOW)
    with pytest.raises(errors.TooManyCommands, match="mill"):
        node.care.ask("mill", STATUS, NOW + DAY, NOW)
    node.care.cancel(1, NOW)
    node.care.ask("mill", STATUS, NOW + DAY, NOW)


def test_a_key_whose_numbers_are_used_up_says_so_and_stops_nothing_else(node):
    owned(node, "mill")
    weir = owned(node, "weir", 2)
    node.care.ask("mill", STATUS, NOW + 10 * DAY, NOW)
    node.boards.change(node.boards.named("mill").id, care_next=limits.CARE_NUMBERS - 1)
    with pytest.raises(errors.NoCareLeft, match="mill"):
        node.care.ask("mill", STATUS, NOW + DAY, NOW)
    node.poll(NOW + 4 * DAY)
    node.care.ask("weir", STATUS, NOW + 5 * DAY, NOW + 4 * DAY)
    assert len(weir.meet(node, NOW + 4 * DAY)) == 1


def test_another_key_for_a_mesh_goes_to_all_its_boards_and_holds_from_its_minute_on(node):
    mesh = node.meshes.create("Lane", NOW)
    boards = [owned(node, name, number, mesh=mesh.id) for number, name in enumerate(("a", "b", "c"), 1)]
    owned(node, "stolen", 9, mesh=mesh.id)
    node.boards.add("old", b"o" * 32, NOW, mesh=mesh.id)
    owned(node, "elsewhere", 7)
    at = NOW + 60 * MINUTE
    found = node.rekeyings.begin("Lane", at, ["stolen"], NOW)
    assert found.boards == {
        "a": "queued",
        "b": "queued",
        "c": "queued",
        "old": "no care key",
        "stolen": "left out",
    }
    with pytest.raises(errors.RekeyingAlready):
        node.rekeyings.begin("Lane", at, [], NOW)
    for board in boards[:2]:
        board.meet(node, NOW + MINUTE)
    found = node.rekeyings.of("Lane", NOW + MINUTE)
    assert found.missing == ["c", "old"] and found.fingerprint != mesh.fingerprint
    command = boards[0].ran[0]
    assert command[0] == manage.REKEY and int.from_bytes(command[1:5]) == at // MINUTE - EPOCH_MINUTES
    assert node.meshes.named("Lane").key == mesh.key != command[5:]
    assert node.meshes.of_fingerprint(found.fingerprint).key == mesh.key
    # One that is flashed meanwhile is told, too.
    late = owned(node, "late", 8, mesh=mesh.id)
    node.poll(NOW + 2 * MINUTE)
    late.meet(node, NOW + 3 * MINUTE)
    assert late.ran == [command]
    node.poll(at + MINUTE)
    assert node.meshes.named("Lane").key == command[5:]
    assert node.rekeyings.of("Lane", at + MINUTE).missing == ["c", "old"]
    # A board with any of the keys is one of this mesh.
    for known in (mesh.fingerprint, found.fingerprint):
        assert node.meshes.of_fingerprint(known).name == "Lane"
    boards[2].meet(node, at + 2 * MINUTE)
    assert node.rekeyings.of("Lane", at + 2 * MINUTE).missing == ["old"]
    assert node.rekeyings.begin("Lane", at + DAY, [], at + DAY - MINUTE).boards["stolen"] == "left out"


def test_a_board_that_takes_no_more_commands_now_hears_of_the_key_later_and_is_listed_meanwhile(node):
    mesh = node.meshes.create("Lane", NOW)
    full, other = owned(node, "full", mesh=mesh.id), owned(node, "other", 2, mesh=mesh.id)
    asked = [node.care.ask("full", STATUS, NOW + DAY, NOW) for _ in range(20)]
    at = NOW + 60 * MINUTE
    assert node.rekeyings.begin("Lane", at, [], NOW).boards == {"full": "queued", "other": "queued"}
    other.meet(node, NOW)
    assert node.rekeyings.of("Lane", NOW).missing == ["full"]
    for number in asked[1:]:
        node.care.cancel(number, NOW)
    node.poll(NOW)
    for minute in range(3):
        full.meet(node, NOW + minute * MINUTE)
    assert [command[0] for command in full.ran] == [manage.STATUS, manage.REKEY]
    assert node.rekeyings.of("Lane", NOW + 3 * MINUTE).missing == []
    # Who was flashed with it afterwards needs to be told nothing.
    node.poll(at + MINUTE)
    owned(node, "new", 3, mesh=mesh.id)
    assert "new" not in node.rekeyings.of("Lane", at + MINUTE).boards


def test_a_board_that_was_shut_out_stays_so_at_the_next_change_of_the_key(node):
    mesh = node.meshes.create("Lane", NOW)
    owned(node, "mill", mesh=mesh.id)
    stolen = owned(node, "stolen", 2, mesh=mesh.id)
    for change, without in ((0, ["stolen"]), (1, []), (2, ["stolen"])):
        begun = NOW + change * DAY
        found = node.rekeyings.begin("Lane", begun + 60 * MINUTE, without, begun)
        assert found.boards == {"mill": "queued", "stolen": "left out"}
        stolen.meet(node, begun)
        node.poll(begun + 61 * MINUTE)
        assert not stolen.ran and node.rekeyings.left_out(node.boards.named("stolen"))
    # Flashed, it has other keys.
    node.rekeyings.let_in(node.boards.named("stolen"))
    assert node.rekeyings.begin("Lane", NOW + 4 * DAY, [], NOW + 3 * DAY).boards["stolen"] == "queued"


def test_a_mesh_of_which_no_board_would_get_the_key_keeps_the_one_that_it_has(node):
    mesh = node.meshes.create("Lane", NOW)
    owned(node, "elsewhere")

    def refused(*without):
        with pytest.raises(errors.NoneToRekey, match="No board of Lane"):
            node.rekeyings.begin("Lane", NOW + 60 * MINUTE, list(without), NOW)
        node.poll(NOW + 61 * MINUTE)
        assert node.meshes.named("Lane").key == mesh.key and node.rekeyings.of("Lane", NOW) is None

    refused()
    node.boards.add("old", b"o" * 32, NOW, mesh=mesh.id)
    refused()
    owned(node, "stolen", 2, mesh=mesh.id)
    refused("stolen")
    assert not node.rekeyings.left_out(node.boards.named("stolen"))
    assert node.rekeyings.begin("Lane", NOW + 60 * MINUTE, [], NOW).missing == ["old", "stolen"]


def test_only_who_made_a_mesh_changes_its_key(node, tmp_path):
    with closing(Node.create(tmp_path / "bob", "Bob", source(2), NOW)) as bob:
        bob.meshes.join(meshes.invitation(node.meshes.create("Lane", NOW)), NOW)
        with pytest.raises(errors.NotMaker):
            bob.rekeyings.begin("Lane", NOW + DAY, [], NOW)
        assert bob.rekeyings.of("Lane", NOW) is None


def test_replies_are_read_and_damaged_ones_say_nothing():
    board = {"name": "mill", "mesh": b"\1\2", "unique": b"\3", "firmware": 5, "free": 6, "trace": True}
    config = bytes((manage.DONE,)) + cbor.encode({**board, "profile": b"no text", "later": 7})
    asked = bytes((manage.CONFIG_GET,))
    about = {"mesh": "0102", "chip_id": "03", "firmware": 5, "free_bytes": 6}
    assert words.fields_of(asked, config) == {"name": "mill", "trace": True, **about}
    beyond = bytes((manage.DONE,)) + cbor.encode({**board, "firmware": 1 << 63})
    for reply in (b"", b"\0", b"\0\xff", b"\1", config[:-1], beyond, bytes((manage.DONE,)) + cbor.encode(5)):
        assert words.fields_of(asked, reply) == {} and words.fields_of(STATUS, reply) == {}
    assert words.result_of(b"") == words.result_of(b"\x09") == "unknown answer"
    assert words.name_of(b"") == words.name_of(b"\xff") == "other"


@pytest.mark.parametrize("as_json", [True, False])
def test_an_answer_that_comes_while_the_computer_is_linked_is_told(as_json, capsys):
    print_event(Answered("mill", 3, STATUS, bytes((manage.FAILED,))), as_json)
    told = capsys.readouterr().out
    if as_json:
        found = json.loads(told)
        assert (found["event"], found["number"], found["result"]) == ("answered", 3, "failed")
    else:
        assert told == "mill answered command 3, status: failed.\n"


def test_a_board_out_of_reach_tells_the_same_words_as_one_within(node, capsys):
    mesh = node.meshes.create("Lane", NOW)
    state = service.encode_status((7, 9, 3_000, 51, 7_260, 20_480, 4, 2, 1, 0, 0, 0, 2), "weir")
    board = {
        "name": "weir",
        "mesh": bytes.fromhex(mesh.fingerprint),
        "unique": b"\3",
        "firmware": 5,
        "free": 6,
    }
    asked = (
        (STATUS, state, ["weir is up for 2:01 h", "5 sealed letters and 2 proofs, 3,000 bytes, 20 % full"]),
        (
            bytes((manage.CONFIG_GET,)),
            cbor.encode({**board, "trace": True}),
            ["trace          on", "mesh           Lane"],
        ),
        (bytes((manage.CONFIG_SET,)), b"\1", ["It restarts for it."]),
    )
    for command, reply, lines in asked:
        reply = bytes((manage.DONE,)) + reply
        found = words.Command(1, "weir", command, words.ANSWERED, NOW, NOW + DAY, NOW, reply)
        caring._tell(node, found, as_json=False)
        told = capsys.readouterr().out
        assert all(line in told for line in lines), told
        caring._tell(node, found, as_json=True)
        assert json.loads(capsys.readouterr().out)["answer"]


def test_a_board_without_an_led_is_told_from_one_that_is_broken(node, capsys):
    locate = bytes((manage.LOCATE, 9))
    for command, hint in ((locate, True), (STATUS, False)):
        reply = bytes((manage.FAILED,))
        found = words.Command(1, "mill", command, words.ANSWERED, NOW, NOW + DAY, NOW, reply)
        caring._tell(node, found, as_json=False)
        assert ("led_pin" in capsys.readouterr().out) == hint


def typed(tmp_path, *arguments):
    home = tmp_path / "home"
    return CliRunner().invoke(app, ["--home", str(home), *arguments])


def test_what_a_user_types_is_queued_listed_answered_and_given_up(node, tmp_path, monkeypatch):
    owned(node, "mill")
    lane = node.meshes.create("Lane", NOW)
    node.close()
    done = typed(tmp_path, "care", "set", "mill", "profile=relay", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["state"] == "queued" and json.loads(done.stdout)["command"] == "set"
    assert "is queued" in typed(tmp_path, "care", "status", "mill").stdout
    assert "has not answered yet" in str(typed(tmp_path, "care", "answer", "2").exception)
    assert [
        json.loads(line)["number"]
        for line in typed(tmp_path, "care", "list", "--json").stdout.split("\n")[:-1]
    ] == [
        1,
        2,
    ]
    assert "given up" in typed(tmp_path, "care", "cancel", "2").stdout
    assert "Command 2 for mill is expired already" in str(typed(tmp_path, "care", "cancel", "2").exception)
    assert isinstance(typed(tmp_path, "care", "set", "mill", "name=a:b").exception, errors.BadBoardName)
    assert isinstance(typed(tmp_path, "care", "status", "mill", "--for", "off").exception, errors.NoDuration)
    assert "expired" in typed(tmp_path, "care", "list", "mill").stdout
    for wrong in ("sleep_cycle=15", "sleep_awake=15 sleep_cycle=15", "profile=fast", "name"):
        assert isinstance(typed(tmp_path, "care", "set", "mill", *wrong.split()).exception, errors.BadSetting)
    good = typed(tmp_path, "care", "set", "mill", "sleep_awake=2", "sleep_cycle=15")
    assert good.exit_code == 0
    assert isinstance(typed(tmp_path, "mesh", "rekey", "Lane", "--in", "5m").exception, errors.RekeyTooSoon)
    assert "made with" in typed(tmp_path, "mesh", "keys", "Lane").stdout
    assert isinstance(typed(tmp_path, "mesh", "rekey", "Lane", "--yes").exception, errors.NoneToRekey)
    with closing(Node.open(tmp_path / "home", source(3), NOW)) as opened:
        owned(opened, "weir", 2, mesh=lane.id)
    told = json.loads(typed(tmp_path, "mesh", "rekey", "Lane", "--yes", "--json").stdout)
    assert told["boards"] == {"weir": "queued"} and told["missing"] == ["weir"]
    assert "holds from" in typed(tmp_path, "mesh", "keys", "Lane").stdout
    warnings = []
    monkeypatch.setattr("hedgerow.cli.meshes.confirm", warnings.append)
    assert "forgotten" in typed(tmp_path, "mesh", "leave", "Lane").stdout
    assert "the other key, which its boards take soon" in warnings[0]
