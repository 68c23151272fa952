//! The words of one command, typed.

use clap::ArgMatches;

/// The options and arguments of a command, by the names in its table.
#[derive(Debug)]
pub(crate) struct Words(ArgMatches);

impl Words {
    /// What the parser made of them.
    pub(crate) fn new(matches: ArgMatches) -> Self {
        Self(matches)
    }

    /// Whether a switch is on.
    pub(crate) fn switch(&self, name: &str) -> bool {
        self.0.get_one(name).copied().unwrap_or(false)
    }

    /// The text of an option; an empty one is none.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get_one::<String>(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// The number of an option.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.0.get_one(name).copied()
    }

    /// The texts of an option, in their order.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        let texts = self.0.get_many::<String>(name);
        texts.into_iter().flatten().map(String::as_str).collect()
    }

    /// Whether the option was given, also with an empty text.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_id(name)
    }

    /// The arguments.
    pub(crate) fn args(&self) -> Vec<&str> {
        self.list(super::parser::ARGUMENTS)
    }

    /// An argument; empty when it was not given.
    pub(crate) fn arg(&self, position: usize) -> &str {
        self.given(position).unwrap_or_default()
    }

    /// The same, none when there are not so many.
    pub(crate) fn given(&self, position: usize) -> Option<&str> {
        let args = self.0.get_many::<String>(super::parser::ARGUMENTS);
        args?.nth(position).map(String::as_str)
    }
}
