//! The same suite on each backend: the ordinary one of the platform, and the one with its fallbacks in force.
//!
//! `RUSTFLAGS="--cfg asyncio_portable_reactor"` runs it on the portable backend.
#![cfg(not(asyncio_loom))]

/// Makes each function two tests, `ordinary::name` and `fallbacks::name`, with a reactor of that kind.
macro_rules! on_each_backend {
    ($($(#[$attribute:meta])* fn $name:ident($reactor:ident: Reactor) $body:block)*) => {
        $(fn $name($reactor: &asyncio_reactor::Reactor) $body)*

        mod ordinary {
            $(#[test] $(#[$attribute])* fn $name() {
                super::$name(&asyncio_reactor::Reactor::new().unwrap());
            })*
        }

        mod fallbacks {
            $(#[test] $(#[$attribute])* fn $name() {
                super::$name(&asyncio_reactor::Reactor::with_fallbacks().unwrap());
            })*
        }
    };
}

// These need sockets that deliver at once, or descriptors of other kinds.
#[cfg(unix)]
mod identity;
#[cfg(unix)]
mod model;
mod notification;
mod observer;
#[cfg(unix)]
mod readiness;
mod tcp;
mod timeout;
#[cfg(unix)]
mod watching;
