//! What this host has of what containers and their protections need.
//!
//! Each answer is from trying: a call is made in a way that changes nothing, a file is
//! read. What [`features`](crate::container::features) says is about this library, and
//! this is about the host.
//!
//! ```
//! use libcontainer::check::{self, Need};
//!
//! for ability in check::probe() {
//!     if ability.is_missing(Need::Required) {
//!         eprintln!("{}: {}", ability.name, ability.otherwise);
//!     }
//! }
//! ```

mod host;
mod kernel;

use serde::Serialize;

/// How much depends on an ability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// Some configurations ask for it, and are refused without it.
    Optional,
    /// Containers run without it, with one wall less.
    Protection,
    /// Without it there are no containers.
    Required,
}

/// Something that the host has or has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ability {
    /// Its name, mostly the system call's.
    pub name: &'static str,
    /// How much depends on it.
    pub need: Need,
    /// Whether it is there for this caller.
    pub in_force: bool,
    /// Which one it is, or the reason why it is missing.
    pub detail: String,
    /// What its absence means.
    pub otherwise: &'static str,
}

impl Ability {
    /// Whether it is missing, and at least so much depends on it.
    #[must_use]
    pub fn is_missing(&self, need: Need) -> bool {
        !self.in_force && self.need >= need
    }
}

/// Tries everything; takes a few milliseconds, and leaves nothing behind.
#[must_use]
pub fn probe() -> Vec<Ability> {
    let mut abilities = kernel::probe();
    abilities.extend(host::probe());
    abilities
}

/// A question, before it is asked.
struct Question {
    name: &'static str,
    need: Need,
    otherwise: &'static str,
    ask: fn() -> Result<String, String>,
}

impl Question {
    fn answer(&self) -> Ability {
        let answer = (self.ask)();
        Ability {
            name: self.name,
            need: self.need,
            in_force: answer.is_ok(),
            detail: answer.unwrap_or_else(|reason| reason),
            otherwise: self.otherwise,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Need, Question, probe};

    #[test]
    fn names_are_unique_and_every_answer_says_something() {
        let abilities = probe();
        for (n, ability) in abilities.iter().enumerate() {
            assert!(!ability.detail.is_empty(), "{ability:?}");
            let mut others = abilities.iter().skip(n + 1);
            assert!(
                others.all(|other| other.name != ability.name),
                "{ability:?}"
            );
        }
    }

    #[test]
    fn what_is_missing_counts_by_its_need() {
        let question = Question {
            name: "wings",
            need: Need::Protection,
            otherwise: "it falls",
            ask: || Err("not grown".to_owned()),
        };
        let ability = question.answer();
        assert!(ability.is_missing(Need::Optional) && ability.is_missing(Need::Protection));
        assert!(!ability.is_missing(Need::Required));
        assert_eq!(ability.detail, "not grown");
        let there = Question {
            ask: || Ok("two".to_owned()),
            ..question
        };
        assert!(!there.answer().is_missing(Need::Optional));
    }
}
