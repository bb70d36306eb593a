//! Who wants to know that a task or future is done: its awaiters, watchers and done-callbacks, in order of registration.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use crate::callback;
use crate::contain::{contain, drop_contained, wake};
use crate::executor::Inner;
use crate::fault::Fault;
use crate::running::with_current;
use crate::shared::Shared;
use crate::task::handle::TaskHandle;

/// Is told that one of the tasks or futures it watches is done, in an entry of the ready queue of its own.
///
/// For combinators such as `gather`: the notice costs no allocation.
pub trait Watcher {
    /// The one registered with `index` is done.
    fn finished(self: Rc<Self>, index: usize);
    /// The tasks that wait for what this tells: for call graphs.
    fn awaiters(&self) -> Vec<TaskHandle> {
        Vec::new()
    }
}

/// Names a done-callback, so that it can be removed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CallbackId(u64);

impl CallbackId {
    pub(crate) fn next() -> Self {
        Self(crate::current::next_callback_id())
    }
}

/// One registration.
pub(crate) enum Waiter {
    /// Wake it. The key tells the awaiters of one future apart.
    Awaiter(u64, Waker),
    /// Tell it, in an entry of the ready queue.
    Watch(Rc<dyn Watcher>, usize),
    /// Call it, in an entry of the ready queue.
    Callback(CallbackId, Box<dyn FnOnce()>),
}

impl Waiter {
    /// Runs what is not an awaiter.
    pub(crate) fn run(self) {
        match self {
            Self::Awaiter(_, waker) => waker.wake(),
            Self::Watch(watcher, index) => watcher.finished(index),
            Self::Callback(_, f) => f(),
        }
    }

    fn is_awaiter(&self, key: u64) -> bool {
        matches!(self, Self::Awaiter(k, _) if *k == key)
    }
}

/// The registrations: the first one in place, further ones in a box. Most tasks have one.
///
/// Nothing is dropped, cloned or woken while the list is being changed, because that may run the code of others.
pub(crate) struct DoneList {
    len: Cell<usize>,
    first: Cell<Option<Waiter>>,
    rest: Cell<Option<Box<Rest>>>,
}

/// All registrations but the first, in order. One more is frequent, that of a task group whose child is awaited; it needs no
/// vector.
#[derive(Default)]
struct Rest {
    second: Option<Waiter>,
    more: Vec<Waiter>,
}

impl Rest {
    fn push(&mut self, waiter: Waiter) {
        if self.second.is_none() && self.more.is_empty() {
            self.second = Some(waiter);
        } else {
            self.more.push(waiter);
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Waiter> {
        self.second.iter().chain(&self.more)
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Waiter> {
        self.second.iter_mut().chain(&mut self.more)
    }

    /// Moves those that `matches` says to `removed`.
    fn extract(&mut self, mut matches: impl FnMut(&Waiter) -> bool, removed: &mut Vec<Waiter>) {
        removed.extend(self.second.take_if(|waiter| matches(waiter)));
        removed.extend(self.more.extract_if(.., |waiter| matches(waiter)));
    }
}

impl IntoIterator for Rest {
    type Item = Waiter;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Waiter>, std::vec::IntoIter<Waiter>>;

    fn into_iter(self) -> Self::IntoIter {
        self.second.into_iter().chain(self.more)
    }
}

impl DoneList {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { len: Cell::new(0), first: Cell::new(None), rest: Cell::new(None) }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    #[inline]
    pub(crate) fn push(&self, waiter: Waiter) {
        let len = self.len.replace(self.len.get() + 1);
        if len == 0 {
            self.first.set(Some(waiter));
        } else {
            let mut rest = self.rest.take().unwrap_or_default();
            rest.push(waiter);
            self.rest.set(Some(rest));
        }
    }

    /// Registers the awaiter `key`, or replaces its waker and keeps its place.
    #[inline]
    pub(crate) fn set_awaiter(&self, key: u64, waker: &Waker) {
        if self.is_empty() {
            let waiter = Waiter::Awaiter(key, waker.clone());
            // The clone may have been the code of others: the list may not be empty any more.
            self.push(waiter);
        } else {
            self.replace_awaiter(key, waker);
        }
    }

    fn replace_awaiter(&self, key: u64, waker: &Waker) {
        let first = self.first.take();
        let same = matches!(&first, Some(Waiter::Awaiter(k, old)) if *k == key && old.will_wake(waker));
        self.first.set(first);
        if same {
            return;
        }
        let mut fresh = Some(Waiter::Awaiter(key, waker.clone()));
        let mut old = None;
        let mut first = self.first.take();
        let mut rest = self.rest.take();
        if let Some(waiter) = first
            .iter_mut()
            .chain(rest.iter_mut().flat_map(|rest| rest.iter_mut()))
            .find(|waiter| waiter.is_awaiter(key))
        {
            old = fresh.take().map(|fresh| std::mem::replace(waiter, fresh));
        }
        self.first.set(first);
        self.rest.set(rest);
        if let Some(fresh) = fresh {
            self.push(fresh);
        }
        drop(old);
    }

    /// Takes out those that `matches` says, and returns how many.
    fn remove(&self, mut matches: impl FnMut(&Waiter) -> bool) -> usize {
        if self.is_empty() {
            return 0;
        }
        let mut first = self.first.take();
        let mut rest = self.rest.take();
        let mut removed = Vec::new();
        if first.as_ref().is_some_and(&mut matches) {
            removed.extend(first.take());
        }
        if let Some(rest) = &mut rest {
            rest.extract(&mut matches, &mut removed);
        }
        self.len.set(self.len.get() - removed.len());
        self.first.set(first);
        self.rest.set(rest);
        removed.len()
    }

    pub(crate) fn remove_awaiter(&self, key: u64) {
        self.remove(|waiter| waiter.is_awaiter(key));
    }

    pub(crate) fn remove_callback(&self, id: CallbackId) -> bool {
        self.remove(|waiter| matches!(waiter, Waiter::Callback(i, _) if *i == id)) > 0
    }

    pub(crate) fn remove_watcher(&self, watcher: &Rc<dyn Watcher>) {
        self.remove(|waiter| matches!(waiter, Waiter::Watch(w, _) if Rc::ptr_eq(w, watcher)));
    }

    /// The tasks that wait for the end, in the order of their registrations, each once.
    pub(crate) fn awaiters(&self) -> Vec<TaskHandle> {
        enum Found {
            Task(TaskHandle),
            Watcher(Rc<dyn Watcher>),
        }
        let first = self.first.take();
        let rest = self.rest.take();
        let all = first.iter().chain(rest.iter().flat_map(|rest| rest.iter()));
        let found: Vec<Found> = all
            .filter_map(|waiter| match waiter {
                Waiter::Awaiter(_, waker) => TaskHandle::of_waker(waker).map(Found::Task),
                Waiter::Watch(watcher, _) => Some(Found::Watcher(watcher.clone())),
                Waiter::Callback(..) => None,
            })
            .collect();
        self.first.set(first);
        self.rest.set(rest);
        // Only now: a watcher's answer is not ours.
        let mut tasks = Vec::new();
        for found in found {
            let more = match found {
                Found::Task(task) => vec![task],
                Found::Watcher(watcher) => watcher.awaiters(),
            };
            for task in more {
                if !tasks.contains(&task) {
                    tasks.push(task);
                }
            }
        }
        tasks
    }

    /// Takes all registrations.
    pub(crate) fn take(&self) -> impl Iterator<Item = Waiter> + use<> {
        self.len.set(0);
        let first = self.first.take();
        first.into_iter().chain(self.rest.take().into_iter().flat_map(|rest| *rest))
    }

    /// Takes the only registration, if there is exactly one and it came first.
    #[inline]
    pub(crate) fn take_only(&self) -> Option<Waiter> {
        let waiter = if self.len.get() == 1 { self.first.take() } else { None };
        if waiter.is_some() {
            self.len.set(0);
        }
        waiter
    }
}

/// The registrations of something that is not a task but can be awaited and watched. For combinators.
pub struct Completion {
    list: DoneList,
    /// The loop whose queue takes the watchers and callbacks: the current one when the first of them was added.
    home: Cell<Option<Arc<Shared>>>,
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.fmt(f)
    }
}

impl Completion {
    /// Nobody waits yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: DoneList::new(), home: Cell::new(None) }
    }

    /// Wakes `waker` at the end. A second registration under the same `key` replaces the first.
    pub fn set_awaiter(&self, key: u64, waker: &Waker) {
        self.list.set_awaiter(key, waker);
    }

    /// Undoes `set_awaiter`.
    pub fn remove_awaiter(&self, key: u64) {
        self.list.remove_awaiter(key);
    }

    /// The tasks that wait for the end, directly or through what watches it.
    #[must_use]
    pub fn awaiters(&self) -> Vec<TaskHandle> {
        self.list.awaiters()
    }

    /// Tells `watcher` at the end, in an entry of the ready queue.
    pub fn watch(&self, watcher: Rc<dyn Watcher>, index: usize) {
        self.note_home();
        self.list.push(Waiter::Watch(watcher, index));
    }

    /// Undoes `watch`.
    pub fn unwatch(&self, watcher: &Rc<dyn Watcher>) {
        self.list.remove_watcher(watcher);
    }

    /// Tells `watcher` in an entry of the ready queue that is scheduled now: what it watches is done already.
    pub(crate) fn notify(&self, watcher: Rc<dyn Watcher>, index: usize) {
        self.note_home();
        self.schedule(Waiter::Watch(watcher, index), Location::caller(), ());
    }

    pub(crate) fn push_callback(&self, id: CallbackId, f: Box<dyn FnOnce()>) {
        self.note_home();
        self.list.push(Waiter::Callback(id, f));
    }

    pub(crate) fn remove_callback(&self, id: CallbackId) -> bool {
        self.list.remove_callback(id)
    }

    /// Notes the loop whose queue is to take what is being registered.
    fn note_home(&self) {
        let home = self.home.take().or_else(|| with_current(|home| home.shared.clone()));
        self.home.set(home);
    }

    /// Wakes the awaiters, and schedules watchers and callbacks, in the order in which they came.
    ///
    /// Without a loop there is no queue: watchers are told at once, so that a combinator works under another executor, and
    /// callbacks, which were added in a loop that is gone, are dropped.
    #[track_caller]
    pub fn finish(&self) {
        self.finish_keeping(&());
    }

    /// Like `finish`; clones of `kept` live until the watchers and callbacks have run.
    #[track_caller]
    pub(crate) fn finish_keeping<K: Clone + 'static>(&self, kept: &K) {
        let location = Location::caller();
        for waiter in self.list.take() {
            match waiter {
                Waiter::Awaiter(_, waker) => wake(waker),
                other => self.schedule(other, location, kept.clone()),
            }
        }
    }

    fn schedule<K: 'static>(&self, waiter: Waiter, location: &'static Location<'static>, kept: K) {
        let mut waiter = Some((waiter, kept));
        let mut schedule = |home: &Inner| {
            if let Some((waiter, kept)) = waiter.take() {
                let run = move || {
                    waiter.run();
                    drop(kept);
                };
                drop_contained(callback::schedule(home, None, location, run));
            }
        };
        let home = self.home.take();
        let home_is_none = home.is_none();
        match &home {
            Some(shared) => shared.with_home(schedule),
            None => with_current(&mut schedule).unwrap_or(()),
        }
        self.home.set(home);
        match waiter {
            Some((watch @ Waiter::Watch(..), _)) if home_is_none => {
                if let Err(payload) = contain(|| watch.run()) {
                    Fault::new("exception in a done-callback").payload(payload).report();
                }
            }
            waiter => drop_contained(waiter),
        }
    }
}

impl Default for Completion {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DoneList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DoneList").field("empty", &self.is_empty()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    struct Wakes(AtomicUsize);

    impl std::task::Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    struct Watch;

    impl Watcher for Watch {
        fn finished(self: Rc<Self>, _: usize) {}
    }

    /// What a registration is, for the model.
    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Model {
        /// Its key, and which waker.
        Awaiter(u64, usize),
        /// Which watcher, and its index.
        Watch(usize, usize),
        Callback(u64),
    }

    fn model(waiter: &Waiter, wakers: &[Waker], watchers: &[Rc<dyn Watcher>]) -> Model {
        match waiter {
            Waiter::Awaiter(key, waker) => {
                Model::Awaiter(*key, wakers.iter().position(|other| other.data() == waker.data()).unwrap())
            }
            Waiter::Watch(watcher, index) => {
                Model::Watch(watchers.iter().position(|other| Rc::ptr_eq(other, watcher)).unwrap(), *index)
            }
            Waiter::Callback(id, _) => Model::Callback(id.0),
        }
    }

    proptest::proptest! {
        #[test]
        fn a_done_list_agrees_with_a_vector(steps in proptest::collection::vec((0u8..9, 0u64..4, 0usize..3), 0..120)) {
            let list = DoneList::new();
            let mut expected: Vec<Model> = Vec::new();
            let wakers: Vec<Waker> = (0..3).map(|_| Arc::new(Wakes(AtomicUsize::new(0))).into()).collect();
            let watchers: Vec<Rc<dyn Watcher>> = (0..3).map(|n| -> Rc<dyn Watcher> {
                // Of a size, so that each has a place of its own.
                struct Sized(#[expect(dead_code, reason = "a size")] usize);
                impl Watcher for Sized {
                    fn finished(self: Rc<Self>, _: usize) {}
                }
                Rc::new(Sized(n))
            }).collect();
            for (step, key, which) in steps {
                match step {
                    0..=2 => {
                        list.set_awaiter(key, &wakers[which]);
                        let fresh = Model::Awaiter(key, which);
                        match expected.iter_mut().find(|m| matches!(m, Model::Awaiter(k, _) if *k == key)) {
                            Some(old) => *old = fresh,
                            None => expected.push(fresh),
                        }
                    }
                    3 => {
                        list.push(Waiter::Callback(CallbackId(key), Box::new(|| {})));
                        expected.push(Model::Callback(key));
                    }
                    4 => {
                        list.push(Waiter::Watch(watchers[which].clone(), key as usize));
                        expected.push(Model::Watch(which, key as usize));
                    }
                    5 => {
                        list.remove_awaiter(key);
                        expected.retain(|m| !matches!(m, Model::Awaiter(k, _) if *k == key));
                    }
                    6 => {
                        let before = expected.len();
                        expected.retain(|m| *m != Model::Callback(key));
                        proptest::prop_assert_eq!(list.remove_callback(CallbackId(key)), expected.len() < before);
                    }
                    7 => {
                        list.remove_watcher(&watchers[which]);
                        expected.retain(|m| !matches!(m, Model::Watch(w, _) if *w == which));
                    }
                    _ => {
                        let only = list.take_only();
                        if let Some(only) = only {
                            proptest::prop_assert_eq!(vec![model(&only, &wakers, &watchers)], expected.clone());
                            list.push(only);
                        } else {
                            // One in the vector is not "only": the fast path is for the one in place.
                            proptest::prop_assert!(expected.len() != 1 || !list.is_empty());
                        }
                    }
                }
                proptest::prop_assert_eq!(list.is_empty(), expected.is_empty());
            }
            let taken: Vec<Model> = list.take().map(|waiter| model(&waiter, &wakers, &watchers)).collect();
            proptest::prop_assert_eq!(taken, expected);
            proptest::prop_assert!(list.is_empty());
        }
    }

    #[test]
    fn dropping_a_registration_may_use_the_list() {
        struct Removes(Rc<DoneList>, u64);
        impl Drop for Removes {
            fn drop(&mut self) {
                self.0.remove_callback(CallbackId(self.1));
                self.0.push(Waiter::Watch(Rc::new(Watch), 0));
            }
        }
        let list = Rc::new(DoneList::new());
        for id in 0..3 {
            let removes = Removes(list.clone(), id + 1);
            list.push(Waiter::Callback(CallbackId(id), Box::new(move || drop(removes))));
        }
        assert!(list.remove_callback(CallbackId(0)));
        assert!(list.take().all(|waiter| matches!(waiter, Waiter::Watch(..))));
        assert!(list.is_empty());
    }
}
