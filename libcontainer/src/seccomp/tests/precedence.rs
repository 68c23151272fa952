//! Several rules for one call.

use super::{ALLOW, EPERM, call, compile, errno, filter, spec};
use crate::seccomp::Arch;

fn profile(rules: &str) -> String {
    format!(r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{rules}]}}"#)
}

fn rule(action: &str, args: &str) -> String {
    format!(r#"{{"names":["ioctl"],"action":"SCMP_ACT_{action},"args":[{args}]}}"#)
}

fn arg(index: u8, operator: &str, value: u64) -> String {
    format!(r#"{{"index":{index},"value":{value},"op":"SCMP_CMP_{operator}"}}"#)
}

const FIVE: &str = r#"ERRNO","errnoRet":5"#;
const SIX: &str = r#"ERRNO","errnoRet":6"#;
const YES: &str = "ALLOW\"";

fn both_orders(one: &str, other: &str, cases: &[([u64; 2], u32)]) {
    for rules in [format!("{one},{other}"), format!("{other},{one}")] {
        let filter = filter(&profile(&rules));
        for (args, want) in cases {
            assert_eq!(filter.answer(&call(16, args)), *want, "{args:?} {rules}");
        }
    }
}

#[test]
fn a_rule_without_conditions_covers_those_with() {
    let cases = [([1, 0], ALLOW), ([2, 0], ALLOW)];
    both_orders(&rule(YES, ""), &rule(FIVE, &arg(0, "EQ", 1)), &cases);
}

#[test]
fn the_first_rule_without_conditions_wins() {
    for (one, other, want) in [(FIVE, SIX, errno(5)), (SIX, FIVE, errno(6))] {
        let rules = format!("{},{}", rule(one, ""), rule(other, ""));
        assert_eq!(filter(&profile(&rules)).answer(&call(16, &[])), want);
    }
}

#[test]
fn a_rule_equal_to_the_default_does_not_count() {
    let rules = format!("{},{}", rule("ERRNO\"", ""), rule(YES, &arg(0, "EQ", 1)));
    let filter = filter(&profile(&rules));
    assert_eq!(filter.answer(&call(16, &[1])), ALLOW);
    assert_eq!(filter.answer(&call(16, &[2])), EPERM);
}

#[test]
fn the_higher_argument_is_looked_at_first() {
    both_orders(
        &rule(FIVE, &arg(0, "EQ", 1)),
        &rule(SIX, &arg(1, "EQ", 1)),
        &[([1, 1], errno(6)), ([1, 0], errno(5)), ([0, 1], errno(6))],
    );
}

#[test]
fn equality_goes_before_order_and_less_before_greater() {
    both_orders(
        &rule(FIVE, &arg(0, "EQ", 7)),
        &rule(SIX, &arg(0, "LT", 9)),
        &[([7, 0], errno(5)), ([8, 0], errno(6)), ([9, 0], EPERM)],
    );
    both_orders(
        &rule(FIVE, &arg(0, "GT", 3)),
        &rule(SIX, &arg(0, "LE", 9)),
        &[([3, 0], errno(6)), ([9, 0], errno(6)), ([10, 0], errno(5))],
    );
}

fn masked(mask: u64, value: u64) -> String {
    format!(r#"{{"index":0,"value":{mask},"valueTwo":{value},"op":"SCMP_CMP_MASKED_EQ"}}"#)
}

/// The values are looked at half by half; where the upper halves do not tell, but
/// are asked for in two ways, the list decides.
#[test]
fn equality_and_masked_equality_keep_the_order_of_the_list() {
    let (exact, loose) = (rule(FIVE, &arg(0, "EQ", 2)), rule(SIX, &masked(9, 0)));
    for (rules, both) in [
        (format!("{exact},{loose}"), errno(5)),
        (format!("{loose},{exact}"), errno(6)),
    ] {
        let filter = filter(&profile(&rules));
        assert_eq!(filter.answer(&call(16, &[2])), both, "{rules}");
        assert_eq!(filter.answer(&call(16, &[4])), errno(6), "{rules}");
    }
    // Neither do they contradict each other.
    let same = rule(SIX, &masked(u64::MAX, 2));
    for (rules, want) in [
        (format!("{exact},{same}"), errno(5)),
        (format!("{same},{exact}"), errno(6)),
    ] {
        let filter = filter(&profile(&rules));
        assert_eq!(filter.answer(&call(16, &[2])), want, "{rules}");
    }
    // A larger upper half goes first, whatever asks for it.
    let high = rule(SIX, &masked(0xffff_ffff_0000_0000, 0x1_0000_0000));
    let exact = rule(FIVE, &arg(0, "EQ", 0x1_0000_0002));
    let low = rule(YES, &masked(2, 2));
    let cases = [([0x1_0000_0003, 0], errno(6)), ([0x2_0000_0002, 0], ALLOW)];
    both_orders(&high, &low, &cases);
    both_orders(&exact, &low, &[([0x1_0000_0002, 0], errno(5))]);
}

#[test]
fn rules_that_begin_alike_stay_together() {
    // The third joins the first, ahead of the second.
    let rules = [
        rule(FIVE, &arg(0, "EQ", 5)),
        rule(SIX, &masked(7, 7)),
        rule(YES, &arg(0, "EQ", 15)),
    ];
    let filter = filter(&profile(&rules.join(",")));
    assert_eq!(filter.answer(&call(16, &[15])), ALLOW);
    assert_eq!(filter.answer(&call(16, &[7])), errno(6));
}

#[test]
fn the_narrower_bound_goes_first() {
    both_orders(
        &rule(FIVE, &arg(0, "LT", 100)),
        &rule(SIX, &arg(0, "LT", 10)),
        &[([9, 0], errno(6)), ([99, 0], errno(5)), ([100, 0], EPERM)],
    );
    both_orders(
        &rule(FIVE, &arg(0, "GE", 100)),
        &rule(SIX, &arg(0, "GE", 10)),
        &[([9, 0], EPERM), ([99, 0], errno(6)), ([100, 0], errno(5))],
    );
}

#[test]
fn the_more_general_rule_covers_its_extension() {
    let long = format!("{},{}", arg(0, "EQ", 1), arg(1, "EQ", 2));
    both_orders(
        &rule(FIVE, &arg(0, "EQ", 1)),
        &rule(SIX, &long),
        &[([1, 2], errno(5)), ([1, 3], errno(5)), ([2, 2], EPERM)],
    );
}

#[test]
fn contradictions_are_refused_with_both_places() {
    let one = rule(FIVE, &arg(0, "EQ", 1));
    let other = rule(SIX, &arg(0, "EQ", 1));
    let spec = spec(&profile(&format!("{one},{other}")));
    let findings = compile(&spec, Arch::X86_64).unwrap_err();
    let first = findings.first().unwrap();
    assert_eq!(first.path, "linux.seccomp.syscalls[1].action");
    assert!(first.message.contains("linux.seccomp.syscalls[0]"));
}

#[test]
fn the_same_rule_twice_is_one() {
    let rule = rule(FIVE, &arg(0, "EQ", 1));
    let single = filter(&profile(&rule));
    let twice = filter(&profile(&format!("{rule},{rule}")));
    assert_eq!(single, twice);
}
