//! Lock, Event, Condition, Semaphore, Barrier and queues for any single-threaded executor.
