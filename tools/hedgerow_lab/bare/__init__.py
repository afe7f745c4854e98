"""A board as it comes out of the bag: ROM loader and MicroPython over one flash file, for the
unmodified esptool and mpremote."""
