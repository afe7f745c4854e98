"""asyncio's I/O queue on virtual time: waiting means handing over to the parent."""

import asyncio.core as core

import lab

_READ = 1
_WRITE = 4
_POLL = 3


class IOQueue:
    """Streams that tasks wait for; the verbs are those that asyncio.core calls."""

    def __init__(self):
        self.map = {}
        self._order = []

    def _enqueue(self, stream, index):
        entry = self.map.get(id(stream))
        if entry is None:
            entry = [None, None, stream]
            self.map[id(stream)] = entry
            self._order.append(entry)
        entry[index] = core.cur_task
        core.cur_task.data = self

    def queue_read(self, stream):
        self._enqueue(stream, 0)

    def queue_write(self, stream):
        self._enqueue(stream, 1)

    def remove(self, task):
        for entry in list(self._order):
            for index in (0, 1):
                if entry[index] is task:
                    entry[index] = None
            self._tidy(entry)

    def _tidy(self, entry):
        if entry[0] is None and entry[1] is None and id(entry[2]) in self.map:
            del self.map[id(entry[2])]
            self._order.remove(entry)

    def _poll(self):
        found = False
        for entry in list(self._order):
            wanted = (_READ if entry[0] else 0) | (_WRITE if entry[1] else 0)
            ready = entry[2].ioctl(_POLL, wanted)
            for index, other in ((0, _WRITE), (1, _READ)):
                if ready & ~other and entry[index] is not None:
                    core._task_queue.push(entry[index])
                    entry[index] = None
                    found = True
            self._tidy(entry)
        return found

    def wait_io_event(self, dt):
        until = lab.NEVER if dt < 0 else lab.ms + dt
        while not self._poll():
            if dt == 0:
                break
            lab.exchange(until)
            if dt > 0 or core._task_queue.peek():
                self._poll()
                return
        if lab.ahead():
            lab.exchange(lab.ms)
            self._poll()


def install():
    """Make asyncio use this queue."""
    core.IOQueue = IOQueue
    core._io_queue = IOQueue()
