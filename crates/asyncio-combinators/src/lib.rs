//! gather, wait, wait_for, timeout, shield, as_completed, task groups and async generators.
