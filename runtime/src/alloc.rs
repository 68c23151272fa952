//! The allocator: blocks follow one another in a fixed arena, and are given back
//! only from its end. A command lives for milliseconds, and its start must not pay
//! for a heap; what does not fit goes to the system's allocator.
//!
//! Loops that wait in the foreground allocate nothing.

#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More than any command needs but for `list` with thousands of containers. Pages
/// that are never touched cost nothing.
const ARENA: usize = 8 << 20;

#[cfg_attr(not(test), global_allocator)]
#[cfg_attr(test, expect(dead_code, reason = "tests use arenas of their own"))]
static ALLOCATOR: Bump<ARENA> = Bump::new();

/// An arena of `SIZE` bytes, of which `used` are handed out.
struct Bump<const SIZE: usize> {
    memory: Memory<SIZE>,
    used: AtomicUsize,
}

/// Aligned so that the first block needs no gap.
#[repr(align(16))]
struct Memory<const SIZE: usize>(UnsafeCell<[MaybeUninit<u8>; SIZE]>);

// SAFETY: the memory is reached only through blocks, and `used` gives every byte to
// one block at a time.
unsafe impl<const SIZE: usize> Sync for Memory<SIZE> {}

impl<const SIZE: usize> Bump<SIZE> {
    const fn new() -> Self {
        Self {
            memory: Memory(UnsafeCell::new([MaybeUninit::uninit(); SIZE])),
            used: AtomicUsize::new(0),
        }
    }

    fn base(&self) -> *mut u8 {
        self.memory.0.get().cast()
    }

    /// Where a block lies in the arena; `None` for the system's.
    fn offset(&self, block: *mut u8) -> Option<usize> {
        let offset = block.addr().wrapping_sub(self.base().addr());
        (offset < SIZE).then_some(offset)
    }

    /// Takes a block from the end, or `None` when it does not fit.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        let mut used = self.used.load(Ordering::Acquire);
        loop {
            let address = self.base().addr().checked_add(used)?;
            let gap = address.wrapping_neg() & layout.align().checked_sub(1)?;
            let start = used.checked_add(gap)?;
            let end = start.checked_add(layout.size())?;
            if end > SIZE || start == SIZE {
                return None;
            }
            match self.move_end(used, end) {
                // SAFETY: start is below SIZE, so it lies within the arena.
                Ok(()) => return Some(unsafe { self.base().add(start) }),
                Err(now) => used = now,
            }
        }
    }

    /// Moves the end, if nobody else has; else says where it is. Acquire and
    /// release, because a block that is given back may be another thread's next.
    fn move_end(&self, from: usize, to: usize) -> Result<(), usize> {
        self.used
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
    }
}

// SAFETY: a block of the arena is aligned, within it and overlaps no other live one,
// because `take` moves the end past it and `dealloc` and `realloc` move the end only
// where it is that block's own; the others are the system's, and go back to it.
unsafe impl<const SIZE: usize> GlobalAlloc for Bump<SIZE> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some(block) => block,
            // SAFETY: the caller's promises about the layout are passed on.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(start) = self.offset(block) else {
            // SAFETY: not from the arena, so from the system, with this layout.
            return unsafe { System.dealloc(block, layout) };
        };
        // A block that is not the last stays: nothing is gained by knowing it.
        let _ = self.move_end(start.wrapping_add(layout.size()), start);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(start) = self.offset(block) else {
            // SAFETY: not from the arena, so from the system, with this layout.
            return unsafe { System.realloc(block, layout, size) };
        };
        let fits = SIZE.checked_sub(start).is_some_and(|room| size <= room);
        let end = start.wrapping_add(layout.size());
        if fits && self.move_end(end, start.wrapping_add(size)).is_ok() {
            return block;
        }
        if size <= layout.size() {
            return block;
        }
        let Ok(larger) = Layout::from_size_align(size, layout.align()) else {
            return std::ptr::null_mut();
        };
        // SAFETY: the caller promises a size that is not zero.
        let moved = unsafe { self.alloc(larger) };
        if !moved.is_null() {
            // SAFETY: both blocks hold at least the old size, and a new block
            // overlaps no live one.
            unsafe { std::ptr::copy_nonoverlapping(block, moved, layout.size()) };
        }
        moved
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::Bump;
    use std::alloc::{GlobalAlloc as _, Layout};

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    fn alloc<const SIZE: usize>(bump: &Bump<SIZE>, layout: Layout) -> *mut u8 {
        // SAFETY: no layout here is of size zero.
        unsafe { bump.alloc(layout) }
    }

    fn dealloc<const SIZE: usize>(bump: &Bump<SIZE>, block: *mut u8, layout: Layout) {
        // SAFETY: each test gives back its own blocks, with the layout they have.
        unsafe { bump.dealloc(block, layout) };
    }

    fn realloc<const SIZE: usize>(
        bump: &Bump<SIZE>,
        block: *mut u8,
        layout: Layout,
        size: usize,
    ) -> *mut u8 {
        // SAFETY: as for dealloc, and no size is zero.
        unsafe { bump.realloc(block, layout, size) }
    }

    fn write(block: *mut u8, bytes: &[u8]) {
        // SAFETY: the block is at least as long.
        unsafe { std::slice::from_raw_parts_mut(block, bytes.len()) }.copy_from_slice(bytes);
    }

    fn read<'a>(block: *mut u8, length: usize) -> &'a [u8] {
        // SAFETY: the block is at least as long, and written.
        unsafe { std::slice::from_raw_parts(block, length) }
    }

    #[test]
    fn blocks_are_aligned_and_apart() {
        static BUMP: Bump<4096> = Bump::new();
        let mut end = 0;
        for (size, align) in [
            (1, 1),
            (8, 8),
            (3, 2),
            (64, 64),
            (1, 1),
            (16, 16),
            (128, 256),
        ] {
            let block = alloc(&BUMP, layout(size, align));
            assert_eq!(block.addr() % align, 0);
            assert!(BUMP.offset(block).is_some());
            assert!(block.addr() >= end);
            end = block.addr() + size;
        }
    }

    #[test]
    fn the_last_block_is_given_back_and_grown_in_place() {
        static BUMP: Bump<4096> = Bump::new();
        let eight = layout(8, 8);
        let first = alloc(&BUMP, eight);
        let second = alloc(&BUMP, eight);
        assert_eq!(realloc(&BUMP, second, eight, 100), second);
        assert_eq!(realloc(&BUMP, second, layout(100, 8), 16), second);
        let third = alloc(&BUMP, eight);
        assert_eq!(third.addr(), second.addr() + 16);
        dealloc(&BUMP, third, eight);
        assert_eq!(alloc(&BUMP, eight), third);
        // One in the middle stays where it is, and taken.
        dealloc(&BUMP, first, eight);
        assert!(alloc(&BUMP, eight).addr() > third.addr());
    }

    #[test]
    fn a_block_that_moves_keeps_its_bytes() {
        static BUMP: Bump<4096> = Bump::new();
        let four = layout(4, 4);
        let block = alloc(&BUMP, four);
        write(block, &[1, 2, 3, 4]);
        let behind = alloc(&BUMP, four);
        let moved = realloc(&BUMP, block, four, 8);
        assert!(moved.addr() > behind.addr());
        assert_eq!(read(moved, 4), [1, 2, 3, 4]);
        // Shrinking needs no move.
        assert_eq!(realloc(&BUMP, block, four, 2), block);
    }

    #[test]
    fn what_does_not_fit_is_the_systems() {
        static BUMP: Bump<64> = Bump::new();
        let block = alloc(&BUMP, layout(48, 1));
        assert!(BUMP.offset(block).is_some());
        let large = layout(100, 16);
        let outside = alloc(&BUMP, large);
        assert!(!outside.is_null() && BUMP.offset(outside).is_none());
        let outside = realloc(&BUMP, outside, large, 200);
        dealloc(&BUMP, outside, layout(200, 16));
        // Growing over the end moves out, with the bytes.
        write(block, &[7; 48]);
        let moved = realloc(&BUMP, block, layout(48, 1), 65);
        assert!(BUMP.offset(moved).is_none());
        assert_eq!(read(moved, 48), [7; 48]);
        dealloc(&BUMP, moved, layout(65, 1));
        // The rest of the arena is still there.
        let last = alloc(&BUMP, layout(16, 1));
        assert!(BUMP.offset(last).is_some());
        let full = alloc(&BUMP, layout(1, 1));
        assert!(BUMP.offset(full).is_none());
        dealloc(&BUMP, full, layout(1, 1));
    }

    #[test]
    fn threads_never_share_a_block() {
        static BUMP: Bump<65536> = Bump::new();
        let take = || {
            let mut blocks = Vec::new();
            for n in 1..200_usize {
                let block = alloc(&BUMP, layout(16, 8));
                if n % 3 == 0 {
                    dealloc(&BUMP, block, layout(16, 8));
                } else {
                    blocks.push(block.addr());
                }
            }
            blocks
        };
        let mut all: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn hostile_sizes_are_refused() {
        static BUMP: Bump<64> = Bump::new();
        let huge = layout(isize::MAX.unsigned_abs(), 1);
        assert!(BUMP.take(huge).is_none());
        assert_eq!(
            BUMP.take(layout(64, 16)).map(|block| BUMP.offset(block)),
            Some(Some(0))
        );
        assert!(BUMP.take(layout(1, 4096)).is_none());
    }
}
