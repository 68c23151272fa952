//! The words of one command, typed.

use clap::ArgMatches;
use clap::parser::ValuesRef;

use super::Opt;

/// The options and arguments of a command, by the names in its table.
#[derive(Debug)]
pub(crate) struct Words {
    matches: ArgMatches,
    options: &'static [Opt],
}

impl Words {
    /// What the parser made of them, and the options that there are: it was told of
    /// those alone that are used.
    pub(crate) fn new(matches: ArgMatches, options: &'static [Opt]) -> Self {
        Self { matches, options }
    }

    /// The name is in the table: one that is not would never be found.
    fn known<'a>(&self, name: &'a str) -> &'a str {
        debug_assert!(
            name == super::parser::ARGUMENTS || self.options.iter().any(|it| it.long == name),
            "no option {name} in the table"
        );
        name
    }

    fn one<T: Clone + Send + Sync + 'static>(&self, name: &str) -> Option<&T> {
        self.matches.try_get_one(self.known(name)).ok().flatten()
    }

    fn many(&self, name: &str) -> ValuesRef<'_, String> {
        let found = self.matches.try_get_many(self.known(name));
        found.ok().flatten().unwrap_or_default()
    }

    /// Whether a switch is on.
    pub(crate) fn switch(&self, name: &str) -> bool {
        self.one(name).copied().unwrap_or(false)
    }

    /// The text of an option; an empty one is none.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.one::<String>(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// The number of an option.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.one(name).copied()
    }

    /// The texts of an option, in their order.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        self.many(name).map(String::as_str).collect()
    }

    /// Whether the option was given, also with an empty text.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.matches
            .try_contains_id(self.known(name))
            .unwrap_or_default()
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
        self.many(super::parser::ARGUMENTS)
            .nth(position)
            .map(String::as_str)
    }
}
