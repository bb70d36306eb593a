//! Tasks, cancel scopes, futures and the order of a turn.
