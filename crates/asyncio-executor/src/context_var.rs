#![expect(unsafe_code, reason = "the context of the running task is in its header")]
//! Context variables: values that follow a task, and are copied when it makes another.
//!
//! A [`Context`] maps variables to values. Each task runs in one; `create_task` and `call_soon` give the new task or
//! callback a copy. An empty context is no context at all: nothing is allocated until a variable is set.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;

use crate::current;
use crate::task::header::{Borrowed, TaskRef};

/// The values of a context: a short list, shared until one side changes it.
type Map = Arc<Vec<(usize, Arc<dyn Any + Send + Sync>)>>;

/// A set of values for context variables.
///
/// A clone of a `Context` is the same context, not a copy: what one sets, the other sees. [`Context::copy`] copies.
///
/// # In Python
///
/// `contextvars.Context`.
#[derive(Clone, Default)]
pub struct Context(Rc<RefCell<Map>>);

/// The values of a context, on their way to another thread.
#[derive(Clone, Default)]
pub struct ContextSnapshot(Map);

/// The current task, if there is one.
#[inline]
fn current_task<'a>() -> Option<Borrowed<'a>> {
    let task = NonNull::new(current::with(|current| current.task.get()).cast_mut())?;
    // SAFETY: the current task is alive while it is current, which is longer than the functions of this file use it; and
    // its pointer is to the whole allocation.
    Some(unsafe { TaskRef::borrow(task) })
}

/// The current context, if any variable was ever set in it.
#[inline]
fn peek() -> Option<Context> {
    match current_task() {
        Some(task) => task.extra().and_then(|extra| look(&extra.context)),
        None => peek_ambient(),
    }
}

#[inline(never)]
fn peek_ambient() -> Option<Context> {
    // At the end of a thread, destructors may look for a context when there is none any more.
    current::AMBIENT.try_with(look).ok().flatten()
}

/// What is in the slot, where it stays.
fn look(slot: &Cell<Option<Context>>) -> Option<Context> {
    let context = slot.take();
    slot.set(context.clone());
    context
}

/// A copy of the current context: changes on either side are not seen on the other.
///
/// # In Python
///
/// `contextvars.copy_context()`.
#[must_use]
pub fn copy_context() -> Context {
    inherited().unwrap_or_default()
}

/// A copy for a new task or callback; nothing if nothing was set.
#[inline]
pub(crate) fn inherited() -> Option<Context> {
    peek().filter(|context| !context.is_empty()).map(|context| context.copy())
}

/// Makes `context` the current one, or none; returns the former one.
pub(crate) fn swap(context: Option<Context>) -> Option<Context> {
    match current_task() {
        Some(task) if context.is_none() => task.extra().and_then(|extra| extra.context.take()),
        Some(task) => task.extra_or_new().context.replace(context),
        None => current::AMBIENT.try_with(|slot| slot.replace(context)).ok().flatten(),
    }
}

/// Puts a context back when dropped.
pub struct EnteredContext(Option<Context>);

impl Drop for EnteredContext {
    fn drop(&mut self) {
        let before = self.0.take();
        drop(swap(before));
    }
}

/// A copy of a context that is none until something is set: for the callbacks of what there are many of.
///
/// What is set while it is entered stays in it, as with a [`Context`].
#[derive(Debug, Default)]
pub struct LazyContext(RefCell<Option<Context>>);

/// Puts a context back when dropped, and keeps what was set.
pub struct EnteredLazyContext<'a> {
    lazy: &'a LazyContext,
    before: Option<Context>,
}

impl LazyContext {
    /// A copy of the current context.
    #[must_use]
    pub fn copy_current() -> Self {
        Self(RefCell::new(inherited()))
    }

    /// Makes this the current context until the guard is dropped.
    #[must_use]
    pub fn enter(&self) -> EnteredLazyContext<'_> {
        let own = self.0.borrow().clone();
        EnteredLazyContext { lazy: self, before: swap(own) }
    }
}

impl Drop for EnteredLazyContext<'_> {
    fn drop(&mut self) {
        let own = swap(self.before.take());
        if let Some(own) = own {
            // If it was entered twice, the inner one's is the context of what comes later.
            let former = self.lazy.0.replace(Some(own));
            drop(former);
        }
    }
}

impl Context {
    /// A context in which no variable is set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether no variable is set in it.
    fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Another context with the same values.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(Rc::new(RefCell::new(self.0.borrow().clone())))
    }

    /// Runs `f` in this context: what it sets stays here.
    ///
    /// # In Python
    ///
    /// `contextvars.Context.run`.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = self.enter();
        f()
    }

    /// Makes this the current context until the guard is dropped. For event loops.
    #[must_use]
    pub fn enter(&self) -> EnteredContext {
        EnteredContext(swap(Some(self.clone())))
    }

    /// The values, to be sent to another thread.
    #[must_use]
    pub fn snapshot(&self) -> ContextSnapshot {
        ContextSnapshot(self.0.borrow().clone())
    }

    fn get(&self, key: usize) -> Option<Arc<dyn Any + Send + Sync>> {
        self.0.borrow().iter().find(|(k, _)| *k == key).map(|(_, value)| value.clone())
    }

    /// Sets or removes a value; returns the former one.
    fn replace(&self, key: usize, value: Option<Arc<dyn Any + Send + Sync>>) -> Option<Arc<dyn Any + Send + Sync>> {
        let mut map = self.0.borrow_mut();
        let list = Arc::make_mut(&mut map);
        match (list.iter().position(|(k, _)| *k == key), value) {
            (Some(at), Some(value)) => Some(std::mem::replace(&mut list[at].1, value)),
            (Some(at), None) => Some(list.remove(at).1),
            (None, Some(value)) => {
                list.push((key, value));
                None
            }
            (None, None) => None,
        }
    }
}

impl ContextSnapshot {
    /// A context with these values, on this thread.
    #[must_use]
    pub fn restore(self) -> Context {
        Context(Rc::new(RefCell::new(self.0)))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("variables", &self.0.borrow().len()).finish()
    }
}

impl fmt::Debug for ContextSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextSnapshot").field("variables", &self.0.len()).finish()
    }
}

/// A variable with a value of its own in each context. Made with [`context_var!`](crate::context_var).
///
/// # In Python
///
/// `contextvars.ContextVar`. There, a value may be anything; here it is `Send + Sync`, because `to_thread` takes the
/// context along.
pub struct ContextVar<T: 'static> {
    name: &'static str,
    default: fn() -> T,
}

/// Undoes one [`ContextVar::set`].
#[must_use = "a token is for `reset`; drop it with `let _ =` if the change is to stay"]
pub struct Token<T: 'static> {
    var: &'static ContextVar<T>,
    before: Option<Arc<dyn Any + Send + Sync>>,
    /// Where it was set.
    context: Context,
}

impl<T: Clone + Send + Sync + 'static> ContextVar<T> {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, default: fn() -> T) -> Self {
        Self { name, default }
    }

    fn key(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The value in the current context, or the default.
    pub fn get(&'static self) -> T {
        peek()
            .and_then(|context| context.get(self.key()))
            .and_then(|value| value.downcast_ref::<T>().cloned())
            .unwrap_or_else(self.default)
    }

    /// Sets the value in the current context.
    pub fn set(&'static self, value: T) -> Token<T> {
        let context = peek().unwrap_or_else(|| {
            let context = Context::new();
            swap(Some(context.clone()));
            context
        });
        Token { var: self, before: context.replace(self.key(), Some(Arc::new(value))), context }
    }

    /// Gives the variable the value that it had before the `set` that returned `token`, in the current context.
    ///
    /// # Panics
    ///
    /// When the token is another variable's, or was made in another context.
    #[track_caller]
    pub fn reset(&'static self, token: Token<T>) {
        assert!(
            std::ptr::eq(self, token.var),
            "the token was made by the variable {}, not by {}: reset that one",
            token.var.name,
            self.name
        );
        assert!(
            peek().is_some_and(|context| Rc::ptr_eq(&context.0, &token.context.0)),
            "the token of the variable {} was made in another context: reset it where it was set",
            self.name
        );
        drop(token.context.replace(self.key(), token.before));
    }

    /// The name given in [`context_var!`](crate::context_var).
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> fmt::Debug for ContextVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<ContextVar {}>", self.name)
    }
}

impl<T> fmt::Debug for Token<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Token of {:?}>", self.var)
    }
}

/// Declares context variables, with their defaults.
///
/// ```
/// asyncio_executor::context_var! {
///     /// Which request is being served.
///     static REQUEST_ID: u64 = 0;
/// }
/// let token = REQUEST_ID.set(7);
/// assert_eq!(REQUEST_ID.get(), 7);
/// REQUEST_ID.reset(token);
/// assert_eq!(REQUEST_ID.get(), 0);
/// ```
#[macro_export]
macro_rules! context_var {
    ($($(#[$attr:meta])* $vis:vis static $name:ident: $type:ty = $default:expr;)+) => {
        $($(#[$attr])* $vis static $name: $crate::ContextVar<$type> =
            $crate::ContextVar::new(stringify!($name), || $default);)+
    };
}
