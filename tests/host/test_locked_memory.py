"""Keys of an open home are not swapped out nor dumped, and are gone when it is closed."""

import ctypes
import re
import sys
from pathlib import Path

import pytest
from people_support import NOW, source

from hedgerow.node import Node
from hedgerow.vault import memory
from hedgerow.vault.memory import Locked

KEY = bytes(range(32))


def test_a_key_that_was_erased_is_gone():
    key = Locked(KEY)
    assert bytes(key) == KEY
    key.erase()
    assert bytes(key) == bytes(32)


def test_where_the_system_locks_no_memory_keys_are_kept_all_the_same(monkeypatch):
    def no_library():
        raise OSError("no library")

    monkeypatch.setattr(memory, "_library", no_library)
    key = Locked(KEY)
    assert bytes(key) == KEY and not key.locked


def flags_of(key):
    """What Linux says of the page in which ``key`` lies."""
    place = ctypes.addressof(ctypes.c_char.from_buffer(key._page))
    here = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if found := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            here = int(found[1], 16) <= place < int(found[2], 16)
        elif here and line.startswith("VmFlags:"):
            return line.split()[1:]
    raise AssertionError("the page is not there")


@pytest.mark.parametrize("flag", ["dd"] if sys.platform.startswith("linux") else [])
def test_on_linux_a_key_is_left_out_of_dumps_and_locked_where_it_says_so(flag):
    key = Locked(KEY)
    flags = flags_of(key)
    assert flag in flags
    assert ("lo" in flags) == key.locked


def test_a_closed_home_has_forgotten_its_keys(tmp_path):
    node = Node.create(tmp_path, "Alice", source(), NOW)
    vault = node.vault
    assert any(vault.store_key)
    node.close()
    assert not any(vault.store_key)
    assert not vault._columns._keys
