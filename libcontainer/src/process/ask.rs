//! What the init asks of the runtime, which has the host's rights.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::init::Session;
use super::protocol::{Order, Report};
use crate::error::StepError;
use crate::mounts::{IdMapping, MapNamespace, Outside};
use crate::namespaces::Kind;
use crate::sys::open::openat;

impl Session<'_> {
    /// The runtime moves them, since it has power over both network namespaces.
    pub(super) fn receive_devices(&mut self) -> Result<(), StepError> {
        let own = own_namespace(self.proc, Kind::Network)?;
        self.link.send(&Report::AwaitDevices, &[own.as_fd()])?;
        match self.next_order()? {
            (Order::DevicesMoved, _) => Ok(()),
            _ => Err(StepError::refused(
                "wait for",
                "the network devices",
                "the runtime is gone",
            )),
        }
    }
}

impl Outside for Session<'_> {
    fn open_source(&mut self, path: &Path, recursive: bool) -> Result<OwnedFd, StepError> {
        self.link.send(
            &Report::NeedSource {
                path: path.to_owned(),
                recursive,
            },
            &[],
        )?;
        let (order, fds) = self.next_order()?;
        match (order, fds.into_iter().next()) {
            (Order::Source, Some(fd)) => Ok(fd),
            (Order::NoSource(failed), _) => Err(failed),
            _ => Err(StepError::refused(
                "open",
                path.display().to_string(),
                "the runtime sent no source",
            )),
        }
    }

    fn map_ids(
        &mut self,
        tree: BorrowedFd<'_>,
        path: &Path,
        asked: IdMapping,
    ) -> Result<(), StepError> {
        let own = match asked.namespace {
            MapNamespace::Container => Some(own_namespace(self.proc, Kind::User)?),
            MapNamespace::Made(_) => None,
        };
        let fds: Vec<BorrowedFd<'_>> = [tree]
            .into_iter()
            .chain(own.as_ref().map(AsFd::as_fd))
            .collect();
        self.link.send(
            &Report::MapIds {
                path: path.to_owned(),
                asked,
            },
            &fds,
        )?;
        match self.next_order()? {
            (Order::MountMapped, _) => Ok(()),
            (Order::MountNotMapped(failed), _) => Err(failed),
            _ => Err(StepError::refused(
                "map the ids of",
                path.display().to_string(),
                "the runtime sent another answer",
            )),
        }
    }
}

/// Nobody else may open it without power over this process.
fn own_namespace(proc: BorrowedFd<'_>, kind: Kind) -> Result<OwnedFd, StepError> {
    openat(
        proc,
        format!("self/ns/{}", kind.file()).as_str(),
        OFlag::O_RDONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| {
        let object = format!("the container's {} namespace", kind.name());
        StepError::new("open", object, errno)
    })
}
