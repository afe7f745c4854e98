import pytest
from log_support import ANN, BOB, EVE, NAME, absent, forged, ids, new, picture

from hedgerow.log import Log, bounds, canonical
from hedgerow.log.access import only
from hedgerow.log.ciphers import SecretCipher
from hedgerow.log.errors import LogDamaged, LogNewer, LogReadOnly, NotAllowed, UnknownEntry
from hedgerow.log.table import Table
from hedgerow_core.errors import LimitError

ADMIT = 1  # a kind of the tests' rule: the body is who may write from now on


def founded_by_ann(entry, past):
    """Ann may write, and who was admitted in what the author had seen."""
    if entry.author == ANN.key:
        return True
    return past is None or any(admitted.body == entry.author for admitted in past.of_kind(ADMIT))


def chain(count, author=ANN, **options):
    log = new(author, **options)
    return log, [log.append(b"%d" % number) for number in range(count)]


def test_what_was_appended_is_read_in_order_after_a_restart(tmp_path):
    log, entries = chain(10, path=tmp_path / "log")
    log.close()
    with new(path=tmp_path / "log") as log:
        assert list(log.entries()) == entries and log.verify() == []
        assert [record.entry for record in log.last(3)] == entries[-3:]
        assert log.heads() == entries[-1:] and len(log) == 10


def test_ranges_are_read_from_any_place_in_both_directions():
    log, entries = chain(600)
    assert list(log.entries(after=entries[9].order, before=entries[590].order)) == entries[10:590]
    assert list(log.entries(before=entries[400].order, newest_first=True)) == entries[399::-1]
    assert list(log.entries(after=entries[-1].order)) == []
    # A clock alone is a place too.
    assert list(log.entries(after=(300, b""), before=(302, b""))) == entries[299:301]
    assert list(log.entries(author=BOB.key)) == [] and len(list(log.entries(author=ANN.key))) == 600


def test_two_who_write_at_once_have_one_order_afterwards():
    ann, _ = chain(3)
    bob = new(BOB)
    bob.join_log(ann)
    for number in range(5):
        ann.append(b"from ann %d" % number)
        bob.append(b"from bob %d" % number)
    assert len(ann.heads()) == 1
    ann.join_log(bob)
    bob.join_log(ann)
    assert picture(ann) == picture(bob) and len(ann.heads()) == 2
    closing = ann.append(b"I saw both")
    assert ann.heads() == [closing] and len(closing.parents) == 2


def test_a_join_touches_only_what_is_new():
    ann, _ = chain(500)
    bob = new(BOB)
    bob.join_log(ann)
    bob.append(b"one more")
    asked = []
    find = bob.rows.find
    bob.rows.find = lambda entry_id: asked.append(entry_id) or find(entry_id)
    assert ann.join_log(bob).added == 1
    assert len(asked) == 1


def test_a_missing_entry_is_noticed_at_once_asked_for_and_blocks_nothing():
    whole, entries = chain(5)
    log = new()
    log.join([*entries[:2], entries[3], entries[4]])
    assert ids(log) == [entry.id for entry in (*entries[:2], *entries[3:])]
    (gap,) = log.gaps()
    assert gap.id == entries[2].id and gap.followers == (entries[3].id,) and gap.clock == 4
    assert log.wants() == [entries[2].id]
    assert [record.provisional for record in log.records()] == [False, False, True, True]
    log.join([entries[2]])
    assert log.gaps() == [] and picture(log) == picture(whole)


def test_who_has_only_the_end_asks_for_several_entries_at_once():
    _, entries = chain(256)
    log = new()
    log.join(entries[-1:])
    assert log.wants()[0] == entries[-2].id
    assert {entry.sequence for entry in entries if entry.id in log.wants()} == {
        255,
        254,
        252,
        248,
        240,
        224,
        192,
        128,
    }
    assert len(log.wants(2)) == 2


def test_nobody_fills_the_list_of_what_is_wanted():
    log = new()
    log.join([forged(EVE, 1, number + 2, [absent(number)]) for number in range(200)])
    log.join([forged(BOB, 1, 2, [absent(1_000)])])
    assert absent(1_000) in log.wants() and len(log.wants()) == bounds.WANTS


def test_bad_entries_do_no_harm_to_the_good_ones_of_the_same_join():
    _, entries = chain(4)
    data = [canonical.encode(entry) for entry in entries]
    changed = bytearray(data[3])
    changed[-1] ^= 1
    elsewhere = forged(ANN, 1, 1, log=b"another conversation of 32 bytes")
    unsigned = canonical.make(NAME, ANN.key, 1, 1, (), None, (), 1, b"", None)
    log = new()
    given = [
        b"",
        data[3],
        bytes(changed),
        data[0],
        b"\xff" * 50,
        data[2],
        data[1],
        data[1],
        elsewhere,
        unsigned,
    ]
    result = log.join(given)
    assert result.added == 4 and result.duplicates == 1
    assert [refusal.index for refusal in result.refused] == [0, 2, 4, 8, 9]
    assert all(refusal.reason for refusal in result.refused)
    assert list(log.entries()) == entries


def test_a_clock_that_contradicts_the_parents_hides_the_entry_wherever_it_comes_first():
    _, entries = chain(3)
    early = forged(EVE, 1, 3, [entries[2].id])
    late = forged(EVE, 2, 5, [entries[2].id])
    for order in ([*entries, early, late], [early, late, *entries]):
        log = new()
        log.join(order[:2])
        log.join(order[2:])
        assert ids(log) == [entry.id for entry in entries]
        assert {record.entry.id for record in log.refused()} == {early.id, late.id}
        assert log.heads() == entries[-1:]


def test_a_forger_moves_the_clock_by_a_bound_and_hides_nothing():
    log, entries = chain(3)
    log.join([forged(EVE, 1, bounds.CLOCK_MAX, [absent(1)]), forged(EVE, 2, 100, [absent(2)])])
    assert len(log) == 4 and log.meta.far == 1
    mine = log.append(b"after it")
    assert mine.clock == 101
    log.join([forged(EVE, 3, 3 + bounds.CLOCK_TRUST, [absent(3)])])
    assert log.append(b"again").clock <= 4 + bounds.CLOCK_TRUST
    for number in range(20):
        assert log.append(b"and again").clock <= 4 + bounds.CLOCK_TRUST + number + 1
    log.join([forged(EVE, 4, 4 + 2 * bounds.CLOCK_TRUST - 1, [absent(4)])])
    clocks = [log.append(b"and again").clock for _ in range(20)]
    assert clocks == list(range(clocks[0], clocks[0] + 20)) and clocks[-1] <= log.meta.limit
    assert log.last(1)[0].entry.author == EVE.key or log.last(1)[0].entry.clock == clocks[-1]


def test_two_entries_with_one_sequence_are_both_shown_and_said_to_be_a_fork():
    log, entries = chain(2)
    other = forged(ANN, 2, 2, [entries[0].id], body=b"to Bob she says this")
    log.join([other])
    (fork,) = log.forks()
    assert (fork.author, fork.sequence) == (ANN.key, 2)
    assert {entry.id for entry in fork.entries} == {entries[1].id, other.id} <= set(ids(log))


def test_unknown_kinds_are_kept():
    log = new()
    log.join([forged(ANN, 1, 1, kind=60_000)])
    assert [entry.kind for entry in log.entries()] == [60_000]


def test_only_who_may_write_is_read():
    log = new(BOB, access=only([ANN.key]))
    with pytest.raises(NotAllowed):
        log.append(b"let me in")
    assert len(log) == 0 and log.heads() == [] and log.verify() == []
    log.join([forged(EVE, 1, 1), forged(ANN, 1, 1)])
    assert [entry.author for entry in log.entries()] == [ANN.key]
    assert [record.entry.author for record in log.refused()] == [EVE.key]


def test_a_rule_sees_what_the_author_had_seen_and_nothing_else():
    ann = new(ANN, access=founded_by_ann)
    ann.append(b"welcome")
    too_early = forged(BOB, 1, 2, [ann.heads()[0].id])
    ann.append(BOB.key, ADMIT)
    bob = new(BOB, access=founded_by_ann)
    bob.join_log(ann)
    for number in range(600):  # past a causal past that is kept on the disk
        bob.append(b"%d" % number)
    ann.join([*bob.entries(), too_early, forged(EVE, 1, 603, [bob.heads()[0].id])])
    assert {record.entry.author for record in ann.refused()} == {EVE.key, BOB.key}
    assert len(ann) == 602
    # In whatever order they come.
    late = new(access=founded_by_ann)
    everything = [record.entry for record in (*ann.records(), *ann.refused())]
    for entry in reversed(everything[::7]):
        late.join([entry])
    late.join(reversed(everything))
    assert picture(late) == picture(ann)


def test_a_rule_that_changed_is_asked_again():
    members = {ANN.key, BOB.key}
    log = new(ANN, access=lambda entry, past: entry.author in members)
    first = log.append(b"hello")
    log.join([forged(BOB, 1, 2, [first.id])])
    members.remove(BOB.key)
    log.judge_again(BOB.key)
    assert ids(log) == [first.id] and log.heads() == [first] and log.verify() == []
    members.add(BOB.key)
    log.judge_again()
    assert len(log) == 2 and log.verify() == []


def test_a_log_of_two_needs_no_signatures_and_takes_none():
    log = new(ANN, signed=False)
    entry = log.append(b"hello")
    assert entry.signature == b"" and len(canonical.encode(entry)) < 90
    other = new(BOB, signed=False)
    assert other.join([entry]).added == 1
    assert other.join([forged(ANN, 1, 1)]).refused


def test_nothing_that_was_said_is_on_the_disk_in_plain(tmp_path):
    path = tmp_path / "log"
    log = Log.open(path, NAME, ANN, cipher=SecretCipher(b"k" * 32))
    entry = log.append(b"meet me behind the hedge")
    log.join([forged(BOB, 1, 1, body=b"meet me behind the hedge")])
    log.close()
    assert not [file for file in tmp_path.iterdir() if b"behind the hedge" in file.read_bytes()]
    with Log.open(path, NAME, cipher=SecretCipher(b"k" * 32)) as log:
        assert log.get(entry.id).entry == entry and log.verify() == []
    # Another key opens no text, and everything else goes on.
    with Log.open(path, NAME, ANN, cipher=SecretCipher(b"x" * 32)) as log:
        assert [record.readable for record in log.records()] == [False, False]
        assert len(log.verify()) == 2
        log.append(b"this one opens")
        assert [record.readable for record in log.records()] == [False, False, True]


def test_several_conversations_and_several_programs_share_a_file(tmp_path):
    path = tmp_path / "log"
    table = Table.open(path, durable=False)
    one, two = Log(table, NAME, ANN), Log(table, b"t" * 32, ANN)
    other = new(BOB, path)
    first = one.append(b"hello")
    assert other.append(b"hello ann").parents == (first.id,)
    assert one.append(b"hello bob").sequence == 2
    assert len(one) == len(other) == 3 and len(two) == 0
    assert two.append(b"elsewhere").clock == 1
    assert one.verify() == other.verify() == two.verify() == []


def test_what_was_changed_on_the_disk_is_found(tmp_path):
    path = tmp_path / "log"
    log, entries = chain(5, path=path)
    log.table.run("UPDATE log_entries SET body = x'00' WHERE place = 2")
    log.table.run("UPDATE log_entries SET clock = 9 WHERE place = 3")
    log.table.run("UPDATE log_logs SET tip = 9, count = 5, heads = x'0000000000000001'")
    log.table.known.clear()
    said = "\n".join(log.verify())
    assert entries[1].id.hex()[:16] in said and entries[2].id.hex()[:16] in said and "heads" in said


def test_a_file_of_a_later_version_or_of_something_else_is_refused_in_a_sentence(tmp_path):
    new(path=tmp_path / "log").close()
    table = Table.open(tmp_path / "log")
    table.run("PRAGMA user_version = 9")
    table.close()
    with pytest.raises(LogNewer):
        new(path=tmp_path / "log")
    (tmp_path / "text").write_text("not a database" * 100)
    with pytest.raises(LogDamaged):
        new(path=tmp_path / "text")


def test_who_only_reads_cannot_write_and_what_is_not_there_is_said_not_to_be():
    log = new()
    with pytest.raises(LogReadOnly):
        log.append(b"hello")
    with pytest.raises(UnknownEntry):
        log.get(absent(1))
    assert absent(1) not in log
    with pytest.raises(LimitError):
        Log.open(":memory:", b"short")


def test_opening_a_log_reads_no_entry(tmp_path):
    log, entries = chain(300, path=tmp_path / "log")
    log.close()
    read = []

    class Watching(SecretCipher):
        def open(self, sealed, associated):
            read.append(associated)
            return sealed

    with Log.open(tmp_path / "log", NAME, cipher=Watching(b"k" * 32)) as log:
        assert len(log) == 300 and read == []
        assert [record.entry for record in log.last(50)] == entries[-50:] and len(read) == 50
