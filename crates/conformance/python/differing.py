"""The two primitives that differ from CPython's on purpose, as far as they do: see `docs/differences.md`.

A program in which nothing is cancelled runs on CPython's own `Condition` and `Barrier`, where they do not differ. Where
cancellations may come, what they do to those who wait is written down here, in Python, and the library must do the same.
"""

import asyncio


class Condition(asyncio.Condition):
    """A cancelled `wait` does not take the lock again, and notifies another only if it had been notified."""

    async def wait(self):
        if not self.locked():
            raise RuntimeError("cannot wait on un-acquired lock")
        notified = self._get_loop().create_future()
        self.release()
        self._waiters.append(notified)
        try:
            try:
                await notified
            finally:
                self._waiters.remove(notified)
            await self.acquire()
            return True
        except asyncio.CancelledError:
            if notified.done() and not notified.cancelled():
                self._notify(1)
            raise

    async def __aexit__(self, kind, error, traceback):
        # Under `async with` stands a `wait` or nothing that could be cancelled; and that has lost the lock.
        if kind is None or not issubclass(kind, asyncio.CancelledError):
            self.release()


class BarrierCondition(asyncio.Condition):
    """That of a barrier: a cancelled `wait` notifies nobody, and those who are notified together are numbered."""

    async def wait(self):
        notified = self._get_loop().create_future()
        self.release()
        self._waiters.append(notified)
        try:
            self.number = await notified
        finally:
            self._waiters.remove(notified)
            # At once: the lock of a barrier is never held between two steps.
            await self.acquire()
        return True

    def notify_all(self):
        # A waiter whose cancellation is on its way still has its number; one that was notified has left.
        waiting = [waiter for waiter in self._waiters if not waiter.done() or waiter.cancelled()]
        for number, waiter in enumerate(waiting):
            if not waiter.done():
                waiter.set_result(number)


class Barrier(asyncio.Barrier):
    """A cancelled waiter wakes nobody, and the numbers of a round are unique: `wait` as it is in CPython, but for those."""

    def __init__(self, parties):
        super().__init__(parties)
        self._cond = BarrierCondition()

    async def wait(self):
        async with self._cond:
            await self._block()
            try:
                self._count += 1
                if self._count == self._parties:
                    await self._release()
                    return self._parties - 1
                await self._wait()
                return self._cond.number
            finally:
                self._count -= 1
                self._exit()
