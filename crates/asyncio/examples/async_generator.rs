//! Yields a number each second.

use asyncio::AsyncGenerator;
use std::time::Duration;

fn async_generator() -> AsyncGenerator<'static, u32> {
    asyncio::async_generator(async |y| {
        for i in 0..3 {
            asyncio::sleep(Duration::from_secs(1)).await;
            y.emit(i).await;
        }
    })
}

pub(crate) async fn start() {
    let mut items = async_generator();
    while let Some(item) = items.next().await {
        println!("{item}");
    }
}

fn main() {
    asyncio::run(start());
}
