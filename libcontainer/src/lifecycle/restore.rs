//! `restore`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::carry_out::{cgroup_failed, remover, run_hooks, taker_back};
use super::checkpoint::{CONFIG, inode, warn_of_rootless};
use super::foreground::{self, Attended};
use super::host::open_namespaces;
use super::images::Images;
use super::readiness;
use super::request::{Exit, RestoreRequest, RunMode};
use super::set_up::{Wanted, judge, record};
use super::undo::Undo;
use super::{delete, pid_file};
use crate::Result;
use crate::cgroups::Cgroup;
use crate::container::{ContainerId, StateRoot};
use crate::criu::{self, Criu, Files, InheritFd, Place, PlaceKind, Restore, Step, Task, Version};
use crate::error::{Error, ErrorKind, StepError};
use crate::mounts::{MountKind, MountOp};
use crate::namespaces::Kind;
use crate::plan::{self, ContainerPlan, StartGate};
use crate::rootfs;
use crate::state::{Record, StateDir, start_time};
use crate::sys::process::{pidfd_open, pidfd_send_signal, wait};
use crate::terminal::{ConsoleSocket, Foreground, fit};

/// The name of CRIU's log.
const LOG: &str = "restore.log";

/// Makes a container from images that [`checkpoint`](super::checkpoint()) wrote,
/// as [`run`](super::run()) makes one from its bundle alone.
///
/// # Errors
/// As [`run`](super::run()), `Unsupported` without a CRIU that can do it, or what
/// CRIU failed at. Nothing is left of a container that could not be restored.
pub fn restore(root: &StateRoot, request: &RestoreRequest, mode: RunMode) -> Result<Exit> {
    warn_of_rootless("restore");
    match mode {
        RunMode::Detached => {
            make_again(root, request, mode)?;
            Ok(Exit(0))
        }
        RunMode::Foreground {
            keep,
            no_subreaper,
            confined,
        } => {
            if !no_subreaper {
                foreground::become_subreaper()?;
            }
            let foreground = Foreground::enter()?;
            let made = make_again(root, request, mode)?;
            foreground::attend(made, &foreground, keep, confined)
        }
    }
}

/// Reads the bundle, makes the plan, has CRIU carry it out.
fn make_again(root: &StateRoot, request: &RestoreRequest, mode: RunMode) -> Result<Attended> {
    let id = ContainerId::new(&request.container.id)?;
    let shown_in = readiness::manager().map(|_| root);
    let wanted = judge(&id, &request.container, StartGate::Socket, mode, shown_in)?;
    let Wanted {
        spec, bundle, plan, ..
    } = wanted;
    rootfs::check(&plan.init.rootfs.path)?;
    let streams = criu::read_descriptors(&request.image_path)?;
    let namespaces = open_namespaces(&plan.init.namespaces)?;
    let socket = request.container.stdio.console_socket.as_deref();
    let console = socket.map(ConsoleSocket::connect).transpose()?;
    let record = record(&spec, &plan, id.as_str(), &bundle);
    let state = root.path().join(id.as_str());
    let dir = StateDir::create(root, id)?;
    if shown_in.is_some() {
        dir.make_notify_folder()?;
    }
    let work = Work {
        request,
        plan: &plan,
        namespaces: &namespaces,
        console: console.as_ref(),
        streams,
        state,
        foreground: mode != RunMode::Detached,
    };
    work.carry_out(dir, record)
}

struct Work<'a> {
    request: &'a RestoreRequest,
    plan: &'a ContainerPlan,
    namespaces: &'a [(Kind, OwnedFd)],
    console: Option<&'a ConsoleSocket>,
    /// Pipes that our standard streams stand in for.
    streams: Vec<InheritFd>,
    /// The container's state directory.
    state: PathBuf,
    foreground: bool,
}

/// A CRIU that waits in mounts of its own, and what it is told of them.
struct Prepared {
    criu: Criu,
    images: Images,
    root: PathBuf,
    binds: Vec<(String, String)>,
}

/// What is learnt while CRIU is at work.
#[derive(Default)]
struct Made {
    init: Option<(i32, OwnedFd)>,
    master: Option<OwnedFd>,
}

impl Work<'_> {
    fn carry_out(&self, dir: StateDir, mut record: Record) -> Result<Attended> {
        let mut undo = Undo::new();
        let kept = record.clone();
        undo.push(move || delete::run_poststop(&kept));
        let dir_to_remove = &dir;
        undo.push(move || {
            if let Err(error) = dir_to_remove.remove() {
                log::warn!("{error}");
            }
        });
        // By its name the container is in the making; nobody waits there.
        dir.make_fifo()?;
        dir.write_record(&record)?;
        let Prepared {
            criu,
            images,
            root,
            binds,
        } = self.prepare()?;
        let files = images.files(LOG, self.config());
        let log = images.log_path(LOG);
        let version = criu.version()?;
        log::debug!("using criu {version}");
        self.check(version)?;
        let cgroup = Cgroup::create(&self.plan.cgroup, Some(criu.pid())).map_err(cgroup_failed)?;
        undo.push(remover(&cgroup));
        record.set_cgroup(cgroup.record().clone());
        cgroup
            .apply_limits(&self.plan.cgroup)
            .map_err(cgroup_failed)?;
        // What CRIU makes begins where CRIU is.
        cgroup.join(criu.pid()).map_err(cgroup_failed)?;
        if let Some(plan) = &self.plan.resctrl {
            let group = plan.make()?;
            undo.push(taker_back(&group));
            group.join(criu.pid())?;
            record.resctrl = Some(group);
        }
        dir.write_record(&record)?;
        let options = self.restore(files, &criu, &root, binds).options();
        let mut made = Made::default();
        let done = criu.carry_out(Task::Restore, options, &log, &mut |step| {
            self.at(step, &dir, &mut record, &mut made)
        });
        let finished = done.and_then(|()| self.finish(&dir, &mut made));
        let (pid, pidfd) = match (finished, made.init) {
            (Ok(()), Some(init)) => init,
            (finished, init) => {
                if let Some((_, pidfd)) = &init {
                    let _ = pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL);
                    let _ = wait(pidfd.as_fd(), true);
                }
                return Err(finished.err().unwrap_or_else(no_init));
            }
        };
        undo.disarm();
        Ok(Attended {
            dir,
            record,
            pid,
            pidfd: Rc::new(pidfd),
            master: made.master,
            ear: None,
        })
    }

    /// Starts CRIU in a mount namespace that holds nothing but the host's mounts
    /// and the container's root. A thread may be in one by itself; what it starts
    /// is in it too.
    fn prepare(&self) -> Result<Prepared> {
        let places: Vec<Place> = self
            .plan
            .init
            .rootfs
            .mounts
            .iter()
            .filter_map(place)
            .collect();
        let external = [Kind::Network, Kind::Pid];
        let kept: Vec<BorrowedFd<'_>> = self
            .namespaces
            .iter()
            .filter(|(kind, _)| external.contains(kind))
            .map(|(_, fd)| fd.as_fd())
            .collect();
        let rootfs = &self.plan.init.rootfs.path;
        let state = self
            .state
            .canonicalize()
            .unwrap_or_else(|_| self.state.clone());
        let request = self.request;
        let work = || {
            let root = criu::isolate(rootfs, &state)?;
            let binds = criu::make(&root, &places)?;
            // Opened here: CRIU mounts file systems in where it works.
            let images = Images::open(&request.image_path, request.work_path.as_deref())?;
            let criu = Criu::start_to_restore(&kept)?;
            Ok(Prepared {
                criu,
                images,
                root,
                binds,
            })
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .spawn_scoped(scope, work)
                .map_err(|error| {
                    let errno =
                        crate::sys::Errno::from_raw(error.raw_os_error().unwrap_or_default());
                    StepError::new("make", "a thread", errno)
                })?;
            thread.join().unwrap_or_else(|_| Err(no_init()))
        })
    }

    /// What this CRIU cannot do is said before it tries.
    fn check(&self, version: Version) -> Result<()> {
        version.needs(Version::FIRST, "restore")?;
        self.request.settings.check(version)?;
        for (kind, _) in self.namespaces {
            let least = match kind {
                Kind::Network => Version::EXTERNAL_NETWORK,
                Kind::Pid => Version::EXTERNAL_PID,
                Kind::Cgroup => {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        "linux.namespaces: criu cannot restore into a cgroup namespace that is there",
                    ));
                }
                Kind::User | Kind::Ipc | Kind::Uts | Kind::Mount | Kind::Time => continue,
            };
            let what = format!("a {} namespace that is joined", kind.name());
            version.needs(least, &what)?;
        }
        if self.request.lsm_profile.is_some() {
            version.needs(Version::LSM, "--lsm-profile")?;
        }
        if self.request.lsm_mount_context.is_some() {
            version.needs(Version::LSM, "--lsm-mount-context")?;
        }
        Ok(())
    }

    /// CRIU's configuration for this container.
    fn config(&self) -> Option<&str> {
        let annotations = &self.plan.init.hook_state.annotations;
        let annotation = annotations.iter().find(|(key, _)| key == CONFIG);
        let ours = Path::new(criu::OUR_CONFIG).exists();
        criu::config_file(annotation.map(|(_, path)| path.as_str()), ours)
    }

    fn restore<'a>(
        &'a self,
        files: Files<'a>,
        criu: &Criu,
        root: &Path,
        mut mounts: Vec<(String, String)>,
    ) -> Restore<'a> {
        let rootfs = &self.plan.init.rootfs;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let unlisted = plan::unlisted(rootfs);
        mounts.extend(
            unlisted
                .iter()
                .map(|(point, source)| (text(point), text(source))),
        );
        let mut inherited = self.streams.clone();
        let mut joined = Vec::new();
        for (kind, fd) in self.namespaces {
            match kind {
                Kind::Network | Kind::Pid => {
                    let name = criu::external_name(kind.file());
                    inherited.push(criu::inherit(name, fd.as_raw_fd()));
                }
                Kind::User | Kind::Ipc | Kind::Uts | Kind::Mount | Kind::Cgroup | Kind::Time => {
                    let path = self.plan.init.namespaces.path(*kind);
                    joined.push((kind.file().to_owned(), text(path.unwrap_or(Path::new("")))));
                }
            }
        }
        Restore {
            files,
            settings: &self.request.settings,
            root: text(root),
            mounts,
            masks: !rootfs.masked.is_empty(),
            inherited,
            joined,
            cgroups: criu::cgroup_roots(criu.pid()),
            tcp_close: self.request.tcp_close,
            lsm_profile: self.request.lsm_profile.as_deref(),
            lsm_mount_context: self.request.lsm_mount_context.as_deref(),
        }
    }

    fn at(&self, step: Step, dir: &StateDir, record: &mut Record, made: &mut Made) -> Result<()> {
        match step {
            Step::SetupNamespaces(pid) => run_hooks(self.plan, pid),
            Step::PostRestore(pid) => {
                let object = || format!("process {pid}");
                let pidfd =
                    pidfd_open(pid).map_err(|errno| StepError::new("find", object(), errno))?;
                record.pid = pid;
                record.start = start_time(pid)
                    .map_err(|errno| StepError::new("read the start time of", object(), errno))?;
                made.init = Some((pid, pidfd));
                dir.write_record(record)?;
                let mut tenant = self.plan.tenant.clone();
                // CRIU keeps the clocks of the images by one.
                let own = i32::try_from(std::process::id()).unwrap_or_default();
                if inode(pid, Kind::Time).ok() != inode(own, Kind::Time).ok() {
                    tenant.namespaces |= Kind::Time.flag();
                }
                dir.write_tenant(&tenant, &record.remains())
            }
            Step::OrphanPtsMaster(master) => {
                match self.console {
                    Some(socket) => socket.send(master.as_fd(), "orphan-pts-master")?,
                    None => made.master = Some(master),
                }
                Ok(())
            }
            Step::StatusReady => Ok(()),
        }
    }

    /// The processes run; what is left is for the caller.
    fn finish(&self, dir: &StateDir, made: &mut Made) -> Result<()> {
        let terminal = self.plan.init.process.terminal;
        match (&made.master, terminal) {
            (Some(master), Some(terminal)) if self.foreground => {
                fit(master.as_fd(), terminal.size.is_some())?;
            }
            (Some(_), _) => {
                log::warn!("the images have a terminal and the configuration none: it hangs up");
                made.master = None;
            }
            (None, _) => {}
        }
        if let (Some((pid, _)), Some(path)) = (&made.init, &self.request.container.stdio.pid_file) {
            pid_file::write(path, *pid)?;
        }
        dir.open_gate()
    }
}

fn no_init() -> Error {
    Error::new(ErrorKind::Internal, "criu restored no process")
}

/// The mount point of a mount, as far as it has to be made. Cgroups are mounted in
/// file systems that the kernel or the images fill.
fn place(op: &MountOp) -> Option<Place> {
    let kind = match &op.kind {
        _ if op.destination == Path::new("/") => return None,
        MountKind::Cgroup(_) | MountKind::Remount => return None,
        MountKind::Bind {
            source, recursive, ..
        } => PlaceKind::Bind {
            source: source.clone(),
            recursive: *recursive,
        },
        MountKind::Filesystem { fs_type, .. } => match fs_type.as_str() {
            "tmpfs" | "proc" | "sysfs" => PlaceKind::Filled,
            _ => PlaceKind::Other,
        },
    };
    Some(Place {
        destination: op.destination.clone(),
        kind,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::place;
    use crate::criu::PlaceKind;
    use crate::error::Findings;
    use crate::mounts::{Facts, plan};
    use std::path::Path;

    #[test]
    fn mount_points_are_made_where_neither_kernel_nor_images_have_them() {
        let list: Vec<_> = serde_json::from_str(
            r#"[{"destination":"/proc","type":"proc"},
                {"destination":"/dev","type":"tmpfs"},
                {"destination":"/dev/pts","type":"devpts"},
                {"destination":"/data","source":"/srv","options":["bind"]}]"#,
        )
        .unwrap();
        let facts = Facts {
            bundle: Path::new("/b"),
            root: Path::new("/b/rootfs"),
            cgroup: None,
            id_maps: &[],
            label: None,
            label_option: "context",
        };
        let ops = plan(&list, &facts, &mut Findings::new());
        let kinds: Vec<PlaceKind> = ops.iter().filter_map(place).map(|it| it.kind).collect();
        let bind = PlaceKind::Bind {
            source: "/srv".into(),
            recursive: false,
        };
        assert_eq!(
            kinds,
            [PlaceKind::Filled, PlaceKind::Filled, PlaceKind::Other, bind]
        );
    }
}
