"""Fuzzing: bytes from outside give a value or a PeerError, the same on CPython and on MicroPython."""
