//! What a socket did not take yet.

use std::collections::VecDeque;
use std::io::IoSlice;

/// Bytes that are added below this size are copied behind the last chunk, above it they are a chunk of their own: it trades
/// memory moved against pieces per system call.
const JOIN_BELOW: usize = 16 * 1024;

/// How many pieces one system call is given at most. More is allowed, and gains nothing once the pieces are joined.
pub(crate) const MOST_SLICES: usize = 64;

/// A queue of bytes in chunks, written from the front. Empty it is a null pointer: most connections have nothing to keep.
#[derive(Debug, Default)]
pub(crate) struct WriteBuffer(Option<Box<Chunks>>);

#[derive(Debug, Default)]
struct Chunks {
    chunks: VecDeque<Vec<u8>>,
    /// How much of the first chunk is written.
    head: usize,
    len: usize,
}

impl WriteBuffer {
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |kept| kept.len)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Adds bytes at the end.
    pub(crate) fn push(&mut self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let kept = self.0.get_or_insert_default();
        kept.len += data.len();
        match kept.chunks.back_mut() {
            Some(last) if last.len() + data.len() <= JOIN_BELOW => last.extend_from_slice(data),
            _ => kept.chunks.push_back(data.to_vec()),
        }
    }

    /// The first pieces, in order.
    pub(crate) fn slices(&self) -> ([IoSlice<'_>; MOST_SLICES], usize) {
        let mut slices = [IoSlice::new(&[]); MOST_SLICES];
        let mut count = 0;
        if let Some(kept) = &self.0 {
            for (slice, chunk) in slices.iter_mut().zip(&kept.chunks) {
                let skipped = if count == 0 { kept.head } else { 0 };
                *slice = IoSlice::new(&chunk[skipped..]);
                count += 1;
            }
        }
        (slices, count)
    }

    /// Removes bytes from the front: they were written. There are at least so many.
    pub(crate) fn consume(&mut self, count: usize) {
        let Some(kept) = &mut self.0 else { return };
        if count == kept.len {
            self.clear();
        } else {
            kept.consume(count);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

impl Chunks {
    fn consume(&mut self, mut count: usize) {
        self.len -= count;
        while count > 0 {
            let left = self.chunks[0].len() - self.head;
            if count < left {
                self.head += count;
                return;
            }
            count -= left;
            self.head = 0;
            self.chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // Each case moves megabytes, since pieces have to be larger than what is joined.
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Whatever is pushed and consumed in whatever pieces, the bytes come out as they went in.
        #[test]
        fn bytes_come_out_as_they_went_in(
            steps in proptest::collection::vec((0usize..40_000, 0usize..60_000), 1..60),
        ) {
            let mut buffer = WriteBuffer::default();
            let mut model = VecDeque::new();
            let mut next = 0u8;
            for (pushed, consumed) in steps {
                let data: Vec<u8> = (0..pushed).map(|_| { next = next.wrapping_add(1); next }).collect();
                buffer.push(&data);
                model.extend(data);
                let (slices, count) = buffer.slices();
                let shown: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
                prop_assert!(shown.len() == model.len() || count == MOST_SLICES);
                prop_assert!(shown.iter().eq(model.iter().take(shown.len())));
                let consumed = consumed.min(shown.len());
                buffer.consume(consumed);
                model.drain(..consumed);
                prop_assert_eq!(buffer.len(), model.len());
                prop_assert_eq!(buffer.is_empty(), model.is_empty());
            }
        }
    }
}
