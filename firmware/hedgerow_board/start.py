"""What a board does once, at its start; forgotten then, so that it takes no heap.

``store`` is the board's NVS: non-volatile storage apart from the file system, which writes whole values or
nothing and levels its wear. A start costs it three numbers.
"""

import os
import time

import machine

from hedgerow_board import settings, trial
from hedgerow_board.journal import TRIES
from hedgerow_board.places import FULL, SHELF, SPARE
from hedgerow_board.settings import SettingsError
from hedgerow_board.version import NUMBER
from hedgerow_core import limits, service, slot_state
from hedgerow_core.mac import hmac_sha256

_SEED_BYTES = 32


def _number(store: object, name: str) -> int:
    try:
        return store.get_i32(name)
    except OSError:
        return 0


def seed(store: object) -> bytes:
    """This board's secret seed."""
    found = bytearray(_SEED_BYTES)
    try:
        store.get_blob("seed", found)
    except OSError:
        found = hmac_sha256(machine.unique_id(), os.urandom(32) + str(time.ticks_us()).encode())
        store.set_blob("seed", found)
        store.commit()
    return bytes(found)


def count(store: object) -> tuple:
    """(how often this board started, why it did, how many starts in a row ended badly)."""
    cause = machine.reset_cause()
    if cause >= service.CAUSES:
        cause = 0
    starts = _number(store, "boots") + 1
    troubles = _number(store, "troubles")
    if cause == machine.WDT_RESET:
        troubles += 1
    elif cause == machine.PWRON_RESET and troubles >= TRIES:
        # Whoever takes the power away wants to see it start.
        troubles = TRIES - 1
    by_cause = "reset" + str(cause)
    store.set_i32("boots", starts)
    store.set_i32(by_cause, _number(store, by_cause) + 1)
    store.set_i32("troubles", troubles)
    store.commit()
    return starts, cause, troubles


def provision(store: object) -> object:
    """The settings. They are copied into ``store``: without them the board could not talk with the host about
    a file system that is damaged. SettingsError where there are none."""
    buffer = bytearray(limits.SETTINGS_BYTES)
    try:
        copy = bytes(buffer[: store.get_blob("settings", buffer)])
    except OSError:
        copy = b""
    slot = settings.newest(copy)
    if slot != copy:
        try:
            store.set_blob("settings", slot)
            store.commit()
        except OSError:
            pass  # the files are what counts
    return settings.parse(slot)


def _try(folder: str) -> None:
    """OSError where ``folder`` cannot be listed or written."""
    os.listdir(folder + "/")
    path = folder + "/probe"
    try:
        with open(path, "wb") as file:
            file.write(b"?")
    except OSError as error:
        if error.errno != FULL:
            raise
        # Full is not damaged. There may be a file of no bytes now, or none.
        if "probe" not in os.listdir(folder + "/"):
            return
    os.remove(path)


def probe() -> int:
    """What of the file system is damaged, as service messages have it."""
    try:
        _try("")
    except OSError:
        return service.FILE_SYSTEM
    try:
        if SHELF[1:] not in os.listdir("/"):
            os.mkdir(SHELF)
        _try(SHELF)
    except OSError:
        return service.SHELF_FOLDER
    return service.SOUND


def _sweep() -> None:
    """What an earlier start had in place of its shelf goes."""
    try:
        if SPARE[1:] in os.listdir("/"):
            for name in os.listdir(SPARE):
                os.remove(SPARE + "/" + name)
            os.rmdir(SPARE)
    except OSError:
        pass  # the next start tries again


def _go_back(store: object, journal: object) -> None:
    """A firmware that an update brought, that ran well for a while and ends badly again and again: the folder
    from before has its trial, once."""
    slot = trial.running()
    record = trial.record(store)
    if slot == slot_state.NO_SLOT or record[12] != trial.RAN or record[8:12] != NUMBER.to_bytes(4, "big"):
        return
    try:
        if trial.FOLDERS[1 - slot][1:] not in os.listdir("/"):
            return
    except OSError:
        return
    journal.note("firmware " + str(NUMBER) + " ends badly again and again")
    record[12] = trial.FAILED
    store.set_i32("troubles", 0)
    trial.begin(store, slot, record)
    machine.reset()


def _quiet(store: object, journal: object) -> None:
    """Whether this start is for an update, once; or comes not long after such a one."""
    found = bytearray(trial.QUIET_BYTES)
    try:
        store.get_blob("quiet", found)
        store.erase_key("quiet")
        store.set_i32("rested", 1)
        store.commit()
    except OSError:
        # Whoever takes the power away wants it to be tried.
        journal.rested = _number(store, "rested") == 1 and journal.cause != machine.PWRON_RESET
        return
    if not journal.safe:
        journal.quiet = bytes(found)


def begin(store: object, journal_type: object) -> tuple:
    """(settings, seed, damage, journal); no settings where the board has to be flashed first."""
    secret = seed(store)
    journal = journal_type(store, *count(store))
    if journal.safe:
        _go_back(store, journal)
    _quiet(store, journal)
    journal.trial = trial.open_question(store)
    if journal.cause == machine.WDT_RESET:
        journal.note("the watchdog reset the board")
    try:
        found = provision(store)
    except SettingsError as error:
        print(error)
        journal.note(str(error))
        found = None
    try:
        machine.freq(240_000_000)
    except ValueError:
        pass  # C3 and C6 end at 160 MHz, where they start
    _sweep()
    return found, secret, probe(), journal
