//! Making the group of a container.

use super::fs;
use super::plan::ResctrlPlan;
use super::record::{ResctrlRecord, folder};
use super::schema;
use crate::error::StepError;
use crate::sys::Errno;

impl ResctrlPlan {
    /// What [`make`](Self::make) is going to make, as far as it can be told
    /// beforehand: whoever has to clean up after us finds it by this.
    pub(crate) fn foresee(&self) -> ResctrlRecord {
        let mut record = self.untouched();
        record.made = !fs::exists(&record.folder());
        record.monitoring.clone_from(&self.monitoring);
        if let Some(folder) = record.monitoring_folder()
            && fs::exists(&folder)
        {
            record.monitoring = None;
        }
        record
    }

    /// Makes or finds the group, writes its shares, makes the monitoring group.
    /// On failure nothing of it is left.
    pub(crate) fn make(&self) -> Result<ResctrlRecord, StepError> {
        let mut record = self.untouched();
        let made = self.make_all(&mut record);
        if made.is_err()
            && let Err(error) = record.take_back()
        {
            log::warn!("{error}");
        }
        made.map(|()| record)
    }

    fn untouched(&self) -> ResctrlRecord {
        ResctrlRecord {
            mount: self.mount.clone(),
            group: self.group.clone(),
            named: self.named,
            made: false,
            monitoring: None,
        }
    }

    fn make_all(&self, record: &mut ResctrlRecord) -> Result<(), StepError> {
        let folder = folder(&self.mount, &self.group);
        let writes = !(self.shares.is_empty() && self.schemata.is_empty());
        // A named group without shares is one that somebody prepared.
        if !self.group.is_empty() && (writes || !self.named) {
            match fs::make(&self.mount, &folder) {
                Ok(()) => record.made = true,
                Err(error) if error.errno() == Some(Errno::EEXIST) => {}
                Err(error) => return Err(error),
            }
        }
        if !record.made {
            self.check(&folder)?;
        }
        if writes {
            self.write(&folder, record.made)?;
        }
        if let Some(name) = &self.monitoring {
            fs::make(&self.mount, &format!("{folder}/mon_groups/{name}"))?;
            record.monitoring = Some(name.clone());
        }
        Ok(())
    }

    /// A group that others made has to be one, and a named one has to have the
    /// shares that are asked for.
    fn check(&self, folder: &str) -> Result<(), StepError> {
        if !fs::exists(&format!("{folder}/tasks")) {
            return Err(
                StepError::new("join resctrl group", folder, Errno::ENOENT).with_detail(
                    "linux.intelRdt.closID without a schema names a group that is there",
                ),
            );
        }
        if !self.named || self.shares.is_empty() {
            return Ok(());
        }
        let schemata = fs::read(&format!("{folder}/schemata"))?;
        let step = fs::read(&format!("{}/info/MB/bandwidth_gran", self.mount))
            .ok()
            .and_then(|text| text.trim().parse().ok());
        for line in &self.shares {
            if !schema::matches(line, &schemata, step) {
                let present: Vec<&str> = schemata.lines().map(str::trim).collect();
                return Err(StepError::refused(
                    "join resctrl group",
                    folder,
                    format!("it has {}, asked for is {line}", present.join(", ")),
                ));
            }
        }
        Ok(())
    }

    fn write(&self, folder: &str, ours: bool) -> Result<(), StepError> {
        let lines = self.shares.iter().chain(&self.schemata);
        write_lines(&self.mount, folder, lines, ours)
    }
}

/// Writes lines of a `schemata`, a call each: within one call the kernel refuses
/// a resource that comes twice. Where one fails, a group that is not `ours` has
/// afterwards what it had before.
pub(super) fn write_lines<'a>(
    mount: &str,
    folder: &str,
    lines: impl Iterator<Item = &'a String>,
    ours: bool,
) -> Result<(), StepError> {
    let path = format!("{folder}/schemata");
    let before = if ours {
        String::new()
    } else {
        fs::read(&path)?
    };
    // The kernel takes a line with its end alone.
    let lines: Vec<String> = lines.map(|line| format!("{line}\n")).collect();
    let written = fs::write(mount, &path, lines.iter().map(String::as_str));
    if written.is_err() {
        for line in before.lines().map(str::trim) {
            let line = format!("{line}\n");
            if let Err(error) = fs::write(mount, &path, [line.as_str()]) {
                log::debug!("{error}");
            }
        }
    }
    written
}
