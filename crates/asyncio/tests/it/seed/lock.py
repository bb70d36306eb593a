import asyncio

lock = asyncio.Lock()

async def update_shared_resource(num):
    async with lock:
        # Simulate modifying a shared resource
        print(f"Resource accessed by coroutine {num}")
        await asyncio.sleep(1)

async def main():
    # Start multiple coroutines that access the same resource
    coroutines = [update_shared_resource(i) for i in range(5)]
    await asyncio.gather(*coroutines)

asyncio.run(main())
