//! Mounts that were made, by their own descriptors, and what lies below them.
//!
//! A name is looked up once: whoever else writes to the image or a volume may rename
//! a directory that is a mount point here, and the mount goes with it. What a name
//! leads to afterwards is not what has to be masked.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sys::stat::fstat;

use crate::error::StepError;
use crate::mounts::{self, Applied, MountKind, MountOp};
use crate::path::RootFd;
use crate::plan::RootfsPlan;
use crate::sys::fd::leave_to_sweep;
use crate::sys::{Errno, Result};

type Step = std::result::Result<(), StepError>;

/// The mounts that are needed again.
#[derive(Debug, Default)]
pub(crate) struct MadeMounts<'a> {
    mounts: Vec<Made<'a>>,
    /// The last mount over the root itself.
    over_root: Option<&'a MountOp>,
}

#[derive(Debug)]
struct Made<'a> {
    op: &'a MountOp,
    root: RootFd,
    /// Whether its destination leads to it, once that was asked.
    in_sight: Option<bool>,
}

impl<'a> MadeMounts<'a> {
    /// Takes down a mount that was just made.
    pub(crate) fn add(&mut self, op: &'a MountOp, applied: Applied, plan: &RootfsPlan) {
        match applied {
            Applied::Root => {
                // What was made before lies below it.
                self.mounts.clear();
                self.over_root = Some(op);
            }
            Applied::Within(root) if needed(op, plan) => self.mounts.push(Made {
                op,
                root: RootFd::new(root),
                in_sight: None,
            }),
            Applied::Within(root) => leave_to_sweep(root),
        }
    }

    /// Makes those read-only that were left open until now.
    pub(crate) fn close(&self, root: &RootFd) -> Step {
        self.all(root)
            .filter(|(op, _)| op.read_only_last)
            .try_for_each(|(op, mount)| mounts::close(op, mount))
    }

    /// Gives them back the propagation that they were asked to have, where that of the
    /// root went over all of them.
    pub(crate) fn propagate_again(&self, root: &RootFd) -> Step {
        self.all(root)
            .try_for_each(|(op, mount)| mounts::propagate(op, mount))
    }

    fn all<'b>(&'b self, root: &'b RootFd) -> impl Iterator<Item = (&'a MountOp, BorrowedFd<'b>)> {
        let over_root = self.over_root.map(|op| (op, root.as_fd()));
        let within = self.mounts.iter();
        over_root
            .into_iter()
            .chain(within.map(|made| (made.op, made.root.as_fd())))
    }

    /// What is at a path of the container; nothing where nothing is. Below a mount of
    /// ours that its name does not lead to (it is covered, or was renamed), the same
    /// path of both.
    pub(super) fn find(&mut self, root: &RootFd, path: &Path) -> Result<Vec<OwnedFd>> {
        let Some((made, below)) = self.nearest(path) else {
            // What is found may be a mount point of ours, and is about to be covered.
            self.forget();
            return Ok(existing(root, path)?.into_iter().collect());
        };
        let mut found: Vec<OwnedFd> = existing(&made.root, &below)?.into_iter().collect();
        if !made.is_in_sight(root)? {
            found.extend(existing(root, path)?);
            self.forget();
        }
        Ok(found)
    }

    /// The innermost mount that holds a path, and the path in it.
    fn nearest(&mut self, path: &Path) -> Option<(&mut Made<'a>, PathBuf)> {
        let holding = self.mounts.iter_mut().filter_map(|made| {
            let below = path.strip_prefix(&made.op.destination).ok()?;
            let is_below = !below.as_os_str().is_empty();
            let below = below.to_owned();
            is_below.then_some((made, below))
        });
        // Of several at one place the last.
        holding
            .rev()
            .min_by_key(|(_, below)| below.components().count())
    }

    fn forget(&mut self) {
        for made in &mut self.mounts {
            made.in_sight = None;
        }
    }
}

impl Made<'_> {
    fn is_in_sight(&mut self, root: &RootFd) -> Result<bool> {
        if let Some(known) = self.in_sight {
            return Ok(known);
        }
        let seen = match root.resolve(&self.op.destination) {
            Ok(found) => {
                let is = self.root.is(found.as_fd(), &fstat(&found)?)?;
                leave_to_sweep(found);
                is
            }
            Err(_) => false,
        };
        self.in_sight = Some(seen);
        Ok(seen)
    }
}

/// Whether a mount is needed again: it is closed at the end, its propagation is set
/// anew, or something below it is masked or closed.
fn needed(op: &MountOp, plan: &RootfsPlan) -> bool {
    let below = |path: &PathBuf| path.starts_with(&op.destination) && *path != op.destination;
    let holds = || plan.masked.iter().chain(&plan.readonly_paths).any(below);
    let propagates = plan.propagation.is_some_and(|it| it.recursive) && !op.propagation.is_empty();
    // A remount makes no mount.
    op.read_only_last || propagates || !matches!(op.kind, MountKind::Remount) && holds()
}

fn existing(root: &RootFd, path: &Path) -> Result<Option<OwnedFd>> {
    match root.resolve(path) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}
