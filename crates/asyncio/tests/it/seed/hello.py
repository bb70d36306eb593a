import asyncio

async def main():
    print('Hello')
    await asyncio.sleep(1)  # Simulates a non-blocking wait
    print('World')

asyncio.run(main())  # Starts the event loop and executes 'main'
