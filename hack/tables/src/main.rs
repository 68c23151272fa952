//! Writes the committed tables from their sources.
fn main() {}
