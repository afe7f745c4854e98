"""Says how the heap is, when the parent asks. What the firmware does is the same, but for the collection."""

import gc

import lab
import micropython

PROBE = 8


def _show(payload):
    # Twice, as it is and with no garbage; nothing of it is made on the heap.
    micropython.mem_info()
    gc.collect()
    if payload:
        micropython.mem_info(1)
    else:
        micropython.mem_info()


def install():
    lab.on(PROBE, _show)
