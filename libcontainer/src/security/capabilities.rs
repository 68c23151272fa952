//! Capabilities: names, sets, and the order in which a process takes them on.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::StepError;
use crate::spec::oci::{Capability, LinuxCapabilities};
use crate::sys::{Errno, creds};

/// Every capability by its number (linux/capability.h, Linux 5.9).
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// A set of capabilities, a bit each.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Set(u64);

impl Set {
    /// The bits, by capability number.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Adds a capability by its full name; false when there is none of it.
    pub fn add(&mut self, name: &str) -> bool {
        match (0_u32..).zip(NAMES).find(|(_, known)| *known == name) {
            Some((number, _)) => {
                self.0 |= 1 << number;
                true
            }
            None => false,
        }
    }

    /// Whether a capability is in the set, by number.
    #[must_use]
    pub fn has(self, number: u32) -> bool {
        self.0 >> number & 1 == 1
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The names of its members.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        (0_u32..)
            .zip(NAMES)
            .filter(move |(number, _)| self.has(*number))
            .map(|(_, name)| name)
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Every name, by number.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter()
}

/// The five sets of a process (capabilities(7)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapSets {
    /// What the process and its children can ever gain.
    pub bounding: Set,
    /// What is checked.
    pub effective: Set,
    /// What may be made effective.
    pub permitted: Set,
    /// What passes an exec of a file that asks for it.
    pub inheritable: Set,
    /// What passes any exec.
    pub ambient: Set,
}

/// The sets of a configuration; absent ones are empty.
#[must_use]
pub fn plan(capabilities: Option<&LinuxCapabilities>) -> CapSets {
    let Some(asked) = capabilities else {
        return CapSets::default();
    };
    CapSets {
        bounding: set(asked.bounding().as_ref()),
        effective: set(asked.effective().as_ref()),
        permitted: set(asked.permitted().as_ref()),
        inheritable: set(asked.inheritable().as_ref()),
        ambient: set(asked.ambient().as_ref()),
    }
}

fn set(names: Option<&HashSet<Capability>>) -> Set {
    let mut set = Set::default();
    for name in names.into_iter().flatten() {
        // oci-spec's names are without the prefix.
        set.add(&format!("CAP_{name}"));
    }
    set
}

/// Takes what is not in the set out of the bounding set; while privileged.
pub(crate) fn limit(bounding: Set) -> Result<(), StepError> {
    for number in 0..64 {
        if bounding.has(number) {
            continue;
        }
        match creds::drop_bounding(number) {
            Ok(()) => {}
            // Beyond the last capability of this kernel.
            Err(Errno::EINVAL) => break,
            Err(errno) => return Err(failed("drop from the bounding set", number, errno)),
        }
    }
    Ok(())
}

/// Takes on the sets after the change of user. What the runtime itself does not
/// have cannot be given: it is left out, as the bounding set does it for
/// runc. An ambient capability that cannot be raised is named by `warn`.
pub(crate) fn take_on(sets: &CapSets, mut warn: impl FnMut(String)) -> Result<(), StepError> {
    let mine = Set(creds::permitted_capabilities()
        .map_err(|errno| StepError::new("read", "the capabilities", errno))?);
    let permitted = sets.permitted.and(mine);
    let effective = sets.effective.and(permitted);
    creds::set_capabilities(
        effective.bits(),
        permitted.bits(),
        sets.inheritable.and(mine).bits(),
    )
    .map_err(|errno| StepError::new("set", "the capabilities", errno))?;
    // What the caller left there must not reach the program.
    match creds::clear_ambient() {
        // Before Linux 4.3 there is none.
        Ok(()) | Err(Errno::EINVAL) => {}
        Err(errno) => return Err(StepError::new("clear", "the ambient capabilities", errno)),
    }
    for (number, name) in (0_u32..).zip(NAMES) {
        if !sets.ambient.has(number) {
            continue;
        }
        if let Err(errno) = creds::raise_ambient(number) {
            warn(format!(
                "can't raise ambient capability {name}: {}",
                crate::error::reason(errno)
            ));
        }
    }
    Ok(())
}

/// Keeps of these sets, taken on before, what an exec would leave to a user other than
/// root: the ambient ones (capabilities(7)).
pub(crate) fn keep_ambient(sets: &CapSets) -> Result<(), StepError> {
    let mine = Set(creds::permitted_capabilities()
        .map_err(|errno| StepError::new("read", "the capabilities", errno))?);
    // Only what is permitted and inheritable could be made ambient.
    let inheritable = sets.inheritable.and(mine);
    let ambient = sets.ambient.and(inheritable).bits();
    creds::set_capabilities(ambient, ambient, inheritable.bits())
        .map_err(|errno| StepError::new("set", "the capabilities", errno))
}

fn failed(action: &'static str, number: u32, errno: Errno) -> StepError {
    let name = usize::try_from(number)
        .ok()
        .and_then(|index| NAMES.get(index))
        .map_or_else(|| format!("capability {number}"), |name| (*name).to_owned());
    StepError::new(action, name, errno)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{NAMES, Set, plan};
    use crate::spec::oci::{Capability, LinuxCapabilities};
    use std::str::FromStr;

    #[test]
    fn every_name_is_one_of_the_specifications() {
        for name in NAMES {
            let short = name.strip_prefix("CAP_").unwrap();
            let known = Capability::from_str(short).unwrap();
            assert_eq!(format!("CAP_{known}"), name);
        }
    }

    #[test]
    fn numbers_are_the_kernels() {
        let mut set = Set::default();
        assert!(set.add("CAP_SYS_ADMIN") && set.add("CAP_CHECKPOINT_RESTORE"));
        assert_eq!(set.bits(), 1 << 21 | 1 << 40);
        assert!(!set.add("CAP_NOPE") && !set.add("SYS_ADMIN"));
    }

    #[test]
    fn absent_sets_are_empty() {
        let asked: LinuxCapabilities =
            serde_json::from_str(r#"{"bounding":["CAP_KILL"],"ambient":[]}"#).unwrap();
        let sets = plan(Some(&asked));
        assert_eq!(sets.bounding.names().collect::<Vec<_>>(), ["CAP_KILL"]);
        assert_eq!(sets.effective, Set::default());
        assert_eq!(plan(None).bounding, Set::default());
    }
}
