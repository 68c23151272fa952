//! Programs that embed the library, by its examples.

pub(super) mod executor;

use std::path::PathBuf;

use crate::harness::{Outcome, skip};

pub(super) fn tests() -> Vec<crate::tests::Test> {
    executor::tests()
}

/// An example of the library, built beside this program.
pub(super) fn example(name: &str) -> Outcome<PathBuf> {
    let mut path = std::env::current_exe()?;
    path.set_file_name("examples");
    path.push(name);
    if !path.exists() {
        return skip(format!(
            "{} is missing (cargo build --package libcontainer --examples)",
            path.display()
        ));
    }
    Ok(path)
}
