"""A board in trouble goes on or starts again with its letters, and tells what happened."""

from contextlib import contextmanager

import pytest
from support_firmware import Cable, on_flash, open_lab, patched, settings

from hedgerow_core import service
from hedgerow_lab.world import Lab, find_aioble

MINUTE_MS = 60_000
LATER_MS = 10_000
CUT_BOTH = """
for name in ("/settings.a", "/settings.b"):
    with open(name, "rb") as file:
        half = file.read(60)
    with open(name, "wb") as file:
        file.write(half)
"""
# The board's own clock, on its first start only.
ONCE = "if self.journal.starts == 1 and self.now() > 10000: "
IN_KEEP = "            now = self.now()\n            if not self._wire.waits():"


@contextmanager
def lab_with(tmp_path, file, *changes, **board):
    """A lab with board "a", whose firmware has been changed."""
    source = patched(tmp_path / "source", file, *changes)
    with Lab(1, workdir=tmp_path / "lab", aioble=find_aioble()) as lab:
        lab.add_board("a", settings=settings("a"), source=source, **board)
        lab.run_until(2_000)
        yield lab


def in_keep(statement):
    """A change of firmware: ``statement`` runs in the task that looks after the others."""
    return IN_KEEP, IN_KEEP.replace("now = self.now()\n", f"now = self.now()\n            {statement}\n", 1)


def later(lab, ms=LATER_MS):
    lab.run_until(lab.now_ms + ms)


def with_letters(lab, count=5, durable=True):
    cable = Cable(lab, "a")
    ids = cable.put(count)
    later(lab, 5_000)
    # What is in memory only is carried, but not acknowledged.
    assert cable.acked() == (set(ids) if durable else set())
    return cable, set(ids)


def held(lab, cable):
    """What the board gives to a host that has nothing."""
    cable.stop()
    other = Cable(lab, "a")
    later(lab)
    return other, set(other.shelf.ids())


# The watchdog


@pytest.mark.parametrize(
    "loop", ["import time\n                while True: time.sleep_ms(1)", "while True: pass"]
)
def test_a_task_that_never_comes_back_is_ended_by_the_watchdog_and_no_letter_is_lost(tmp_path, loop):
    statement = ONCE + "\n                " + loop
    with lab_with(tmp_path, "app.py", in_keep(statement)) as lab:
        lab.boards["a"].patience_s = 3.0
        cable, ids = with_letters(lab)
        later(lab, MINUTE_MS)
        cable, found = held(lab, cable)
        assert found == ids
        assert cable.status()["starts"] == 2
        counts, entries = cable.log()
        assert counts == [0, 1, 0, 1, 0, 0]  # power, watchdog
        assert [(start, text) for start, _, text in entries] == [(2, "the watchdog reset the board")]


@pytest.mark.parametrize(
    "file, before, task",
    [
        (
            "ble.py",
            "                address = self._next_call()\n                if address is None",
            "radio",
        ),
        ("ble.py", "            shelf = board.shelf\n            room", "beacon"),
    ],
)
def test_a_task_that_waits_for_ever_is_named_and_the_board_starts_again(tmp_path, file, before, task):
    indent = before[: len(before) - len(before.lstrip())]
    stuck = (
        f"{indent}if self._board.journal.starts == 1 and self._board.now() > 10000:\n"
        f"{indent}    await asyncio.Event().wait()\n"
    )
    with lab_with(tmp_path, file, (before, stuck + before)) as lab:
        cable, ids = with_letters(lab)
        later(lab, 4 * MINUTE_MS)
        cable, found = held(lab, cable)
        assert found == ids
        _, entries = cable.log()
        assert [(start, text) for start, _, text in entries] == [
            (1, f"{task} is stuck"),
            (2, "the watchdog reset the board"),
        ]
        assert 60 <= entries[0][1] <= 130  # seconds after the start


def test_a_console_that_nobody_reads_any_more_is_noticed(tmp_path):
    before = "                data = bytearray(first)"
    stuck = (
        "                if self._board.journal.starts == 1 and self._board.now() > 10000:\n"
        "                    await asyncio.Event().wait()\n"
    )
    with lab_with(tmp_path, "wire.py", (before, stuck + before)) as lab:
        cable, ids = with_letters(lab)
        later(lab, 5_000)
        cable.link.service(bytes((service.STATUS,)))
        later(lab, 3 * MINUTE_MS)
        cable, found = held(lab, cable)
        assert found == ids
        assert [text for _, _, text in cable.log()[1]] == ["wire is stuck", "the watchdog reset the board"]


def test_a_board_that_has_nothing_to_do_is_left_alone(tmp_path):
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2 * 60 * MINUTE_MS)
        cable = Cable(lab, "a")
        later(lab)
        assert cable.status()["starts"] == 1
        assert cable.log()[1] == []
        assert lab.log("a") == []


def test_who_works_at_the_prompt_is_not_thrown_out_by_the_watchdog(tmp_path):
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2_000)
        line = lab.serial("a")
        line.connected = True
        line.write(b"\x03")
        later(lab, 3_000)
        said = bytearray()
        line.on_receive = lambda data, now: said.extend(data)
        later(lab, 30 * MINUTE_MS)
        line.write(b"6*7\r")
        later(lab, 1_000)
        assert b"42" in said


# Exceptions


def test_an_exception_in_a_task_starts_the_board_again_with_its_letters_and_is_told(tmp_path):
    with lab_with(tmp_path, "app.py", in_keep(ONCE + "raise ValueError('the cat sat on it')")) as lab:
        cable, ids = with_letters(lab)
        later(lab, MINUTE_MS)
        cable, found = held(lab, cable)
        assert found == ids
        assert cable.status()["safe"] == 0
        counts, entries = cable.log()
        assert counts == [0, 1, 1, 0, 0, 0]  # power, reset
        assert [start for start, _, _ in entries] == [1]
        assert entries[0][2].endswith("ValueError: the cat sat on it")
        assert 10 <= entries[0][1] <= 20


def test_an_exception_in_what_serves_the_cable_starts_the_board_again(tmp_path):
    before = "        kind = message[0]\n"
    with lab_with(
        tmp_path, "app.py", (before, "        if self.journal.starts == 1: 1 // 0\n" + before)
    ) as lab:
        cable, ids = with_letters(lab)
        cable.link.service(bytes((service.STATUS,)))
        later(lab, 30_000)
        cable, found = held(lab, cable)
        assert found == ids
        assert "ZeroDivisionError" in cable.log()[1][0][2]


def test_a_board_that_fails_at_each_start_answers_the_host_in_safe_mode(tmp_path):
    failing = (
        "        self.carrier = Carrier",
        "        if not journal.safe: raise ValueError('no start')\n",
    )
    with lab_with(tmp_path, "app.py", (failing[0], failing[1] + failing[0])) as lab:
        later(lab, 20_000)
        cable = Cable(lab, "a")
        later(lab, 5_000)
        status = cable.status()
        assert status["safe"] == 1
        assert status["starts"] == 4  # three of them failed
        assert lab.counters["adverts"] == 0
        _, entries = cable.log()
        assert [start for start, _, _ in entries] == [1]  # the same again is not written again
        assert entries[0][2].endswith("ValueError: no start")
        later(lab, 11 * MINUTE_MS)
        assert cable.status()["starts"] == 6  # it tried once more


def test_a_board_in_safe_mode_comes_back_by_itself_once_the_trouble_is_over(tmp_path):
    before = "        self.carrier = Carrier"
    failing = "        if journal.starts in (2, 3, 4): raise ValueError('no start')\n"
    with lab_with(tmp_path, "app.py", (before, failing + before)) as lab:
        cable, ids = with_letters(lab)
        lab.power_off("a")
        lab.power_on("a")
        later(lab, 20_000)
        assert cable.status()["safe"] == 1
        later(lab, 11 * MINUTE_MS)
        assert cable.status()["safe"] == 0
        cable, found = held(lab, cable)
        assert found == ids


def test_whoever_switches_a_board_in_safe_mode_off_and_on_sees_it_start(tmp_path):
    before = "        self.carrier = Carrier"
    failing = "        if journal.starts < 4: raise ValueError('no start')\n"
    with lab_with(tmp_path, "app.py", (before, failing + before)) as lab:
        later(lab, 20_000)
        lab.power_off("a")
        lab.power_on("a")
        later(lab, 5_000)
        cable = Cable(lab, "a")
        later(lab, 2_000)
        assert cable.status()["safe"] == 0


# The file system


def test_settings_damaged_in_both_files_come_back_from_the_copy(tmp_path):
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2_000)
        cable, ids = with_letters(lab)
        lab.power_off("a")
        on_flash(lab, "a", CUT_BOTH)
        lab.power_on("a")
        cable, found = held(lab, cable)
        assert found == ids
        lab.power_off("a")
        sizes = on_flash(lab, "a", "print([os.stat('/settings.' + n)[6] for n in 'ab'])")
        assert (
            sizes == f"[{len(lab.boards['a'].machine.settings)}, {len(lab.boards['a'].machine.settings)}]\n"
        )


def test_without_any_valid_settings_the_board_waits_and_says_what_to_do(tmp_path):
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2_000)
        lab.power_off("a")
        on_flash(lab, "a", CUT_BOTH)
        (lab.boards["a"].nvs_path / "hedgerow.settings.b").unlink()
        lab.power_on("a")
        later(lab, 5_000)
        assert lab.log("a") == ["The settings of this board are damaged: flash it again with ./flash.sh."]
        line = lab.serial("a")
        said = bytearray()
        line.connected = True
        line.on_receive = lambda data, now: said.extend(data)
        line.write(b"6*7\r")
        later(lab, 1_000)
        assert b"42" in said


def test_a_shelf_that_cannot_be_used_is_told_and_repaired_by_the_hosts_word(tmp_path):
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2_000)
        lab.power_off("a")
        on_flash(lab, "a", "os.rmdir('/shelf')\nwith open('/shelf', 'w') as file: file.write('x')")
        lab.power_on("a")
        later(lab, 3_000)
        cable, ids = with_letters(lab, durable=False)
        status = cable.status()
        assert (status["damage"], status["held"]) == (service.SHELF_FOLDER, 5)
        assert cable.repair(service.FILE_SYSTEM) == service.NOT_NEEDED
        assert cable.repair(service.SHELF_FOLDER) == service.DONE
        later(lab, 20_000)
        status = cable.status()
        assert (status["damage"], status["starts"]) == (service.SOUND, 3)
        assert cable.log()[1][-1][2] == "repair of damage 2 ended with 0"
        later(lab)
        cable, found = held(lab, cable)
        assert found == ids  # the host gave them again
        lab.power_off("a")
        lab.power_on("a")
        later(lab, 3_000)
        assert held(lab, cable)[1] == ids


def test_a_file_system_that_is_gone_is_told_and_made_anew_by_the_hosts_word(tmp_path):
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2_000)
        lab.power_off("a")
        image = lab.boards["a"].flash_path
        whole = image.read_bytes()
        image.write_bytes(b"\x55" * 8192 + whole[8192:])
        lab.power_on("a")
        later(lab, 3_000)
        cable, ids = with_letters(lab, durable=False)
        assert cable.status()["damage"] == service.FILE_SYSTEM
        assert cable.repair(service.SHELF_FOLDER) == service.NOT_NEEDED
        assert image.read_bytes()[:8192] == b"\x55" * 8192  # not touched without the host's word
        assert cable.repair(service.FILE_SYSTEM) == service.DONE
        later(lab, 20_000)
        status = cable.status()
        assert (status["damage"], status["starts"]) == (service.SOUND, 3)
        later(lab)
        cable, found = held(lab, cable)
        assert found == ids
        lab.power_off("a")
        assert "settings.a" in on_flash(lab, "a", "print(os.listdir('/'))")


def test_a_file_system_that_the_firmware_lies_on_is_not_made_anew(tmp_path):
    change = ('__file__.startswith("/lib/")', '__file__.startswith("/rom/")')  # where the lab has it
    with lab_with(tmp_path, "care.py", change) as lab:
        lab.power_off("a")
        image = lab.boards["a"].flash_path
        damaged = b"\x55" * 8192 + image.read_bytes()[8192:]
        image.write_bytes(damaged)
        lab.power_on("a")
        later(lab, 3_000)
        cable = Cable(lab, "a")
        later(lab, 3_000)
        assert cable.repair(service.FILE_SYSTEM) == service.FIRMWARE_LIES_THERE
        later(lab)
        assert image.read_bytes() == damaged
        assert cable.status()["starts"] == 2


def test_letters_that_the_flash_does_not_give_back_at_the_start_leave_a_board_that_carries(tmp_path):
    before = "            store = FlashStore(SPARE"
    failing = "            if board.journal.starts == 2: raise OSError(5)\n"
    with lab_with(tmp_path, "shelving.py", (before, failing + before)) as lab:
        lab.power_off("a")
        lab.power_on("a")
        later(lab, 3_000)
        cable, ids = with_letters(lab, durable=False)
        assert cable.status()["damage"] == service.SHELF_FOLDER
        assert held(lab, cable)[1] == ids


def test_a_sound_board_repairs_nothing(tmp_path):
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2_000)
        cable, ids = with_letters(lab)
        for damage in range(5):
            assert cable.repair(damage) == service.NOT_NEEDED
        later(lab)
        assert cable.status()["starts"] == 1
        assert held(lab, cable)[1] == ids


def test_a_journal_that_is_damaged_begins_anew(tmp_path):
    with lab_with(tmp_path, "app.py", in_keep("if self.now() > 10000: raise ValueError('again')")) as lab:
        lab.power_off("a")
        (lab.boards["a"].nvs_path / "hedgerow.journal.b").write_bytes(b"\xff" * 40)
        lab.power_on("a")
        later(lab, 20_000)
        cable = Cable(lab, "a")
        later(lab, 3_000)
        assert [text.splitlines()[-1] for _, _, text in cable.log()[1]] == ["ValueError: again"]


@pytest.mark.parametrize(
    "message", [b"\x48", b"\x48\x00\x00", b"\x48\xff", b"\x4a", b"\x4a\x02\x02", b"\x5f"]
)
def test_service_messages_that_are_none_do_no_harm(tmp_path, message):
    with open_lab(tmp_path, "a") as lab:
        lab.run_until(2_000)
        cable = Cable(lab, "a")
        later(lab, 3_000)
        cable.link.service(message)
        later(lab, 2_000)
        assert cable.status()["starts"] == 1
        assert lab.log("a") == []


def test_a_full_flash_is_not_told_as_a_damaged_one(tmp_path):
    full = ('file.write(b"?")', "raise OSError(28)")
    with lab_with(tmp_path, "start.py", full) as lab:
        cable, ids = with_letters(lab)
        assert cable.status()["damage"] == service.SOUND
        cable, found = held(lab, cable)
        assert found == ids and cable.status()["starts"] == 1
