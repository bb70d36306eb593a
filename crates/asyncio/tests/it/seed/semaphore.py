import asyncio

sem = asyncio.Semaphore(3)  # Limit to 3 concurrent coroutines

async def access_resource(num):
    async with sem:
        print(f"Resource being accessed by coroutine {num}")
        await asyncio.sleep(2)  # Simulate a task using the resource
    print(f"Coroutine {num} released the resource")

async def main():
    coroutines = [access_resource(i) for i in range(10)]
    await asyncio.gather(*coroutines)

asyncio.run(main())
