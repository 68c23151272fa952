//! What a command and an option are: the one table that the parser, the lenient
//! reading of argv and the help are made from.

use libcontainer::Result;
use libcontainer::lifecycle::Exit;

use crate::args::Words;
use crate::session::Session;

/// A word of the command line.
#[derive(Debug)]
pub(crate) struct Command {
    /// The word.
    pub(crate) name: &'static str,
    /// One line for the list of commands.
    pub(crate) about: &'static str,
    /// The arguments, as the usage line shows them.
    pub(crate) usage: &'static str,
    /// What it does and what to know, for its own help.
    pub(crate) description: &'static str,
    /// Its options.
    pub(crate) options: &'static [Opt],
    /// How its arguments and options are told apart.
    pub(crate) grammar: Grammar,
    /// How many arguments it takes.
    pub(crate) arity: Arity,
    /// The exit code of a failure of our own.
    pub(crate) failure: u8,
    /// Whether the help lists it.
    pub(crate) listed: bool,
    /// What it does.
    pub(crate) run: fn(&Session, &Words) -> Result<Exit>,
}

/// How arguments and options are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grammar {
    /// Options stand anywhere, also after the arguments.
    Anywhere,
    /// From the first argument on, everything is an argument.
    UntilFirstArgument,
}

/// How many arguments a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arity {
    /// This many.
    Exactly(usize),
    /// This many or more.
    AtLeast(usize),
    /// Between these two, both included.
    Between(usize, usize),
}

impl Arity {
    /// What is wrong with this many arguments, in the words that callers know.
    pub(crate) fn fault(self, given: usize) -> Option<String> {
        match self {
            Self::Exactly(n) if given != n => Some(format!("requires exactly {n} argument(s)")),
            Self::AtLeast(n) | Self::Between(n, _) if given < n => {
                Some(format!("requires a minimum of {n} argument(s)"))
            }
            Self::Between(_, n) if given > n => {
                Some(format!("requires a maximum of {n} argument(s)"))
            }
            Self::Exactly(_) | Self::AtLeast(_) | Self::Between(..) => None,
        }
    }
}

/// An option.
#[derive(Debug)]
pub(crate) struct Opt {
    /// Its name without dashes.
    pub(crate) long: &'static str,
    /// Its letter.
    pub(crate) short: Option<char>,
    /// What it takes.
    pub(crate) value: Value,
    /// One line about it.
    pub(crate) help: &'static str,
    /// The value that holds when it is absent, for the help.
    pub(crate) default: &'static str,
    /// Whether the help lists it.
    pub(crate) listed: bool,
}

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// Nothing, or `=BOOL`.
    Switch,
    /// A text; the last one counts.
    Text,
    /// A whole number from 0; the last one counts.
    Number,
    /// A text; all of them count.
    List,
}

impl Opt {
    const fn new(long: &'static str, value: Value, help: &'static str) -> Self {
        Self {
            long,
            short: None,
            value,
            help,
            default: "",
            listed: true,
        }
    }

    /// An option that is there or not.
    pub(crate) const fn switch(long: &'static str, help: &'static str) -> Self {
        Self::new(long, Value::Switch, help)
    }

    /// An option with a text.
    pub(crate) const fn text(long: &'static str, help: &'static str) -> Self {
        Self::new(long, Value::Text, help)
    }

    /// An option with a number.
    pub(crate) const fn number(long: &'static str, help: &'static str) -> Self {
        Self::new(long, Value::Number, help)
    }

    /// An option with a text, which may be given again.
    pub(crate) const fn list(long: &'static str, help: &'static str) -> Self {
        Self::new(long, Value::List, help)
    }

    /// The same with a letter.
    #[must_use]
    pub(crate) const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    /// The same with the value that holds when it is absent.
    #[must_use]
    pub(crate) const fn default(mut self, value: &'static str) -> Self {
        self.default = value;
        self
    }

    /// The same, taken but not shown: old callers send it.
    #[must_use]
    pub(crate) const fn unlisted(mut self) -> Self {
        self.listed = false;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Arity;

    #[test]
    fn arity_says_what_is_wrong() {
        let say = |arity: Arity, given| arity.fault(given).unwrap_or_default();
        assert_eq!(say(Arity::Exactly(1), 0), "requires exactly 1 argument(s)");
        assert_eq!(say(Arity::Exactly(0), 2), "requires exactly 0 argument(s)");
        assert_eq!(say(Arity::Exactly(1), 1), "");
        assert_eq!(
            say(Arity::AtLeast(1), 0),
            "requires a minimum of 1 argument(s)"
        );
        assert_eq!(say(Arity::AtLeast(1), 9), "");
        assert_eq!(
            say(Arity::Between(1, 2), 0),
            "requires a minimum of 1 argument(s)"
        );
        assert_eq!(
            say(Arity::Between(1, 2), 3),
            "requires a maximum of 2 argument(s)"
        );
        assert_eq!(say(Arity::Between(1, 2), 2), "");
    }
}
