//! `AsyncioExecutor`: hyper's tasks as tasks of the loop.

use std::future::Future;

use asyncio_executor::create_task;
use hyper::rt::Executor;

/// Has hyper's futures run as tasks of the running event loop. HTTP/2 takes one, for its streams.
///
/// The tasks are ordinary ones: they run in a copy of the context they were made in, what they panic with goes to the
/// exception handler, and the end of a run cancels those that are left.
///
/// # Panics
///
/// `execute` does without a running event loop.
///
/// # Examples
///
/// ```
/// use asyncio_hyper::AsyncioExecutor;
/// use hyper::rt::Executor;
/// use std::rc::Rc;
///
/// # fn main() {
/// asyncio::run(async {
///     let done = Rc::new(asyncio::Event::new()); // not `Send`, as everything here
///     let inside = done.clone();
///     AsyncioExecutor.execute(async move { inside.set() });
///     done.wait().await;
/// });
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncioExecutor;

impl<F> Executor<F> for AsyncioExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        create_task(future);
    }
}
