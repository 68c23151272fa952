//! Rules with conditions, as a graph of comparisons of 32-bit words.

use super::arch::Layout;
use super::profile::Operator;
use super::ranges::Leaf;

/// Where a comparison leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The filter returns this.
    Return(u32),
    /// Another comparison, always one with a smaller index.
    Node(usize),
}

/// `word & mask COMPARISON value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Test {
    /// The word's offset in `struct seccomp_data`.
    pub(super) offset: u32,
    pub(super) mask: u32,
    pub(super) comparison: Comparison,
    pub(super) value: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Eq,
    Ge,
    Gt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) test: Test,
    pub(super) yes: Target,
    pub(super) no: Target,
}

/// The graph of one leaf.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) nodes: Vec<Node>,
    pub(super) entry: Target,
}

/// Tests and their outcomes, on the way to a comparison.
type Facts = Vec<(Test, bool)>;

impl Decision {
    /// The first rule that holds, or the default.
    ///
    /// It is built from the end: a rule's way out is the rule after it. Such a
    /// way out skips the comparisons whose outcome is known by then, so that
    /// five values of one argument need its upper half compared once.
    pub(super) fn new(leaf: &Leaf, default: u32) -> Self {
        let mut decision = Self {
            nodes: Vec::new(),
            entry: Target::Return(default),
        };
        for (conditions, action) in leaf.rules.iter().rev() {
            let fails = decision.entry;
            let mut holds = Target::Return(*action);
            for (at, condition) in conditions.iter().enumerate().rev() {
                let mut facts = Facts::new();
                for earlier in conditions.iter().take(at) {
                    if matches!(earlier.operator, Operator::Eq | Operator::MaskedEq) {
                        facts.extend(Words::of(earlier, leaf.layout).equal().map(|it| (it, true)));
                    }
                }
                let words = Words::of(condition, leaf.layout);
                holds = decision.condition(&words, condition.operator, facts, holds, fails);
            }
            decision.entry = holds;
        }
        decision
    }

    fn condition(
        &mut self,
        words: &Words,
        operator: Operator,
        facts: Facts,
        holds: Target,
        fails: Target,
    ) -> Target {
        match operator {
            Operator::Eq | Operator::MaskedEq => self.equal(words, facts, holds, fails),
            Operator::Ne => self.equal(words, facts, fails, holds),
            Operator::Ge => self.order(words, Comparison::Ge, facts, holds, fails),
            Operator::Lt => self.order(words, Comparison::Ge, facts, fails, holds),
            Operator::Gt => self.order(words, Comparison::Gt, facts, holds, fails),
            Operator::Le => self.order(words, Comparison::Gt, facts, fails, holds),
        }
    }

    fn equal(&mut self, words: &Words, mut facts: Facts, yes: Target, no: Target) -> Target {
        let tests: Vec<Test> = words.equal().collect();
        facts.extend(tests.iter().map(|test| (*test, true)));
        let mut entry = self.follow(yes, &facts);
        for test in tests.into_iter().rev() {
            facts.pop();
            facts.push((test, false));
            let no = self.follow(no, &facts);
            facts.pop();
            entry = self.node(test, entry, no);
        }
        entry
    }

    fn order(
        &mut self,
        words: &Words,
        comparison: Comparison,
        mut facts: Facts,
        yes: Target,
        no: Target,
    ) -> Target {
        let low = words.low.with(comparison);
        let Some(high) = words.high else {
            return self.branch(low, &mut facts, yes, no);
        };
        let (above, same) = (high.with(Comparison::Gt), high.with(Comparison::Eq));
        facts.push((same, true));
        let within = self.branch(low, &mut facts, yes, no);
        facts.pop();
        facts.push((above, false));
        facts.push((same, false));
        let below = self.follow(no, &facts);
        facts.pop();
        facts.pop();
        let not_above = self.node(same, within, below);
        facts.push((above, true));
        let yes = self.follow(yes, &facts);
        self.node(above, yes, not_above)
    }

    /// A comparison whose ways out are followed as far as they are known.
    fn branch(&mut self, test: Test, facts: &mut Facts, yes: Target, no: Target) -> Target {
        facts.push((test, true));
        let yes = self.follow(yes, facts);
        facts.pop();
        facts.push((test, false));
        let no = self.follow(no, facts);
        facts.pop();
        self.node(test, yes, no)
    }

    fn node(&mut self, test: Test, yes: Target, no: Target) -> Target {
        if yes == no {
            return yes;
        }
        self.nodes.push(Node { test, yes, no });
        Target::Node(self.nodes.len() - 1)
    }

    /// Past the comparisons that the facts decide.
    fn follow(&self, mut target: Target, facts: &Facts) -> Target {
        while let Target::Node(at) = target
            && let Some(node) = self.nodes.get(at)
            && let Some(outcome) = facts.iter().find_map(|fact| node.test.given(fact))
        {
            target = if outcome { node.yes } else { node.no };
        }
        target
    }
}

impl Test {
    fn with(self, comparison: Comparison) -> Self {
        Self { comparison, ..self }
    }

    /// The outcome, where another test's outcome decides it.
    fn given(&self, (known, outcome): &(Test, bool)) -> Option<bool> {
        if known == self {
            return Some(*outcome);
        }
        let equal = known.comparison == Comparison::Eq && *outcome;
        if !equal || known.offset != self.offset || self.mask & !known.mask != 0 {
            return None;
        }
        let word = known.value & self.mask;
        Some(match self.comparison {
            Comparison::Eq => word == self.value,
            Comparison::Ge => word >= self.value,
            Comparison::Gt => word > self.value,
        })
    }
}

/// The words that a condition compares, with equality as the comparison.
struct Words {
    high: Option<Test>,
    low: Test,
}

impl Words {
    fn of(condition: &super::profile::Condition, layout: Layout) -> Self {
        let test = |offset, mask: u64, value: u64| Test {
            offset,
            mask: low_half(mask),
            comparison: Comparison::Eq,
            value: low_half(value),
        };
        let (mask, value) = (condition.mask, condition.value);
        Self {
            high: layout
                .wide
                .then(|| test(layout.high(condition.arg), mask >> 32, value >> 32)),
            low: test(layout.low(condition.arg), mask, value),
        }
    }

    /// What equality compares, the high word first; nothing under an empty mask.
    fn equal(&self) -> impl Iterator<Item = Test> + use<> {
        let tests = self.high.into_iter().chain([self.low]);
        tests.filter(|test| test.mask != 0)
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "the low half is what is wanted"
)]
fn low_half(value: u64) -> u32 {
    value as u32
}
