//! What the tests of the commands share.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use crate::args::{Intent, Words, parse, read};
use crate::session::Session;
use libcontainer::container::StateRoot;
use libcontainer::lifecycle::{CgroupManager, Rootless};

/// The words of a command line that is right.
pub(super) fn words(argv: &[&str]) -> Words {
    let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
    let Intent::Run(_, ordered) = read("lodge", &argv) else {
        panic!("{argv:?}");
    };
    match parse(&ordered) {
        Ok((_, Some(words))) => words,
        other => panic!("{other:?}"),
    }
}

/// A session that is nobody's.
pub(super) fn session() -> Session {
    Session {
        root: StateRoot::at("/nonexistent"),
        cgroup_manager: CgroupManager::Systemd,
        rootless: Rootless::True,
    }
}
