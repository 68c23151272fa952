//! `spec`.

use std::fs::OpenOptions;
use std::io::{ErrorKind as Io, Write as _};
use std::path::Path;

use libcontainer::Result;
use libcontainer::container::Caller;
use libcontainer::error::{Error, ErrorKind};
use libcontainer::lifecycle::Exit;
use libcontainer::spec::{DefaultConfig, default_config};
use serde::Serialize as _;
use serde_json::Serializer;
use serde_json::ser::PrettyFormatter;

use crate::args::{Arity, Command, Grammar, Opt, Words};
use crate::report::cannot;
use crate::session::Session;

pub(super) static SPEC: Command = Command {
    name: "spec",
    about: "write a configuration to start from",
    usage: "",
    description: "\
Writes config.json for a bundle whose root file system is the directory \"rootfs\"
beside it: a container that runs \"sh\" on a terminal. Nothing is overwritten.",
    options: &[
        Opt::text("bundle", "the bundle's directory")
            .short('b')
            .default("the current one"),
        Opt::switch("rootless", "for the calling user, who need not be root"),
    ],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(0),
    failure: 1,
    listed: true,
    run,
};

/// The file's name in a bundle.
const CONFIG: &str = "config.json";

fn run(_: &Session, words: &Words) -> Result<Exit> {
    let caller = words.switch("rootless").then(Caller::probe);
    let rootless = caller.map(|caller| (caller.euid, caller.egid));
    // A cgroup namespace is of use where there is one hierarchy alone.
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let text = render(&default_config(rootless, unified))?;
    write_new(Path::new(words.text("bundle").unwrap_or_default()), &text)?;
    Ok(Exit(0))
}

/// Indented by tabs, as callers know it.
fn render(config: &DefaultConfig) -> Result<Vec<u8>> {
    let mut text = Vec::with_capacity(4096);
    let formatter = PrettyFormatter::with_indent(b"\t");
    config
        .serialize(&mut Serializer::with_formatter(&mut text, formatter))
        .map_err(|error| {
            Error::new(ErrorKind::Internal, format!("cannot write config: {error}"))
        })?;
    Ok(text)
}

fn write_new(bundle: &Path, text: &[u8]) -> Result<()> {
    let path = bundle.join(CONFIG);
    let object = path.to_string_lossy();
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    let mut file = file.map_err(|error| {
        if error.kind() == Io::AlreadyExists {
            Error::new(
                ErrorKind::Exists,
                format!("File {object} exists. Remove it first"),
            )
        } else {
            cannot("create", &object, &error)
        }
    })?;
    file.write_all(text)
        .map_err(|error| cannot("write", &object, &error))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{render, write_new};
    use insta::assert_snapshot;
    use libcontainer::spec::default_config;

    #[test]
    fn for_root() {
        let text = render(&default_config(None, true)).unwrap();
        assert_snapshot!(String::from_utf8(text).unwrap());
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        write_new(dir.path(), b"1").unwrap();
        let error = write_new(dir.path(), b"2").unwrap_err();
        let path = dir.path().join("config.json");
        assert_eq!(
            error.to_string(),
            format!("File {} exists. Remove it first", path.display())
        );
        assert_eq!(std::fs::read(path).unwrap(), b"1");
    }

    #[test]
    fn a_missing_bundle_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_new(&dir.path().join("x"), b"1").unwrap_err();
        let wanted = "x/config.json: no such file or directory";
        assert!(error.to_string().ends_with(wanted), "{error}");
    }
}
