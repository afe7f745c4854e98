"""`esp32` as far as the firmware uses it: NVS in a file of the board's flash."""


class NVS:
    def __init__(self, namespace):
        self._path = "/.nvs_" + namespace
        self._values = None

    def _load(self):
        try:
            with open(self._path) as file:
                return eval(file.read(), {})
        except OSError:
            return {}

    def _set(self, key, value):
        if self._values is None:
            self._values = self._load()
        self._values[key] = value

    def get_blob(self, key, buffer):
        value = self._load().get(key)
        if value is None:
            raise OSError(-4354)
        buffer[: len(value)] = value
        return len(value)

    def set_blob(self, key, value):
        self._set(key, bytes(value))

    def get_i32(self, key):
        value = self._load().get(key)
        if value is None:
            raise OSError(-4354)
        return value

    def set_i32(self, key, value):
        self._set(key, value)

    def commit(self):
        with open(self._path, "w") as file:
            file.write(repr(self._values))
