//! An ordered queue of timers, and clocks, real and virtual.
