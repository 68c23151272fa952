//! `exec`.

use libcontainer::Result;
use libcontainer::error::{Error, ErrorKind};
use libcontainer::lifecycle::{self, ExecOverrides, ExecProcess, ExecRequest, Exit, RunMode};

use super::create::{CONSOLE_SOCKET, PID_FILE, PIDFD_SOCKET, PRESERVE_FDS, stdio};
use super::user::{additional_gid, user};
use crate::args::{Arity, Command, Grammar, Opt, Words};
use crate::report::cannot;
use crate::session::Session;

pub(super) static EXEC: Command = Command {
    name: "exec",
    about: "run one more process in a container",
    usage: "<container-id> <command> [args...] || -p process.json <container-id>",
    description: "\
Runs a command in a container that was created, with the user, environment and
limits of the process in its configuration where no option says otherwise.
Options stand before the id; what follows it is the command. Unless detached, it
waits for the process and exits with its exit code, or with 128 and the number of
the signal that killed it. A failure of its own is 255.",
    options: &OPTIONS,
    grammar: Grammar::UntilFirstArgument,
    arity: Arity::AtLeast(1),
    failure: 255,
    listed: true,
    run,
};

static OPTIONS: [Opt; 17] = [
    CONSOLE_SOCKET,
    PIDFD_SOCKET,
    Opt::text("cwd", "the working directory in the container"),
    Opt::list("env", "set a variable, KEY=VALUE; may be given again").short('e'),
    Opt::switch("tty", "give the process a terminal").short('t'),
    Opt::text("user", "the ids that it runs as, UID[:GID]").short('u'),
    Opt::list(
        "additional-gids",
        "add a supplementary group; may be given again",
    )
    .short('g'),
    Opt::text(
        "process",
        "take the process from this file, a process object as in config.json",
    )
    .short('p'),
    Opt::switch("detach", "do not wait for the process").short('d'),
    PID_FILE,
    Opt::text("process-label", "the SELinux label of the process"),
    Opt::text("apparmor", "the AppArmor profile of the process"),
    Opt::switch("no-new-privs", "forbid the process to gain privileges"),
    Opt::list(
        "cap",
        "add a capability to the bounding, effective and permitted sets; may be given again",
    )
    .short('c'),
    PRESERVE_FDS,
    Opt::list(
        "cgroup",
        "run the process in this existing sub-cgroup, [CONTROLLER[,...]:]PATH; may be given again",
    ),
    Opt::switch(
        "ignore-paused",
        "in a paused container, wait until it is resumed",
    ),
];

/// What a process document replaces. `--tty` is not named: conmon sends it along with
/// every document that has a terminal, and a warning each time would be noise.
const OF_THE_PROCESS: [&str; 8] = [
    "cwd",
    "env",
    "user",
    "additional-gids",
    "process-label",
    "apparmor",
    "no-new-privs",
    "cap",
];

fn run(session: &Session, words: &Words) -> Result<Exit> {
    lifecycle::exec(&session.root, words.arg(0), &request(words)?)
}

fn request(words: &Words) -> Result<ExecRequest> {
    let process = match words.text("process") {
        Some(path) => document(path, words)?,
        None => ExecProcess::Overrides(Box::new(overrides(words)?)),
    };
    Ok(ExecRequest {
        process,
        stdio: stdio(words),
        mode: if words.switch("detach") {
            RunMode::Detached
        } else {
            RunMode::Foreground {
                keep: false,
                no_subreaper: true,
                confined: true,
            }
        },
        cgroups: owned(&words.list("cgroup")),
        ignore_paused: words.switch("ignore-paused"),
    })
}

/// The process of `--process`, which may be a pipe. What it replaces is named in
/// the log, for it is easily taken to be in force.
fn document(path: &str, words: &Words) -> Result<ExecProcess> {
    let text = std::fs::read_to_string(path).map_err(|error| cannot("read", path, &error))?;
    let ignored = OF_THE_PROCESS.iter().filter(|name| words.has(name));
    for name in ignored {
        log::warn!("--{name} is ignored with --process");
    }
    if !words.arg(1).is_empty() {
        log::warn!("the command is ignored with --process");
    }
    Ok(ExecProcess::Document(text))
}

fn overrides(words: &Words) -> Result<ExecOverrides> {
    let args = words.args();
    let args = owned(args.get(1..).unwrap_or_default());
    if args.is_empty() {
        return Err(
            Error::new(ErrorKind::InvalidConfig, "process args cannot be empty")
                .with_advice("name a command after the id, or a process with --process"),
        );
    }
    let gids = words
        .list("additional-gids")
        .into_iter()
        .map(additional_gid);
    Ok(ExecOverrides {
        args,
        cwd: words.text("cwd").map(str::to_owned),
        env: owned(&words.list("env")),
        tty: words.switch("tty"),
        // An empty one is a mistake, never the configuration's user.
        user: words
            .has("user")
            .then(|| user(words.text("user").unwrap_or_default()))
            .transpose()?,
        additional_gids: gids.collect::<Result<_>>()?,
        process_label: words.text("process-label").map(str::to_owned),
        apparmor: words.text("apparmor").map(str::to_owned),
        no_new_privs: words.switch("no-new-privs"),
        caps: owned(&words.list("cap")),
    })
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::{EXEC, OF_THE_PROCESS, request};
    use crate::commands::testing::words;
    use libcontainer::lifecycle::{ExecOverrides, ExecProcess, RunMode};
    use std::path::Path;

    fn overrides(argv: &[&str]) -> ExecOverrides {
        match request(&words(argv)).unwrap().process {
            ExecProcess::Overrides(overrides) => *overrides,
            ExecProcess::Document(text) => panic!("{text}"),
        }
    }

    #[test]
    fn options_become_overrides() {
        let found = overrides(&[
            "exec",
            "--cwd=/w",
            "-e",
            "A=1",
            "--env",
            "B=",
            "-t",
            "-u",
            "1000:100",
            "-g",
            "5",
            "-g=6",
            "--process-label=l",
            "--apparmor",
            "p",
            "--no-new-privs",
            "-c",
            "CAP_KILL",
            "-cap=CAP_SYS_ADMIN",
            "id",
            "ls",
            "-l",
            "-e",
            "",
        ]);
        assert_eq!(found.args, ["ls", "-l", "-e", ""]);
        assert_eq!(found.cwd.as_deref(), Some("/w"));
        assert_eq!(found.env, ["A=1", "B="]);
        assert!(found.tty && found.no_new_privs);
        assert_eq!(found.user, Some((1000, Some(100))));
        assert_eq!(found.additional_gids, [5, 6]);
        assert_eq!(found.process_label.as_deref(), Some("l"));
        assert_eq!(found.apparmor.as_deref(), Some("p"));
        assert_eq!(found.caps, ["CAP_KILL", "CAP_SYS_ADMIN"]);
    }

    #[test]
    fn what_is_not_said_is_left_to_the_configuration() {
        let found = overrides(&["exec", "id", "ls"]);
        assert!(found.cwd.is_none() && found.user.is_none());
        assert!(found.process_label.is_none() && found.apparmor.is_none());
        assert!(found.env.is_empty() && found.caps.is_empty());
        assert!(!found.tty && !found.no_new_privs);
    }

    #[test]
    fn the_rest_of_the_request() {
        let found = request(&words(&[
            "exec",
            "--detach",
            "--pid-file",
            "/p",
            "--console-socket",
            "/c",
            "--pidfd-socket",
            "/d",
            "--preserve-fds=2",
            "--cgroup",
            "cpu,cpuacct:a",
            "--cgroup=memory:b",
            "--ignore-paused",
            "id",
            "ls",
        ]))
        .unwrap();
        assert_eq!(found.mode, RunMode::Detached);
        assert_eq!(found.stdio.pid_file.as_deref(), Some(Path::new("/p")));
        assert_eq!(found.stdio.console_socket.as_deref(), Some(Path::new("/c")));
        assert_eq!(found.stdio.pidfd_socket.as_deref(), Some(Path::new("/d")));
        assert_eq!(found.stdio.preserve_fds, 2);
        assert_eq!(found.cgroups, ["cpu,cpuacct:a", "memory:b"]);
        assert!(found.ignore_paused);
    }

    #[test]
    fn a_command_is_needed() {
        let error = request(&words(&["exec", "id"])).unwrap_err();
        assert_eq!(error.to_string(), "process args cannot be empty");
    }

    #[test]
    fn ids_are_never_guessed() {
        for option in ["--user=", "--user=root", "-u=4294967295", "-g=-1", "-g="] {
            assert!(
                request(&words(&["exec", option, "id", "ls"])).is_err(),
                "{option}"
            );
        }
    }

    #[test]
    fn a_document_replaces_command_and_options() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("process.json");
        std::fs::write(&path, "{\"cwd\":\"/\"}").unwrap();
        let path = path.to_str().unwrap();
        let found = request(&words(&["exec", "-p", path, "-u", "nonsense", "id"])).unwrap();
        let ExecProcess::Document(text) = found.process else {
            panic!("{found:?}");
        };
        assert_eq!(text, "{\"cwd\":\"/\"}");
        let error = request(&words(&["exec", "-p", "/nonexistent", "id"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read /nonexistent: no such file or directory"
        );
    }

    #[test]
    fn every_name_is_an_option() {
        for name in OF_THE_PROCESS {
            assert!(
                EXEC.options.iter().any(|option| option.long == name),
                "{name}"
            );
        }
    }
}
