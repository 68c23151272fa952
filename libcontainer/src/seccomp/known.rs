//! The words of the spec that this runtime knows, for `features`.

use super::arch::Arch;
use crate::spec::oci::LinuxSeccompFilterFlag as Flag;
use crate::sys::seccomp::{knows_action, knows_flags};

/// Actions, with the value that the kernel is asked about.
const ACTIONS: [(&str, u32); 9] = [
    ("SCMP_ACT_ALLOW", libc::SECCOMP_RET_ALLOW),
    ("SCMP_ACT_ERRNO", libc::SECCOMP_RET_ERRNO),
    ("SCMP_ACT_KILL", libc::SECCOMP_RET_KILL),
    ("SCMP_ACT_KILL_PROCESS", libc::SECCOMP_RET_KILL_PROCESS),
    ("SCMP_ACT_KILL_THREAD", libc::SECCOMP_RET_KILL_THREAD),
    ("SCMP_ACT_LOG", libc::SECCOMP_RET_LOG),
    ("SCMP_ACT_NOTIFY", libc::SECCOMP_RET_USER_NOTIF),
    ("SCMP_ACT_TRACE", libc::SECCOMP_RET_TRACE),
    ("SCMP_ACT_TRAP", libc::SECCOMP_RET_TRAP),
];

const OPERATORS: [&str; 7] = [
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
];

const FLAGS: [(&str, Flag); 4] = [
    ("SECCOMP_FILTER_FLAG_TSYNC", Flag::SeccompFilterFlagTsync),
    (
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        Flag::SeccompFilterFlagSpecAllow,
    ),
    ("SECCOMP_FILTER_FLAG_LOG", Flag::SeccompFilterFlagLog),
    (
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
        Flag::SeccompFilterFlagWaitKillableRecv,
    ),
];

// `SECCOMP_FILTER_FLAG_*` of <linux/seccomp.h>; libc has them as `c_ulong`, and
// the plan keeps 32 bits.
const FLAG_TSYNC: u32 = 1;
const FLAG_LOG: u32 = 1 << 1;
const FLAG_SPEC_ALLOW: u32 = 1 << 2;
pub(super) const FLAG_NEW_LISTENER: u32 = 1 << 3;
pub(super) const FLAG_WAIT_KILLABLE_RECV: u32 = 1 << 5;

/// What runc sets where the profile has no `flags`; every kernel from 4.17.
pub(super) const DEFAULT_FLAGS: u32 = FLAG_SPEC_ALLOW;

/// The kernel's bit for a flag of the spec.
fn bit(flag: Flag) -> u32 {
    match flag {
        Flag::SeccompFilterFlagTsync => FLAG_TSYNC,
        Flag::SeccompFilterFlagLog => FLAG_LOG,
        Flag::SeccompFilterFlagSpecAllow => FLAG_SPEC_ALLOW,
        Flag::SeccompFilterFlagWaitKillableRecv => FLAG_WAIT_KILLABLE_RECV,
    }
}

/// The bit to install the filter with.
///
/// TSYNC is accepted and dropped, as runc does: the filter is installed by the
/// one thread of a process that is about to exec.
pub(super) fn installed_bit(flag: Flag) -> u32 {
    bit(flag) & !FLAG_TSYNC
}

/// The actions of the spec, sorted.
#[must_use]
pub fn known_actions() -> Vec<&'static str> {
    ACTIONS.iter().map(|(name, _)| *name).collect()
}

/// The actions that this kernel has. Asks the kernel.
#[must_use]
pub fn supported_actions() -> Vec<&'static str> {
    let known = ACTIONS.iter().filter(|(_, action)| knows_action(*action));
    known.map(|(name, _)| *name).collect()
}

/// The operators of the spec, sorted.
#[must_use]
pub fn known_operators() -> Vec<&'static str> {
    OPERATORS.to_vec()
}

/// The architectures that can be filtered, sorted.
#[must_use]
pub fn known_archs() -> Vec<&'static str> {
    let mut names: Vec<_> = Arch::ALL.into_iter().map(Arch::name).collect();
    names.sort_unstable();
    names
}

/// The flags of the spec, and TSYNC.
#[must_use]
pub fn known_flags() -> Vec<&'static str> {
    FLAGS.iter().map(|(name, _)| *name).collect()
}

/// The flags that this kernel has. Asks the kernel.
#[must_use]
pub fn supported_flags() -> Vec<&'static str> {
    let known = FLAGS.iter().filter(|(_, flag)| {
        let bit = bit(*flag);
        // It is refused without a listener.
        let needs = if bit == FLAG_WAIT_KILLABLE_RECV {
            FLAG_NEW_LISTENER
        } else {
            0
        };
        knows_flags(bit | needs)
    });
    known.map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_spelled_as_in_the_spec() {
        for list in [known_actions(), known_operators(), known_archs()] {
            assert!(list.is_sorted(), "{list:?}");
        }
        for action in known_actions() {
            assert!(
                action
                    .parse::<crate::spec::oci::LinuxSeccompAction>()
                    .is_ok()
            );
        }
        for operator in known_operators() {
            assert!(
                operator
                    .parse::<crate::spec::oci::LinuxSeccompOperator>()
                    .is_ok()
            );
        }
        for (name, flag) in FLAGS {
            assert_eq!(name.parse::<Flag>().ok(), Some(flag));
        }
        for arch in Arch::ALL {
            let spec = arch.name().parse::<crate::spec::oci::Arch>().ok();
            let read = spec.map(|spec| Arch::from_spec(spec, Arch::X86_64));
            assert_eq!(read, Some(arch));
        }
    }

    #[test]
    fn bits_are_the_kernels() {
        assert_eq!(libc::c_ulong::from(FLAG_LOG), libc::SECCOMP_FILTER_FLAG_LOG);
        assert_eq!(
            libc::c_ulong::from(FLAG_SPEC_ALLOW),
            libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW
        );
        assert_eq!(
            libc::c_ulong::from(FLAG_NEW_LISTENER),
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER
        );
        assert_eq!(
            libc::c_ulong::from(FLAG_WAIT_KILLABLE_RECV),
            libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
        );
    }

    #[test]
    fn what_is_supported_is_known() {
        let known = known_actions();
        assert!(supported_actions().iter().all(|name| known.contains(name)));
        assert!(supported_actions().contains(&"SCMP_ACT_ERRNO"));
        let known = known_flags();
        assert!(supported_flags().iter().all(|name| known.contains(name)));
        assert!(supported_flags().contains(&"SECCOMP_FILTER_FLAG_LOG"));
    }
}
