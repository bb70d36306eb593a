//! The examples print what the Python programs that they are written after print.
//!
//! Beside each `seed/NAME.py` is `seed/NAME.txt`, what CPython 3.13 printed. Each example is a module here, in which
//! `println!` is another macro, so that it runs on virtual time and its output can be compared.

use std::cell::RefCell;

thread_local! {
    static PRINTED: RefCell<String> = const { RefCell::new(String::new()) };
}

fn print_line(line: &str) {
    PRINTED.with_borrow_mut(|printed| {
        printed.push_str(line);
        printed.push('\n');
    });
}

macro_rules! println {
    ($($format:tt)*) => { $crate::seed::print_line(&format!($($format)*)) };
}

/// Makes a module and a test of each example.
macro_rules! examples {
    ($($name:ident $path:literal)*) => {
        $(
            #[path = $path]
            #[expect(dead_code, reason = "the test calls what `main` would")]
            mod $name;
        )*

        mod prints_as_in_python {
            $(
                #[test]
                fn $name() {
                    let mut runner = asyncio::Runner::builder().virtual_time(true).build().unwrap();
                    let _ = runner.run(super::$name::start()).unwrap();
                    let printed = super::PRINTED.take();
                    let expected = include_str!(concat!("seed/", stringify!($name), ".txt"));
                    assert_eq!(printed.lines().collect::<Vec<_>>(), expected.lines().collect::<Vec<_>>());
                }
            )*
        }
    };
}

examples! {
    hello "../../examples/hello.rs"
    awaiting "../../examples/awaiting.rs"
    create_task "../../examples/create_task.rs"
    fetch "../../examples/fetch.rs"
    task "../../examples/task.rs"
    gather "../../examples/gather.rs"
    wait "../../examples/wait.rs"
    wait_for "../../examples/wait_for.rs"
    as_completed "../../examples/as_completed.rs"
    ensure_future "../../examples/ensure_future.rs"
    cancel "../../examples/cancel.rs"
    lock "../../examples/lock.rs"
    event "../../examples/event.rs"
    semaphore "../../examples/semaphore.rs"
    condition "../../examples/condition.rs"
    async_generator "../../examples/async_generator.rs"
}
