"""What the Bluetooth stack and aioble do to a board, and that letters still arrive.

The traps by themselves are shown in tests/network/traps; here the firmware is changed so that it falls into
one much more often than on a street.
"""

import pytest
from support_firmware import Cable, patched, quiet, settings

from hedgerow_lab.world import Lab, find_aioble

SOMETIMES = "__import__('os').urandom(1)[0] < 100"
SELDOM = "__import__('os').urandom(1)[0] < 50"


def exchange(tmp_path, *changes, events=lambda lab: None, letters=6, seconds=120, check=True):
    """Letters from a to c by way of b, all with a changed ble.py; the lab, closed."""
    source = patched(tmp_path / "source", "ble.py", *changes)
    with Lab(1, workdir=tmp_path / "lab", aioble=find_aioble()) as lab:
        for name in "abc":
            lab.add_board(name, settings=settings(name), source=source)
        lab.hear("a", "b")
        lab.hear("b", "c")
        events(lab)
        lab.run_until(8_000)
        near, far = Cable(lab, "a"), Cable(lab, "c")
        ids = []
        for _ in range(letters):
            ids += near.put(1)
            lab.run_until(lab.now_ms + seconds * 1_000 // letters)
        assert set(far.shelf.ids()) == set(ids)
        assert quiet(lab)
        return lab


def test_a_heap_that_is_full_when_the_radio_tells_something_loses_that_only(tmp_path):
    exchange(
        tmp_path,
        (
            "if beacon.is_ours(data[4]):",
            f"if {SOMETIMES}: raise MemoryError\n                if beacon.is_ours(data[4]):",
        ),
        ("what = self.ble.", f"what = self.nothing if {SELDOM} else self.ble."),
        ("except MemoryError:", "except (MemoryError, AttributeError):"),
        seconds=400,
    )


def test_a_queue_of_the_stack_that_is_full_most_of_the_time_ends_no_link(tmp_path):
    full = (
        "                if self.calls:\n",
        f"                if {SOMETIMES}: raise OSError(12)\n                if self.calls:\n",
    )
    lab = exchange(tmp_path, full)
    assert lab.counters["connections"] == 2


def lose_links(lab):
    for ms in range(30_000, 300_000, 20_000):
        lab.at(ms, lambda: lab.link_drop("a", "b"))


def test_calls_that_time_out_just_when_they_come_through_leave_no_link_behind(tmp_path):
    about_as_long_as_it_takes = "timeout_ms=95 + __import__('os').urandom(1)[0] % 50"
    change = ("timeout_ms=_CONNECT_MS", about_as_long_as_it_takes)
    began, lasted = {}, []

    def watch(lab):
        def note(who, what, detail):
            if what == "connected":
                began[who, detail] = lab.now_ms
            elif what == "disconnected":
                lasted.append(lab.now_ms - began.pop((who, detail)))

        lose_links(lab)
        lab.air._note = note

    lab = exchange(tmp_path, change, events=watch, seconds=600)
    assert lab.counters["failed"] > 1
    # Nobody waits until the other side gives it up.
    assert min(lasted) < 1_000
    assert len(lab.boards["b"].radio.connections) <= 2


def test_the_end_of_a_link_that_nobody_tells_frees_its_place_all_the_same(tmp_path):
    lab = exchange(
        tmp_path, ("elif event in (_LOST, _CALLER_LOST):", "elif event < 0:"), events=lose_links, seconds=400
    )
    assert lab.counters["connections"] >= 4


def test_an_address_that_does_not_change_is_never_shown_and_tried_again(tmp_path):
    heard = []

    def watch(lab):
        lab.air.advert_watchers.append(lambda name, data: heard.append((lab.now_ms, name)))
        lab.air.advert_watchers.append(
            lambda name, data: heard.append((0, name)) if lab.boards[name].radio.address[0] == 0 else None
        )

    exchange(
        tmp_path,
        ("self.ble.config(addr_mode=", "if self._board.now() > 5_000: self.ble.config(addr_mode="),
        events=watch,
    )
    assert min(heard)[0] >= 5_000


def test_nobody_calls_while_scanning(tmp_path):
    scanning = []

    def watch(lab):
        connect = lab.air.connect

        def seen(radio, address, timeout_ms):
            scanning.append(radio.scan is not None)
            connect(radio, address, timeout_ms)

        lab.air.connect = seen
        lab.at(60_000, lambda: lab.link_drop("a", "b"))

    exchange(tmp_path, ("_MTU = 247", "_MTU = 246"), events=watch)
    assert scanning and not any(scanning)


@pytest.mark.parametrize("handles", ["same", "others"])
def test_a_board_whose_handles_are_others_is_no_peer_and_is_called_less_and_less(tmp_path, handles):
    ours = "(SERVICE, ((WRITE, _FLAGS_WRITE), (NOTIFY, _FLAG_NOTIFY)))"
    another = "(bluetooth.UUID(0x1234), ((WRITE, _FLAG_NOTIFY),))"
    other = patched(
        tmp_path / "source",
        "ble.py",
        ("((self.write_handle, self.notify_handle),) =", "_, (self.write_handle, self.notify_handle) ="),
        (f"({ours},)", f"({another}, {ours})"),
    )
    with Lab(1, workdir=tmp_path / "lab", aioble=find_aioble()) as lab:
        lab.add_board("a", settings=settings("a"))
        lab.add_board("b", settings=settings("b"), source=other if handles == "others" else None)
        lab.hear("a", "b")
        lab.run_until(3_000)
        near, far = Cable(lab, "a"), Cable(lab, "b")
        ids = near.put(3)
        lab.run_until(600_000)
        same = handles == "same"
        assert (set(far.shelf.ids()) == set(ids)) == same
        assert lab.counters["connections"] == 1 if same else 2 <= lab.counters["connections"] <= 40
        assert quiet(lab)
