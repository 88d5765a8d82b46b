# SPDX-License-Identifier: Apache-2.0
# Stand-in for _asyncio, the C half of MicroPython's asyncio: it stamps "run now" with the host's own clock,
# which virtual time overtakes by days. Same interface as asyncio.core expects; the queue is a short list
# kept in order of time, for a meter has a dozen tasks.

from time import ticks_diff, ticks_ms


class TaskQueue:
    def __init__(self):
        self._tasks = []

    def peek(self):
        tasks = self._tasks
        return tasks[0] if tasks else None

    def push(self, task, key=None):
        if key is None:
            key = ticks_ms()
        task.data = None
        task.ph_key = key
        tasks = self._tasks
        i = len(tasks)
        while i and ticks_diff(tasks[i - 1].ph_key, key) > 0:
            i -= 1
        tasks.insert(i, task)

    def pop(self):
        return self._tasks.pop(0)

    def remove(self, task):
        self._tasks.remove(task)


class Task:
    # state: True while running, a TaskQueue of those who wait for it, None or False when it has ended.
    # data: what the task waits on while it runs, how it ended afterwards.
    def __init__(self, coro, globals=None):
        self.coro = coro
        self.data = None
        self.state = True
        self.ph_key = 0
        self._core = globals

    def __iter__(self):
        if not self.state:
            self.state = False
        elif self.state is True:
            self.state = TaskQueue()
        return self

    def __next__(self):
        if self.state:
            waiter = self._core["cur_task"]
            self.state.push(waiter)
            waiter.data = self
        elif self.data is None:
            raise StopIteration
        else:
            raise self.data

    def done(self):
        return not self.state

    def cancel(self):
        core = self._core
        task = self
        if not task.state:
            return False
        if task is core["cur_task"]:
            raise RuntimeError("can't cancel self")
        while isinstance(task.data, Task):
            task = task.data
        main = core["_task_queue"]
        waits_in = task.data
        if hasattr(waits_in, "remove"):
            waits_in.remove(task)
            main.push(task)
        elif ticks_diff(task.ph_key, ticks_ms()) > 0:
            main.remove(task)
            main.push(task)
        task.data = core["CancelledError"]
        return True
