"""MicroPython's REPL on the board's serial console, as shared/runtime/pyexec.c has it.

What is missing: history and completion, the paste mode of people, and, but on a bare board, Ctrl-C while a
program runs.
"""

import io
import sys

import lab
import machine
import micropython

if lab.console is None:  # what ran before did not need it
    import hedgerow_console  # noqa: F401

_CTRL_A, _CTRL_B, _CTRL_C, _CTRL_D, _CTRL_E = 1, 2, 3, 4, 5
_WINDOW = 128  # bytes that the other side may send before it hears from us, in raw paste mode
_RAW_BANNER = b"raw REPL; CTRL-B to exit\r\n"


class _Cooked(io.IOBase):
    """The console as programs write to it."""

    def write(self, data):
        lab.console().write(bytes(data).replace(b"\n", b"\r\n"))
        return len(data)

    def ioctl(self, request, flags):
        return flags & 4 if request == 3 else 0


_out = _Cooked()


def _say(data):
    lab.console().write(data)


def _byte():
    source = lab.console()
    while not source.ioctl(3, 1):
        lab.exchange(lab.NEVER)
    return source.read(1)[0]


def _print(*values, **options):
    if options.get("file") in (None, sys.stdout):
        options["file"] = _out
    print(*values, **options)


def _show(value):
    if value is not None:
        _print(repr(value))


def _names():
    return {"__name__": "__main__", "print": _print, "__repl_print__": _show}


class _Machine:
    """A REPL with its globals; ``raw`` is for programs, the other mode for people."""

    def __init__(self, raw, names, reset_raw):
        self.names = names or _names()
        self.raw = raw
        self._reset_raw = reset_raw

    def serve(self):
        while True:
            if self.raw:
                self._serve_raw()
            else:
                self._serve_friendly()

    def _run(self, source, kind, end=b""):
        """Compile and run; ``end`` goes out between output and error, and after the error."""
        error = None
        micropython.kbd_intr(_CTRL_C)
        try:
            exec(compile(source, "<stdin>", kind), self.names)
        except SystemExit:
            self._soft_reset()
            return
        except BaseException as caught:
            error = caught
        micropython.kbd_intr(-1)
        _say(end)
        if error is not None:
            sys.print_exception(error, _out)
        _say(end)

    def _soft_reset(self):
        _say(b"MPY: soft reboot\r\n")
        if not self.raw:
            machine.soft_reset()
        # MicroPython stays in the raw REPL and does not run main.py.
        if self._reset_raw:
            self._reset_raw()
        self.names = _names()
        _say(_RAW_BANNER + b">")

    # For programs

    def _serve_raw(self):
        _say(_RAW_BANNER + b">")
        line = bytearray()
        while True:
            byte = _byte()
            if byte == _CTRL_A:
                if len(line) == 2 and line[0] == _CTRL_E:
                    self._paste(line[1])
                    _say(b">")
                else:
                    _say(_RAW_BANNER + b">")
                line = bytearray()
            elif byte == _CTRL_B:
                _say(b"\r\n")
                self.raw = False
                return
            elif byte == _CTRL_C:
                line = bytearray()
            elif byte == _CTRL_D:
                _say(b"OK")
                if line:
                    self._run(bytes(line).decode(), "exec", b"\x04")
                    _say(b">")
                else:
                    _say(b"\r\n")
                    self._soft_reset()
                line = bytearray()
            else:
                line.append(byte)

    def _paste(self, command):
        if command != 0x41:
            _say(b"R\0")
            return
        _say(b"R\1" + bytes((_WINDOW, 0)) + b"\1")
        program = bytearray()
        room = _WINDOW
        while True:
            byte = _byte()
            if byte in (_CTRL_C, _CTRL_D):
                break
            program.append(byte)
            room -= 1
            if not room:
                _say(b"\1")
                room = _WINDOW
        _say(b"\x04")
        if byte == _CTRL_D:
            self._run(bytes(program).decode(), "exec", b"\x04")
        else:
            _say(b"\x04\x04")

    # For people

    def _serve_friendly(self):
        _say(b"MicroPython on a virtual board of Hedgerow's lab\r\n")
        while True:
            key, source = self._line(b">>> ")
            if key == _CTRL_A:
                self.raw = True
                return
            if key == _CTRL_B:
                return
            if key == _CTRL_D:
                self._soft_reset()
            if key or not source:
                continue
            part = source
            while part and (part[0] in " @" or source.rstrip()[-1:] == ":" or "\n" in source):
                key, part = self._line(b"... ")
                source += "\n" + part
                if key:
                    break
            if key != _CTRL_C:
                self._run(source + "\n", "single")

    def _line(self, prompt):
        """What somebody types until Return, or the control key that ended it."""
        _say(prompt)
        line = bytearray()
        while True:
            byte = _byte()
            if byte == 13:
                _say(b"\r\n")
                return 0, bytes(line).decode()
            if byte == _CTRL_C or (not line and byte in (_CTRL_A, _CTRL_B, _CTRL_D)):
                _say(b"\r\n")
                return byte, ""
            if byte in (8, 127):
                if line:
                    line[-1:] = b""
                    _say(b"\b \b")
            elif byte >= 32:
                line.append(byte)
                _say(bytes((byte,)))


def serve(raw=False, names=None, reset_raw=None):
    """For ever, or until the board is reset; ``reset_raw`` resets it so that it stays in the raw REPL."""
    _Machine(raw, names, reset_raw).serve()
