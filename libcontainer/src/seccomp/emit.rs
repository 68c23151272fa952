//! Sections and decisions to instructions.

use super::assembler::{Assembler, Goal, Jump};
use super::decision::{Comparison, Decision, Node, Target};
use super::filter::Instruction;
use super::ranges::{Section, Span, Verdict};

// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

/// The whole program: dispatch on the architecture, a tree of numbers for each.
///
/// An architecture without a section kills the thread, as libseccomp does.
pub(super) fn program(sections: &[Section], default: u32) -> Vec<Instruction> {
    let mut assembler = Assembler::new();
    let goals: Vec<(u32, Goal)> = sections
        .iter()
        .rev()
        .map(|section| (section.audit, numbers(&mut assembler, section, default)))
        .collect();
    let mut start = Goal::Return(libc::SECCOMP_RET_KILL);
    for (audit, goal) in goals {
        start = assembler.jump(Jump::Equal, audit, goal, start);
    }
    let start = assembler.load(ARCH);
    assembler.finish(start)
}

fn numbers(assembler: &mut Assembler, section: &Section, default: u32) -> Goal {
    let mut leaves = vec![None; section.leaves.len()];
    let mut tree = Tree {
        assembler,
        section,
        default,
        leaves: &mut leaves,
    };
    match tree.search(&section.spans) {
        // One verdict for all numbers: there is nothing to load.
        goal if section.spans.len() == 1 => goal,
        _ => assembler.load(NUMBER),
    }
}

struct Tree<'a> {
    assembler: &'a mut Assembler,
    section: &'a Section,
    default: u32,
    /// Where the leaves are, once written.
    leaves: &'a mut Vec<Option<Goal>>,
}

impl Tree<'_> {
    /// The balanced search for the span of the number in the accumulator.
    fn search(&mut self, spans: &[Span]) -> Goal {
        match spans {
            [] => Goal::Return(self.default),
            [one] => self.verdict(one.verdict),
            // One number that differs from both its neighbours.
            [before, one, after]
                if before.verdict == after.verdict
                    && one.start.checked_add(1) == Some(after.start) =>
            {
                let other = self.verdict(after.verdict);
                let verdict = self.verdict(one.verdict);
                self.assembler.jump(Jump::Equal, one.start, verdict, other)
            }
            spans => {
                let (below, above) = spans.split_at(spans.len() / 2);
                let start = above.first().map_or(0, |span| span.start);
                let above = self.search(above);
                let below = self.search(below);
                self.assembler.jump(Jump::AtLeast, start, above, below)
            }
        }
    }

    fn verdict(&mut self, verdict: Verdict) -> Goal {
        let leaf = match verdict {
            Verdict::Return(value) => return Goal::Return(value),
            Verdict::Check(leaf) => leaf,
        };
        if let Some(Some(goal)) = self.leaves.get(leaf) {
            return *goal;
        }
        let Some(rules) = self.section.leaves.get(leaf) else {
            return Goal::Return(self.default);
        };
        let goal = decision(self.assembler, &Decision::new(rules, self.default));
        if let Some(known) = self.leaves.get_mut(leaf) {
            *known = Some(goal);
        }
        goal
    }
}

/// How a comparison is reached, and where it is.
#[derive(Clone, Copy, Default)]
struct Way {
    /// Some way to it must load its word.
    loads: bool,
    /// Some way to it has its word in the accumulator.
    direct: bool,
    loading: Option<Goal>,
    loaded: Option<Goal>,
}

fn decision(assembler: &mut Assembler, decision: &Decision) -> Goal {
    let entry = match decision.entry {
        Target::Return(value) => return Goal::Return(value),
        Target::Node(entry) => entry,
    };
    let mut ways = ways(decision, entry);
    for (at, node) in decision.nodes.iter().enumerate() {
        let Some(way) = ways.get(at).copied() else {
            break;
        };
        if !way.loads && !way.direct {
            continue;
        }
        let goal = |target| match target {
            Target::Return(value) => Some(Goal::Return(value)),
            Target::Node(to) => {
                let way = ways.get(to)?;
                if holds(decision, node, to) {
                    way.loaded
                } else {
                    way.loading
                }
            }
        };
        let (Some(yes), Some(no)) = (goal(node.yes), goal(node.no)) else {
            continue;
        };
        let loaded = compare(assembler, node, yes, no);
        let loading = way.loads.then(|| assembler.load(node.test.offset));
        if let Some(way) = ways.get_mut(at) {
            (way.loaded, way.loading) = (Some(loaded), loading);
        }
    }
    let entry = ways.get(entry).and_then(|way| way.loading);
    entry.unwrap_or(Goal::Return(libc::SECCOMP_RET_KILL))
}

fn compare(assembler: &mut Assembler, node: &Node, yes: Goal, no: Goal) -> Goal {
    let test = node.test;
    let jump = match test.comparison {
        Comparison::Eq if tests_bits(node) => {
            return assembler.jump(Jump::AnyBit, test.mask, no, yes);
        }
        Comparison::Eq => Jump::Equal,
        Comparison::Ge => Jump::AtLeast,
        Comparison::Gt => Jump::Above,
    };
    let goal = assembler.jump(jump, test.value, yes, no);
    if test.mask == u32::MAX {
        goal
    } else {
        assembler.and(test.mask)
    }
}

/// Whether "these bits are all zero" is asked, which leaves the accumulator be.
fn tests_bits(node: &Node) -> bool {
    node.test.comparison == Comparison::Eq && node.test.value == 0 && node.test.mask != u32::MAX
}

/// Which comparisons are reached, and what the accumulator holds there.
fn ways(decision: &Decision, entry: usize) -> Vec<Way> {
    let mut ways = vec![Way::default(); entry + 1];
    if let Some(way) = ways.get_mut(entry) {
        way.loads = true;
    }
    for (at, node) in decision.nodes.iter().enumerate().take(entry + 1).rev() {
        if !ways.get(at).is_some_and(|way| way.loads || way.direct) {
            continue;
        }
        for target in [node.yes, node.no] {
            if let Target::Node(to) = target
                && let Some(way) = ways.get_mut(to)
            {
                if holds(decision, node, to) {
                    way.direct = true;
                } else {
                    way.loads = true;
                }
            }
        }
    }
    ways
}

/// Whether the accumulator holds the word of `to` after `node`.
fn holds(decision: &Decision, node: &Node, to: usize) -> bool {
    let whole = node.test.mask == u32::MAX || tests_bits(node);
    let to = decision.nodes.get(to);
    whole && to.is_some_and(|to| to.test.offset == node.test.offset)
}
