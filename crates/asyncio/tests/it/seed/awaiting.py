import asyncio

async def fetch_data():
    print("Start fetching")
    await asyncio.sleep(2)  # Simulates a time-consuming asynchronous operation
    print("Done fetching")
    return {'data': 1}

async def main():
    data = await fetch_data()  # Pauses 'main' until 'fetch_data' completes
    print(data)

asyncio.run(main())
