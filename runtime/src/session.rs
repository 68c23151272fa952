//! What the global options say, beside the log.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use libcontainer::Result;
use libcontainer::container::{Caller, StateRoot};
use libcontainer::error::{Error, ErrorKind};
use libcontainer::lifecycle::{CgroupManager, Rootless};

use crate::args::{Words, boolean};
use crate::report::cannot;

/// What every command needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Where containers are kept.
    pub(crate) root: StateRoot,
    /// Who makes cgroups.
    pub(crate) cgroup_manager: CgroupManager,
    /// Whether the caller is to be taken for an ordinary user.
    pub(crate) rootless: Rootless,
}

impl Session {
    /// Reads the global options.
    ///
    /// # Errors
    /// A value that we do not know, or a default root that cannot be made.
    pub(crate) fn new(globals: &Words) -> Result<Self> {
        Ok(Self {
            cgroup_manager: cgroup_manager(globals)?,
            rootless: rootless(globals)?,
            root: root(globals)?,
        })
    }
}

/// `--cgroup-manager` says more than `--systemd-cgroup`, which engines send by
/// habit.
fn cgroup_manager(globals: &Words) -> Result<CgroupManager> {
    match globals.text("cgroup-manager") {
        None if globals.switch("systemd-cgroup") => Ok(CgroupManager::Systemd),
        None | Some("cgroupfs") => Ok(CgroupManager::Cgroupfs),
        Some("systemd") => Ok(CgroupManager::Systemd),
        Some("disabled") => Ok(CgroupManager::Disabled),
        Some(other) => Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("invalid cgroup-manager: {other}"),
        )
        .with_advice("--cgroup-manager is cgroupfs, systemd or disabled")),
    }
}

fn rootless(globals: &Words) -> Result<Rootless> {
    let text = globals.text("rootless").unwrap_or("auto");
    if text.eq_ignore_ascii_case("auto") {
        return Ok(Rootless::Auto);
    }
    match boolean(text) {
        Some(true) => Ok(Rootless::True),
        Some(false) => Ok(Rootless::False),
        None => Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("invalid rootless: {text}"),
        )
        .with_advice("--rootless is true, false or auto")),
    }
}

fn root(globals: &Words) -> Result<StateRoot> {
    if globals.has("root") {
        let given = globals.text("root").unwrap_or_default();
        return explicit_root(Path::new(given)).map(StateRoot::at);
    }
    let variable = |name| std::env::var(name).unwrap_or_default();
    match runtime_dir(
        &variable("XDG_RUNTIME_DIR"),
        &variable("USER"),
        Caller::probe,
    ) {
        Some(path) => {
            make_private(&path)?;
            Ok(StateRoot::default_at(path))
        }
        None => Ok(StateRoot::default_at("/run/lodge")),
    }
}

/// `--root`, made absolute by its words alone: the directory need not exist, and
/// no link is followed.
fn explicit_root(given: &Path) -> Result<PathBuf> {
    let path = if given.is_absolute() {
        given.to_owned()
    } else {
        let here = std::env::current_dir();
        let here = here.map_err(|error| cannot("find", "the current directory", &error))?;
        here.join(given)
    };
    let path = clean(&path);
    if path == Path::new("/") {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            "option --root argument should not be set to /",
        ));
    }
    Ok(path)
}

/// An absolute path without `.`, `..` and repeated slashes.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// The state directory of an ordinary user, or of one that is root in a user
/// namespace alone; `None` for real root. A root inside a user namespace whose
/// `USER` is root logged in there as such, and uses /run.
fn runtime_dir(xdg: &str, user: &str, probe: impl FnOnce() -> Caller) -> Option<PathBuf> {
    if xdg.is_empty() {
        return None;
    }
    let caller = probe();
    let honoured = caller.euid != 0 || (caller.in_user_namespace && user != "root");
    honoured.then(|| Path::new(xdg).join("lodge"))
}

/// Makes the directory for its user alone, with the sticky bit, which keeps
/// cleaners of temporary files away (XDG Base Directory Specification).
fn make_private(path: &Path) -> Result<()> {
    let object = path.to_string_lossy();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| {
            cannot("make", &object, &error)
                .with_advice("the path in $XDG_RUNTIME_DIR must be writable by the user")
        })?;
    std::fs::set_permissions(path, Permissions::from_mode(0o1700)).map_err(|error| {
        cannot("change the mode of", &object, &error)
            .with_advice("check the permissions of the path in $XDG_RUNTIME_DIR")
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Session, clean, explicit_root, make_private, runtime_dir};
    use crate::args::parse;
    use libcontainer::Result;
    use libcontainer::container::Caller;
    use libcontainer::lifecycle::{CgroupManager, Rootless};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};

    fn session(line: &str) -> Result<Session> {
        let argv: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Session::new(&parse(&argv).unwrap().0)
    }

    #[test]
    fn options_are_read() {
        let found = session("--root=/r").unwrap();
        assert_eq!(found.cgroup_manager, CgroupManager::Cgroupfs);
        assert_eq!(found.rootless, Rootless::Auto);
        assert_eq!(found.root.path(), Path::new("/r"));
        assert!(found.root.is_explicit());
        let manager = |line: &str| session(line).unwrap().cgroup_manager;
        assert_eq!(
            manager("--root=/r --systemd-cgroup=true"),
            CgroupManager::Systemd
        );
        assert_eq!(
            manager("--root=/r --systemd-cgroup=true --cgroup-manager=disabled"),
            CgroupManager::Disabled
        );
        let rootless = |line: &str| session(line).unwrap().rootless;
        assert_eq!(rootless("--root=/r --rootless=true"), Rootless::True);
        assert_eq!(rootless("--root=/r --rootless=0"), Rootless::False);
        assert_eq!(rootless("--root=/r --rootless=AUTO"), Rootless::Auto);
    }

    #[test]
    fn unknown_words_are_refused() {
        for (line, wanted) in [
            (
                "--root=/ --debug=true",
                "option --root argument should not be set to /",
            ),
            (
                "--root=/a/../..",
                "option --root argument should not be set to /",
            ),
            ("--cgroup-manager=foo", "invalid cgroup-manager: foo"),
            ("--rootless=maybe", "invalid rootless: maybe"),
        ] {
            assert_eq!(session(line).unwrap_err().to_string(), wanted);
        }
    }

    #[test]
    fn an_empty_root_is_the_current_directory() {
        assert_eq!(
            explicit_root(Path::new("")).unwrap(),
            std::env::current_dir().unwrap()
        );
        assert_eq!(
            explicit_root(Path::new("x/../y")).unwrap(),
            std::env::current_dir().unwrap().join("y")
        );
    }

    #[test]
    fn paths_are_cleaned_by_their_words() {
        for (path, wanted) in [
            ("/a//b/./c/", "/a/b/c"),
            ("/a/../b", "/b"),
            ("/../..", "/"),
            ("/.", "/"),
        ] {
            assert_eq!(clean(Path::new(path)), Path::new(wanted), "{path}");
        }
    }

    #[test]
    fn the_runtime_directory_is_for_ordinary_users() {
        let dir = |euid, in_user_namespace, user| {
            runtime_dir("/x", user, || Caller {
                euid,
                egid: euid,
                in_user_namespace,
            })
        };
        let theirs = Some(PathBuf::from("/x/lodge"));
        assert_eq!(dir(1000, false, "root"), theirs);
        assert_eq!(dir(0, true, "me"), theirs);
        assert_eq!(dir(0, true, ""), theirs);
        assert_eq!(dir(0, true, "root"), None);
        assert_eq!(dir(0, false, "me"), None);
    }

    #[test]
    fn without_the_variable_nobody_is_asked() {
        let mut asked = false;
        let dir = runtime_dir("", "me", || {
            asked = true;
            Caller::probe()
        });
        assert_eq!(dir, None);
        assert!(!asked);
    }

    #[test]
    fn the_directory_is_private_and_sticky() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("a/lodge");
        make_private(&path).unwrap();
        make_private(&path).unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o1700);
    }
}
