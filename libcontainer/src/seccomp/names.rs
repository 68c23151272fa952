//! System call names to numbers.
//!
//! The table is written a row a call, for the reader, and turned at compile time
//! into one text and one column of numbers an architecture: without pointers,
//! so that no start of the program pays for relocating it, and without pages
//! that the profile's architectures do not need.

use std::cmp::Ordering;

use super::arch::Arch;
use super::table::ROWS;

const COLUMNS: usize = ROWS[0].1.len();

/// No such call on this architecture.
const NO: u16 = u16::MAX;

/// x32 marks its numbers with this bit (`__X32_SYSCALL_BIT`).
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// Where arm's private calls begin (`__ARM_NR_BASE`), in the table and in truth.
const ARM_PRIVATE: u16 = 0xf000;
pub(super) const ARM_PRIVATE_BASE: u32 = 0x000f_0000;

/// The names, one after the other.
static TEXT: [u8; text_len()] = text();
/// Where each name begins in the text, and the end of the last.
static STARTS: [u16; ROWS.len() + 1] = starts();
/// The numbers, a column an architecture.
static NUMBERS: [[u16; ROWS.len()]; COLUMNS] = numbers();

/// A system call that some architecture has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call(usize);

impl Call {
    /// The call of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let (mut low, mut high) = (0, ROWS.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match name_at(middle).cmp(name.as_bytes()) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Some(Self(middle)),
            }
        }
        None
    }

    /// Its number on this architecture, as the kernel passes it.
    pub(super) fn number(self, arch: Arch) -> Option<u32> {
        let number = *NUMBERS.get(arch.column())?.get(self.0)?;
        if number == NO {
            return None;
        }
        Some(if arch == Arch::X32 {
            X32_BIT | u32::from(number)
        } else if arch == Arch::Arm && number >= ARM_PRIVATE {
            ARM_PRIVATE_BASE + u32::from(number - ARM_PRIVATE)
        } else {
            u32::from(number)
        })
    }
}

fn name_at(row: usize) -> &'static [u8] {
    let bounds = STARTS.get(row).zip(STARTS.get(row + 1));
    bounds
        .and_then(|(start, end)| TEXT.get(usize::from(*start)..usize::from(*end)))
        .unwrap_or_default()
}

#[expect(clippy::indexing_slicing, reason = "a fault would not compile")]
const fn text_len() -> usize {
    let (mut row, mut len) = (0, 0);
    while row < ROWS.len() {
        len += ROWS[row].0.len();
        row += 1;
    }
    len
}

#[expect(clippy::indexing_slicing, reason = "a fault would not compile")]
const fn text() -> [u8; text_len()] {
    let mut text = [0; text_len()];
    let (mut row, mut at) = (0, 0);
    while row < ROWS.len() {
        let name = ROWS[row].0.as_bytes();
        let mut letter = 0;
        while letter < name.len() {
            text[at] = name[letter];
            at += 1;
            letter += 1;
        }
        row += 1;
    }
    text
}

#[expect(clippy::indexing_slicing, reason = "a fault would not compile")]
#[expect(clippy::as_conversions, reason = "a const fn has no try_from")]
#[expect(clippy::cast_possible_truncation, reason = "asserted")]
const fn starts() -> [u16; ROWS.len() + 1] {
    assert!(text_len() < u16::MAX as usize);
    let mut starts = [0; ROWS.len() + 1];
    let mut row = 0;
    while row < ROWS.len() {
        starts[row + 1] = starts[row] + ROWS[row].0.len() as u16;
        row += 1;
    }
    starts
}

#[expect(clippy::indexing_slicing, reason = "a fault would not compile")]
#[expect(clippy::large_stack_arrays, reason = "the compiler's stack alone")]
const fn numbers() -> [[u16; ROWS.len()]; COLUMNS] {
    let mut numbers = [[NO; ROWS.len()]; COLUMNS];
    let mut row = 0;
    while row < ROWS.len() {
        let mut column = 0;
        while column < COLUMNS {
            numbers[column][row] = ROWS[row].1[column];
            column += 1;
        }
        row += 1;
    }
    numbers
}
