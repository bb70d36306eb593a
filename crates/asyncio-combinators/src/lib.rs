//! What asyncio combines tasks and futures with.
//!
//! * [`gather`] and [`try_gather`] run several futures at once and give all values;
//! * [`as_completed`] gives them as they come; [`wait()`] and [`try_wait`] say which tasks are done;
//! * [`timeout()`], [`timeout_at`], [`Timeout`] and [`wait_for`] limit the time that something may take;
//! * [`shield`] keeps a cancellation away;
//! * [`task_group`] and [`try_task_group`] run tasks that end together; what fails comes as an [`ExceptionGroup`];
//! * [`async_generator`] makes a stream of a loop that yields;
//! * [`ensure_future`] makes a task of what is none.
//!
//! # What they have in common
//!
//! *CPython's order of things, to the turn.* A combinator learns of a child's end through an entry of the ready queue, and
//! its awaiter runs in the turn after that. What is cancelled, and when, is decided by the same rules.
//!
//! *No task in a task.* Tasks, shared tasks, futures, gathers and shields that are given as children stay what they are.
//!
//! *Counts are restored.* What a timeout or a group asks of its own task is taken back when it is over, however it ends.
//!
//! *Nothing fails unheard.* A failure that nobody can be told of goes to the loop's exception handler.
//!
//! # Examples
//!
//! ```
//! use asyncio_combinators::{gather, timeout};
//! use asyncio_event_loop::{Runner, sleep};
//! use std::time::Duration;
//!
//! let mut runner = Runner::builder().virtual_time(true).build()?;
//! runner.run(async {
//!     let slow = async {
//!         sleep(Duration::from_secs(3)).await;
//!         "slow"
//!     };
//!     let both = timeout(Duration::from_secs(5), async |_| gather((slow, async { "quick" })).await);
//!     assert_eq!(both.await, Ok(("slow", "quick")));
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod as_completed;
mod async_generator;
mod awaiter;
mod child;
mod exception_group;
mod gather;
mod identity;
mod shield;
mod task_group;
mod timeout;
mod try_gather;
mod wait;
mod wait_for;

pub use as_completed::{AsCompleted, AsCompletedTimeout, as_completed};
pub use async_generator::{AsyncGenerator, Emit, Yielder, async_generator};
pub use child::ensure_future;
pub use exception_group::ExceptionGroup;
pub use gather::{Children, Gather, Gathering, GatheringResults, Shape, gather, shape};
pub use shield::{Shield, shield};
pub use task_group::{TaskGroup, task_group, try_task_group};
pub use timeout::{RunTimeout, Timeout, TimeoutError, timeout, timeout_at};
pub use try_gather::{TryChildren, TryGather, TryShape, try_gather};
pub use wait::{ReturnWhen, TryWaitable, Wait, WaitFuture, Waitable, try_wait, wait};
pub use wait_for::wait_for;

pub use wait::ReturnWhen::{
    AllCompleted as ALL_COMPLETED, FirstCompleted as FIRST_COMPLETED, FirstException as FIRST_EXCEPTION,
};

/// The code of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
