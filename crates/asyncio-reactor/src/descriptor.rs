//! What can be registered: a descriptor on Unix, a socket on Windows, by its number.

#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
#[cfg(windows)]
use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, RawSocket};

/// The number by which the platform knows what is registered: a `RawFd`.
#[cfg(unix)]
pub type RawSource = RawFd;

/// The number by which the platform knows what is registered: a `RawSocket`.
#[cfg(windows)]
pub type RawSource = RawSocket;

/// What a reactor can be told to look at: a reference to anything that has a descriptor, a borrowed descriptor, or its
/// bare number (on Windows: a socket).
///
/// The reactor keeps the number and no hold on the descriptor. Drop the [`Source`](crate::Source) or
/// [`Watch`](crate::Watch) before the descriptor is closed.
pub trait AsSource {
    /// The number.
    fn as_raw_source(&self) -> RawSource;
}

#[cfg(unix)]
impl<T: AsRawFd + ?Sized> AsSource for &T {
    fn as_raw_source(&self) -> RawSource {
        self.as_raw_fd()
    }
}

#[cfg(unix)]
impl AsSource for BorrowedFd<'_> {
    fn as_raw_source(&self) -> RawSource {
        self.as_raw_fd()
    }
}

#[cfg(windows)]
impl<T: AsRawSocket + ?Sized> AsSource for &T {
    fn as_raw_source(&self) -> RawSource {
        self.as_raw_socket()
    }
}

#[cfg(windows)]
impl AsSource for BorrowedSocket<'_> {
    fn as_raw_source(&self) -> RawSource {
        self.as_raw_socket()
    }
}

impl AsSource for RawSource {
    fn as_raw_source(&self) -> RawSource {
        *self
    }
}

/// A descriptor that is open for as long as the borrow lasts: a `BorrowedFd`, on Windows a `BorrowedSocket`.
#[cfg(unix)]
pub type BorrowedDescriptor<'a> = BorrowedFd<'a>;

/// A descriptor that is open for as long as the borrow lasts: a `BorrowedFd`, on Windows a `BorrowedSocket`.
#[cfg(windows)]
pub type BorrowedDescriptor<'a> = BorrowedSocket<'a>;

/// A descriptor that is closed when this is dropped: an `OwnedFd`, on Windows an `OwnedSocket`.
#[cfg(unix)]
pub type OwnedDescriptor = std::os::fd::OwnedFd;

/// A descriptor that is closed when this is dropped: an `OwnedFd`, on Windows an `OwnedSocket`.
#[cfg(windows)]
pub type OwnedDescriptor = std::os::windows::io::OwnedSocket;

/// What lends its descriptor, so that it is known to be open: on Unix all that is `AsFd`, on Windows all that is
/// `AsSocket`. It is what functions ask for that are told of a descriptor on each platform.
pub trait AsDescriptor {
    /// The descriptor.
    fn as_descriptor(&self) -> BorrowedDescriptor<'_>;
}

#[cfg(unix)]
impl<T: AsFd + ?Sized> AsDescriptor for T {
    fn as_descriptor(&self) -> BorrowedDescriptor<'_> {
        self.as_fd()
    }
}

#[cfg(windows)]
impl<T: AsSocket + ?Sized> AsDescriptor for T {
    fn as_descriptor(&self) -> BorrowedDescriptor<'_> {
        self.as_socket()
    }
}
