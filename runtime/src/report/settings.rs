//! Where the log goes, how, and how much of it.

use std::path::PathBuf;

use libcontainer::Result;
use libcontainer::error::{Error, ErrorKind};
use log::LevelFilter;

use super::daemon::Daemon;
use crate::args::Words;

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Target {
    #[default]
    Stderr,
    /// To the end of this file.
    File(PathBuf),
    /// To the log of the host, under this identifier.
    Daemon(Daemon, String),
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Format {
    /// `time="…" level=… msg="…"`.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// What the global options say about the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogSettings {
    /// Where lines go.
    pub(crate) target: Target,
    /// How lines are written.
    pub(crate) format: Format,
    /// Which lines are written.
    pub(crate) level: LevelFilter,
}

impl LogSettings {
    /// Reads `--log`, `--log-format`, `--log-level` and `--debug`.
    ///
    /// # Errors
    /// A format, level or kind of log that we do not know.
    pub(crate) fn new(globals: &Words) -> Result<Self> {
        let format = match globals.text("log-format") {
            None | Some("text") => Format::Text,
            Some("json") => Format::Json,
            Some(other) => return Err(unknown("log-format", other, "text or json")),
        };
        let level = match globals.text("log-level") {
            _ if globals.switch("debug") => LevelFilter::Debug,
            None | Some("info") => LevelFilter::Info,
            Some("error") => LevelFilter::Error,
            Some("warning") => LevelFilter::Warn,
            Some("debug") => LevelFilter::Debug,
            Some(other) => {
                return Err(unknown("log-level", other, "error, warning, info or debug"));
            }
        };
        Ok(Self {
            target: globals
                .text("log")
                .map(target)
                .transpose()?
                .unwrap_or_default(),
            format,
            level,
        })
    }
}

/// What `--log` names: a file, or with a word before it, as crun has it, a file or the
/// identifier under which the host's log shows the lines.
fn target(text: &str) -> Result<Target> {
    let Some((kind, rest)) = text.split_once(':') else {
        return Ok(Target::File(text.into()));
    };
    if kind.is_empty() || !kind.bytes().all(|c| c.is_ascii_alphabetic()) {
        return Ok(Target::File(text.into()));
    }
    match kind {
        _ if rest.is_empty() => {}
        "file" => return Ok(Target::File(rest.into())),
        "journald" => return Ok(Target::Daemon(Daemon::Journal, rest.to_owned())),
        "syslog" => return Ok(Target::Daemon(Daemon::Syslog, rest.to_owned())),
        _ => {}
    }
    Err(Error::new(
        ErrorKind::InvalidConfig,
        format!("unknown log type: {kind}"),
    )
    .with_advice("--log is FILE, file:FILE, journald:IDENTIFIER or syslog:IDENTIFIER"))
}

fn unknown(option: &str, value: &str, known: &str) -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        format!("invalid {option}: {value}"),
    )
    .with_advice(format!("--{option} is {known}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Daemon, Format, LogSettings, Target};
    use crate::args::parse;
    use libcontainer::Result;
    use log::LevelFilter;

    fn settings(line: &str) -> Result<LogSettings> {
        let argv: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        LogSettings::new(&parse(&argv).unwrap().0)
    }

    #[test]
    fn defaults_are_text_on_stderr_from_info_on() {
        let wanted = LogSettings {
            target: Target::Stderr,
            format: Format::Text,
            level: LevelFilter::Info,
        };
        assert_eq!(settings("").unwrap(), wanted);
        assert_eq!(settings("--log= --log-format=").unwrap(), wanted);
    }

    #[test]
    fn options_are_read() {
        let found = settings("--log=/l --log-format=json --log-level=warning").unwrap();
        assert_eq!(found.target, Target::File("/l".into()));
        assert_eq!(found.format, Format::Json);
        assert_eq!(found.level, LevelFilter::Warn);
        let found = settings("--log-level=error --debug=true").unwrap();
        assert_eq!(found.level, LevelFilter::Debug);
    }

    #[test]
    fn a_file_may_be_called_one() {
        for (line, wanted) in [
            ("--log=file:/l", "/l"),
            ("--log=/run/a:b", "/run/a:b"),
            ("--log=./a:b", "./a:b"),
        ] {
            assert_eq!(settings(line).unwrap().target, Target::File(wanted.into()));
        }
    }

    #[test]
    fn the_log_of_the_host_is_named_by_its_daemon() {
        for (line, daemon) in [
            ("--log=journald:c1", Daemon::Journal),
            ("--log=syslog:c1", Daemon::Syslog),
        ] {
            let wanted = Target::Daemon(daemon, "c1".to_owned());
            assert_eq!(settings(line).unwrap().target, wanted);
        }
    }

    #[test]
    fn unknown_words_are_refused() {
        for (line, wanted) in [
            ("--log-format=foo", "invalid log-format: foo"),
            ("--log-level=foo", "invalid log-level: foo"),
            ("--log=invalid:/l", "unknown log type: invalid"),
            ("--log=file:", "unknown log type: file"),
            ("--log=journald:", "unknown log type: journald"),
        ] {
            assert_eq!(settings(line).unwrap_err().to_string(), wanted);
        }
    }
}
