//! Every operator at the edges of 64 bits, on wide and narrow ABIs.

use super::{ALLOW, EPERM, data, naive, spec};
use crate::seccomp::{Arch, compile};

type Holds = fn(u64, u64) -> bool;

const EDGES: [u64; 16] = [
    0,
    1,
    2,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x1_ffff_ffff,
    0x2_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_0000_0000,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];

fn rule(operator: &str, index: usize, value: u64, two: u64) -> String {
    format!(
        r#"{{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86","SCMP_ARCH_S390X"],
            "syscalls":[{{"names":["personality"],"action":"SCMP_ACT_ERRNO","args":[
            {{"index":{index},"value":{value},"valueTwo":{two},"op":"SCMP_CMP_{operator}"}}]}}]}}"#
    )
}

#[test]
fn operators_compare_64_bits_on_64_bit_architectures() {
    let holds: [(&str, Holds); 6] = [
        ("NE", |word, value| word != value),
        ("LT", |word, value| word < value),
        ("LE", |word, value| word <= value),
        ("EQ", |word, value| word == value),
        ("GE", |word, value| word >= value),
        ("GT", |word, value| word > value),
    ];
    for (operator, holds) in holds {
        for value in EDGES {
            let spec = spec(&rule(operator, 3, value, 0));
            let filter = compile(&spec, Arch::X86_64).unwrap().unwrap();
            for word in EDGES {
                let args = [0, 0, 0, word];
                let want = |holds| if holds { EPERM } else { ALLOW };
                let wide = want(holds(word, value));
                assert_eq!(
                    filter.answer(&data(Arch::X86_64, 135, &args)),
                    wide,
                    "{word:#x} {operator} {value:#x}"
                );
                assert_eq!(filter.answer(&data(Arch::S390x, 136, &args)), wide);
                let low = |word: u64| word & 0xffff_ffff;
                assert_eq!(
                    filter.answer(&data(Arch::X86, 136, &args)),
                    want(holds(low(word), low(value))),
                    "{word:#x} {operator} {value:#x} in 32 bits"
                );
            }
        }
    }
}

#[test]
fn masked_eq_takes_the_mask_first() {
    for mask in EDGES {
        for value in EDGES {
            let spec = spec(&rule("MASKED_EQ", 0, mask, value));
            let filter = compile(&spec, Arch::X86_64).unwrap().unwrap();
            for word in EDGES {
                let holds = word & mask == value & mask;
                let call = data(Arch::X86_64, 135, &[word]);
                assert_eq!(
                    filter.answer(&call),
                    if holds { EPERM } else { ALLOW },
                    "{word:#x} & {mask:#x} == {value:#x}"
                );
                let narrow = data(Arch::X86, 136, &[word]);
                assert_eq!(
                    filter.answer(&narrow),
                    naive::answer(&spec, Arch::X86_64, &narrow)
                );
            }
        }
    }
}

/// What one rule's comparisons tell about the next rule's is used; all pairs
/// show whether it is used right.
#[test]
fn two_rules_for_one_argument_know_of_each_other() {
    const VALUES: [u64; 5] = [0, 5, 6, 0x1_0000_0005, 0x2_0000_0005];
    const OPERATORS: [&str; 7] = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
    let rule = |operator: &str, value: u64, errno: u32| {
        format!(
            r#"{{"names":["personality"],"action":"SCMP_ACT_ERRNO","errnoRet":{errno},"args":[
            {{"index":0,"value":{value},"valueTwo":5,"op":"SCMP_CMP_{operator}"}}]}}"#
        )
    };
    for (one, other) in pairs(&OPERATORS) {
        for (value, other_value) in pairs(&VALUES) {
            let rules = [rule(one, *value, 2), rule(other, *other_value, 3)].join(",");
            let spec = spec(&format!(
                r#"{{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],
                    "syscalls":[{rules}]}}"#
            ));
            let Ok(filter) = compile(&spec, Arch::X86_64) else {
                assert_eq!(value, other_value, "only the same conditions contradict");
                continue;
            };
            let filter = filter.unwrap();
            for word in EDGES.into_iter().chain(VALUES) {
                for call in [
                    data(Arch::X86_64, 135, &[word]),
                    data(Arch::X86, 136, &[word]),
                ] {
                    let want = naive::answer(&spec, Arch::X86_64, &call);
                    assert_eq!(filter.answer(&call), want, "{call:x?} {rules}");
                }
            }
        }
    }
}

fn pairs<T>(all: &[T]) -> impl Iterator<Item = (&T, &T)> {
    all.iter()
        .flat_map(|one| all.iter().map(move |other| (one, other)))
}

#[test]
fn conditions_on_different_arguments_are_joined() {
    let filter = super::filter(
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
            {"names":["socket"],"action":"SCMP_ACT_ERRNO","args":[
                {"index":1,"value":2,"op":"SCMP_CMP_EQ"},
                {"index":0,"value":16,"op":"SCMP_CMP_EQ"}]}]}"#,
    );
    assert_eq!(filter.answer(&super::call(41, &[16, 2])), EPERM);
    assert_eq!(filter.answer(&super::call(41, &[16, 3])), ALLOW);
    assert_eq!(filter.answer(&super::call(41, &[17, 2])), ALLOW);
}

#[test]
fn conditions_on_one_argument_are_alternatives() {
    let filter = super::filter(
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
            {"names":["socket"],"action":"SCMP_ACT_ERRNO","args":[
                {"index":0,"value":1,"op":"SCMP_CMP_EQ"},
                {"index":0,"value":2,"op":"SCMP_CMP_EQ"},
                {"index":1,"value":9,"op":"SCMP_CMP_EQ"}]}]}"#,
    );
    for (args, want) in [
        ([1, 0], EPERM),
        ([2, 0], EPERM),
        ([3, 0], ALLOW),
        ([3, 9], EPERM),
    ] {
        assert_eq!(filter.answer(&super::call(41, &args)), want, "{args:?}");
    }
}
