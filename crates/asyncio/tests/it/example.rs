//! The examples that are programs, each as a process of its own: real arguments, output, signals and status, and peers
//! that know nothing of this library.

mod child;
mod echo;
mod signals;
