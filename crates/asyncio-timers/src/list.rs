//! Doubly linked lists that run through nodes owned by others: all of this crate's raw pointers are here.
//!
//! A [`Lists`] is a fixed number of FIFO lists, each known by its index. A [`Node`] is in at most one list of one
//! `Lists`. Each list is a ring: a sentinel, which belongs to the `Lists`, and the nodes in their order.
//!
//! # Why it is sound
//!
//! 1. Both links of a node are null (it is idle), or both are not (it is linked). The links of a sentinel are never
//!    null. Every link that is not null points to live [`Links`], and the neighbours agree: `a.next == b` exactly if
//!    `b.prev == a`. Each function here keeps this rule, and breaks it only while it runs.
//! 2. A ring has exactly one sentinel, inside the `Rc` of a `Lists<O, V, N>`. All others in it are the `links` of a
//!    `Node<O, V>` with the same `O` and `V`: `push_back` takes no other, and `Lists` is invariant in both. `links` is
//!    the first field of a `repr(C)` struct, so a pointer to it, once known not to be the sentinel, is one to the node.
//! 3. A node enters a ring in `push_back` only, which takes `Pin<&Node>`: its memory is neither moved nor used for
//!    anything else before `Node::drop` ran, and that unlinks it. A sentinel lives in an `Rc`, so it does not move with
//!    its `Lists` (a `Box` would claim that nobody else points into it), and `Lists::drop` unlinks all nodes. So what
//!    a link points to is alive.
//! 4. The pointer that a ring keeps to a node comes from a reference to the whole node, so it may be used for all of
//!    it. Nodes are accessed by shared reference, and every field is a `Cell`. The one `&mut Node` is that of
//!    `Node::drop`, where the node is reached through nothing else; the owner may hold a `Pin<&mut _>` to what
//!    surrounds the node, which claims no exclusive access since a node is not `Unpin`.
//! 5. No code of others runs in here: values and owners are moved in and out, and never dropped, cloned or compared.
//!    A reference made from a link does not outlive the call. So nothing can unlink or drop a node midway.
//! 6. Nodes and lists stay on one thread: raw pointers make them neither `Send` nor `Sync`.
#![expect(unsafe_code, reason = "intrusive lists link nodes by address; the rules above say why they stay valid")]

use std::cell::Cell;
use std::marker::{PhantomData, PhantomPinned};
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;

/// The two neighbours in a ring.
struct Links {
    prev: Cell<*const Links>,
    next: Cell<*const Links>,
}

impl Links {
    const fn idle() -> Self {
        Self { prev: Cell::new(ptr::null()), next: Cell::new(ptr::null()) }
    }
}

/// Makes `right` the successor of `left`.
///
/// # Safety
///
/// Both point to live links.
#[inline]
unsafe fn join(left: *const Links, right: *const Links) {
    // SAFETY: `left` is live by the contract of this function, and links are only ever shared (rule 4).
    unsafe { &*left }.next.set(right);
    // SAFETY: the same for `right`.
    unsafe { &*right }.prev.set(left);
}

/// What can be in a list: a key, and a value and its owner, which this file only carries.
#[repr(C)]
pub(crate) struct Node<O, V> {
    links: Links,
    key: Cell<u64>,
    pub(crate) owner: Cell<Option<O>>,
    pub(crate) value: Cell<Option<V>>,
    _pinned: PhantomPinned,
}

/// What a node leaves behind when it is unlinked.
#[must_use]
pub(crate) struct Unlinked {
    /// The key of the node.
    pub(crate) key: u64,
    /// Whether the list that it was in has no nodes now.
    pub(crate) left_empty: bool,
}

impl<O, V> Node<O, V> {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            links: Links::idle(),
            key: Cell::new(0),
            owner: Cell::new(None),
            value: Cell::new(None),
            _pinned: PhantomPinned,
        }
    }

    #[inline]
    pub(crate) fn is_linked(&self) -> bool {
        !self.links.next.get().is_null()
    }

    /// The key that the node was last linked with.
    pub(crate) fn key(&self) -> u64 {
        self.key.get()
    }

    /// Takes the node out of the list that it is in; `None` if it is in none. Owner and value stay in the node.
    #[inline]
    pub(crate) fn unlink(&self) -> Option<Unlinked> {
        let next = self.links.next.replace(ptr::null());
        if next.is_null() {
            return None;
        }
        let prev = self.links.prev.replace(ptr::null());
        // SAFETY: the node was linked, so both neighbours are live (rule 1).
        unsafe { join(prev, next) };
        // Only a sentinel can be on both sides (rule 2).
        Some(Unlinked { key: self.key.get(), left_empty: ptr::eq(prev, next) })
    }
}

impl<O, V> Drop for Node<O, V> {
    fn drop(&mut self) {
        let _ = self.unlink();
    }
}

/// `N` lists of nodes.
pub(crate) struct Lists<O, V, const N: usize> {
    sentinels: Rc<[Links; N]>,
    _nodes: PhantomData<Cell<Node<O, V>>>,
}

impl<O, V, const N: usize> Lists<O, V, N> {
    pub(crate) fn new() -> Self {
        let sentinels = Rc::new([const { Links::idle() }; N]);
        for sentinel in sentinels.iter() {
            sentinel.prev.set(sentinel);
            sentinel.next.set(sentinel);
        }
        Self { sentinels, _nodes: PhantomData }
    }

    pub(crate) fn is_empty(&self, list: usize) -> bool {
        let sentinel = &self.sentinels[list];
        ptr::eq(sentinel.next.get(), sentinel)
    }

    /// Links `node` behind all others.
    ///
    /// # Panics
    ///
    /// If the node is linked.
    #[inline]
    pub(crate) fn push_back(&self, list: usize, node: Pin<&Node<O, V>>, key: u64) {
        assert!(!node.is_linked(), "a node can be in one list only");
        node.key.set(key);
        self.link_last(list, ptr::from_ref(node.get_ref()).cast());
    }

    /// Links what is idle, and alive until it unlinks itself, behind all others.
    #[inline]
    fn link_last(&self, list: usize, links: *const Links) {
        let sentinel = &self.sentinels[list];
        let last = sentinel.prev.get();
        // SAFETY: the predecessor of a sentinel is live (rule 1); `links` is that of a pinned node (rule 3).
        unsafe { join(last, links) };
        // SAFETY: the same, and the sentinel is borrowed.
        unsafe { join(links, sentinel) };
    }

    /// The node that `links` is part of, or `None` if it is the sentinel of `list`.
    ///
    /// # Safety
    ///
    /// `links` comes from a link in the ring of `list`, and the ring has not changed since.
    unsafe fn node(&self, list: usize, links: *const Links) -> Option<&Node<O, V>> {
        if ptr::eq(links, &self.sentinels[list]) {
            return None;
        }
        // SAFETY: in the ring and not its sentinel, so a live node (rules 1 and 2) that may be shared (rule 4). The
        // reference is not used once others could run (rule 5).
        Some(unsafe { &*links.cast::<Node<O, V>>() })
    }

    fn first(&self, list: usize) -> Option<&Node<O, V>> {
        // SAFETY: read from the sentinel just now.
        unsafe { self.node(list, self.sentinels[list].next.get()) }
    }

    /// The key of the first node.
    pub(crate) fn front(&self, list: usize) -> Option<u64> {
        Some(self.first(list)?.key.get())
    }

    /// The key of the last node.
    pub(crate) fn back(&self, list: usize) -> Option<u64> {
        // SAFETY: read from the sentinel just now.
        let last = unsafe { self.node(list, self.sentinels[list].prev.get()) };
        Some(last?.key.get())
    }

    /// The smallest key; `None` if there is none, or if there are more than `limit` nodes.
    pub(crate) fn min(&self, list: usize, limit: usize) -> Option<u64> {
        let mut least = None;
        let mut links = self.sentinels[list].next.get();
        let mut seen = 0;
        // SAFETY: `links` was read from the sentinel or from a node of the same ring, and nothing changes it here.
        while let Some(node) = unsafe { self.node(list, links) } {
            if seen == limit {
                return None;
            }
            seen += 1;
            least = Some(least.map_or(node.key.get(), |least: u64| least.min(node.key.get())));
            links = node.links.next.get();
        }
        least
    }

    /// Unlinks the first node and hands out its owner and its value, either of which may be absent.
    pub(crate) fn pop_front(&self, list: usize) -> Option<(Option<O>, Option<V>)> {
        let node = self.first(list)?;
        let _ = node.unlink();
        Some((node.owner.take(), node.value.take()))
    }

    /// Moves the first node of `from`, if there is one, behind all of `to`.
    pub(crate) fn move_front(&self, from: usize, to: usize) {
        if let Some(node) = self.first(from) {
            let _ = node.unlink();
            self.link_last(to, ptr::from_ref(node).cast());
        }
    }

    /// Moves the last node of `from`, if there is one, before all of `to`.
    pub(crate) fn move_back(&self, from: usize, to: usize) {
        // SAFETY: read from the sentinel just now.
        if let Some(node) = unsafe { self.node(from, self.sentinels[from].prev.get()) } {
            let _ = node.unlink();
            let links = ptr::from_ref(node).cast();
            let sentinel = &self.sentinels[to];
            // SAFETY: the successor of a sentinel is live (rule 1), and so is the node (rule 3).
            unsafe { join(links, sentinel.next.get()) };
            // SAFETY: the same, and the sentinel is borrowed.
            unsafe { join(sentinel, links) };
        }
    }

    /// Moves all of `from`, in their order, behind all of `to`, another list.
    pub(crate) fn append(&self, from: usize, to: usize) {
        if self.is_empty(from) || from == to {
            return;
        }
        let (source, target) = (&self.sentinels[from], &self.sentinels[to]);
        let (first, last) = (source.next.replace(source), source.prev.replace(source));
        // SAFETY: `first` was in a ring, and the predecessor of a sentinel is live (rule 1).
        unsafe { join(target.prev.get(), first) };
        // SAFETY: `last` was in a ring, and the sentinel is borrowed.
        unsafe { join(last, target) };
    }
}

/// Leaves all nodes idle, with their owners and values.
impl<O, V, const N: usize> Drop for Lists<O, V, N> {
    fn drop(&mut self) {
        for list in 0..N {
            while let Some(node) = self.first(list) {
                let _ = node.unlink();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    type Three = Lists<(), u32, 3>;
    /// `None` once dropped.
    type Slot = Option<Pin<Box<Node<(), u32>>>>;

    fn nodes(count: usize) -> Vec<Slot> {
        (0..count).map(|_| Some(Box::pin(Node::new()))).collect()
    }

    fn pop(lists: &Three, list: usize) -> Option<u32> {
        lists.pop_front(list).map(|(_, value)| value.expect("pushed with a value"))
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(usize, usize),
        Unlink(usize),
        Drop(usize),
        Pop(usize),
        MoveFront(usize, usize),
        MoveBack(usize, usize),
        Append(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..3usize, 0..12usize).prop_map(|(list, node)| Step::Push(list, node)),
            2 => (0..12usize).prop_map(Step::Unlink),
            1 => (0..12usize).prop_map(Step::Drop),
            2 => (0..3usize).prop_map(Step::Pop),
            2 => (0..3usize, 0..3usize).prop_map(|(from, to)| Step::MoveFront(from, to)),
            2 => (0..3usize, 0..3usize).prop_map(|(from, to)| Step::MoveBack(from, to)),
            2 => (0..3usize, 0..3usize).prop_map(|(from, to)| Step::Append(from, to)),
        ]
    }

    proptest! {
        #[test]
        fn lists_behave_as_deques(steps in prop::collection::vec(step(), 0..80)) {
            let mut nodes = nodes(12);
            let lists = Three::new();
            let mut model: [VecDeque<u32>; 3] = Default::default();
            for step in steps {
                match step {
                    Step::Push(list, index) => if let Some(node) = &nodes[index] && !node.is_linked() {
                        node.value.set(Some(index as u32));
                        lists.push_back(list, node.as_ref(), index as u64);
                        model[list].push_back(index as u32);
                    },
                    Step::Unlink(index) => if let Some(node) = &nodes[index] {
                        let unlinked = node.unlink();
                        node.value.take();
                        let held = model.iter_mut().find(|list| list.contains(&(index as u32)));
                        prop_assert_eq!(unlinked.is_some(), held.is_some());
                        if let (Some(unlinked), Some(held)) = (unlinked, held) {
                            held.retain(|other| *other != index as u32);
                            prop_assert_eq!(unlinked.key, index as u64);
                            prop_assert_eq!(unlinked.left_empty, held.is_empty());
                        }
                    },
                    Step::Drop(index) => {
                        nodes[index] = None;
                        model.iter_mut().for_each(|list| list.retain(|other| *other != index as u32));
                    }
                    Step::Pop(list) => prop_assert_eq!(pop(&lists, list), model[list].pop_front()),
                    Step::MoveFront(from, to) => {
                        lists.move_front(from, to);
                        if let Some(front) = model[from].pop_front() {
                            model[to].push_back(front);
                        }
                    }
                    Step::MoveBack(from, to) => {
                        lists.move_back(from, to);
                        if let Some(back) = model[from].pop_back() {
                            model[to].push_front(back);
                        }
                    }
                    Step::Append(from, to) => {
                        lists.append(from, to);
                        let moved = std::mem::take(&mut model[from]);
                        model[to].extend(moved);
                    }
                }
                for (list, model) in model.iter().enumerate() {
                    let keys = || model.iter().map(|key| u64::from(*key));
                    prop_assert_eq!(lists.is_empty(list), model.is_empty());
                    prop_assert_eq!(lists.front(list), keys().next());
                    prop_assert_eq!(lists.back(list), keys().next_back());
                    prop_assert_eq!(lists.min(list, usize::MAX), keys().min());
                    prop_assert_eq!(lists.min(list, 2), keys().min().filter(|_| model.len() <= 2));
                }
            }
            for (list, model) in model.iter_mut().enumerate() {
                while let Some(expected) = model.pop_front() {
                    prop_assert_eq!(pop(&lists, list), Some(expected));
                }
            }
        }
    }

    #[test]
    fn dropping_the_lists_leaves_the_nodes_idle() {
        let nodes = nodes(5);
        let lists = Three::new();
        for (index, node) in nodes.iter().flatten().enumerate() {
            lists.push_back(index % 3, node.as_ref(), 0);
        }
        drop(lists);
        assert!(nodes.iter().flatten().all(|node| !node.is_linked() && node.unlink().is_none()));
    }

    #[test]
    #[should_panic(expected = "one list only")]
    fn a_linked_node_is_refused() {
        let node = Box::pin(Node::new());
        let lists = Three::new();
        lists.push_back(0, node.as_ref(), 0);
        lists.push_back(1, node.as_ref(), 0);
    }
}
