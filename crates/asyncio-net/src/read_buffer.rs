//! Bytes that were received and not read yet.

use std::io::BufRead;
use std::mem;

/// An empty buffer whose allocation is larger than this is given back to the allocator.
const KEEP_UP_TO: usize = 64 * 1024;

/// A queue of bytes, in one piece.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
    /// What is before it has been read.
    head: usize,
}

impl ReadBuffer {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.head
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.head..]
    }

    pub(crate) fn push(&mut self, data: &[u8]) {
        if self.head > 0 && self.bytes.len() + data.len() > self.bytes.capacity() {
            // What was read makes room before the allocation grows.
            self.bytes.drain(..mem::take(&mut self.head));
        }
        if self.bytes.capacity() == 0 {
            // Most often a read takes it as it is.
            self.bytes = data.to_vec();
        } else {
            self.bytes.extend_from_slice(data);
        }
    }

    /// Makes room for so many more bytes, if there is none.
    #[cfg(feature = "rustls")]
    pub(crate) fn reserve(&mut self, count: usize) {
        self.bytes.reserve(count);
    }

    /// Moves all of `other` to the end of this.
    pub(crate) fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            mem::swap(self, other);
        } else {
            self.push(other.as_slice());
        }
        other.clear();
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.head += count;
        debug_assert!(self.head <= self.bytes.len());
        if self.head == self.bytes.len() {
            self.clear();
        }
    }

    /// Takes the first `count` bytes, or all if there are fewer.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        if count >= self.len() {
            return self.take_all();
        }
        let taken = self.as_slice()[..count].to_vec();
        self.consume(count);
        taken
    }

    /// Takes everything; without a copy, if nothing was read before.
    pub(crate) fn take_all(&mut self) -> Vec<u8> {
        let head = mem::take(&mut self.head);
        let mut bytes = mem::take(&mut self.bytes);
        if head > 0 {
            bytes.drain(..head);
        }
        bytes
    }

    pub(crate) fn clear(&mut self) {
        self.head = 0;
        self.bytes.clear();
        if self.bytes.capacity() > KEEP_UP_TO {
            self.bytes = Vec::new();
        }
    }

    /// The start of the first `pattern` at or after `offset`. The pattern is not empty.
    pub(crate) fn find(&self, pattern: &[u8], mut offset: usize) -> Option<usize> {
        let bytes = self.as_slice();
        loop {
            let rest = bytes.get(offset..)?;
            // The standard library's search for a byte, which is the system's `memchr`.
            let mut at = rest;
            let through = at.skip_until(pattern[0]).ok()?;
            let start = through.checked_sub(1)?;
            if rest[start] != pattern[0] {
                return None;
            }
            if rest[start..].starts_with(pattern) {
                return Some(offset + start);
            }
            offset += through;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pattern_is_found_where_it_first_is(
            bytes in proptest::collection::vec(0u8..3, 0..40),
            pattern in proptest::collection::vec(0u8..3, 1..4),
            head in 0usize..10,
            offset in 0usize..10,
        ) {
            let mut buffer = ReadBuffer::default();
            buffer.push(&bytes);
            buffer.consume(head.min(bytes.len()));
            let rest = &bytes[head.min(bytes.len())..];
            let expected = rest.windows(pattern.len()).enumerate().position(|(at, window)| at >= offset && window == pattern);
            prop_assert_eq!(buffer.find(&pattern, offset), expected);
        }

        #[test]
        fn bytes_come_out_as_they_went_in(steps in proptest::collection::vec((0usize..300, 0usize..300, any::<bool>()), 1..60)) {
            let (mut buffer, mut model, mut next) = (ReadBuffer::default(), Vec::new(), 0u8);
            for (pushed, taken, through_another) in steps {
                let data: Vec<u8> = (0..pushed).map(|_| { next = next.wrapping_add(1); next }).collect();
                model.extend_from_slice(&data);
                if through_another {
                    let mut other = ReadBuffer::default();
                    other.push(&data);
                    buffer.append(&mut other);
                    prop_assert!(other.is_empty());
                } else {
                    buffer.push(&data);
                }
                let taken = buffer.take(taken);
                let expected: Vec<u8> = model.drain(..taken.len()).collect();
                prop_assert_eq!(taken, expected);
                prop_assert_eq!(buffer.as_slice(), &model);
            }
        }
    }
}
