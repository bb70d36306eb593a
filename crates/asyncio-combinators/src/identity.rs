#![expect(unsafe_code, reason = "a reference is given the other name of its type")]
//! Recognition of a type whose lifetimes are not known to be `'static`.

/// `value` as a `B`, if that is what it is.
///
/// Types that differ in lifetimes only count as the same here. That is sound where `B` is named with the parts of `A`,
/// whose lifetimes it so keeps: in this crate it is always a handle whose parameter is the output of `A`.
pub(crate) fn same<A, B>(value: &A) -> Option<&B> {
    if typeid::of::<A>() != typeid::of::<B>() {
        return None;
    }
    // SAFETY: the same type but for lifetimes, so of the same layout, and `B` keeps those of `A`.
    Some(unsafe { &*std::ptr::from_ref(value).cast::<B>() })
}
