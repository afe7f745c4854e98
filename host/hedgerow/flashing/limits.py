"""How long each step of flashing waits for what may never come, in seconds (docs/boards.md, "Steps")."""

LOOK_S = 60.0  # esptool asks the chip
WRITE_S = 600.0
WRITE_QUIET_S = 30.0  # esptool tells its progress several times a second
ERASE_S = 120.0  # it says nothing while the chip erases itself
ANSWER_S = 60.0  # until MicroPython's prompt is there
ASK_S = 60.0  # mpremote asks or does one thing
COPY_S = 300.0
COPY_QUIET_S = 60.0  # each part or file is named
LINK_S = 60.0  # from the restart until the board is linked
