//! The program's entry, in place of the standard library's: that one makes a stack
//! for signal handlers and asks after signals, a dozen system calls and page faults
//! that a command of one millisecond, and the process inside a container, need not
//! pay for.
//!
//! What of it we rely on is done here: standard streams that are closed are opened
//! on /dev/null, so that no file of ours gets their numbers, and SIGPIPE is ignored.

#![expect(unsafe_code, reason = "the C entry point and its arguments")]

use std::ffi::{CStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStringExt;

/// The words that the program was started with.
pub(crate) fn words(count: c_int, first: *const *const c_char) -> Vec<OsString> {
    let count = usize::try_from(count).unwrap_or_default();
    let words = if first.is_null() {
        &[]
    } else {
        // SAFETY: main is given this many pointers (C23, 5.1.2.3.2), which live as
        // long as the program.
        unsafe { std::slice::from_raw_parts(first, count) }
    };
    let text = words.iter().map(|word| {
        // SAFETY: each points to a C string that lives as long as the program.
        unsafe { CStr::from_ptr(*word) }
    });
    text.map(|text| OsString::from_vec(text.to_bytes().to_vec()))
        .collect()
}
