//! The examples that use the network do what they say, over the loopback.

use std::cell::RefCell;

thread_local! {
    static PRINTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

macro_rules! println {
    ($($format:tt)*) => { $crate::network::PRINTED.with_borrow_mut(|printed| printed.push(format!($($format)*))) };
}

#[path = "../../examples/tcp_echo.rs"]
#[expect(dead_code, reason = "the test calls what `main` would")]
mod tcp_echo;

#[test]
fn tcp_echo_sends_back_each_line() {
    asyncio::run(tcp_echo::start()).unwrap();
    let expected = ["one", "two", "three"].map(|word| format!("sent {word:?}, got \"{word}\\n\""));
    assert_eq!(PRINTED.take(), expected);
}
