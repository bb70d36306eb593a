import asyncio

async def task1():
    await asyncio.sleep(2)
    return 'Result of task1'

async def task2():
    await asyncio.sleep(1)
    return 'Result of task2'

async def main():
    results = await asyncio.gather(task1(), task2())
    for result in results:
        print(result)

asyncio.run(main())
