"""Task and TaskQueue in Python: the C ones read the real clock."""

from time import ticks_diff, ticks_ms


class TaskQueue:
    """Tasks ordered by ``ph_key``; equal keys in the order in which they came."""

    def __init__(self):
        self._tasks = []

    def peek(self):
        return self._tasks[0] if self._tasks else None

    def push(self, task, key=None):
        task.data = None
        task.ph_key = ticks_ms() if key is None else key
        tasks = self._tasks
        at = len(tasks)
        while at and ticks_diff(tasks[at - 1].ph_key, task.ph_key) > 0:
            at -= 1
        tasks.insert(at, task)

    def pop(self):
        return self._tasks.pop(0)

    def remove(self, task):
        for at in range(len(self._tasks)):
            if self._tasks[at] is task:
                self._tasks.pop(at)
                return


class Task:
    """A coroutine that asyncio.core runs; ``state`` and ``data`` as core expects them."""

    def __init__(self, coro, core=None):
        self.coro = coro
        self.data = None
        self.state = True
        self.ph_key = 0
        self._core = core

    def __iter__(self):
        if not self.state:
            self.state = False
        elif self.state is True:
            self.state = TaskQueue()
        elif type(self.state) is not TaskQueue:
            raise RuntimeError("can't wait")
        return self

    def __next__(self):
        if not self.state:
            raise self.data
        caller = self._core["cur_task"]
        self.state.push(caller)
        caller.data = self

    def done(self):
        return not self.state

    def cancel(self):
        if not self.state:
            return False
        core = self._core
        if self is core["cur_task"]:
            raise RuntimeError("can't cancel self")
        task = self
        while isinstance(task.data, Task):
            task = task.data
        queue = core["_task_queue"]
        if hasattr(task.data, "remove"):
            task.data.remove(task)
            queue.push(task)
        elif ticks_diff(task.ph_key, ticks_ms()) > 0:
            queue.remove(task)
            queue.push(task)
        task.data = core["CancelledError"]
        return True
