"""`esp32` as far as the firmware uses it: NVS, a part of the flash apart from the file system.

Each value is a file of the computer's: as on a board, what is kept there takes nothing of MicroPython's heap.
"""

import os
import struct

import lab

path = ""  # of the computer's folder that stands for it


class NVS:
    def __init__(self, namespace):
        self._start = path + "/" + namespace + "."

    def _get(self, name, buffer):
        lab.charge(lab.costs["flash_read_us"])
        try:
            size = os.stat(self._start + name)[6]
        except OSError:
            raise OSError(-4354)  # ESP_ERR_NVS_NOT_FOUND
        if size > len(buffer):
            raise OSError(-4364)  # ESP_ERR_NVS_INVALID_LENGTH
        with open(self._start + name, "rb") as file:
            return file.readinto(buffer)

    def _set(self, key, name, value):
        if len(key) > 15:
            raise OSError("key too long")
        # A value is there or not; it need not wait for the commit (nvs_set_blob of ESP-IDF).
        with open(self._start, "wb") as file:
            file.write(value)
        os.rename(self._start, self._start + name)

    def get_blob(self, key, buffer):
        return self._get(key + ".b", buffer)

    def set_blob(self, key, value):
        self._set(key, key + ".b", value)

    def get_i32(self, key):
        number = bytearray(4)
        self._get(key + ".i", number)
        return struct.unpack("<i", number)[0]

    def set_i32(self, key, value):
        self._set(key, key + ".i", struct.pack("<i", value))

    def erase_key(self, key):
        gone = False
        for end in (".b", ".i"):
            try:
                os.remove(self._start + key + end)
                gone = True
            except OSError:
                pass  # it is of the other kind
        if not gone:
            raise OSError(-4354)

    def commit(self):
        lab.charge(lab.costs["flash_erase_us"] + lab.costs["flash_program_us"])
