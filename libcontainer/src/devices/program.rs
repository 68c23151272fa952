//! Device rules as the eBPF program that cgroup v2 wants.

use super::rules::{Access, DeviceKind, DeviceRule};
use crate::ebpf::{Program, Register, Test};

/// `BPF_DEVCG_DEV_BLOCK`.
const BLOCK: u32 = 1;
/// `BPF_DEVCG_DEV_CHAR`.
const CHAR: u32 = 2;

/// The program that answers 1 where the rules allow, else 0.
///
/// The context is `struct bpf_cgroup_dev_ctx`: the kind in the lower and what
/// is done in the upper half of a word, major number, minor number. Rules are
/// tried from the last to the first, each for what no later one has decided.
#[must_use]
pub fn program(rules: &[DeviceRule]) -> Program {
    let (default, rules) = relevant(rules);
    let mut program = Program::default();
    program.load_word(Register::R2, Register::R1, 0);
    program.copy(Register::R3, Register::R2);
    program.and(Register::R2, 0xffff);
    program.shift_right(Register::R3, 16);
    program.load_word(Register::R4, Register::R1, 4);
    program.load_word(Register::R5, Register::R1, 8);
    for rule in rules.iter().rev() {
        emit(&mut program, rule);
    }
    program.answer(i32::from(default));
    program
}

fn emit(program: &mut Program, rule: &DeviceRule) {
    let mut tests = Vec::with_capacity(4);
    match rule.kind {
        DeviceKind::Any => {}
        DeviceKind::Block => tests.push((Register::R2, Test::Differs, BLOCK)),
        DeviceKind::Char => tests.push((Register::R2, Test::Differs, CHAR)),
    }
    if let Some(major) = rule.major {
        tests.push((Register::R4, Test::Differs, major));
    }
    if let Some(minor) = rule.minor {
        tests.push((Register::R5, Test::Differs, minor));
    }
    let total = rule.access == Access::ALL;
    if !rule.allow && !total {
        let access = u32::from(rule.access.bits());
        tests.push((Register::R3, Test::Disjoint, access));
    }
    program.skip_when(&tests, |program| {
        if rule.allow && !total {
            // What is left of the question; an answer only when nothing is.
            program.and(Register::R3, !i32::from(rule.access.bits()));
            program.skip_when(&[(Register::R3, Test::Differs, 0)], |program| {
                program.answer(1);
            });
        } else {
            program.answer(i32::from(rule.allow));
        }
    });
}

/// The answer where no rule matches, and the rules that can change it.
fn relevant(rules: &[DeviceRule]) -> (bool, Vec<DeviceRule>) {
    let total = rules.iter().rposition(DeviceRule::is_total);
    let default = total
        .and_then(|at| rules.get(at))
        .is_some_and(|rule| rule.allow);
    let after = total.map_or(0, |at| at.saturating_add(1));
    let mut kept = Vec::new();
    for rule in rules.iter().skip(after) {
        // Before the first exception a rule that says the default says nothing.
        if !kept.is_empty() || rule.allow != default {
            kept.push(*rule);
        }
    }
    (default, kept)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rules::container_rules;
    use super::super::rules::tests::{allowed, any_access, any_kind, any_rule};
    use super::*;
    use crate::ebpf::interpreter::run;
    use crate::error::Findings;

    fn context(kind: DeviceKind, (major, minor): (u32, u32), access: Access) -> [u32; 3] {
        let kind = if kind == DeviceKind::Block {
            BLOCK
        } else {
            CHAR
        };
        [u32::from(access.bits()) << 16 | kind, major, minor]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn answers_as_the_rules_say(
            rules in prop::collection::vec(any_rule(), 0..12),
            kind in any_kind(false),
            device in (
                prop_oneof![0_u32..4, Just(u32::MAX)],
                prop_oneof![0_u32..4, Just(u32::MAX)],
            ),
            access in any_access(),
        ) {
            let answer = run(&program(&rules), &context(kind, device, access));
            prop_assert_eq!(answer == 1, allowed(&rules, kind, device, access));
            prop_assert!(answer < 2);
        }
    }

    #[test]
    fn the_default_program_is_short() {
        let rules = container_rules(None, &mut Findings::new());
        // Six to unpack the question, five a device, two for the rest.
        assert_eq!(program(&rules).0.len(), 6 + 2 * 5 + 9 * 5 - 1 + 2);
    }
}
