import asyncio

async def my_task():
    await asyncio.sleep(1)
    print("Task completed")

async def main():
    task = asyncio.create_task(my_task())
    await task

asyncio.run(main())
