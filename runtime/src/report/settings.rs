//! Where the log goes, how, and how much of it.

use std::path::PathBuf;

use libcontainer::Result;
use libcontainer::error::{Error, ErrorKind};
use log::LevelFilter;

use crate::args::Words;

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
    /// The file; stderr when absent.
    pub(crate) file: Option<PathBuf>,
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
            file: globals.text("log").map(file).transpose()?,
            format,
            level,
        })
    }
}

/// The file of `--log FILE` or `--log file:FILE`.
fn file(text: &str) -> Result<PathBuf> {
    let Some((kind, rest)) = text.split_once(':') else {
        return Ok(text.into());
    };
    if kind.is_empty() || !kind.bytes().all(|c| c.is_ascii_alphabetic()) {
        return Ok(text.into());
    }
    if kind == "file" && !rest.is_empty() {
        return Ok(rest.into());
    }
    Err(Error::new(
        ErrorKind::InvalidConfig,
        format!("unknown log type: {kind}"),
    )
    .with_advice("the log is a file: --log FILE or --log file:FILE"))
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
    use super::{Format, LogSettings};
    use crate::args::parse;
    use libcontainer::Result;
    use log::LevelFilter;
    use std::path::Path;

    fn settings(line: &str) -> Result<LogSettings> {
        let argv: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        LogSettings::new(&parse(&argv).unwrap().0)
    }

    #[test]
    fn defaults_are_text_on_stderr_from_info_on() {
        let wanted = LogSettings {
            file: None,
            format: Format::Text,
            level: LevelFilter::Info,
        };
        assert_eq!(settings("").unwrap(), wanted);
        assert_eq!(settings("--log= --log-format=").unwrap(), wanted);
    }

    #[test]
    fn options_are_read() {
        let found = settings("--log=/l --log-format=json --log-level=warning").unwrap();
        assert_eq!(found.file.as_deref(), Some(Path::new("/l")));
        assert_eq!(found.format, Format::Json);
        assert_eq!(found.level, LevelFilter::Warn);
        let found = settings("--log-level=error --debug=true").unwrap();
        assert_eq!(found.level, LevelFilter::Debug);
    }

    #[test]
    fn a_file_may_be_called_one() {
        let path = |line: &str| settings(line).unwrap().file.unwrap();
        assert_eq!(path("--log=file:/l"), Path::new("/l"));
        assert_eq!(path("--log=/run/a:b"), Path::new("/run/a:b"));
        assert_eq!(path("--log=./a:b"), Path::new("./a:b"));
    }

    #[test]
    fn unknown_words_are_refused() {
        for (line, wanted) in [
            ("--log-format=foo", "invalid log-format: foo"),
            ("--log-level=foo", "invalid log-level: foo"),
            ("--log=invalid:/l", "unknown log type: invalid"),
            ("--log=file:", "unknown log type: file"),
        ] {
            assert_eq!(settings(line).unwrap_err().to_string(), wanted);
        }
    }
}
