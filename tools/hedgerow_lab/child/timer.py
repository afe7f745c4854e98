"""`machine.Timer` as far as the firmware uses it."""

import lab


class Timer:
    """One of the hardware, for one call; there is but one."""

    ONE_SHOT = 0

    def __init__(self, id):
        if id != 0:
            raise ValueError("Timer")

    def init(self, mode, period, callback):
        lab.alarm(lab.ms + period, lambda: callback(self))

    def deinit(self):
        lab.alarm(lab.NEVER, None)
