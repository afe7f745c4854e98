"""Cuts the power of a virtual board in the middle of its flash operations and looks what is left.

``image`` flash and half an operation on it, ``letters`` what is put, ``plan`` what a board does in one life,
``life`` the MicroPython process that does it, ``ledger`` what must be there after it, ``chain`` life after
life on one flash, ``cycle`` a cut at every operation, ``report`` and ``command`` what people see.
"""
