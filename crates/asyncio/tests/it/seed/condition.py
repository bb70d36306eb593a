import asyncio

condition = asyncio.Condition()
queue = []

async def consumer():
    async with condition:
        while not queue:
            print("Consumer waiting")
            await condition.wait()
        item = queue.pop(0)
        print(f"Consumer got item: {item}")

async def producer():
    async with condition:
        for i in range(5):
            queue.append(i)
            condition.notify()  # Notify the consumer
            await asyncio.sleep(1)  # Simulate producing time

async def main():
    await asyncio.gather(producer(), consumer())

asyncio.run(main())
