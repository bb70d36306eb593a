//! Tests of the public surface.

mod combination;
mod destructor;
mod model;
mod wakeup;
