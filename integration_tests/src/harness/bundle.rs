//! A bundle: a root file system of one static busybox, and a configuration that
//! the runtime's own `spec` wrote.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::fault::Outcome;
use super::host::Host;

/// The applets that the tests' scripts use.
const APPLETS: &str = "[ awk basename cat chgrp chmod chown cmp cp cut dd df dirname echo env \
    false find grep head hostname id ifconfig ionice kill ln ls mkdir mkfifo mknod mount mv nproc od \
    printenv ps pwd readlink renice rm rmdir sed seq setsid sh sleep sort stat stty sync sysctl \
    tail test touch tr true tty umount uname uniq unshare usleep wc which whoami xargs yes";

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000:bob:/home/bob:/bin/sh\n";
const GROUP: &str = "root:x:0:\ntty:x:5:\nbob:x:1000:\n";

/// A directory with `rootfs` and `config.json`.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// The directory.
    pub(crate) dir: PathBuf,
    /// Its `rootfs`.
    pub(crate) rootfs: PathBuf,
}

impl Bundle {
    /// Makes the directory and the root file system; there is no configuration
    /// yet.
    pub(crate) fn make(dir: &Path) -> Outcome<Self> {
        let rootfs = dir.join("rootfs");
        fs::create_dir_all(&rootfs)?;
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(dir, open.clone())?;
        for (name, mode) in [
            ("bin", 0o755),
            ("etc", 0o755),
            ("proc", 0o755),
            ("sys", 0o755),
            ("dev", 0o755),
            ("tmp", 0o1777),
            ("root", 0o700),
            ("home", 0o755),
            ("home/bob", 0o755),
            ("mnt", 0o755),
            ("opt", 0o755),
        ] {
            let path = rootfs.join(name);
            fs::create_dir(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        }
        fs::set_permissions(&rootfs, open.clone())?;
        let busybox = rootfs.join("bin/busybox");
        fs::copy(&Host::get().busybox, &busybox)?;
        fs::set_permissions(&busybox, open)?;
        for applet in APPLETS.split_whitespace() {
            symlink("busybox", rootfs.join("bin").join(applet))?;
        }
        fs::write(rootfs.join("etc/passwd"), PASSWD)?;
        fs::write(rootfs.join("etc/group"), GROUP)?;
        Ok(Self {
            dir: dir.to_owned(),
            rootfs,
        })
    }

    /// The configuration's file.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.dir.join("config.json")
    }

    /// The configuration.
    pub(crate) fn config(&self) -> Outcome<Value> {
        Ok(serde_json::from_slice(&fs::read(self.config_file())?)?)
    }

    /// Changes the configuration.
    pub(crate) fn edit(&self, change: impl FnOnce(&mut Value)) -> Outcome {
        let mut config = self.config()?;
        change(&mut config);
        fs::write(self.config_file(), serde_json::to_vec_pretty(&config)?)?;
        Ok(())
    }

    /// Makes the process this shell script.
    pub(crate) fn script(&self, text: &str) -> Outcome {
        self.edit(|config| config["process"]["args"] = json!(["/bin/sh", "-c", text]))
    }

    /// Adds a mount at the end of the list.
    pub(crate) fn mount(&self, mount: Value) -> Outcome {
        self.edit(|config| {
            if let Some(mounts) = config["mounts"].as_array_mut() {
                mounts.push(mount);
            }
        })
    }

    /// A directory of the host beside the root file system, for bind sources and
    /// as a decoy.
    pub(crate) fn beside(&self, name: &str) -> Outcome<PathBuf> {
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir)?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755))?;
        Ok(dir)
    }

    /// Gives the root file system and everything in it to `id`, for containers in a user
    /// namespace.
    pub(crate) fn give_to(&self, id: u32) -> Outcome {
        give(&self.rootfs, id)
    }
}

/// Gives a file, or a directory and everything in it, to `id`.
pub(super) fn give(path: &Path, id: u32) -> Outcome {
    std::os::unix::fs::lchown(path, Some(id), Some(id))?;
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), id)?;
        }
    }
    Ok(())
}
