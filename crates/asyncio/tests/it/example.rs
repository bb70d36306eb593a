//! The examples that are programs, each as a process of its own: real arguments, output, signals and status, and peers
//! that know nothing of this library.

mod chat;
mod child;
mod crawler;
mod echo;
mod http_server;
mod signals;
mod source;
mod subprocess;
#[cfg(feature = "tls")]
mod tls;
