//! Profiles made by chance: against the naive reader, and against seccompiler
//! where it can say the same.

use std::collections::BTreeMap;

use proptest::prelude::*;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use serde_json::{Value, json};

use super::interpreter::{check, run};
use super::{ALLOW, EPERM, compile, data, naive};
use crate::seccomp::{Arch, Instruction, known_archs, names::Call};
use crate::spec::oci::LinuxSeccomp;

const NAMES: [&str; 14] = [
    "read",
    "write",
    "open",
    "ioctl",
    "clone",
    "clone3",
    "personality",
    "mmap",
    "prctl",
    "cacheflush",
    "set_tls",
    "fadvise64_64",
    "no_such_call",
    "openat2",
];

const VALUES: [u64; 10] = [
    0,
    1,
    2,
    3,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x2_0000_0000,
    0xffff_ffff_0000_0001,
    u64::MAX,
];

const OPERATORS: [&str; 7] = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![prop::sample::select(&VALUES[..]), any::<u64>()]
}

fn arg() -> impl Strategy<Value = Value> {
    (
        0..3_u8,
        value(),
        value(),
        prop::sample::select(&OPERATORS[..]),
    )
        .prop_map(|(index, value, two, operator)| {
            json!({"index": index, "value": value, "valueTwo": two,
                   "op": format!("SCMP_CMP_{operator}")})
        })
}

fn action() -> impl Strategy<Value = (String, Option<u32>)> {
    prop_oneof![
        prop::sample::select(vec!["ALLOW", "KILL", "KILL_PROCESS", "TRAP", "LOG"])
            .prop_map(|name| (format!("SCMP_ACT_{name}"), None)),
        (
            prop::sample::select(vec!["ERRNO", "TRACE"]),
            prop::option::of(0..4_u32)
        )
            .prop_map(|(name, errno)| (format!("SCMP_ACT_{name}"), errno)),
    ]
}

fn syscall() -> impl Strategy<Value = Value> {
    (
        prop::collection::vec(prop::sample::select(&NAMES[..]), 1..4),
        action(),
        prop::collection::vec(arg(), 0..4),
    )
        .prop_map(|(names, (action, errno), args)| {
            json!({"names": names, "action": action, "errnoRet": errno, "args": args})
        })
}

fn profile() -> impl Strategy<Value = Value> {
    (
        action(),
        prop::collection::vec(prop::sample::select(known_archs()), 0..5),
        prop::collection::vec(syscall(), 1..12),
    )
        .prop_map(|((action, errno), archs, syscalls)| {
            json!({"defaultAction": action, "defaultErrnoRet": errno,
                   "architectures": archs, "syscalls": syscalls})
        })
}

/// The numbers of the names, and their neighbours.
fn numbers(arch: Arch) -> Vec<u32> {
    let mut numbers = vec![0, 1000, 0x3fff_ffff, 0x4000_0000, u32::MAX];
    for call in NAMES.iter().filter_map(|name| Call::named(name)) {
        if let Some(number) = call.number(arch) {
            numbers.extend([number.saturating_sub(1), number, number + 1]);
        }
    }
    numbers
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_program_answers_as_the_naive_reader(
        profile in profile(),
        args in prop::collection::vec(prop::collection::vec(value(), 3), 12),
        native in prop::sample::select(vec![Arch::X86_64, Arch::Aarch64, Arch::S390x, Arch::Arm]),
    ) {
        let spec: LinuxSeccomp = serde_json::from_value(profile).unwrap();
        let filter = match compile(&spec, native) {
            Ok(filter) => filter.unwrap(),
            Err(findings) => {
                prop_assume!(!findings.to_string().contains("contradicts"));
                return Err(TestCaseError::fail(findings.to_string()));
            }
        };
        check(&filter.program);
        for arch in Arch::ALL {
            for number in numbers(arch) {
                for args in &args {
                    let call = data(arch, number, args);
                    let want = naive::answer(&spec, native, &call);
                    prop_assert_eq!(filter.answer(&call), want, "{:?} {:?}", arch, call);
                }
            }
        }
    }

    #[test]
    fn the_program_answers_as_seccompilers(
        rules in prop::collection::vec((prop::sample::select(&NAMES[..9]),
            prop::collection::btree_map(0..6_u8, (value(), value(), 0..7_usize), 1..4)), 1..20),
        unconditional in prop::collection::vec(prop::sample::select(&NAMES[..9]), 0..3),
        args in prop::collection::vec(prop::collection::vec(value(), 6), 12),
    ) {
        let theirs = seccompilers(&rules, &unconditional);
        let mut syscalls: Vec<Value> = rules.iter().map(|(name, args)| {
            let args: Vec<Value> = args.iter().map(|(index, (value, two, operator))| {
                json!({"index": index, "value": value, "valueTwo": two,
                       "op": format!("SCMP_CMP_{}", OPERATORS[*operator])})
            }).collect();
            json!({"names": [name], "action": "SCMP_ACT_ERRNO", "args": args})
        }).collect();
        syscalls.push(json!({"names": unconditional, "action": "SCMP_ACT_ERRNO"}));
        let spec = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls});
        let spec: LinuxSeccomp = serde_json::from_value(spec).unwrap();
        let ours = compile(&spec, Arch::X86_64).unwrap().unwrap();
        for number in (0..470).chain([1000]) {
            for args in &args {
                let call = data(Arch::X86_64, number, args);
                let answer = ours.answer(&call);
                prop_assert!(answer == ALLOW || answer == EPERM);
                prop_assert_eq!(answer, run(&theirs, &call), "{:?}", call);
            }
        }
    }
}

type Args = BTreeMap<u8, (u64, u64, usize)>;

fn seccompilers(rules: &[(&str, Args)], unconditional: &[&str]) -> Vec<Instruction> {
    let number = |name: &str| i64::from(Call::named(name).unwrap().number(Arch::X86_64).unwrap());
    let known =
        |name: &&&str| Call::named(name).is_some_and(|call| call.number(Arch::X86_64).is_some());
    let mut map: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (name, args) in rules {
        let conditions = args.iter().map(|(index, (value, two, operator))| {
            let (operator, value) = match OPERATORS[*operator] {
                "NE" => (SeccompCmpOp::Ne, *value),
                "LT" => (SeccompCmpOp::Lt, *value),
                "LE" => (SeccompCmpOp::Le, *value),
                "EQ" => (SeccompCmpOp::Eq, *value),
                "GE" => (SeccompCmpOp::Ge, *value),
                "GT" => (SeccompCmpOp::Gt, *value),
                _ => (SeccompCmpOp::MaskedEq(*value), *two),
            };
            SeccompCondition::new(*index, SeccompCmpArgLen::Qword, operator, value).unwrap()
        });
        let rule = SeccompRule::new(conditions.collect()).unwrap();
        map.entry(number(name)).or_default().push(rule);
    }
    for name in unconditional.iter().filter(known) {
        map.insert(number(name), Vec::new());
    }
    let (mismatch, matches) = (SeccompAction::Allow, SeccompAction::Errno(1));
    let filter = SeccompFilter::new(map, mismatch, matches, TargetArch::x86_64).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    let program = program.into_iter().map(|it| Instruction {
        code: it.code,
        jt: it.jt,
        jf: it.jf,
        k: it.k,
    });
    program.collect()
}
