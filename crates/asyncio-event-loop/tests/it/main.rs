//! What must hold of the event loop.

mod run;
