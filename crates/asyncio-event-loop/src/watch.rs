//! `add_reader` and `add_writer`: callbacks on descriptors that are ready.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::panic::Location;
use std::rc::Rc;

use asyncio_executor::{Context, copy_context};
use asyncio_reactor::{AsDescriptor, AsSource, Interest, RawSource, Watch};

use crate::event_loop::EventLoop;
use crate::exception;

/// One direction of a watched descriptor.
struct Callback {
    f: RefCell<Box<dyn FnMut()>>,
    context: Context,
    location: &'static Location<'static>,
    /// Replaced or removed: what was noted of it is not called.
    cancelled: Cell<bool>,
    /// The run phase in which it was added. What was noted for that phase was noted of another callback.
    phase: u64,
}

struct Watched {
    watch: Watch,
    reader: Option<Rc<Callback>>,
    writer: Option<Rc<Callback>>,
}

/// The watched descriptors of a loop.
#[derive(Default)]
pub(crate) struct Watches {
    by_fd: RefCell<HashMap<RawSource, Watched>>,
}

#[derive(Clone, Copy)]
enum Direction {
    Read,
    Write,
}

impl Watched {
    fn slot(&mut self, direction: Direction) -> &mut Option<Rc<Callback>> {
        match direction {
            Direction::Read => &mut self.reader,
            Direction::Write => &mut self.writer,
        }
    }

    fn interest(&self) -> Option<Interest> {
        Interest::new(self.reader.is_some(), self.writer.is_some())
    }
}

impl Watches {
    pub(crate) fn clear(&self) {
        let all = self.by_fd.take();
        drop(all);
    }

    fn get(&self, fd: RawSource, direction: Direction) -> Option<Rc<Callback>> {
        self.by_fd.borrow_mut().get_mut(&fd).and_then(|watched| watched.slot(direction).clone())
    }
}

impl EventLoop {
    /// Calls `f` whenever `fd` can be read from, once in each turn in which it can, until it is removed or replaced.
    /// On Windows `fd` is a socket.
    ///
    /// `f` runs outside any task, in a copy of the current context. Remove it before the descriptor is closed.
    ///
    /// # Errors
    ///
    /// When the descriptor belongs to a transport or stream of this loop, and what the platform says: an ordinary file
    /// cannot be waited for.
    ///
    /// # Panics
    ///
    /// When the loop is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use std::net::{TcpListener, TcpStream};
    /// use asyncio_event_loop::{get_running_loop, run};
    /// use asyncio_executor::Future;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut far = TcpStream::connect(listener.local_addr()?)?;
    /// let (near, _) = listener.accept()?;
    /// run(async {
    ///     let readable = Future::new();
    ///     let inner = readable.clone();
    ///     let this = get_running_loop();
    ///     // Called in each turn as long as nobody reads.
    ///     this.add_reader(&near, move || drop(inner.set_result(())))?;
    ///     far.write_all(b"x")?;
    ///     readable.await;
    ///     assert!(this.remove_reader(&near));
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// # Ok::<_, std::io::Error>(())
    /// ```
    ///
    /// # In Python
    ///
    /// `loop.add_reader`, in `asyncio/selector_events.py`.
    #[track_caller]
    pub fn add_reader(&self, fd: impl AsDescriptor, f: impl FnMut() + 'static) -> io::Result<()> {
        self.add(fd.as_descriptor().as_raw_source(), Direction::Read, Location::caller(), Box::new(f))
    }

    /// Calls `f` whenever `fd` can be written to: see [`add_reader`](EventLoop::add_reader).
    ///
    /// # Errors
    ///
    /// As for `add_reader`.
    ///
    /// # Panics
    ///
    /// When the loop is closed.
    ///
    /// # In Python
    ///
    /// `loop.add_writer`, in `asyncio/selector_events.py`.
    #[track_caller]
    pub fn add_writer(&self, fd: impl AsDescriptor, f: impl FnMut() + 'static) -> io::Result<()> {
        self.add(fd.as_descriptor().as_raw_source(), Direction::Write, Location::caller(), Box::new(f))
    }

    /// Removes the callback of `add_reader`. Says whether there was one. A call that is due is not made.
    ///
    /// # In Python
    ///
    /// `loop.remove_reader`, in `asyncio/selector_events.py`.
    pub fn remove_reader(&self, fd: impl AsDescriptor) -> bool {
        self.remove(fd.as_descriptor().as_raw_source(), Direction::Read)
    }

    /// Removes the callback of `add_writer`. Says whether there was one. A call that is due is not made.
    ///
    /// # In Python
    ///
    /// `loop.remove_writer`, in `asyncio/selector_events.py`.
    pub fn remove_writer(&self, fd: impl AsDescriptor) -> bool {
        self.remove(fd.as_descriptor().as_raw_source(), Direction::Write)
    }

    fn add(
        &self,
        fd: RawSource,
        direction: Direction,
        location: &'static Location<'static>,
        f: Box<dyn FnMut()>,
    ) -> io::Result<()> {
        assert!(!self.is_closed(), "the event loop is closed: descriptor {fd} cannot be watched");
        if self.reactor().is_registered(fd) {
            let message = format!("descriptor {fd} belongs to a transport or stream: read and write through that");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        let callback = Rc::new(Callback {
            f: RefCell::new(f),
            context: copy_context(),
            location,
            cancelled: Cell::new(false),
            phase: self.inner.phase.get(),
        });
        // Declared first, so dropped last: no code of the user's runs while the map is borrowed.
        let refused;
        let mut all = self.inner.watches.by_fd.borrow_mut();
        let before = match all.get_mut(&fd) {
            Some(watched) => {
                let before = watched.slot(direction).replace(callback);
                let changed = watched.interest().map_or(Ok(()), |interest| watched.watch.set_interest(interest));
                if let Err(error) = changed {
                    refused = std::mem::replace(watched.slot(direction), before);
                    drop(all);
                    drop(refused);
                    return Err(error);
                }
                before
            }
            None => {
                let interest = match direction {
                    Direction::Read => Interest::Readable,
                    Direction::Write => Interest::Writable,
                };
                let key = usize::try_from(fd).expect("a descriptor is not negative and fits a pointer");
                let watch = self.reactor().watch(fd, interest, key)?;
                let mut watched = Watched { watch, reader: None, writer: None };
                *watched.slot(direction) = Some(callback);
                all.insert(fd, watched);
                None
            }
        };
        drop(all);
        if let Some(before) = before {
            before.cancelled.set(true);
        }
        Ok(())
    }

    fn remove(&self, fd: RawSource, direction: Direction) -> bool {
        let mut all = self.inner.watches.by_fd.borrow_mut();
        let Some(watched) = all.get_mut(&fd) else { return false };
        let removed = watched.slot(direction).take();
        let over = match watched.interest() {
            // A descriptor that was closed meanwhile cannot be changed any more, and need not be.
            Some(interest) => {
                let _ = watched.watch.set_interest(interest);
                None
            }
            None => all.remove(&fd),
        };
        drop(all);
        drop(over);
        removed.is_some_and(|callback| {
            callback.cancelled.set(true);
            true
        })
    }
}

/// Calls the callbacks of a descriptor that is ready, the reader first.
pub(crate) fn dispatch(this: &EventLoop, key: usize, readable: bool, writable: bool) {
    let Ok(fd) = RawSource::try_from(key) else { return };
    let reader = if readable { this.inner.watches.get(fd, Direction::Read) } else { None };
    let writer = if writable { this.inner.watches.get(fd, Direction::Write) } else { None };
    for callback in reader.into_iter().chain(writer) {
        if !callback.cancelled.get() && callback.phase != this.inner.phase.get() {
            let what = "exception in a callback of a descriptor";
            exception::call(this, what, callback.location, &callback.context, || (callback.f.borrow_mut())());
        }
        // It may have removed itself.
        exception::contain(this, "exception in a destructor", || drop(callback));
    }
}
