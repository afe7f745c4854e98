"""`machine.Pin`, as far as the firmware uses it: what is put on a pin stands in the trace."""

import lab

_PINS = 40  # of an ESP32


class Pin:
    OUT = 3

    def __init__(self, number, mode=-1, value=None):
        if not 0 <= number < _PINS:
            raise ValueError("invalid pin")
        self._number = number
        if value is not None:
            self.value(value)

    def value(self, level):
        lab.command(lab.NOTE, b"pin %d %d" % (self._number, level))
