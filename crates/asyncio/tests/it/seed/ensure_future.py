import asyncio

async def my_coroutine():
    await asyncio.sleep(1)
    return "Coroutine result"

async def main():
    # Wrapping a coroutine into a Future object
    future = asyncio.ensure_future(my_coroutine())

    # Do other stuff here if needed
    # ...

    # Wait for the future to be done and get its result
    result = await future
    print(result)

asyncio.run(main())
