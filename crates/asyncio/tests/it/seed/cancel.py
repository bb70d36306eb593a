import asyncio

async def check_updates(interval):
    try:
        while True:
            # Simulate a task that checks for updates
            print("Checking for updates...")
            await asyncio.sleep(interval)
    except asyncio.CancelledError:
        print("Update check has been cancelled")
        # Perform any cleanup here
        raise

async def main():
    # Create the task
    update_task = asyncio.create_task(check_updates(0.75))

    # Run the task for a while
    await asyncio.sleep(3)

    # Cancel the task
    update_task.cancel()

    try:
        # Wait for the cancellation to complete
        await update_task
    except asyncio.CancelledError:
        print("Main: The update task was cancelled")

# Run the main coroutine
asyncio.run(main())
