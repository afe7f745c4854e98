"""What a virtual board with a battery has besides: `machine.ADC`, as far as the firmware uses it."""

_uv = 0


class ADC:
    ATTN_11DB = 3

    def __init__(self, pin, atten=0):
        pass

    def read_uv(self):
        return _uv
