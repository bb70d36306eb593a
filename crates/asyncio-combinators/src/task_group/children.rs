//! The children of a task group, in order of creation.

use asyncio_executor::TaskHandle;

use crate::task_group::ErrorSlot;

pub(super) struct Child {
    pub(super) task: TaskHandle,
    /// Where a child of `try_create_task` leaves its error.
    pub(super) error: Option<ErrorSlot>,
}

/// The children that have not ended, or whose end the group has not been told of, in order of creation.
///
/// Each is found by its number. The places of those that are gone are reclaimed when they are the majority, so a group
/// that lives long does not grow with every child that it ever had, and a child costs no allocation of its own.
#[derive(Default)]
pub(super) struct Children {
    list: Vec<(usize, Option<Child>)>,
    made: usize,
    pub(super) unfinished: usize,
}

impl Children {
    /// Adds a child, and returns its number.
    pub(super) fn push(&mut self, child: Child) -> usize {
        if self.list.len() > 2 * self.unfinished + RECLAIM_AT_LEAST {
            self.list.retain(|(_, child)| child.is_some());
        }
        let number = self.made;
        self.made += 1;
        self.unfinished += 1;
        self.list.push((number, Some(child)));
        number
    }

    pub(super) fn take(&mut self, number: usize) -> Option<Child> {
        let at = self.list.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        let child = self.list[at].1.take();
        self.unfinished -= usize::from(child.is_some());
        child
    }

    pub(super) fn tasks(&self) -> Vec<TaskHandle> {
        self.list.iter().filter_map(|(_, child)| child.as_ref()).map(|child| child.task.clone()).collect()
    }
}

/// Below so many free places a list of children is not worth walking. A group of a few children never is.
const RECLAIM_AT_LEAST: usize = 32;
