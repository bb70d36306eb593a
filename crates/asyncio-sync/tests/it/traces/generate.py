"""Makes random programs, runs them on CPython's asyncio and prints them with what they did.

    python3.13 generate.py SEED COUNT > programs.txt

Each program is a line `case KIND`, a line `task OPS` for each task and a line `trace ENTRIES`. The interpreter of the
same programs on the other side is `traces.rs`. Cancellation is left out where the semantics differ on purpose: in
conditions and barriers.
"""

import asyncio
import random
import sys

OPS = {
    # kind: (runs of operations to draw from, whether to cancel)
    "lock": ("AYa AYYa Aa A a Y", True),
    "semaphore": ("SYs SYYs S S s s r Y", True),
    "event": ("W W W e c ec ece Y", True),
    "queue": ("P P P GY G G p g d Y", True),
    "fifo": ("P P P P GY G G G G G Y", True),
    "shutdown": ("P P P GY G g d J Y Y Y Y x X", True),
    "join": ("P GYd G d d J J Y", True),
    "condition": ("C C C n N zY z Y", False),
    "shared": ("C C C n N zY AYa a Y", False),
    "barrier": ("B B B Y", False),
    "breaking": ("B B B B B YY Y R Q", False),
}


class World:
    def __init__(self, kind):
        self.kind = kind
        self.log = []
        self.lock = asyncio.Lock()
        self.semaphore = asyncio.Semaphore(2)
        self.event = asyncio.Event()
        self.queue = asyncio.Queue(2)
        self.condition = asyncio.Condition(self.lock)
        self.barrier = asyncio.Barrier(3)
        self.tasks = []

    def state(self):
        match self.kind:
            case "lock" | "condition" | "shared":
                return f"{self.lock.locked():d}"
            case "semaphore":
                return f"{self.semaphore.locked():d}{self.semaphore._value}"
            case "event":
                return f"{self.event.is_set():d}"
            case "queue" | "fifo" | "shutdown" | "join":
                return f"{self.queue.qsize()}{self.queue._unfinished_tasks}"
            case "barrier" | "breaking":
                return f"{self.barrier.n_waiting}{self.barrier.broken:d}"

    def note(self, task, what):
        self.log.append(f"{task}{what}/{self.state()}")

    async def run(self, number, ops):
        held = []
        try:
            for op in ops:
                result = await self.do(number, op, held)
                if result is not None:
                    self.note(number, f"{op[0]}{result}")
        except asyncio.CancelledError:
            self.release(held)
            self.note(number, "!")
            return
        self.release(held)
        self.note(number, "$")

    def release(self, held):
        while held:
            self.release_one(held.pop())

    def release_one(self, what):
        (self.lock if what == "lock" else self.semaphore).release()

    async def do(self, number, op, held):
        match op[0]:
            case "Y":
                await asyncio.sleep(0)
            case "K":
                return f"{self.tasks[int(op[1])].cancel():d}"
            case "A":
                if held:
                    return
                await self.lock.acquire()
                held.append("lock")
            case "a" | "z" | "s":
                if not held:
                    return
                self.release_one(held.pop())
            case "S":
                await self.semaphore.acquire()
                held.append("semaphore")
            case "r":
                self.semaphore.release()
            case "W":
                await self.event.wait()
            case "e":
                self.event.set()
            case "c":
                self.event.clear()
            case "P" | "p":
                try:
                    if op[0] == "P":
                        await self.queue.put(number)
                    else:
                        self.queue.put_nowait(number)
                except asyncio.QueueFull:
                    return "full"
                except asyncio.QueueShutDown:
                    return "down"
            case "G" | "g":
                try:
                    return await self.queue.get() if op[0] == "G" else self.queue.get_nowait()
                except asyncio.QueueEmpty:
                    return "empty"
                except asyncio.QueueShutDown:
                    return "down"
            case "d":
                try:
                    self.queue.task_done()
                except ValueError:
                    return "many"
            case "J":
                await self.queue.join()
            case "x" | "X":
                self.queue.shutdown(op[0] == "X")
            case "C":
                if not held:
                    await self.condition.acquire()
                    held.append("lock")
                    self.note(number, "+")
                await self.condition.wait()
            case "n" | "N":
                if not held:
                    await self.condition.acquire()
                    held.append("lock")
                if op[0] == "n":
                    self.condition.notify(1)
                else:
                    self.condition.notify_all()
            case "B":
                try:
                    return await self.barrier.wait()
                except asyncio.BrokenBarrierError:
                    return "broken"
            case "R":
                await self.barrier.reset()
            case "Q":
                await self.barrier.abort()
        return ""


def program(rng, kind):
    ops, cancels = OPS[kind]
    tasks = rng.randint(2, 7)
    lines = []
    for _ in range(tasks):
        line = list("".join(rng.choice(ops.split()) for _ in range(rng.randint(1, 6))))
        if cancels and rng.random() < 0.5:
            for _ in range(rng.randint(1, 4)):
                line.insert(rng.randint(0, len(line)), f"K{rng.randrange(tasks)}")
        lines.append(line)
    return lines


async def trace(kind, lines):
    world = World(kind)
    world.tasks = [asyncio.create_task(world.run(number, ops)) for number, ops in enumerate(lines)]
    for _ in range(300):
        await asyncio.sleep(0)
    log = list(world.log)
    for task in world.tasks:
        task.cancel()
    while not all(task.done() for task in world.tasks):
        for task in world.tasks:
            task.cancel()
        await asyncio.sleep(0)
    return log


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)
    for kind in OPS:
        for _ in range(count):
            lines = program(rng, kind)
            log = asyncio.run(trace(kind, lines))
            print("case", kind)
            for line in lines:
                print("task", *line)
            print("trace", *log)


main()
