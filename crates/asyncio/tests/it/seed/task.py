import asyncio

async def fetch_data():
    print("Start fetching")
    await asyncio.sleep(2)  # Simulates a time-consuming asynchronous operation
    print("Done fetching")
    return {'data': 1}

async def main():
    task = asyncio.create_task(fetch_data())  # Schedules 'fetch_data' for execution
    await task  # Waits for the completion of the task

asyncio.run(main())
