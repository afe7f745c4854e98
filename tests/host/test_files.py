"""Files: cut, offered, asked for piece by piece, whole in the end, whatever was lost on the way."""

import random

import pytest
from devices_support import link, settle
from hypothesis import given
from hypothesis import strategies as st
from node_support import MINUTE_MS, Village

from hedgerow import errors
from hedgerow.blobs import blocks, exchange, pictures, pieces
from hedgerow.blobs.exchange import offered, value_of
from hedgerow.chat import operation as operations
from hedgerow.chat.operation import Operation
from hedgerow.log import entry as entries
from hedgerow_core.envelope import BULK
from hedgerow_core.errors import PeerError

ALICE, BOB, CAROL = "Alice", "Bob", "Carol"
PHONE = "Bob's phone"
LANE = "Lane"


def some(size, seed=1):
    return random.Random(seed).randbytes(size)


# Blocks and pieces


@given(st.integers(0, 300_000), st.integers(0, 3))
def test_a_file_is_its_blocks_one_behind_the_other(size, seed):
    data = some(size, seed)
    parts = blocks.cut(data)
    assert b"".join(parts) == data and all(0 < len(part) <= blocks.BLOCK_BYTES for part in parts[:-1])
    root = blocks.root_of(parts)
    assert blocks.read_root(root.encode()) == root and root.size == size


def test_what_two_files_have_in_common_is_one():
    data = some(400_000)
    first = {blocks.identity(part) for part in blocks.cut(data)}
    second = {blocks.identity(part) for part in blocks.cut(b"a few bytes in front" + data)}
    assert len(first & second) > len(first) * 0.8


@given(st.binary(max_size=400))
def test_a_root_from_outside_is_read_or_refused(data):
    try:
        found = blocks.read_root(data)
    except PeerError:
        return
    assert found.size <= blocks.FILE_BYTES


@given(st.integers(0, blocks.BLOCK_BYTES))
def test_the_pieces_of_a_block_are_the_block(size):
    block, name = some(size), bytes(8)
    found = [pieces.read_piece(pieces.piece_of(name, block, at)) for at in range(pieces.count_of(size))]
    assert b"".join(piece.data for piece in found) == block
    assert pieces.piece_of(name, block, pieces.count_of(size)) is None


@given(
    st.dictionaries(st.binary(min_size=8, max_size=8), st.sets(st.integers(0, 38), min_size=1), max_size=3)
)
def test_a_question_is_read_as_it_was_asked(wanted):
    asked = {name: sorted(indexes) for name, indexes in wanted.items()}
    if sum(map(len, asked.values())) <= pieces.ASKED_MOST:
        found = pieces.read_question(pieces.ask(3, asked))
        assert found == (3, [(name, index) for name, indexes in asked.items() for index in indexes])


@given(st.binary(max_size=200))
def test_pieces_and_questions_from_outside_are_read_or_refused(data):
    for read in (pieces.read_piece, pieces.read_question):
        try:
            read(data)
        except PeerError:
            continue


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\y.txt", "y.txt"),
        ("...", "file"),
        ("a\x1b[2Jb", "a[2Jb"),
        ("", "file"),
    ],
)
def test_a_name_names_no_folder_and_moves_no_cursor(given_name, kept):
    assert operations.file_name(given_name) == kept


# Between people


@pytest.fixture
def village():
    with Village(ALICE, BOB) as found:
        found.befriend(ALICE, BOB)
        yield found


def send(village, who, name, data, file_name="well.jpg"):
    number = village.nodes[who].files.send(name, file_name, data, village.now)
    village.poll(who)
    return number


def the_file(village, who):
    (found,) = village.nodes[who].files.all()
    return found


def data_of(village, who):
    return village.nodes[who].files.fetch(the_file(village, who).number, village.now)[1]


def pass_on(village, times=70):
    for _ in range(times):
        village.exchange()
        village.now += MINUTE_MS


def test_a_file_arrives_whole_and_is_shown_among_the_letters(village):
    data = some(200_000)
    send(village, ALICE, BOB, data)
    village.exchange()
    assert [letter.text for letter in village.nodes[BOB].inbox()] == ["well.jpg"]
    pass_on(village)
    assert data_of(village, BOB) == data and data_of(village, ALICE) == data
    file = the_file(village, BOB)
    assert (file.name, file.file, file.size, file.here) == (ALICE, "well.jpg", 200_000, 200_000)


def watched(village, look):
    """Look at every envelope that somebody takes over."""
    put = village.put

    def watching(envelope, who):
        look(envelope, who)
        put(envelope, who)

    village.put = watching


def pieces_sent(village, who):
    rows = village.nodes[who]._database.rows(
        "SELECT count(*) AS n FROM entries WHERE kind = ?", entries.PIECE
    )
    return rows[0]["n"]


def test_pieces_wait_behind_what_people_say(village):
    priorities = []
    watched(village, lambda envelope, who: priorities.append(envelope.priority))
    send(village, ALICE, BOB, some(50_000))
    pass_on(village, 20)
    assert pieces_sent(village, ALICE) >= 60 and priorities.count(BULK) >= 60
    assert pieces_sent(village, BOB) == 0


def test_never_more_than_a_window_is_on_its_way(village):
    waiting = []

    def look(envelope, who):
        rows = village.nodes[BOB]._database.rows("SELECT count(*) AS n FROM block_pieces WHERE data IS NULL")
        waiting.append(rows[0]["n"])

    watched(village, look)
    send(village, ALICE, BOB, some(400_000))
    pass_on(village, 100)
    assert 0 < max(waiting) <= exchange.WINDOW and data_of(village, BOB) is not None


@pytest.mark.parametrize("seed", range(3))
def test_what_was_lost_is_asked_for_again_and_a_restart_loses_nothing(village, seed):
    dice = random.Random(seed)
    data = some(60_000, seed)
    send(village, ALICE, BOB, data)
    for turn in range(400):
        for giver, taker in ((ALICE, BOB), (BOB, ALICE)):
            village.poll(giver)
            for envelope in village.envelopes(giver):
                if dice.random() < 0.1:
                    village.nodes[giver].shelf.drop(envelope.id)
            village.carry(giver, taker)
            village.poll(taker)
        if turn == 10:
            village.reopen(BOB)
            village.reopen(ALICE)
        village.now += 20 * MINUTE_MS
        if the_file(village, BOB).here == 60_000 if village.nodes[BOB].files.all() else False:
            break
    assert data_of(village, BOB) == data


def test_a_large_file_waits_until_it_is_wanted(village):
    data = some(exchange.AUTOMATIC_BYTES + 1)
    send(village, ALICE, BOB, data)
    pass_on(village, 4)
    file = the_file(village, BOB)
    assert not file.wanted and file.here == 0
    assert village.nodes[BOB].files.fetch(file.number, village.now)[1] is None
    pass_on(village, 140)
    assert data_of(village, BOB) == data


def test_the_same_file_does_not_travel_twice(village):
    data = some(100_000)
    send(village, ALICE, BOB, data)
    pass_on(village)
    before = pieces_sent(village, ALICE)
    send(village, ALICE, BOB, data, "again.jpg")
    pass_on(village, 5)
    assert [file.here for file in village.nodes[BOB].files.all()] == [100_000, 100_000]
    assert pieces_sent(village, ALICE) == before > 100


def test_a_file_goes_with_its_letter_unless_another_letter_has_it(village):
    data = some(50_000)
    first = send(village, ALICE, BOB, data)
    second = send(village, ALICE, BOB, data, "again.jpg")
    pass_on(village)
    village.nodes[ALICE].remove(first, False, village.now)
    pass_on(village, 3)
    assert data_of(village, BOB) == data
    village.nodes[ALICE].remove(second, False, village.now)
    pass_on(village, 3)
    for who in (ALICE, BOB):
        assert village.nodes[who].files.all() == []
        for table in ("blocks", "block_pieces"):
            assert not village.nodes[who]._database.rows(f"SELECT 1 FROM {table}")


def test_what_is_too_large_or_empty_is_a_sentence(village):
    with pytest.raises(errors.FileTooLarge):
        send(village, ALICE, BOB, bytes(blocks.FILE_BYTES + 1))
    with pytest.raises(errors.FileEmpty):
        send(village, ALICE, BOB, b"")
    with pytest.raises(errors.NoFile):
        village.nodes[ALICE].files.fetch(99, village.now)


def test_nobody_gets_blocks_of_what_was_said_to_others():
    with Village(ALICE, BOB, CAROL) as village:
        for other in (BOB, CAROL):
            village.befriend(ALICE, other)
        send(village, ALICE, BOB, some(5_000))
        database, desk = village.nodes[ALICE]._database, village.nodes[ALICE]._desk
        (root,) = database.rows("SELECT root FROM blob_uses")
        question = pieces.ask(0, {bytes(root["root"])[:8]: [0]})
        rows = {row["name"]: row["id"] for row in database.rows("SELECT id, name FROM contacts")}
        for who, answers in ((CAROL, 0), (BOB, 1)):
            with desk.changing(village.now):
                desk.blobs.asked(rows[who], question, village.now)
            sent = database.rows(
                "SELECT 1 FROM entries WHERE kind = ? AND contact = ?", entries.PIECE, rows[who]
            )
            assert len(sent) == answers


def test_a_root_that_lies_is_given_up(village):
    lie = blocks.Root(blocks.FILE_BYTES, ((bytes(32), 10),)).encode()
    name = blocks.identity(lie)
    value = value_of(exchange.Offer(name, 1_000, "../../.ssh/lie.jpg"))
    contact = village.nodes[ALICE]._desk.book.conversation_of(BOB)
    node = village.nodes[ALICE]
    with node._desk.changing(village.now):
        node._desk.blobs._put(lie)
        operation = Operation(operations.FILE, None, value)
        number = node.chat.say(contact, BOB, operation, village.now)
        node._database.run(
            "INSERT INTO blob_uses (entry, contact, author, root, size) VALUES (?, ?, 0, ?, 1000)",
            number,
            contact,
            name,
        )
    pass_on(village, 6)
    file = the_file(village, BOB)
    assert file.here == 0 and not file.wanted and offered(operation).name == file.file == "lie.jpg"
    assert [letter.text for letter in village.nodes[BOB].inbox()] == ["lie.jpg"]


def test_all_members_of_a_group_and_further_devices_get_a_file():
    with Village(ALICE, BOB, CAROL) as village:
        for other in (BOB, CAROL):
            village.befriend(ALICE, other)
        link(village, BOB, PHONE)
        village.nodes[ALICE].groups.create(LANE, [BOB, CAROL], village.now)
        settle(village)
        data = some(40_000)
        send(village, ALICE, LANE, data)
        for _ in range(40):
            settle(village)
            village.now += MINUTE_MS
        for who in (BOB, CAROL, PHONE):
            assert data_of(village, who) == data


# Pictures


def test_a_picture_becomes_smaller_and_tells_nothing_of_its_camera(tmp_path):
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "well.png"
    image.frombytes("RGB", (1_600, 1_200), some(1_600 * 1_200 * 3)).save(path)
    data = pictures.smaller(path)
    assert data[:2] == b"\xff\xd8" and len(data) < path.stat().st_size / 3
    out = tmp_path / "small.jpg"
    out.write_bytes(data)
    with image.open(out) as found:
        assert max(found.size) == pictures.EDGE and not found.getexif()


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_what_is_no_picture_stays_as_it_is(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    assert pictures.smaller(path) is None
