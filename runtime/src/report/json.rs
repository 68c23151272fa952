//! A log line as JSON: `{"level":"error","msg":"…","time":"…"}`.

use serde::Serialize;

/// The keys that engines read.
#[derive(Serialize)]
struct Line<'a> {
    level: &'a str,
    msg: &'a str,
    time: &'a str,
}

/// The line, its end included.
pub(crate) fn line(time: &str, level: &str, message: &str) -> String {
    let line = Line {
        level,
        msg: message,
        time,
    };
    // Texts alone cannot fail to be written.
    let mut line = serde_json::to_string(&line).unwrap_or_default();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn is_one_object_on_one_line() {
        assert_eq!(
            line("2026-01-31T23:59:59Z", "error", "exec \"x\"\nfailed"),
            "{\"level\":\"error\",\"msg\":\"exec \\\"x\\\"\\nfailed\",\"time\":\"2026-01-31T23:59:59Z\"}\n"
        );
    }
}
