"""Wire formats and sans-IO engines of Hedgerow, one code for MicroPython boards and CPython hosts."""
