"""`esp32` as far as the firmware uses it: NVS, a part of the flash apart from the file system."""

import os

import lab

path = ""  # of the computer's file that stands for it


def nvs_load():
    try:
        with open(path) as file:
            return eval(file.read(), {})
    except OSError:
        return {}


def nvs_store(values):
    with open(path + "~", "w") as file:
        file.write(repr(values))
    os.rename(path + "~", path)


def _loaded():
    lab.charge(lab.costs["flash_read_us"])
    return nvs_load()


class NVS:
    def __init__(self, namespace):
        self._namespace = namespace + " "
        self._new = {}

    def _get(self, key):
        value = self._new.get(self._namespace + key)
        if value is None:
            value = _loaded().get(self._namespace + key)
        if value is None:
            raise OSError(-4354)
        return value

    def _set(self, key, value):
        if len(key) > 15:
            raise OSError("key too long")
        self._new[self._namespace + key] = value

    def get_blob(self, key, buffer):
        value = self._get(key)
        buffer[: len(value)] = value
        return len(value)

    def set_blob(self, key, value):
        self._set(key, bytes(value))

    def get_i32(self, key):
        return self._get(key)

    def set_i32(self, key, value):
        self._set(key, value)

    def erase_key(self, key):
        self._get(key)
        self._new[self._namespace + key] = None

    def commit(self):
        lab.charge(lab.costs["flash_erase_us"] + lab.costs["flash_program_us"])
        values = _loaded()
        values.update(self._new)
        values = {key: value for key, value in values.items() if value is not None}
        self._new = {}
        nvs_store(values)
