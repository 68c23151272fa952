//! The program as its callers see it: output, log, exit code.

#![expect(
    clippy::unwrap_used,
    clippy::tests_outside_test_module,
    reason = "a test fails by panicking, and this file holds nothing else"
)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use libcontainer::container::Caller;

struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn lodge(dir: &Path, args: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_lodge"))
        .args(args)
        .current_dir(dir)
        .env_remove("XDG_RUNTIME_DIR")
        .output()
        .unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn tmp() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn answers_about_itself_need_nothing() {
    let dir = tmp();
    for (args, line) in [
        (&["--version"][..], "lodge version 0.1.0"),
        (&["-v"], "lodge version 0.1.0"),
        (&[], "NAME:"),
        (&["-h"], "NAME:"),
        (&["create", "-h"], "NAME:"),
        (&["help", "create"], "NAME:"),
        (&["features"], "{"),
    ] {
        let run = lodge(dir.path(), args);
        assert_eq!(run.code, Some(0), "{args:?}");
        assert_eq!(run.stdout.lines().next(), Some(line), "{args:?}");
        assert_eq!(run.stderr, "", "{args:?}");
    }
}

#[test]
fn a_command_is_named_by_the_programs_name() {
    let dir = tmp();
    let other = dir.path().join("other");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_lodge"), &other).unwrap();
    let output = Command::new(other)
        .args(["state", "--help"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let second = text.lines().nth(1).unwrap();
    assert!(second.contains("other state"), "{second}");
}

#[test]
fn an_unknown_word_is_no_topic() {
    let run = lodge(tmp().path(), &["foo", "-h"]);
    assert_eq!(run.code, Some(3));
    assert_eq!(run.stderr, "No help topic for 'foo'\n");
}

#[test]
fn misuse_shows_the_rules_and_is_logged() {
    let dir = tmp();
    let run = lodge(dir.path(), &["--log", "l", "--log-format=json", "create"]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stdout.starts_with("Incorrect Usage.\n\nNAME:\n"),
        "{}",
        run.stdout
    );
    let words = "\"create\" requires exactly 1 argument(s)\n";
    assert!(run.stderr.ends_with(words), "{}", run.stderr);
    let log = fs::read_to_string(dir.path().join("l")).unwrap();
    assert!(log.starts_with("{\"level\":\"error\",\"msg\":\""), "{log}");
    let mode = fs::metadata(dir.path().join("l"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o133, 0, "{mode:o}");
}

#[test]
fn misuse_of_exec_is_told_from_its_process() {
    let dir = tmp();
    for args in [&["exec"][..], &["exec", "--nope", "c"], &["exec", "c"]] {
        assert_eq!(lodge(dir.path(), args).code, Some(255), "{args:?}");
    }
    let run = lodge(dir.path(), &["exec", "-u", "root", "c", "id"]);
    assert_eq!(run.code, Some(255));
    let mut lines = run.stderr.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .ends_with(" level=error msg=\"bad uid: \\\"root\\\"\"")
    );
    assert_eq!(
        lines.next(),
        Some("an id is a whole number from 0 to 4294967294")
    );
    assert_eq!(lines.next(), None);
}

#[test]
fn words_are_text() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = tmp();
    for (command, code) in [("state", 1), ("exec", 255)] {
        let output = Command::new(env!("CARGO_BIN_EXE_lodge"))
            .args(["--log", "l", command])
            .arg(OsStr::from_bytes(b"a\xff"))
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{command}");
    }
    let log = fs::read_to_string(dir.path().join("l")).unwrap();
    assert!(log.contains("argument is not valid UTF-8"), "{log}");
}

#[test]
fn errors_are_appended_to_the_log_and_shown() {
    let dir = tmp();
    let log = dir.path().join("l");
    fs::write(&log, "before\n").unwrap();
    let run = lodge(dir.path(), &["--log=file:l", "state", "no-such-id"]);
    assert_eq!(run.code, Some(1));
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr, "container does not exist: no-such-id\n");
    let text = fs::read_to_string(&log).unwrap();
    let (before, line) = text.split_once('\n').unwrap();
    assert_eq!(before, "before");
    assert!(line.starts_with("time=\"2"), "{line}");
    let words = " level=error msg=\"container does not exist: no-such-id\"\n";
    assert!(line.ends_with(words), "{line}");
}

#[test]
fn json_on_stderr_stays_json() {
    let run = lodge(tmp().path(), &["--log-format", "json", "exec", "c"]);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(
        run.stderr
            .starts_with("{\"level\":\"error\",\"msg\":\"process args cannot be empty\",")
    );
}

#[test]
fn debug_lines_go_where_the_log_goes() {
    let dir = tmp();
    let run = lodge(dir.path(), &["--debug", "state", "no-such-id"]);
    assert!(run.stderr.contains("level=debug"), "{}", run.stderr);
    let run = lodge(
        dir.path(),
        &[
            "--debug",
            "--log=l",
            "--log-format=json",
            "state",
            "no-such-id",
        ],
    );
    assert_eq!(run.stderr, "container does not exist: no-such-id\n");
    let log = fs::read_to_string(dir.path().join("l")).unwrap();
    assert!(log.contains("\"level\":\"debug\""), "{log}");
    let run = lodge(dir.path(), &["state", "no-such-id"]);
    assert!(!run.stderr.contains("level=debug"), "{}", run.stderr);
}

#[test]
fn a_log_that_cannot_be_is_an_error_to_every_command() {
    let dir = tmp();
    for (args, words) in [
        (&["--log-format=foo", "list"][..], "invalid log-format: foo"),
        (&["--log=invalid:/x", "list"], "unknown log type: invalid"),
        (
            &["--log=no/such", "list"],
            "cannot open log no/such: no such file or directory",
        ),
        (
            &["--root=/", "list"],
            "--root argument should not be set to /",
        ),
    ] {
        let run = lodge(dir.path(), args);
        assert_eq!(run.code, Some(1), "{args:?}");
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
}

#[test]
fn what_a_process_document_replaces_is_named() {
    let dir = tmp();
    fs::write(dir.path().join("p"), "{}").unwrap();
    let run = lodge(
        dir.path(),
        &["exec", "--tty", "-p", "p", "-u", "1", "c", "ls"],
    );
    assert_eq!(run.code, Some(255));
    for words in [
        "--user is ignored with --process",
        "the command is ignored with --process",
    ] {
        let line = format!("level=warning msg=\"{words}\"\n");
        assert!(run.stderr.contains(&line), "{}", run.stderr);
    }
    assert!(!run.stderr.contains("--tty"), "{}", run.stderr);
}

#[test]
fn spec_writes_once() {
    let dir = tmp();
    fs::create_dir(dir.path().join("b")).unwrap();
    let run = lodge(dir.path(), &["spec", "--rootless", "-b", "b"]);
    assert_eq!((run.code, &*run.stderr), (Some(0), ""));
    let first = fs::read_to_string(dir.path().join("b/config.json")).unwrap();
    assert!(first.contains("\n\t\t\"uidMappings\": [\n"), "{first}");
    let run = lodge(dir.path(), &["spec", "--bundle=b"]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr.contains("File b/config.json exists."),
        "{}",
        run.stderr
    );
    assert_eq!(
        fs::read_to_string(dir.path().join("b/config.json")).unwrap(),
        first
    );
}

#[test]
fn output_that_nobody_takes_is_an_error() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lodge"))
        .arg("features")
        .stdout(Stdio::from(full))
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("cannot write stdout: no space left on device"),
        "{stderr}"
    );
}

#[test]
fn the_runtime_directory_is_an_ordinary_users() {
    use std::os::unix::process::CommandExt as _;
    let dir = tmp();
    let caller = Caller::probe();
    if caller.euid != 0 || caller.in_user_namespace {
        return;
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // A copy, because the build directory may be root's alone; by a program of its own,
    // because a child of another test's could hold what we write open for a moment, and
    // what is open to write cannot be executed.
    let program = dir.path().join("lodge");
    let copied = Command::new("cp")
        .args([env!("CARGO_BIN_EXE_lodge").as_ref(), program.as_os_str()])
        .status();
    assert!(copied.unwrap().success());
    let xdg = dir.path().join("xdg");
    let status = Command::new(&program)
        .args(["state", "no-such-id"])
        .env("XDG_RUNTIME_DIR", &xdg)
        .uid(65534)
        .gid(65534)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    let made = fs::metadata(xdg.join("lodge")).unwrap();
    assert_eq!(
        (made.uid(), made.permissions().mode() & 0o7777),
        (65534, 0o1700)
    );
    // Root's own is /run/lodge, whatever the variable says.
    let other = dir.path().join("other");
    let _ = Command::new(&program)
        .args(["state", "no-such-id"])
        .env("XDG_RUNTIME_DIR", &other)
        .stderr(Stdio::null())
        .status();
    assert!(!other.exists());
}
