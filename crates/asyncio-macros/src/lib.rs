//! The attributes of asyncio: main and test.
