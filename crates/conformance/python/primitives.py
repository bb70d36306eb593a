"""Statements about locks, semaphores, events, conditions, barriers and queues."""

import asyncio


def flag(value):
    return "true" if value else "false"


class Primitives:
    """A part of the world of a program."""

    async def do_acquire(self, env, name):
        await self.lock(name).acquire()
        return "ok"

    def on_release(self, env, name):
        lock = self.lock(name)
        if not lock.locked():
            return "free"
        lock.release()
        return "ok"

    async def do_lock(self, env, name, *statements):
        await self.lock(name).acquire()
        try:
            await self.body(statements, env)
        finally:
            self.on_release(env, name)
        return "ok"

    async def do_obtain(self, env, name):
        await self.semaphore(name).acquire()
        return "ok"

    def on_restore(self, env, name):
        try:
            self.semaphore(name).release()
        except ValueError:
            return "over"
        return "ok"

    async def do_permit(self, env, name, *statements):
        await self.semaphore(name).acquire()
        try:
            await self.body(statements, env)
        finally:
            self.on_restore(env, name)
        return "ok"

    def on_locked(self, env, name):
        thing = self.lock(name) if name[0] == "L" else self.semaphore(name)
        return flag(thing.locked())

    async def do_attend(self, env, name):
        await self.event(name).wait()
        return "ok"

    def on_raise(self, env, name):
        self.event(name).set()
        return "ok"

    def on_lower(self, env, name):
        self.event(name).clear()
        return "ok"

    async def do_cwait(self, env, name):
        async with self.condition(name) as condition:
            await self.condition(name).wait()
            self.levels.setdefault(name, 0)
        return "ok"

    async def do_cwaitfor(self, env, name, level):
        async with self.condition(name):
            await self.condition(name).wait_for(lambda: self.levels.get(name, 0) >= int(level))
        return "ok"

    async def do_notify(self, env, name, count):
        async with self.condition(name):
            self.levels[name] = self.levels.get(name, 0) + 1
            if count == "all":
                self.condition(name).notify_all()
            else:
                self.condition(name).notify(int(count))
        return "ok"

    async def do_meet(self, env, name):
        return str(await self.barrier(name).wait())

    async def do_reset(self, env, name):
        await self.barrier(name).reset()
        return "ok"

    async def do_abort(self, env, name):
        await self.barrier(name).abort()
        return "ok"

    async def do_put(self, env, name, value):
        await self.queue(name).put(int(value))
        return "ok"

    async def do_get(self, env, name):
        return str(await self.queue(name).get())

    def on_putnow(self, env, name, value):
        try:
            self.queue(name).put_nowait(int(value))
        except asyncio.QueueFull:
            return "full"
        except asyncio.QueueShutDown:
            return "shutdown"
        return "ok"

    def on_getnow(self, env, name):
        try:
            return str(self.queue(name).get_nowait())
        except asyncio.QueueEmpty:
            return "empty"
        except asyncio.QueueShutDown:
            return "shutdown"

    def on_taskdone(self, env, name):
        try:
            self.queue(name).task_done()
        except ValueError:
            return "many"
        return "ok"

    async def do_join(self, env, name):
        await self.queue(name).join()
        return "ok"

    def on_shutdown(self, env, name, immediate):
        self.queue(name).shutdown(immediate == "now")
        return "ok"
