//! CRIU's own log: what of it a person wants to see after a failure.

use std::path::Path;

/// How many lines before an error are shown with it.
const BEFORE: usize = 5;

/// The most lines that are quoted; the last errors are the ones that count.
const MOST: usize = 60;

/// The errors of the log with what led to them, a line each with its number, as
/// warnings. Gives what went wrong, in a few words.
pub(super) fn quote(path: &Path) -> Option<String> {
    let text = match std::fs::read(path) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => {
            log::warn!("criu left no log {}: {error}", path.display());
            return None;
        }
    };
    let lines = errors(&text);
    if lines.is_empty() {
        log::warn!("criu's log {} tells of no error", path.display());
        return None;
    }
    log::warn!("from criu's log {}:", path.display());
    for line in lines {
        log::warn!("{line}");
    }
    cause(&text).map(str::to_owned)
}

/// What went wrong: errors come close together, each the consequence of the one
/// before, and the last of such groups is of what could not be got over.
fn cause(text: &str) -> Option<&str> {
    let mut cause = None;
    let mut last = None;
    for (number, line) in text.lines().enumerate() {
        // That all has failed says nothing.
        if !line.contains("Error") || line.ends_with("FAILED.") {
            continue;
        }
        let close = last.is_some_and(|last| number <= last + BEFORE);
        if !close {
            cause = Some(words(line));
        }
        last = Some(number);
    }
    cause
}

/// What a line says, without the time and the place in CRIU's sources.
pub(super) fn words(line: &str) -> &str {
    line.split_once("): ")
        .map_or(line, |(_, words)| words)
        .trim()
}

fn errors(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let is_error = |line: &&str| line.contains("Error");
    let mut shown = Vec::new();
    let mut next = 0;
    for (number, _) in lines.iter().enumerate().filter(|(_, line)| is_error(line)) {
        let first = number.saturating_sub(BEFORE).max(next);
        if first > next && !shown.is_empty() {
            shown.push("...".to_owned());
        }
        let quoted = lines.iter().enumerate().take(number + 1).skip(first);
        shown.extend(quoted.map(|(index, line)| format!("{}: {line}", index + 1)));
        next = number + 1;
    }
    let left_out = shown.len().saturating_sub(MOST);
    if left_out > 0 {
        shown.drain(..left_out);
        shown.insert(0, format!("... ({left_out} lines left out)"));
    }
    shown
}

/// The last line that says what is wrong, of what CRIU wrote before it had a log.
pub(super) fn last_error(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.clone().rfind(|line| line.contains("Error"));
    last.or_else(|| lines.next_back())
}

#[cfg(test)]
mod tests {
    use super::{cause, errors, last_error};

    #[test]
    fn the_cause_is_the_first_error_of_the_last_group() {
        let mut lines = vec!["(00.01) Error (criu/util.c:1): rlimit: no"];
        lines.extend(["(00.02) fine"; 9]);
        lines.push("(00.03) Error (criu/vdso.c:381): vdso: Unexpected bounds");
        lines.extend(["(00.04) fine"; 2]);
        lines.push("(00.05) Error (x:1): so");
        lines.extend(["(00.06) fine"; 9]);
        lines.push("(00.07) Error (criu/cr-dump.c:2): Dumping FAILED.");
        assert_eq!(cause(&lines.join("\n")), Some("vdso: Unexpected bounds"));
        assert_eq!(cause("(00.08) fine\n"), None);
    }

    #[test]
    fn errors_come_with_the_lines_before_them() {
        let lines: Vec<String> = (1..=20)
            .map(|number| match number {
                3 | 4 | 15 => format!("l{number}Error"),
                _ => format!("l{number}"),
            })
            .collect();
        let text = lines.join("\n");
        assert_eq!(
            errors(&text),
            [
                "1: l1",
                "2: l2",
                "3: l3Error",
                "4: l4Error",
                "...",
                "10: l10",
                "11: l11",
                "12: l12",
                "13: l13",
                "14: l14",
                "15: l15Error"
            ]
        );
        assert!(errors("fine\n").is_empty());
    }

    #[test]
    fn the_end_of_a_long_list_is_kept() {
        let lines: Vec<String> = (1..200).map(|number| format!("Error {number}")).collect();
        let text = lines.join("\n");
        let shown = errors(&text);
        assert_eq!(shown.len(), 61);
        assert_eq!(shown.last().map(String::as_str), Some("199: Error 199"));
    }

    #[test]
    fn one_line_says_what_is_wrong() {
        assert_eq!(
            last_error("Warn x\nError (a.c:1): no\nbye\n"),
            Some("Error (a.c:1): no")
        );
        assert_eq!(last_error("a\n b \n\n"), Some("b"));
        assert_eq!(last_error(""), None);
    }
}
