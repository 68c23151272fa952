//! The options that stand before the command.

use super::Opt;

/// Them, in the order of the help.
pub(crate) static GLOBALS: [Opt; 9] = [
    Opt::switch("debug", "log what happens, step by step"),
    Opt::text(
        "log",
        "append the log to this file, or send it to 'journald:ID' or 'syslog:ID'",
    )
    .default("/dev/stderr"),
    Opt::text("log-format", "write the log as 'text' or 'json' lines").default("text"),
    Opt::text(
        "log-level",
        "log lines from this level on: 'error', 'warning', 'info' or 'debug'",
    )
    .default("info"),
    Opt::text(
        "root",
        "keep the state of containers in this directory, best on a tmpfs",
    )
    .default("/run/lodge, or $XDG_RUNTIME_DIR/lodge for an ordinary user"),
    Opt::switch(
        "systemd-cgroup",
        "let systemd make the cgroups; cgroupsPath is then 'slice:prefix:name'",
    ),
    Opt::text(
        "cgroup-manager",
        "who makes the cgroups: 'cgroupfs', 'systemd' or 'disabled'",
    )
    .default("cgroupfs"),
    Opt::text(
        "rootless",
        "tolerate what only root may do to cgroups: 'true', 'false' or 'auto'",
    )
    .default("auto"),
    Opt::text("criu", "ignored; old callers send it").unlisted(),
];
