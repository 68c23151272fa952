//! `events`.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::time::Duration;

use libcontainer::Result;
use libcontainer::error::{Error, ErrorKind};
use libcontainer::lifecycle::{self, Event, Exit, Stats, Watch};
use serde::Serialize;

use super::duration;
use crate::args::{Arity, Command, Grammar, Opt, Words};
use crate::report::{cannot, stdout, write_stdout};
use crate::session::Session;

pub(super) static EVENTS: Command = Command {
    name: "events",
    about: "tell what a container uses, and when it is out of memory",
    usage: "<container-id>",
    description: "\
Prints the container's statistics again and again, and a line when the kernel runs
out of the container's memory: one JSON object a line. Ends when the container stops.",
    options: &[
        Opt::text("interval", "time between statistics, as 500ms or 1m30s").default("5s"),
        Opt::switch("stats", "print the statistics once, at once"),
    ],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(1),
    failure: 1,
    listed: true,
    run,
};

const INTERVAL: Duration = Duration::from_secs(5);

/// A line, with the names that its readers know.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Stats>,
}

fn run(session: &Session, words: &Words) -> Result<Exit> {
    let id = words.arg(0);
    let interval = interval(words)?;
    if words.switch("stats") && !interval.is_zero() {
        let stats = lifecycle::stats(&session.root, id)?;
        stdout(line(id, &Event::Stats(Box::new(stats)))?)?;
        return Ok(Exit(0));
    }
    let out = io::stdout();
    let watch = Watch {
        interval,
        reader: Some(out.as_fd()),
        confined: true,
    };
    let mut result = Ok(true);
    lifecycle::events(&session.root, id, watch, &mut |event| {
        result = line(id, &event).and_then(|line| match write_stdout(&line) {
            // Nobody reads any more, which ends the watch like any other program.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            written => written
                .map(|()| true)
                .map_err(|error| cannot("write", "stdout", &error)),
        });
        match result {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) | Err(_) => ControlFlow::Break(()),
        }
    })?;
    result.map(|_| Exit(0))
}

fn interval(words: &Words) -> Result<Duration> {
    let Some(text) = words.text("interval") else {
        return Ok(INTERVAL);
    };
    duration::read(text).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidConfig,
            format!("invalid value {text:?} for interval"),
        )
        .with_advice("--interval is a time with its unit, as 500ms or 1m30s")
    })
}

fn line(id: &str, event: &Event) -> Result<Vec<u8>> {
    let line = match event {
        Event::Stats(stats) => Line {
            kind: "stats",
            id,
            data: Some(stats),
        },
        Event::Oom => Line {
            kind: "oom",
            id,
            data: None,
        },
    };
    let mut text = serde_json::to_vec(&line)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("cannot write: {error}")))?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{interval, line};
    use crate::commands::testing::words;
    use libcontainer::lifecycle::Event;
    use std::time::Duration;

    #[test]
    fn lines_are_the_known_ones() {
        let text = |event| String::from_utf8(line("c1", &event).unwrap()).unwrap();
        assert_eq!(text(Event::Oom), "{\"type\":\"oom\",\"id\":\"c1\"}\n");
        let stats = text(Event::Stats(Box::default()));
        assert!(
            stats.starts_with(r#"{"type":"stats","id":"c1","data":{"cpu":{},"cpuset":{"#),
            "{stats}"
        );
        assert!(stats.ends_with("}\n"), "{stats}");
    }

    #[test]
    fn the_interval_is_five_seconds_or_what_is_said() {
        let read = |argv: &[&str]| interval(&words(argv));
        assert_eq!(read(&["events", "c"]).unwrap(), Duration::from_secs(5));
        let line = ["events", "c", "--interval", "100ms"];
        assert_eq!(read(&line).unwrap(), Duration::from_millis(100));
        assert_eq!(
            read(&["events", "--interval=5", "c"])
                .unwrap_err()
                .to_string(),
            "invalid value \"5\" for interval"
        );
    }
}
