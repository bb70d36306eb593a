//! A stable merge sort of a list, without memory of its own: for timers armed with deadlines already past.
//!
//! Runs of one node, two, four and so on wait in bins, each double the one below; a new node is merged upward through
//! the bins that are full, as a carry goes through the ones of a binary number. What is in a higher bin was there
//! earlier, so it wins ties.

use crate::list::Lists;

/// Bins: bin `b` holds `2^b` nodes, and no machine holds `2^40` of them.
const BINS: usize = 40;
/// Lists that [`sort`] needs, from its argument `scratch` on; they are empty before and after.
pub(crate) const SCRATCH: usize = BINS + 2;

/// Sorts `list` by key. Nodes with equal keys keep their order.
///
/// Takes `n log n` steps for `n` nodes.
pub(crate) fn sort<O, V, const N: usize>(lists: &Lists<O, V, N>, list: usize, scratch: usize) {
    let (carry, merged) = (scratch + BINS, scratch + BINS + 1);
    while !lists.is_empty(list) {
        lists.move_front(list, carry);
        for bin in scratch..scratch + BINS {
            if lists.is_empty(bin) {
                lists.append(carry, bin);
                break;
            }
            merge(lists, bin, carry, merged);
            lists.append(merged, carry);
        }
    }
    for bin in scratch..scratch + BINS {
        merge(lists, bin, carry, merged);
        lists.append(merged, carry);
    }
    lists.append(carry, list);
}

/// Merges two sorted lists behind `to`; of equal keys those of `first` come first.
fn merge<O, V, const N: usize>(lists: &Lists<O, V, N>, first: usize, second: usize, to: usize) {
    while let (Some(a), Some(b)) = (lists.front(first), lists.front(second)) {
        lists.move_front(if b < a { second } else { first }, to);
    }
    lists.append(first, to);
    lists.append(second, to);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::Node;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_a_stable_sort(keys in prop::collection::vec(0..20u64, 0..200)) {
            let nodes: Vec<_> = keys.iter().map(|_| Box::pin(Node::<(), usize>::new())).collect();
            let lists = Lists::<(), usize, { SCRATCH + 1 }>::new();
            for (index, key) in keys.iter().enumerate() {
                nodes[index].value.set(Some(index));
                lists.push_back(0, nodes[index].as_ref(), *key);
            }
            sort(&lists, 0, 1);
            let mut expected: Vec<usize> = (0..keys.len()).collect();
            expected.sort_by_key(|index| keys[*index]);
            let sorted: Vec<usize> = std::iter::from_fn(|| lists.pop_front(0)?.1).collect();
            prop_assert_eq!(sorted, expected);
            prop_assert!((0..=SCRATCH).all(|list| lists.is_empty(list)));
        }
    }
}
