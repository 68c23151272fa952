//! Which of several rules with conditions for one call counts; see the module's page.
//!
//! libseccomp keeps rules as a tree of comparisons, of 32 bits each, with the words
//! of an argument one below the other. So the upper halves are compared first, and
//! a rule that shares its first comparisons with an earlier one joins it, ahead of
//! what the list has between the two.

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

use super::arch::Layout;
use super::profile::{Condition, Operator};

/// A rule as a layout compares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ranked {
    pub(super) conditions: Vec<Condition>,
    pub(super) action: u32,
    /// The element of `syscalls`, unless it came from a multiplexer.
    pub(super) entry: Option<usize>,
}

/// The comparison of one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Word {
    arg: u8,
    class: Class,
    kind: Kind,
    mask: u32,
    value: u32,
}

/// Operators that are looked at together, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Class {
    Equality,
    Less,
    Greater,
}

/// What a filter asks of the word. `EQ` and `NE` ask the same, so do `GT` and `LE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Equal,
    MaskedEqual,
    Above,
    AtLeast,
}

/// Sorts the rules, which come in the order of the list, by precedence.
pub(super) fn sort(rules: &mut Vec<Ranked>, layout: Layout) {
    let words: Vec<Vec<Word>> = rules
        .iter()
        .map(|rule| words(&rule.conditions, layout))
        .collect();
    // Where the list has the first rule that begins with these comparisons.
    let mut firsts: HashMap<&[Word], usize> = HashMap::new();
    for (place, words) in words.iter().enumerate() {
        for (depth, _) in words.iter().enumerate() {
            if let Some(beginning) = words.get(..=depth) {
                firsts.entry(beginning).or_insert(place);
            }
        }
    }
    let first = |words: &[Word], depth: usize| {
        words
            .get(..=depth)
            .and_then(|beginning| firsts.get(beginning))
    };
    let mut sorted: Vec<(Ranked, &Vec<Word>)> = rules.drain(..).zip(&words).collect();
    sorted.sort_by(|(_, one), (_, other)| {
        let differing = one.iter().zip(*other).enumerate().map(|(depth, (a, b))| {
            a.precedence(b)
                .then_with(|| first(one, depth).cmp(&first(other, depth)))
        });
        differing
            .into_iter()
            .find(|order| order.is_ne())
            .unwrap_or_else(|| one.len().cmp(&other.len()))
    });
    rules.extend(sorted.into_iter().map(|(rule, _)| rule));
}

/// The comparisons of the conditions: the upper word of an argument, then the lower.
fn words(conditions: &[Condition], layout: Layout) -> Vec<Word> {
    let mut words = Vec::with_capacity(2 * conditions.len());
    for condition in conditions {
        let (class, low) = match condition.operator {
            Operator::MaskedEq => (Class::Equality, Kind::MaskedEqual),
            Operator::Eq | Operator::Ne => (Class::Equality, Kind::Equal),
            Operator::Lt => (Class::Less, Kind::AtLeast),
            Operator::Le => (Class::Less, Kind::Above),
            Operator::Ge => (Class::Greater, Kind::AtLeast),
            Operator::Gt => (Class::Greater, Kind::Above),
        };
        let high = match class {
            Class::Equality => low,
            Class::Less | Class::Greater => Kind::Above,
        };
        let word = |kind, (mask, value)| Word {
            arg: condition.arg,
            class,
            kind,
            mask,
            value,
        };
        let halves = |take: fn(u64) -> u32| (take(condition.mask), take(condition.value));
        if layout.wide {
            words.push(word(high, halves(high_half)));
        }
        words.push(word(low, halves(low_half)));
    }
    words
}

impl Word {
    fn precedence(&self, other: &Self) -> Ordering {
        let by_value = match self.class {
            Class::Less => self.value.cmp(&other.value),
            Class::Equality | Class::Greater => other.value.cmp(&self.value),
        };
        let argument = Reverse(self.arg).cmp(&Reverse(other.arg));
        argument.then(self.class.cmp(&other.class)).then(by_value)
    }
}

fn high_half(value: u64) -> u32 {
    low_half(value >> 32)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "the low half is what is wanted"
)]
fn low_half(value: u64) -> u32 {
    value as u32
}
