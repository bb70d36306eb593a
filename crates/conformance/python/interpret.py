"""Runs programs of the conformance language on CPython's asyncio, on a virtual clock, and prints what they did.

    python3.13 interpret.py < programs > traces

Standard input has one program on each line, standard output gets its trace on one line, entries parted by `;`. The
interpreter of the same language in Rust is `src/interpreter.rs`; what a statement means is written there.

The clock, and what of CPython is made determinate, is in `virtual.py`.
"""

import asyncio
import contextvars
import itertools
import logging
import sys

import differing
import virtual
from primitives import Primitives, flag

logging.disable(logging.CRITICAL)
sys.unraisablehook = lambda unraisable: None
sys.setrecursionlimit(10_000)

VARIABLE = contextvars.ContextVar("variable", default=0)
MODES = {"first": asyncio.FIRST_COMPLETED, "exception": asyncio.FIRST_EXCEPTION, "all": asyncio.ALL_COMPLETED}


class Failure(Exception):
    """What `fail` raises."""


# The language.


class Statement(list):
    """A list of atoms and statements, with its number in the program."""

    number = 0

    @property
    def head(self):
        return self[0] if self and isinstance(self[0], str) else ""


def parse(text):
    numbers = itertools.count()
    stack = [[]]
    for token in text.replace("(", " ( ").replace(")", " ) ").split():
        if token == "(":
            statement = Statement()
            statement.number = next(numbers)
            stack[-1].append(statement)
            stack.append(statement)
        elif token == ")":
            stack.pop()
        else:
            stack[-1].append(token)
    return stack[0][0]


def number(atom):
    return None if atom == "-" else int(atom)


def describe(error):
    match error:
        case asyncio.CancelledError():
            return f"cancelled {(error.args and error.args[0]) or '-'}"
        case Failure():
            return f"error {error}"
        case TimeoutError():
            return "error timeout"
        case asyncio.QueueShutDown():
            return "error shutdown"
        case asyncio.BrokenBarrierError():
            return "error broken"
        case BaseExceptionGroup():
            return f"error group[{','.join(describe(inner)[6:] for inner in error.exceptions)}]"
    return f"error {error!r}"


def kind(item):
    return item[0] if isinstance(item, str) else "do"


class Env:
    def __init__(self, label, limits=()):
        self.label = label
        self.limits = limits


class World(Primitives):
    def __init__(self):
        self.trace = []
        self.frozen = False
        self.main_ended = False
        self.finished = False
        self.keen = False
        self.calm = False
        self.end = None
        self.things = {}
        self.kept = []
        self.taken = set()
        self.plain = set()
        self.callbacks = {}
        self.handles = {}
        self.groups = {}
        self.locks = {}
        self.semaphores = {}
        self.events = {}
        self.conditions = {}
        self.levels = {}
        self.barriers = {}
        self.queues = {}

    def log(self, env, statement, what):
        if not self.frozen:
            self.trace.append(f"{self.loop.time()} {env.label} {statement.number} {what}")

    def task_made(self):
        """A task is being made. At the end of a run, Python abandons it: the trace ends here."""
        self.frozen = self.frozen or self.main_ended

    def finish(self, *more):
        if not self.finished:
            words = " ".join(filter(None, [self.end, *more]))
            last = words if words == "deadlock" else f"{self.loop.time()} {words}"
            self.trace.append("frozen" if self.frozen else last)
        self.finished = self.frozen = True

    # What a program names comes into being when it is first used; the name says what it is like.

    def lock(self, name):
        return self.locks.setdefault(name, asyncio.Lock())

    def semaphore(self, name):
        if name not in self.semaphores:
            kind = asyncio.BoundedSemaphore if name[0] == "B" else asyncio.Semaphore
            self.semaphores[name] = kind(int(name[1:]))
        return self.semaphores[name]

    def event(self, name):
        return self.events.setdefault(name, asyncio.Event())

    def condition(self, name):
        # Those with an odd number share the lock of that number.
        if name not in self.conditions:
            lock = self.lock(f"L{name[1:]}") if int(name[1:]) % 2 else None
            kind = asyncio.Condition if self.calm else differing.Condition
            self.conditions[name] = kind(lock)
        return self.conditions[name]

    def barrier(self, name):
        if name not in self.barriers:
            kind = asyncio.Barrier if self.calm else differing.Barrier
            self.barriers[name] = kind(int(name[1:]))
        return self.barriers[name]

    def queue(self, name):
        if name not in self.queues:
            kind = {"Q": asyncio.Queue, "S": asyncio.LifoQueue, "P": asyncio.PriorityQueue}[name[0]]
            self.queues[name] = kind(int(name[1:]))
        return self.queues[name]

    def find(self, name):
        return asyncio.current_task() if name == "self" else self.things.get(name)

    # Running bodies.

    async def body(self, statements, env):
        value = "ok"
        for statement in statements:
            if self.finished:
                # The garbage collector ends what a deadlock left: its cleanup must not act in the next program.
                break
            value = await self.step(statement, env)
        return value

    async def step(self, statement, env):
        method = getattr(self, f"do_{statement.head}", None)
        if method is None:
            value = self.act(statement, env)
        else:
            value = await method(env, *statement[1:])
        self.log(env, statement, value)
        return value

    def act(self, statement, env):
        return getattr(self, f"on_{statement.head}")(env, *statement[1:])

    def acts(self, statements, env):
        for statement in statements:
            self.log(env, statement, self.act(statement, env))

    def item(self, item):
        """What a combinator gets: something by name, or a coroutine."""
        if isinstance(item, str) and item[0] == "a":
            # Those of plain values, which nobody has awaited yet.
            if item in self.taken or item not in self.plain:
                return None
            self.taken.add(item)
        if isinstance(item, str):
            return self.find(item)
        return self.body(item[1:], Env(f"d{item.number}"))

    def items(self, items):
        return [item for item in map(self.item, items) if item is not None]

    # Tasks.

    def watch(self, name, task, failed):
        self.things[name] = task
        self.kept.append(task)
        task.add_done_callback(lambda task: self.ended(name, task, failed))

    def ended(self, name, task, failed):
        # The result is not asked for: the first who asks gets the message of a cancellation, the others do not.
        what = "cancelled" if task.cancelled() else failed[0] if failed else "value"
        if not self.frozen:
            self.trace.append(f"{self.loop.time()} {name} ended {what}")

    async def task(self, name, statements, failed):
        try:
            return await self.body(statements, Env(name))
        except Exception as error:
            failed.append(describe(error))
            raise

    def on_spawn(self, env, name, *statements):
        failed = []
        self.watch(name, self.loop.create_task(self.task(name, statements, failed), name=name), failed)
        return "ok"

    def on_eager(self, env, name, *statements):
        failed = []
        coro = self.task(name, statements, failed)
        self.watch(name, self.loop.make_task(self.loop, coro, name=name, eager_start=True), failed)
        return "ok"

    def on_child(self, env, group, name, *statements):
        if group not in self.groups:
            return "none"
        failed = []
        try:
            task = self.groups[group].create_task(self.task(name, statements, failed), name=name)
        except RuntimeError:
            return "refused"
        self.watch(name, task, failed)
        return "ok"

    def on_kid(self, env, group, name, *statements):
        """A child that does not fail."""

        async def tame():
            try:
                return await self.body(statements, Env(name))
            except Exception as error:
                return describe(error)

        if group not in self.groups:
            return "none"
        try:
            task = self.groups[group].create_task(tame(), name=name)
        except RuntimeError:
            return "refused"
        self.watch(name, task, [])
        return "ok"

    def on_cancel(self, env, name, *message):
        if name in self.taken:
            return "taken"
        thing = self.find(name)
        return "none" if thing is None else flag(thing.cancel(*message))

    def on_uncancel(self, env, name):
        thing = self.find(name)
        return "none" if thing is None else str(thing.uncancel())

    def on_cancelling(self, env, name):
        thing = self.find(name)
        return "none" if thing is None else str(thing.cancelling())

    def on_state(self, env, name):
        thing = self.find(name)
        if thing is None:
            return "none"
        return "cancelled" if thing.cancelled() else "done" if thing.done() else "pending"

    def on_value(self, env, value):
        return value

    async def do_sleep(self, env, delay):
        await asyncio.sleep(int(delay))
        return "ok"

    async def do_await(self, env, name):
        thing = self.things.get(name)
        if thing is None:
            return "none"
        if name in self.taken:
            return "taken"
        if name[0] == "a":
            self.taken.add(name)
            return show(await thing)
        return await thing

    async def do_run(self, env, name, *statements):
        failed = []
        task = self.loop.create_task(self.task(name, statements, failed), name=name)
        self.watch(name, task, failed)
        return await task

    async def do_fail(self, env, what):
        raise Failure(what)

    async def do_loop(self, env, times, *statements):
        for _ in range(int(times)):
            await self.body(statements, env)
        return "ok"

    async def do_catch(self, env, body, handler, *after):
        try:
            return await self.body(body, env)
        except asyncio.CancelledError as error:
            self.log(env, handler, describe(error))
            await self.body(handler, env)
            if after:
                raise
            return "caught"

    async def do_except(self, env, body, handler):
        try:
            return await self.body(body, env)
        except Exception as error:
            self.log(env, handler, describe(error))
            await self.body(handler, env)
            return "caught"

    async def do_finally(self, env, body, cleanup):
        try:
            return await self.body(body, env)
        finally:
            self.log(env, cleanup, "finally")
            await self.body(cleanup, env)

    # Combinators.

    async def do_gather(self, env, mode, *items):
        return show(await asyncio.gather(*self.items(items), return_exceptions=mode == "all"))

    def on_gathering(self, env, name, mode, *items):
        found = self.items(items)
        nested = any(isinstance(item, str) and item[0] == "a" for item in items) and found
        mixed = len({kind(item) for item in items if not isinstance(item, str) or self.find(item)}) > 1
        # Eager bodies run now, and may use the name.
        self.things[name] = asyncio.gather(*found, return_exceptions=mode == "all")
        self.kept.append(self.things[name])
        self.taken.discard(name)
        self.plain.discard(name)
        if mode == "plain" and not nested and not mixed:
            self.plain.add(name)
        return "ok"

    async def do_wait(self, env, mode, timeout, *names):
        found = {name: self.find(name) for name in names if self.find(name) is not None}
        if not found:
            return "none"
        done, pending = await asyncio.wait(found.values(), timeout=number(timeout), return_when=MODES[mode])
        names = [name for name, thing in found.items() if thing in done]
        return f"{','.join(names)}/{len(pending)}"

    async def do_waitfor(self, env, timeout, item):
        thing = self.item(item) if isinstance(item, str) else self.body(item[1:], env)
        return "none" if thing is None else show(await asyncio.wait_for(thing, number(timeout)))

    async def do_shield(self, env, item):
        thing = self.item(item)
        return "none" if thing is None else show(await asyncio.shield(thing))

    async def do_completed(self, env, timeout, *items):
        values = []
        place = Statement()
        place.number = "next"
        for next_one in asyncio.as_completed(self.items(items), timeout=number(timeout)):
            values.append(await next_one)
            self.log(env, place, values[-1])
        return str(len(values))

    async def do_timeout(self, env, delay, body):
        return await self.limited(env, asyncio.timeout(number(delay)), body)

    async def do_timeoutat(self, env, when, body):
        return await self.limited(env, asyncio.timeout_at(number(when)), body)

    async def limited(self, env, limit, body):
        inner = Env(env.label, (limit, *env.limits))
        async with limit:
            await self.body(body, inner)
        return f"expired {flag(limit.expired())}"

    def on_expired(self, env, depth):
        return flag(env.limits[int(depth)].expired()) if int(depth) < len(env.limits) else "none"

    def on_reschedule(self, env, depth, delay):
        if int(depth) >= len(env.limits):
            return "none"
        limit = env.limits[int(depth)]
        if limit.expired():
            return "late"
        limit.reschedule(None if delay == "-" else self.loop.time() + int(delay))
        return "ok"

    async def do_group(self, env, name, body):
        async with asyncio.TaskGroup() as group:
            self.groups[name] = group
            await self.body(body, env)
        return "ok"

    async def do_generate(self, env, take, count, before, between, cleanup, each):
        async def generate():
            try:
                await self.body(before, env)
                for index in range(int(count)):
                    yield index
                    await self.body(between, env)
            finally:
                self.log(env, cleanup, "finally")
                await self.body(cleanup, env)

        generator = generate()
        try:
            for _ in range(int(take)):
                try:
                    value = await anext(generator)
                except StopAsyncIteration:
                    self.log(env, each, "over")
                    break
                self.log(env, each, str(value))
                await self.body(each, env)
        finally:
            await generator.aclose()
        return "ok"

    # Futures and callbacks.

    def on_future(self, env, name):
        self.things[name] = self.loop.create_future()
        self.kept.append(self.things[name])
        return "ok"

    def on_set(self, env, name, value):
        future = self.things.get(name)
        if future is None:
            return "none"
        try:
            future.set_result(value)
        except asyncio.InvalidStateError:
            return "invalid"
        return "ok"

    def on_callback(self, env, name, label, *statements):
        thing = self.find(name)
        if thing is None:
            return "none"

        def call(thing):
            inner = Env(label)
            if not self.frozen:
                what = "cancelled" if thing.cancelled() else "done"
                self.trace.append(f"{self.loop.time()} {label} called {what}")
            self.acts(statements, inner)

        self.callbacks[label] = call
        thing.add_done_callback(call)
        return "ok"

    def on_uncallback(self, env, name, label):
        thing = self.find(name)
        if thing is None or label not in self.callbacks:
            return "none"
        return flag(thing.remove_done_callback(self.callbacks[label]))

    def on_soon(self, env, name, *statements):
        self.handles[name] = self.loop.call_soon(self.acts, statements, Env(name))
        return "ok"

    def on_later(self, env, name, delay, *statements):
        self.handles[name] = self.loop.call_later(int(delay), self.acts, statements, Env(name))
        return "ok"

    def on_at(self, env, name, when, *statements):
        self.handles[name] = self.loop.call_at(int(when), self.acts, statements, Env(name))
        return "ok"

    def on_unhandle(self, env, name):
        if name not in self.handles:
            return "none"
        self.handles[name].cancel()
        return "ok"

    # Context variables.

    def on_setvar(self, env, value):
        VARIABLE.set(int(value))
        return "ok"

    def on_getvar(self, env):
        return str(VARIABLE.get())

    async def do_withvar(self, env, value, *statements):
        token = VARIABLE.set(int(value))
        try:
            return await self.body(statements, env)
        finally:
            VARIABLE.reset(token)


def show(value):
    if isinstance(value, list):
        return f"[{','.join(show(item) for item in value)}]"
    return describe(value) if isinstance(value, BaseException) else value


def run(text):
    """Runs a program: `(main STATEMENT…)`, or `(calm STATEMENT…)` whose trace ends with main."""
    program = parse(text)
    world = World()

    world.keen = program.head == "keen"
    world.calm = program.head == "calm"

    async def main():
        world.things["m0"] = asyncio.current_task()
        try:
            return await world.body(program[1:], Env("main"))
        finally:
            world.main_ended = True
            world.frozen = world.frozen or world.calm

    loop = virtual.Loop()
    world.loop = loop
    loop.clock.world = world
    runner = asyncio.Runner(loop_factory=lambda: loop)
    try:
        with runner:
            try:
                world.end = runner.run(main())
            except virtual.Deadlock:
                raise
            except BaseException as error:
                world.end = describe(error)
        world.finish()
    except virtual.Deadlock:
        pass
    return ";".join(world.trace)


def main():
    virtual.patch()
    for line in sys.stdin:
        try:
            trace = run(line.strip())
        except Exception as error:
            trace = f"invalid {error!r}"
        print(trace, flush=True)


if __name__ == "__main__":
    main()
