//! What this program is, for `--version`.

/// The version of the program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The newest runtime-spec that we implement.
pub(crate) const SPEC: &str = libcontainer::spec::VERSION;

/// The commit that it was built from; the builder names it.
const COMMIT: &str = match option_env!("LODGE_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// The lines of `--version`. Engines parse the first and the `spec:` line.
pub(crate) fn text() -> String {
    format!("lodge version {VERSION}\ncommit: {COMMIT}\nspec: {SPEC}\n")
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn engines_find_their_lines() {
        let text = text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.first(), Some(&"lodge version 0.1.0"));
        assert!(
            lines
                .get(1)
                .is_some_and(|line| line.starts_with("commit: "))
        );
        assert_eq!(lines.get(2), Some(&"spec: 1.3.0"));
    }
}
