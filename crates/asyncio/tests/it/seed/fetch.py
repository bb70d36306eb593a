import asyncio

# Simulating a network request
async def fetch_from_remote(url):
    print(f"Fetching data from {url}")
    await asyncio.sleep(1)
    if "2" in url: # simulate a network error with http://example.com/data2
        raise Exception("Network Error")
    return f"Data from {url}"

# Extended coroutine
async def fetch_data():
    urls = ["http://example.com/data1", "http://example.com/data2"]
    results = []

    print("Start fetching")

    for url in urls:
        try:
            # Fetching data from each URL
            data = await fetch_from_remote(url)
            results.append(data)
        except Exception as e:
            print(f"Error fetching {url}: {e}")
            results.append(None)  # Handling the error by appending None

    print("Done fetching")
    return results

# Running the coroutine
async def main():
    fetched_data = await fetch_data()
    print(f"Fetched data: {fetched_data}")

asyncio.run(main())
