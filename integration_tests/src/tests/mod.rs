//! The tests, by area.

mod attacks;
mod cgroup;
mod checkpoint;
mod devices;
mod engines;
mod exec;
mod faults;
mod fixtures;
mod hooks;
mod input;
mod intelrdt;
mod kernel;
mod library;
mod lifecycle;
mod lsm;
mod mounts;
mod namespaces;
mod network;
mod process;
mod rootfs;
mod rootless;
mod scale;
mod seccomp;
mod systemd;
mod terminal;

pub(crate) use attacks::{WATCHER, watch};
use libtest_mimic::{Completion, Failed, Trial};

use crate::harness::{Case, Fault, Outcome};

/// A test: its area, its name, and what it does with a world of its own.
#[derive(Debug, Clone, Copy)]
struct Test {
    area: &'static str,
    name: &'static str,
    body: fn(&Case) -> Outcome,
}

/// The list of a file's tests.
macro_rules! list {
    ($area:literal: $($test:ident),* $(,)?) => {
        pub(super) fn tests() -> Vec<crate::tests::Test> {
            vec![$(crate::tests::Test { area: $area, name: stringify!($test), body: $test }),*]
        }
    };
}
use list;

/// All tests.
pub(crate) fn trials() -> Vec<Trial> {
    let all = [
        lifecycle::tests(),
        process::tests(),
        exec::tests(),
        mounts::tests(),
        rootfs::tests(),
        rootfs::without_mount_api(),
        rootless::tests(),
        devices::tests(),
        namespaces::tests(),
        network::tests(),
        cgroup::tests(),
        checkpoint::tests(),
        systemd::tests(),
        hooks::tests(),
        seccomp::tests(),
        terminal::tests(),
        input::tests(),
        intelrdt::tests(),
        kernel::tests(),
        library::tests(),
        lsm::tests(),
        fixtures::tests(),
        faults::tests(),
        scale::tests(),
        attacks::tests(),
        engines::tests(),
    ];
    all.into_iter().flatten().map(trial).collect()
}

fn trial(test: Test) -> Trial {
    Trial::ignorable_test(format!("{}::{}", test.area, test.name), move || {
        let ended = Case::new().and_then(|case| {
            let outcome = (test.body)(&case);
            case.end(outcome)
        });
        match ended {
            Ok(()) => Ok(Completion::Completed),
            Err(Fault::Skipped(reason)) => Ok(Completion::ignored_with(reason)),
            Err(Fault::Failed(why)) => Err(Failed::from(why)),
        }
    })
}
