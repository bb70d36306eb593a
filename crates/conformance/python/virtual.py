"""A virtual clock for asyncio, and an order where CPython leaves it open.

CPython leaves three orders open: that of equal deadlines, that of sets of tasks, and that of the tasks which are
cancelled at the end of a run. Here they are the order of insertion. Where CPython 3.13.0 has a bug that later versions
mended, it is mended here. Nothing else is touched.
"""

import asyncio
import itertools
import selectors
import sys
from asyncio import events, taskgroups, tasks


class Deadlock(BaseException):
    """Nothing can ever happen again."""


# The orders that CPython leaves open.


class OrderedSet(dict):
    """As much of a set as asyncio uses, in the order of insertion."""

    def __init__(self, items=()):
        super().__init__((item, None) for item in items)

    def add(self, item):
        self[item] = None

    def discard(self, item):
        self.pop(item, None)

    def remove(self, item):
        del self[item]


class OrderedTimerHandle(events.TimerHandle):
    """A timer that, among equal deadlines, is due in the order of creation."""

    __slots__ = ("number",)
    numbers = itertools.count()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.number = next(self.numbers)

    def __lt__(self, other):
        return (self._when, self.number) < (other._when, other.number)


class OrderedAsCompleted(tasks._AsCompletedIterator):
    """`__init__` as it is in CPython, but for the set."""

    def __init__(self, aws, timeout):
        self._done = asyncio.Queue()
        self._timeout_handle = None
        loop = events.get_event_loop()
        todo = OrderedSet(tasks.ensure_future(aw, loop=loop) for aw in OrderedSet(aws))
        for f in todo:
            f.add_done_callback(self._handle_completion)
        if todo and timeout is not None:
            self._timeout_handle = loop.call_later(timeout, self._handle_timeout)
        self._todo = todo
        self._todo_left = len(todo)


class MendedTaskGroup(taskgroups.TaskGroup):
    """Mended in 3.13.2: a child that has ended at its eager start is counted by its done-callback, like any other."""

    def create_task(self, coro, **kwargs):
        if self._exiting and not self._tasks:
            coro.close()
            raise RuntimeError("finished")
        if self._aborting:
            coro.close()
            raise RuntimeError("shutting down")
        task = self._loop.create_task(coro, **kwargs)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task


def all_tasks(loop=None):
    loop = loop or events.get_running_loop()
    return [task for task in loop.created if not task.done()]


def patch():
    tasks.set = taskgroups.set = OrderedSet
    tasks._AsCompletedIterator = OrderedAsCompleted
    events.TimerHandle = OrderedTimerHandle
    tasks.all_tasks = all_tasks
    if sys.version_info < (3, 13, 2):
        asyncio.TaskGroup = MendedTaskGroup


# The virtual clock.


class Selector(selectors._BaseSelectorImpl):
    """Advances the clock by what it would have waited."""

    def __init__(self):
        super().__init__()
        self.now = 0

    def select(self, timeout=None):
        if timeout is None:
            self.world.finish("deadlock")
            raise Deadlock
        self.now += timeout
        return []


class Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.clock = Selector()
        self.created = []
        super().__init__(self.clock)
        self._clock_resolution = 0.5
        self.set_exception_handler(lambda loop, context: None)
        self.set_task_factory(self.make_task)

    def make_task(self, loop, coro, **kwargs):
        # A place is kept first: an eager task may make others before it is there itself.
        if not getattr(coro, "__name__", "shutdown_").startswith("shutdown_"):
            self.clock.world.task_made()
        place = len(self.created)
        self.created.append(None)
        if self.clock.world.keen:
            kwargs["eager_start"] = True
        task = asyncio.Task(coro, loop=loop, **kwargs)
        self.created[place] = task
        return task

    def _make_self_pipe(self):
        pass

    def _close_self_pipe(self):
        pass

    def time(self):
        return self.clock.now
