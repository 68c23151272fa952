//! The log, and the errors that end a command.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::time::SystemTime;

use libcontainer::Result;
use libcontainer::error::{Error, ErrorKind};
use log::{Level, Metadata, Record};

use super::cut::cut;
use super::daemon::Listener;
use super::settings::Target;
use super::{Format, LogSettings, cannot, json, stderr_line, text};
use libcontainer::container::rfc3339;

/// Where lines go. Before [`open`], they are text on stderr.
static SINK: Sink = Sink(OnceLock::new());

struct Sink(OnceLock<(Log, Format)>);

/// The log, opened.
enum Log {
    Stderr,
    File(File),
    Daemon(Listener),
}

/// Opens the log and takes the library's lines from now on.
///
/// # Errors
/// A log file that cannot be opened for appending, or nobody who listens.
pub(crate) fn open(settings: &LogSettings) -> Result<()> {
    let log = match &settings.target {
        Target::Stderr => Log::Stderr,
        Target::File(path) => {
            let mut options = OpenOptions::new();
            options.append(true).create(true).mode(0o644);
            let file = options.open(path);
            Log::File(file.map_err(|error| cannot("open log", &path.to_string_lossy(), &error))?)
        }
        Target::Daemon(daemon, identifier) => Log::Daemon(Listener::new(*daemon, identifier)?),
    };
    // Both are set once, by this one call.
    let _ = SINK.0.set((log, settings.format));
    let _ = log::set_logger(&SINK);
    log::set_max_level(settings.level);
    Ok(())
}

/// Tells the error that ends a command: to the log, and to whoever looks at
/// stderr. Its advice is a second line there and never part of the log.
pub(crate) fn failure(error: &Error) {
    // An error is one line, or a reader of the log would miss the rest.
    let message = error.to_string();
    let message = cut(&message);
    // The program's own failure, as a shell would say it: runc's container says it
    // when its runtime has already gone.
    let plain = error.kind() == ErrorKind::NotExecuted && SINK.format() == Format::Text;
    if SINK.is_elsewhere() || !plain {
        SINK.write("error", &message);
    }
    if SINK.is_elsewhere() || plain {
        stderr_line(&message.replace('\n', " "));
    }
    if let Some(advice) = error.advice()
        && (SINK.is_elsewhere() || SINK.format() == Format::Text)
    {
        stderr_line(&advice.replace('\n', " "));
    }
}

/// Makes a panic one line in the log and on stderr.
pub(crate) fn hook_panics() {
    std::panic::set_hook(Box::new(|info| {
        let notice = bug_notice(info);
        SINK.write("error", &notice);
        if SINK.is_elsewhere() {
            stderr_line(&notice);
        }
    }));
}

fn bug_notice(info: &PanicHookInfo<'_>) -> String {
    let place = info
        .location()
        .map_or_else(String::new, |place| format!(" at {place}"));
    let words = info.payload_as_str().unwrap_or("no words");
    let words = words.replace('\n', " ");
    format!("this is a bug in lodge, please report it: panic{place}: {words}")
}

impl Sink {
    /// Whether lines go where whoever looks at stderr does not see them.
    fn is_elsewhere(&self) -> bool {
        !matches!(self.0.get(), None | Some((Log::Stderr, _)))
    }

    fn format(&self) -> Format {
        self.0.get().map_or(Format::Text, |(_, format)| *format)
    }

    /// One line, in one write(2), so that lines of several processes never mix.
    fn write(&self, level: &str, message: &str) {
        let message = &cut(message.trim_end_matches('\n'));
        // A log that takes no more is no reason to fail what was asked for.
        let _ = match self.0.get() {
            Some((Log::Daemon(daemon), _)) => daemon.write(level, message),
            Some((Log::File(file), _)) => {
                (&mut &*file).write_all(self.line(level, message).as_bytes())
            }
            Some((Log::Stderr, _)) | None => {
                std::io::stderr().write_all(self.line(level, message).as_bytes())
            }
        };
    }

    fn line(&self, level: &str, message: &str) -> String {
        let time = rfc3339(SystemTime::now());
        match self.format() {
            Format::Text => text::line(&time, level, message),
            Format::Json => json::line(&time, level, message),
        }
    }
}

impl log::Log for Sink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Error => "error",
            Level::Warn => "warning",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        };
        match record.args().as_str() {
            Some(message) => self.write(level, message),
            None => self.write(level, &record.args().to_string()),
        }
    }

    fn flush(&self) {}
}
