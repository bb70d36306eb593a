"""The rows of the benchmarks in Python, on CPython's asyncio or on uvloop.

    peer.py --sample KEY PEER SIZE warm|cold      prints the figures of one sample
    peer.py --serve PEER FORM BUFFER              prints port and process, and serves for ever: sends back what comes, over
                                                  a buffer of this size, or greets and closes if that is zero

PEER is `CPython` or `uvloop`. The works are those of `src/work`, under the same keys.
"""

import asyncio
import os
import resource
import socket
import sys
import threading
import time
import tracemalloc

GREETING = b"!"


# Measuring.


class Cpu:
    def __init__(self):
        self.began = time.process_time_ns()

    def per(self, count):
        return [(time.process_time_ns() - self.began) / count]


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def batches(count, size):
    size = max(1, min(size, count))
    return count // size, size


# Tasks.


async def nothing(value):
    return value


async def spawn_many(count):
    times, many = batches(count, 10_000)
    cpu = Cpu()
    for _ in range(times):
        for task in [asyncio.create_task(nothing(i)) for i in range(many)]:
            await task
    return cpu.per(times * many)


async def spawn_one(count):
    cpu = Cpu()
    for i in range(count):
        await asyncio.create_task(nothing(i))
    return cpu.per(count)


async def yields(times):
    for _ in range(times):
        await asyncio.sleep(0)


async def yield_alone(count):
    cpu = Cpu()
    await yields(count)
    return cpu.per(count)


async def yield_among(count):
    times, many = batches(count, 1000)
    cpu = Cpu()
    for task in [asyncio.create_task(yields(times)) for _ in range(many)]:
        await task
    return cpu.per(times * many)


async def ping_pong(count):
    loop = asyncio.get_running_loop()
    turns = [loop.create_future(), loop.create_future()]
    turns[0].set_result(None)

    async def play(me):
        for _ in range(count):
            await turns[me]
            turns[me] = loop.create_future()
            turns[1 - me].set_result(None)

    cpu = Cpu()
    other = asyncio.create_task(play(1))
    await play(0)
    await other
    return cpu.per(count)


async def gather(count):
    times, many = batches(count, 1000)
    cpu = Cpu()
    for _ in range(times):
        await asyncio.gather(*[nothing(i) for i in range(many)])
    return cpu.per(times * many)


async def cancel(count):
    loop = asyncio.get_running_loop()

    async def wait():
        await loop.create_future()

    tasks = [asyncio.create_task(wait()) for _ in range(count)]
    await asyncio.sleep(0)
    cpu = Cpu()
    for task in tasks:
        task.cancel()
    for task in tasks:
        try:
            await task
        except asyncio.CancelledError:
            pass
    return cpu.per(count)


async def catch_cancelled(count):
    cpu = Cpu()
    for _ in range(count):
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            pass
    return cpu.per(count)


async def task_group(count):
    cpu = Cpu()
    for _ in range(count):
        async with asyncio.TaskGroup() as group:
            await group.create_task(nothing(1))
    return cpu.per(count)


async def call_soon(count):
    times, many = batches(count, 1000)
    loop = asyncio.get_running_loop()
    called = 0

    def call():
        nonlocal called
        called += 1

    cpu = Cpu()
    for _ in range(times):
        for _ in range(many):
            loop.call_soon(call)
        await asyncio.sleep(0)
    cost = cpu.per(times * many)
    assert called == times * many
    return cost


async def idle_task(count):
    loop = asyncio.get_running_loop()

    async def wait():
        state = (1, 2, 3, 4, 5, 6, 7, 8)
        await loop.create_future()
        return state

    # What is allocated and what is resident cannot be had at once: tracing takes memory itself.
    figures = []
    for trace in (True, False):
        if trace:
            tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0] if trace else resident()
        tasks = [asyncio.create_task(wait()) for _ in range(count if not trace else count // 10)]
        await asyncio.sleep(0)
        after = tracemalloc.get_traced_memory()[0] if trace else resident()
        if trace:
            tracemalloc.stop()
        figures.append((after - before) / len(tasks))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        del task, tasks
    return figures


# Synchronisation.


async def lock_free(count):
    lock = asyncio.Lock()
    cpu = Cpu()
    for _ in range(count):
        async with lock:
            pass
    return cpu.per(count)


async def contended(guard, tasks, count):
    async def body():
        for _ in range(count // tasks):
            async with guard:
                await asyncio.sleep(0)

    cpu = Cpu()
    for task in [asyncio.create_task(body()) for _ in range(tasks)]:
        await task
    return cpu.per(count)


async def semaphore_free(count):
    semaphore = asyncio.Semaphore(5)
    cpu = Cpu()
    for _ in range(count):
        async with semaphore:
            pass
    return cpu.per(count)


async def event(count):
    times, many = batches(count, 1000)
    event = asyncio.Event()
    waiting = 0
    all_wait = asyncio.Event()

    async def body():
        nonlocal waiting
        for _ in range(times):
            waiting += 1
            if waiting == many:
                all_wait.set()
            await event.wait()

    cpu = Cpu()
    tasks = [asyncio.create_task(body()) for _ in range(many)]
    for _ in range(times):
        await all_wait.wait()
        all_wait.clear()
        waiting = 0
        event.set()
        event.clear()
    for task in tasks:
        await task
    return cpu.per(times * many)


async def queue(count):
    queue = asyncio.Queue(128)

    async def produce():
        for i in range(count):
            await queue.put(i)

    cpu = Cpu()
    producer = asyncio.create_task(produce())
    for i in range(count):
        assert await queue.get() == i
    cost = cpu.per(count)
    await producer
    return cost


# Time.


async def timeout(count):
    cpu = Cpu()
    for _ in range(count):
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
    return cpu.per(count)


async def sleeps(count):
    before = resident()
    cpu = Cpu()
    random = 1
    tasks = []
    for _ in range(count):
        random = (random * 6364136223846793005 + 1442695040888963407) % 2**64
        delay = 1 + (random >> 34) % 1_000_000_000 / 1e9
        tasks.append(asyncio.create_task(asyncio.sleep(delay)))
    for task in tasks:
        await task
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return [*cpu.per(count), (peak - before) / count]


def lateness(delay):
    async def sample(count):
        late = []
        for _ in range(count):
            begin = time.perf_counter_ns()
            await asyncio.sleep(delay)
            late.append((time.perf_counter_ns() - begin) / 1000 - delay * 1e6)
        late.sort()
        return [late[len(late) // 2], late[len(late) * 99 // 100], late[0]]

    return sample


# Threads.


async def wake(count):
    loop = asyncio.get_running_loop()
    asked = threading.Semaphore(0)
    answer = loop.create_future()

    def serve():
        for _ in range(count):
            asked.acquire()
            loop.call_soon_threadsafe(answer.set_result, None)

    server = threading.Thread(target=serve)
    server.start()
    began = time.perf_counter_ns()
    for _ in range(count):
        asked.release()
        await answer
        answer = loop.create_future()
    cost = (time.perf_counter_ns() - began) / count / 1000
    server.join()
    return [cost]


async def to_thread(count):
    began = time.perf_counter_ns()
    for _ in range(count):
        await asyncio.to_thread(int)
    return [(time.perf_counter_ns() - began) / count / 1000]


WORKS = {
    "spawn-many": spawn_many,
    "spawn-one": spawn_one,
    "yield-alone": yield_alone,
    "yield-among": yield_among,
    "ping-pong": ping_pong,
    "gather": gather,
    "cancel": cancel,
    "catch-cancelled": catch_cancelled,
    "task-group": task_group,
    "call-soon": call_soon,
    "lock-free": lock_free,
    "lock-2": lambda count: contended(asyncio.Lock(), 2, count),
    "lock-10": lambda count: contended(asyncio.Lock(), 10, count),
    "semaphore-free": semaphore_free,
    "semaphore-10": lambda count: contended(asyncio.Semaphore(5), 10, count),
    "event": event,
    "queue": queue,
    "timeout": timeout,
    "sleeps-100k": sleeps,
    "sleeps-1m": sleeps,
    "late-100us": lateness(100e-6),
    "late-1500us": lateness(1.5e-3),
    "wake": wake,
    "to-thread": to_thread,
    "idle-task": idle_task,
}


# Serving, in the three forms of uvloop's own benchmarks.


def announce(port):
    print(port, os.getpid(), flush=True)


async def serve_sock(size):
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    listener.setblocking(False)
    announce(listener.getsockname()[1])

    async def echo(connection):
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            buffer = bytearray(size)
            view = memoryview(buffer)
            while n := await loop.sock_recv_into(connection, view):
                await loop.sock_sendall(connection, view[:n])

    async def greet(connection):
        with connection:
            await loop.sock_sendall(connection, GREETING)

    tasks = set()
    serve = echo if size else greet
    while True:
        connection, _ = await loop.sock_accept(listener)
        task = asyncio.create_task(serve(connection))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def serve_streams(size):
    async def echo(reader, writer):
        while data := await reader.read(size):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def greet(_reader, writer):
        writer.write(GREETING)
        writer.close()

    server = await asyncio.start_server(echo if size else greet, "127.0.0.1", 0)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class Greet(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(GREETING)
        transport.close()


async def serve_protocols(size):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo if size else Greet, "127.0.0.1", 0)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


FORMS = {"sock_*": serve_sock, "streams": serve_streams, "protocols": serve_protocols}


def end_with_input():
    """Ends this process when whoever started it closes the standard input, also by ending."""
    sys.stdin.buffer.read()
    os._exit(0)


def run(peer, main):
    if peer == "uvloop":
        import uvloop

        return uvloop.run(main)
    return asyncio.run(main)


def main(arguments):
    match arguments:
        case ["--sample", key, peer, size, warm]:
            if warm == "warm":
                run(peer, WORKS[key](int(size) // 10))
            print(*run(peer, WORKS[key](int(size))))
        case ["--serve", peer, form, size]:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            threading.Thread(target=end_with_input, daemon=True).start()
            run(peer, FORMS[form](int(size)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
