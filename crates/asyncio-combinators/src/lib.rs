//! What asyncio combines tasks and futures with: `gather`, `wait`, `wait_for`, `timeout`, `shield`, `as_completed`, task
//! groups and async generators.
//!
//! Each keeps CPython's order of things, to the turn: a combinator learns of a child's end through an entry of the ready
//! queue, and its awaiter runs in the turn after that.

mod as_completed;
mod async_generator;
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
