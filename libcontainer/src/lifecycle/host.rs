//! What the plan is judged by beside the configuration.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::request::{CgroupManager, CreateRequest, Rootless};
use crate::cgroups::{self, Layout, Manager};
use crate::container::Caller;
use crate::error::{Error, ErrorKind, StepError};
use crate::intelrdt::Resctrl;
use crate::namespaces::{Kind, NamespacePlan};
use crate::plan::Host;
use crate::spec::oci::Spec;
use crate::sys::open::open;
use crate::sys::{Errno, ns};

/// Asks the host what planning goes by.
pub(super) fn probe(spec: &Spec, request: &CreateRequest) -> Result<Host, Error> {
    let caller = Caller::probe();
    let rootless = match request.rootless {
        Rootless::True => true,
        Rootless::False => false,
        Rootless::Auto => caller.euid != 0 || caller.in_user_namespace,
    };
    let linux = spec.linux().as_ref();
    let path = linux
        .and_then(|linux| linux.cgroups_path().as_ref())
        .map(|path| path.to_string_lossy().into_owned());
    let cgroups = match request.cgroup_manager {
        CgroupManager::Disabled => None,
        CgroupManager::Cgroupfs => Some(Layout::probe(path.as_deref())?),
        // Where we are ourselves matters to nobody then.
        CgroupManager::Systemd => Some(Layout::probe(Some("/"))?),
    };
    // Looked for only where it is mounted.
    let mounts = spec.mounts().iter().flatten();
    let sees = mounts
        .filter_map(|mount| mount.typ().as_deref())
        .any(|kind| matches!(kind, "cgroup" | "cgroup2"));
    let seen_cgroups = (cgroups.is_none() && sees)
        .then(|| Layout::probe(None))
        .transpose()?;
    let systemd = (request.cgroup_manager == CgroupManager::Systemd)
        .then(|| cgroups::probe(manager(&caller, request.rootless)))
        .transpose()?;
    let network = linux
        .and_then(|linux| linux.namespaces().as_ref())
        .into_iter()
        .flatten()
        .find(|namespace| Kind::from(namespace.typ()) == Kind::Network)
        .and_then(|namespace| namespace.path().clone());
    let resctrl = match linux.and_then(|linux| linux.intel_rdt().as_ref()) {
        Some(_) => Resctrl::probe()?,
        None => None,
    };
    Ok(Host {
        cgroups,
        seen_cgroups,
        resctrl,
        systemd,
        rootless,
        ordinary_user: caller.euid != 0,
        network_is_the_hosts: network.is_some_and(|path| is_own_network(&path)),
    })
}

/// Whose systemd makes the cgroup. Root of a user namespace may be a user with a
/// systemd of their own, or root of a whole system with one.
fn manager(caller: &Caller, rootless: Rootless) -> Manager {
    let by_user = match rootless {
        Rootless::True => true,
        Rootless::False => false,
        Rootless::Auto if caller.euid == 0 && caller.in_user_namespace => {
            cgroups::owner_of_session().is_some_and(|owner| owner != 0)
        }
        Rootless::Auto => caller.euid != 0,
    };
    if by_user {
        Manager::User
    } else {
        Manager::System
    }
}

/// Whether a path is the network namespace that we are in.
fn is_own_network(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let named = std::fs::metadata(path);
    let own = std::fs::metadata("/proc/self/ns/net");
    match (named, own) {
        (Ok(named), Ok(own)) => named.ino() == own.ino() && named.dev() == own.dev(),
        _ => false,
    }
}

/// Our environment, where hooks may want it.
pub(super) fn own_environment(spec: &Spec) -> Vec<String> {
    if spec.hooks().is_none() {
        return Vec::new();
    }
    std::env::vars_os()
        .filter_map(|(key, value)| Some(format!("{}={}", key.to_str()?, value.to_str()?)))
        .collect()
}

/// Opens the namespaces to join and checks that each is what it is said to be.
pub(super) fn open_namespaces(plan: &NamespacePlan) -> Result<Vec<(Kind, OwnedFd)>, Error> {
    plan.joined()
        .map(|(kind, path)| {
            let failed = |errno| {
                Error::from(StepError::new(
                    "open",
                    format!("{} namespace {}", kind.name(), path.display()),
                    errno,
                ))
            };
            let fd =
                open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map_err(failed)?;
            match ns::kind(fd.as_fd()) {
                Ok(found) if found == kind.flag() => Ok((kind, fd)),
                Ok(_) | Err(Errno::ENOTTY) => Err(Error::new(
                    ErrorKind::InvalidConfig,
                    format!("{} is no {} namespace", path.display(), kind.name()),
                )),
                Err(errno) => Err(failed(errno)),
            }
        })
        .collect()
}
