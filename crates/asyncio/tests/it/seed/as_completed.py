import asyncio

async def task(delay):
    await asyncio.sleep(delay)
    return delay

async def main():
    tasks = [task(3), task(1), task(2)]
    for coro in asyncio.as_completed(tasks):
        result = await coro
        print(f"Completed task with result: {result}")

asyncio.run(main())
