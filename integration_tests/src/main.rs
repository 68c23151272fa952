//! Drives the real binary as root.
fn main() {}
