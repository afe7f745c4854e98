"""Virtual air and virtual boards: the real firmware in a real MicroPython, without hardware."""
