"""`esp32` as far as the firmware uses it: NVS in a file of the board's flash."""


class NVS:
    def __init__(self, namespace):
        self._path = "/.nvs_" + namespace

    def _load(self):
        try:
            with open(self._path) as file:
                return eval(file.read(), {})
        except OSError:
            return {}

    def _set(self, key, value):
        values = self._load()
        values[key] = value
        self._values = values

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
