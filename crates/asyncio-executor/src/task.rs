//! Tasks: the cell in one allocation, its steps, its wakers and its handles.

pub(crate) mod builder;
pub(crate) mod cell;
pub(crate) mod error;
pub(crate) mod extra;
pub(crate) mod handle;
pub(crate) mod header;
pub(crate) mod join;
pub(crate) mod shared;
pub(crate) mod sole;
pub(crate) mod state;
pub(crate) mod step;
pub(crate) mod wait;
pub(crate) mod waker;
