//! Every number of an architecture to its verdict, as ranges of equal verdict.

use super::arch::{Arch, Layout};
use super::multiplex::{self, Multiplexer};
use super::names::{ARM_PRIVATE_BASE, Call, X32_BIT};
use super::precedence::{self, Ranked};
use super::profile::{Condition, Profile};
use crate::error::Findings;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The filter returns this.
    Return(u32),
    /// The arguments decide: an index into [`Section::leaves`].
    Check(usize),
}

/// The numbers from `start` to the next span's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) verdict: Verdict,
}

/// What the arguments decide: the first rule that holds, or the default.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) layout: Layout,
    /// Conditions and action, in the order of precedence.
    pub(super) rules: Vec<(Vec<Condition>, u32)>,
}

/// All numbers under one value of `seccomp_data.arch`.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) audit: u32,
    /// In the order of their numbers, from 0; neighbours differ.
    pub(super) spans: Vec<Span>,
    pub(super) leaves: Vec<Leaf>,
}

/// "No such system call", as the filter returns it.
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();

/// One past the last number.
const END: u64 = 1 << 32;

impl Section {
    /// The numbers of `arch`, and of x32 beside x86-64 when `x32` says so.
    ///
    /// Contradictions between rules go to `findings`.
    pub(super) fn new(
        profile: &Profile,
        arch: Arch,
        x32: bool,
        findings: Option<&mut Findings>,
    ) -> Self {
        let mut section = Self {
            audit: arch.audit(),
            spans: Vec::with_capacity(128),
            leaves: Vec::new(),
        };
        if arch == Arch::X86_64 {
            let unknown = section.fill(profile, arch, 0, u64::from(X32_BIT), findings);
            if x32 {
                section.fill(profile, Arch::X32, X32_BIT, END, None);
            } else {
                section.push(X32_BIT, Verdict::Return(libc::SECCOMP_RET_KILL));
                // -1 is no x32 number: tracers use it to skip a call.
                section.push(u32::MAX, unknown);
            }
        } else if arch == Arch::X32 {
            section.push(0, Verdict::Return(libc::SECCOMP_RET_KILL));
            section.fill(profile, arch, X32_BIT, END, findings);
        } else {
            section.fill(profile, arch, 0, END, findings);
        }
        section
    }

    /// The numbers from `base` up to `end`. Answers with the verdict of those
    /// that nobody knows.
    fn fill(
        &mut self,
        profile: &Profile,
        arch: Arch,
        base: u32,
        end: u64,
        mut findings: Option<&mut Findings>,
    ) -> Verdict {
        let mut numbers: Vec<(u32, usize)> = Vec::with_capacity(profile.named.len());
        for (at, named) in profile.named.iter().enumerate() {
            numbers.extend(
                named
                    .call
                    .and_then(|call| call.number(arch))
                    .map(|it| (it, at)),
            );
        }
        // A profile whose only call has number 0 names no newest one: as runc, for
        // which x32's number 0 is one with its bit.
        let newest = numbers
            .iter()
            .map(|(number, _)| *number)
            .filter(|number| *number != 0 && (arch != Arch::Arm || *number < ARM_PRIVATE_BASE))
            .max()
            .filter(|_| profile.refuses_newer);
        let multiplexed = multiplexed(profile, arch);
        for (number, _) in &multiplexed {
            numbers.push((*number, usize::MAX));
        }
        numbers.sort_unstable();

        let mut next = u64::from(base);
        if matches!(arch, Arch::S390x | Arch::S390) && newest.is_some() {
            // Calls above the old limit come in through number 0, and stay 0
            // when the kernel does not know them.
            self.push(0, Verdict::Return(ENOSYS));
            next = 1;
        }
        for group in numbers.chunk_by(|one, other| one.0 == other.0) {
            let Some(&(number, _)) = group.first() else {
                continue;
            };
            self.gap(profile, next, u64::from(number), newest);
            let verdict = self.verdict(profile, arch, group, &multiplexed, findings.as_deref_mut());
            self.push(number, verdict);
            next = u64::from(number) + 1;
        }
        self.gap(profile, next, end, newest);
        Verdict::Return(if newest.is_some() {
            ENOSYS
        } else {
            profile.default
        })
    }

    /// Numbers without a rule.
    fn gap(&mut self, profile: &Profile, from: u64, until: u64, newest: Option<u32>) {
        let newer = newest.map_or(END, |newest| u64::from(newest) + 1);
        if from < until.min(newer)
            && let Ok(start) = u32::try_from(from)
        {
            self.push(start, Verdict::Return(profile.default));
        }
        if from.max(newer) < until
            && let Ok(start) = u32::try_from(from.max(newer))
        {
            self.push(start, Verdict::Return(ENOSYS));
        }
    }

    fn push(&mut self, start: u32, verdict: Verdict) {
        if self.spans.last().is_none_or(|last| last.verdict != verdict) {
            self.spans.push(Span { start, verdict });
        }
    }

    /// The verdict of one number, whose names are `group`.
    fn verdict(
        &mut self,
        profile: &Profile,
        arch: Arch,
        group: &[(u32, usize)],
        multiplexed: &[(u32, Vec<(Condition, u32)>)],
        findings: Option<&mut Findings>,
    ) -> Verdict {
        let layout = arch.layout();
        let rules = group
            .iter()
            .filter_map(|(_, at)| profile.named.get(*at))
            .flat_map(|named| profile.rules.get(named.rules.clone()).unwrap_or_default());
        if let Some(rule) = rules.clone().find(|rule| always(&rule.conditions, layout)) {
            return Verdict::Return(rule.action);
        }
        let mut ordered: Vec<Ranked> = rules
            .map(|rule| Ranked {
                conditions: cut(&rule.conditions, layout),
                action: rule.action,
                entry: Some(rule.entry),
            })
            .collect();
        let number = group.first().map(|(number, _)| *number);
        for (_, rules) in multiplexed.iter().filter(|(of, _)| Some(*of) == number) {
            ordered.extend(rules.iter().map(|(condition, action)| Ranked {
                conditions: cut(&[*condition], layout),
                action: *action,
                entry: None,
            }));
        }
        if ordered.is_empty() {
            return Verdict::Return(profile.default);
        }
        precedence::sort(&mut ordered, layout);
        if layout.wide
            && let Some(findings) = findings
        {
            report_contradictions(&ordered, findings);
        }
        ordered.dedup_by(|later, earlier| later.conditions == earlier.conditions);
        let rules = ordered.into_iter();
        self.leaf(Leaf {
            layout,
            rules: rules.map(|rule| (rule.conditions, rule.action)).collect(),
        })
    }

    /// The leaf's index; equal ones are one.
    fn leaf(&mut self, leaf: Leaf) -> Verdict {
        let known = self.leaves.iter().position(|known| *known == leaf);
        Verdict::Check(known.unwrap_or_else(|| {
            self.leaves.push(leaf);
            self.leaves.len() - 1
        }))
    }
}

/// The numbers of the architecture's multiplexers, with what the rules for the
/// calls behind them mean.
fn multiplexed(profile: &Profile, arch: Arch) -> Vec<(u32, Vec<(Condition, u32)>)> {
    let mut found = Vec::new();
    for (multiplexer, name) in Multiplexer::ALL {
        let Some(number) = Call::named(name).and_then(|call| call.number(arch)) else {
            continue;
        };
        let rules = multiplex::rules(profile, multiplexer);
        if !rules.is_empty() {
            found.push((number, rules));
        }
    }
    found
}

/// Whether the conditions hold for every value that this layout compares.
fn always(conditions: &[Condition], layout: Layout) -> bool {
    let compared = if layout.wide { u64::MAX } else { LOW };
    conditions
        .iter()
        .all(|condition| condition.mask & compared == 0)
}

const LOW: u64 = 0xffff_ffff;

/// The conditions as this layout compares them.
fn cut(conditions: &[Condition], layout: Layout) -> Vec<Condition> {
    if layout.wide {
        return conditions.to_vec();
    }
    let low = conditions.iter().map(|condition| Condition {
        mask: condition.mask & LOW,
        value: condition.value & LOW,
        ..*condition
    });
    low.filter(|condition| condition.mask != 0).collect()
}

fn report_contradictions(rules: &[Ranked], findings: &mut Findings) {
    for pair in rules.windows(2) {
        let [first, second] = pair else {
            continue;
        };
        let (Some(one), Some(other)) = (first.entry, second.entry) else {
            continue;
        };
        if first.conditions == second.conditions && first.action != second.action {
            let (earlier, later) = (one.min(other), one.max(other));
            findings.error(
                format!("linux.seccomp.syscalls[{later}].action"),
                format!(
                    "it contradicts linux.seccomp.syscalls[{earlier}]: \
                     the same call, the same conditions, another action"
                ),
            );
        }
    }
}
