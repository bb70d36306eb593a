import asyncio

event = asyncio.Event()

async def waiter():
    print("Waiting for the event")
    await event.wait()
    print("Continuing after the event is set")

async def setter():
    await asyncio.sleep(2)  # Simulate some processing
    print("Setting the event")
    event.set()

async def main():
    await asyncio.gather(waiter(), setter())

asyncio.run(main())
