"""Makes random programs of combinators, runs them on CPython's asyncio, and prints them with what they did.

    python3.13 generate.py SEED COUNT > programs.txt

Each program is three lines: `case KIND`, the expressions of its tasks, `trace ENTRIES`. The interpreter of the same
programs on the other side is `programs.rs`. KIND says what an error is there: a `Result`, or a panic; `eager` is like `results`, with tasks that start eagerly. An entry of the
trace is `TURN:TIME:TASK` and what happened; turns are counted from when the time last changed, because an abandoned
`as_completed` leaves callbacks behind here, which take turns in which nothing happens.

CPython walks sets of tasks and timers with equal deadlines in any order; here it is made to take that of creation.
"""

import asyncio
import random
import sys


class Error(Exception):
    pass


class OrderedSet(dict):
    def add(self, item):
        self[item] = None

    def discard(self, item):
        self.pop(item, None)

    remove = discard


def as_completed(self, aws, timeout):
    """The constructor of what `asyncio.as_completed` returns, with an order."""
    self._done = asyncio.Queue()
    self._timeout_handle = None
    self._todo = OrderedSet((asyncio.ensure_future(task), None) for task in aws)
    self._todo_left = len(self._todo)
    for task in self._todo:
        task.add_done_callback(self._handle_completion)
    if timeout is not None:
        self._timeout_handle = asyncio.get_running_loop().call_later(timeout, self._handle_timeout)


asyncio.tasks._AsCompletedIterator.__init__ = as_completed


class Group(asyncio.TaskGroup):
    """A group that treats eager children as that of 3.14 does."""

    def __init__(self):
        super().__init__()
        self._tasks = OrderedSet()

    def create_task(self, program):
        task = asyncio.create_task(program)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)


class Timer(asyncio.events.TimerHandle):
    made = 0

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        Timer.made += 1
        self.order = Timer.made

    def __lt__(self, other):
        return (self._when, self.order) < (other._when, other.order)


asyncio.base_events.events.TimerHandle = Timer


class VirtualLoop(asyncio.SelectorEventLoop):
    turn = 0
    now = 0.0

    def time(self):
        return self.now

    def _run_once(self):
        while self._scheduled and self._scheduled[0]._cancelled:
            asyncio.base_events.heapq.heappop(self._scheduled)._scheduled = False
        self.turn += 1
        if not self._ready and self._scheduled and self._scheduled[0]._when > self.now:
            self.now = self._scheduled[0]._when
            self.turn = 0
        self._clock_resolution = 0.0001
        super()._run_once()


def shown(error):
    if isinstance(error, BaseExceptionGroup):
        return "[" + ",".join(shown(inner) for inner in error.exceptions) + "]"
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return str(error)


class World:
    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.loop.turn = 0
        self.tasks = []
        self.trace = []
        self.undecided = False

    def note(self, me, what):
        self.trace.append(f"{self.loop.turn}:{self.loop.time():g}:{me}{what}")

    async def task(self, program):
        me = len(self.tasks)
        self.tasks.append(asyncio.current_task())
        self.note(me, ">")
        try:
            await self.run(me, program)
        except asyncio.CancelledError:
            self.note(me, "~")
            raise
        except Error as error:
            self.note(me, "!" + str(error))
            # A request that no suspension delivers is lost to the error here, and wins over a `Result`.
            self.undecided |= asyncio.current_task()._must_cancel
            raise
        self.note(me, "$")

    def count(self):
        return asyncio.current_task().cancelling()

    async def run(self, me, program):
        op, *args = program
        match op:
            case "y":
                await asyncio.sleep(0)
                self.note(me, "y")
            case "s":
                await asyncio.sleep(args[0])
                self.note(me, "s")
            case "e":
                raise Error(f"e{me}")
            case "k":
                target = self.tasks[args[0] % len(self.tasks)]
                self.note(me, f"k{int(target.cancel())}")
                await asyncio.sleep(0)
            case ";":
                for arg in args:
                    await self.run(me, arg)
            case "b":
                try:
                    await self.run(me, args[0])
                except Error as error:
                    self.note(me, "b" + str(error))
            case "c":
                try:
                    await self.run(me, args[0])
                except asyncio.CancelledError:
                    self.note(me, f"c{self.count()}")
                    await self.run(me, args[1])
                    raise
            case "d":
                try:
                    await self.run(me, args[0])
                except asyncio.CancelledError:
                    self.note(me, f"d{self.count()}")
                    await self.run(me, args[1])
            case "u":
                try:
                    await self.run(me, args[0])
                except asyncio.CancelledError:
                    self.note(me, f"u{asyncio.current_task().uncancel()}")
            case "t":
                limit = asyncio.timeout(args[0])
                try:
                    async with limit:
                        await self.run(me, args[1])
                    self.note(me, f"t{int(limit.expired())}{self.count()}")
                except TimeoutError:
                    self.note(me, f"T{int(limit.expired())}{self.count()}")
            case "w" | "W":
                future = self.task(args[1]) if op == "W" else self.run(me, args[1])
                try:
                    await asyncio.wait_for(asyncio.create_task(future) if op == "W" else future, args[0])
                    self.note(me, f"w{self.count()}")
                except TimeoutError:
                    self.note(me, f"W{self.count()}")
            case "g":
                await asyncio.gather(*map(self.task, args))
                self.note(me, "g")
            case "r":
                results = await asyncio.gather(*map(self.task, args), return_exceptions=True)
                self.note(me, "r" + ",".join("-" if result is None else shown(result) for result in results))
            case "h":
                await asyncio.shield(self.task(args[0]))
                self.note(me, "h")
            case "m":
                when, delay, *children = args
                when = {"f": asyncio.FIRST_COMPLETED, "x": asyncio.FIRST_EXCEPTION, "a": asyncio.ALL_COMPLETED}[when]
                tasks = [asyncio.create_task(self.task(child)) for child in children]
                done, pending = await asyncio.wait(tasks, timeout=delay, return_when=when)
                self.note(me, f"m{len(done)},{len(pending)}")
            case "o":
                delay, *children = args
                tasks = [asyncio.create_task(self.task(child)) for child in children]
                for item in asyncio.as_completed(tasks, timeout=delay):
                    try:
                        await item
                        self.note(me, "o")
                    except TimeoutError:
                        self.note(me, "O")
            case "G":
                *children, body = args
                try:
                    async with Group() as group:
                        for child in children:
                            group.create_task(self.task(child))
                        await self.run(me, body)
                    self.note(me, f"G{self.count()}")
                except ExceptionGroup as error:
                    self.note(me, f"E{self.count()}")
                    raise Error(shown(error)) from None


def text(program):
    op, *args = program
    if not args:
        return op
    return "(" + " ".join([op, *("-" if a is None else a if isinstance(a, str) else str(a) if isinstance(a, int) else text(a) for a in args)]) + ")"


class Maker:
    def __init__(self, rng, kind):
        self.rng = rng
        self.kind = kind

    def delay(self):
        return self.rng.choice([0, 1, 1, 2, 3])

    def limit(self):
        return self.rng.choice([None, 0, 1, 1, 2, 2, 3])

    def children(self, depth):
        return [self.make(depth - 1) for _ in range(self.rng.randint(1, 3))]

    def make(self, depth):
        rng = self.rng
        if depth <= 0:
            return rng.choice([("y",), ("y",), ("s", rng.randint(1, 3)), ("s", rng.randint(1, 3)), ("e",), ("k", rng.randint(0, 9))])
        op = rng.choice(";;;;;ybccdutttwWWgggrrhhmmo" + ("" if self.kind == "panics" else "GGGG"))
        match op:
            case "y":
                return self.make(0)
            case ";":
                return (";", *(self.make(depth - 1) for _ in range(rng.randint(2, 4))))
            case "b" | "u" | "h":
                return (op, self.make(depth - 1))
            case "c" | "d":
                return (op, self.make(depth - 1), self.make(rng.randint(0, depth - 1)))
            case "t" | "w" | "W":
                limit = self.limit()
                if (op, limit, self.kind) == ("w", 0, "eager"):
                    # There is no task that could start eagerly.
                    limit = 1
                return (op, limit, self.make(depth - 1))
            case "g" | "r":
                return (op, *self.children(depth))
            case "m":
                return (op, rng.choice("fxa"), self.limit(), *self.children(depth))
            case "o":
                return (op, self.limit(), *self.children(depth))
            case "G":
                return (op, *self.children(depth), self.make(depth - 1))


async def main(programs):
    world = World()
    tasks = [asyncio.create_task(world.task(program)) for program in programs]
    await asyncio.wait(tasks)
    # Tasks that a shield or a failed gather left behind.
    while len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(1)
    return [] if world.undecided else world.trace


def run(seed, count):
    rng = random.Random(seed)
    made = 0
    while made < count:
        kind = rng.choice(["results", "results", "panics", "eager"])
        maker = Maker(rng, kind)
        programs = [maker.make(rng.randint(2, 4)) for _ in range(rng.randint(1, 3))]
        loop = VirtualLoop()
        loop.set_exception_handler(lambda loop, context: None)
        if kind == "eager":
            loop.set_task_factory(asyncio.eager_task_factory)
        trace = loop.run_until_complete(main(programs))
        loop.close()
        if not 8 <= len(trace) <= 60:
            continue
        made += 1
        print("case", kind)
        print(" ".join(text(program) for program in programs))
        print("trace", " ".join(trace))


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]))
