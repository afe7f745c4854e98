"""The number of this firmware: it rises with each release, and with whatever boards are to be updated to."""

NUMBER = 1
