"""A naive store to compare with: a file for each record."""

import os

_FOLDER = "/shelf"


class FilesStore:
    """The verbs of the board's store; a place is the name of a file."""

    def __init__(self):
        self.minute = 0
        try:
            os.mkdir(_FOLDER)
        except OSError:
            pass
        self._next = max([int(name) for name in os.listdir(_FOLDER)] + [0])

    def attach(self, owner):
        pass

    def append(self, record):
        self._next += 1
        with open(_FOLDER + "/" + str(self._next), "wb") as file:
            file.write(record)
        return self._next

    def read(self, place):
        with open(_FOLDER + "/" + str(place), "rb") as file:
            return file.read()

    def drop(self, place, note=True):
        os.remove(_FOLDER + "/" + str(place))

    def flush(self, minute=0):
        pass

    def records(self):
        for place in sorted([int(name) for name in os.listdir(_FOLDER)]):
            yield place, self.read(place)
