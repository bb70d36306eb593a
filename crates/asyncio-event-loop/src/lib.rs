//! The event loop: timers, reactor and executor joined.
