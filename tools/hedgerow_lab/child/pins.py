"""`machine.Pin`, as far as the firmware uses it: what is put on a pin stands in the trace."""

import lab


class Pin:
    OUT = 3

    def __init__(self, number, mode=-1, value=None):
        self._number = number
        if value is not None:
            self.value(value)

    def value(self, level):
        lab.command(lab.NOTE, b"pin %d %d" % (self._number, level))
