//! Calls under strace(1): what they ask of the kernel, and other answers than the
//! kernel's.

use std::fs;
use std::path::Path;

use super::call::Answer;
use super::case::Case;
use super::fault::{Outcome, skip};

/// Ends the test as skipped where there is no strace(1).
pub(crate) fn needs_strace() -> Outcome {
    if Path::new("/usr/bin/strace").exists() {
        return Ok(());
    }
    skip("strace is not installed, which stands between the runtime and the kernel")
}

impl Case {
    /// Makes a call under strace(1) with these expressions (its `-e`), and gives
    /// what it noted of the runtime and of all that it started: a line for each
    /// system call.
    #[track_caller]
    pub(crate) fn traced(
        &self,
        args: &[&str],
        expressions: &[&str],
    ) -> Outcome<(Answer, Vec<String>)> {
        needs_strace()?;
        let notes = self.bundle.dir.join("strace");
        let expressions: Vec<String> = expressions.iter().map(|it| format!("-e '{it}'")).collect();
        let script = format!(
            "exec strace -f -qq -s 300 -o '{}' {} \"$@\"",
            notes.display(),
            expressions.join(" ")
        );
        let answer = self.call(args).under(&script).limit(60).answer()?;
        let text = fs::read(&notes)?;
        let lines = String::from_utf8_lossy(&text)
            .lines()
            .map(str::to_owned)
            .collect();
        Ok((answer, lines))
    }

    /// How many system calls that is, programs of the container included.
    #[track_caller]
    pub(crate) fn system_calls(&self, args: &[&str]) -> Outcome<usize> {
        let (answer, lines) = self.traced(args, &["trace=all"])?;
        answer.ok()?;
        // One that another process or thread interrupted has two lines, the second of
        // which may have an error's words in parentheses.
        let calls = lines.iter().filter(|line| {
            line.contains('(') && !line.contains("+++") && !line.contains(" resumed>")
        });
        Ok(calls.count())
    }
}
