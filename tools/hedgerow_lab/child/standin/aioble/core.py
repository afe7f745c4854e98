"""The radio, who listens to its events, and the log."""

import bluetooth

log_level = 1  # 0: nothing, 1: errors, 2: also warnings, 3: also every event
ble = bluetooth.BLE()

_PAIRING_FILE = "ble_secrets.json"
_listeners = {}
_resets = []


class GattError(Exception):
    """The other side answered with a status that is not 0."""

    def __init__(self, code):
        self._status = code


def _say(level, letter, words):
    if level <= log_level:
        print("[aioble] " + letter + ":", *words)


def log_error(*words):
    """Print an error, from log level 1 on."""
    _say(1, "E", words)


def log_warn(*words):
    """Print a warning, from log level 2 on."""
    _say(2, "W", words)


def log_info(*words):
    """Print what happens, from log level 3 on."""
    _say(3, "I", words)


def on(*events):
    """Decorate the function that gets the fields of radio events of these numbers."""

    def keep(function):
        for event in events:
            _listeners[event] = function
        return function

    return keep


def at_stop(function):
    """Decorate a function that `stop` calls after the radio went off."""
    _resets.append(function)
    return function


def ble_irq(event, fields):
    """Take one event of the radio."""
    log_info(event, fields)
    listener = _listeners.get(event)
    return listener(*fields) if listener else None


def switch_on():
    """Switch the radio on, unless it is."""
    if not ble.active():
        try:
            # Pairing is left out, but the look for its file takes its time on the flash.
            open(_PAIRING_FILE).close()
        except OSError:
            log_warn("No secrets available")
        ble.active(1)


def config(*names, **values):
    """Ask for or set what `BLE.config` knows; switches the radio on."""
    switch_on()
    return ble.config(*names, **values)


def stop():
    """Switch the radio off and forget what was going on."""
    ble.active(0)
    for reset in _resets:
        reset()


ble.irq(ble_irq)
