//! Known ways out of a container, tried. A decoy tree lies beside the root file
//! system; it must be the same afterwards, whatever the runtime answered.
//!
//! The tests are numbered by idea, T1 to T16, and each file says which published
//! holes of container runtimes it stands for. They use the commands that all
//! runtimes share, so that `hack/attack` can ask the same of any: what is about
//! lodge alone says so and is skipped for others. The binary under test may be
//! bad: the tests aim at targets that do no harm, yet a bad runtime writes to the
//! host's `core_pattern` or makes device nodes where it should not. Try strangers in
//! a guest (`hack/vm`).

mod decoy;
mod storm;
mod t01_links;
mod t02_devices;
mod t03_procfs;
mod t04_over_proc;
mod t05_cgroup;
mod t06_descriptors;
mod t07_ptrace;
mod t08_own_binary;
mod t09_hooks;
mod t10_races;
mod t11_capabilities;
mod t12_ids;
mod t13_names;
mod t14_delete;
mod t15_configuration;
mod t16_calls;
mod watcher;
mod ways;

use decoy::Decoy;
pub(crate) use watcher::{WORD as WATCHER, watch};

pub(super) fn tests() -> Vec<super::Test> {
    [
        t01_links::tests(),
        t02_devices::tests(),
        t03_procfs::tests(),
        t04_over_proc::tests(),
        t05_cgroup::tests(),
        t06_descriptors::tests(),
        t07_ptrace::tests(),
        t08_own_binary::tests(),
        t09_hooks::tests(),
        t10_races::tests(),
        t11_capabilities::tests(),
        t12_ids::tests(),
        t13_names::tests(),
        t14_delete::tests(),
        t15_configuration::tests(),
        t16_calls::tests(),
    ]
    .concat()
}
