//! What of a container is in resctrl, for the commands that come after `create`.

use serde::{Deserialize, Serialize};

use super::fs;
use crate::error::StepError;

/// The group of a container, and what of it is ours to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResctrlRecord {
    /// Where resctrl is mounted.
    pub mount: String,
    /// The group below it; empty for the root's own.
    pub group: String,
    /// Whether `closID` named it: then it stays when the container goes.
    pub named: bool,
    /// Whether we made it.
    pub made: bool,
    /// The name of the monitoring group that we made.
    pub monitoring: Option<String>,
}

impl ResctrlRecord {
    /// The group's folder.
    pub(super) fn folder(&self) -> String {
        folder(&self.mount, &self.group)
    }

    /// The monitoring group's folder.
    pub(super) fn monitoring_folder(&self) -> Option<String> {
        let name = self.monitoring.as_ref()?;
        Some(format!("{}/mon_groups/{name}", self.folder()))
    }

    /// Puts a process into the group, and then into the monitoring group, which
    /// takes none from another group.
    pub(crate) fn join(&self, pid: i32) -> Result<(), StepError> {
        let pid = pid.to_string();
        let folders = [Some(self.folder()), self.monitoring_folder()];
        for folder in folders.into_iter().flatten() {
            fs::write(&self.mount, &format!("{folder}/tasks"), [pid.as_str()])?;
        }
        Ok(())
    }

    /// Whether the group is there. It goes when resctrl is unmounted, and its
    /// processes are in the root's group then.
    pub(crate) fn exists(&self) -> bool {
        fs::exists(&format!("{}/tasks", self.folder()))
    }

    /// Removes the monitoring group, and the group where it is the container's
    /// alone and we made it (runtime-spec, "IntelRdt").
    pub(crate) fn remove(&self) -> Result<(), StepError> {
        let monitoring = self.remove_monitoring();
        if self.made && !self.named {
            fs::remove(&self.mount, &self.folder())?;
        }
        monitoring
    }

    /// Takes back what a failed `create` made. A named group goes too, unless
    /// others are in it by now: the kernel removes one with its processes.
    pub(crate) fn take_back(&self) -> Result<(), StepError> {
        let monitoring = self.remove_monitoring();
        if self.made && (!self.named || self.is_empty()) {
            fs::remove(&self.mount, &self.folder())?;
        }
        monitoring
    }

    fn remove_monitoring(&self) -> Result<(), StepError> {
        match self.monitoring_folder() {
            Some(folder) => fs::remove(&self.mount, &folder),
            None => Ok(()),
        }
    }

    fn is_empty(&self) -> bool {
        fs::read(&format!("{}/tasks", self.folder())).is_ok_and(|text| text.trim().is_empty())
    }
}

/// The folder of a group.
pub(super) fn folder(mount: &str, group: &str) -> String {
    if group.is_empty() {
        mount.to_owned()
    } else {
        format!("{mount}/{group}")
    }
}
