//! The program of a small profile, instruction by instruction.

use std::fmt::Write;

use super::filter;
use crate::seccomp::Instruction;

fn listing(program: &[Instruction]) -> String {
    let mut text = String::new();
    for (at, instruction) in program.iter().enumerate() {
        let Instruction { code, jt, jf, k } = *instruction;
        let to = |skip: u32| at + 1 + usize::try_from(skip).unwrap();
        let jump = |comparison: &str| {
            let (yes, no) = (to(jt.into()), to(jf.into()));
            format!("if A {comparison} {k:#x} goto {yes} else {no}")
        };
        let line = match code {
            0x20 => match k {
                0 => "A = nr".to_owned(),
                4 => "A = arch".to_owned(),
                k if k % 8 == 0 => format!("A = low(args[{}])", (k - 16) / 8),
                k => format!("A = high(args[{}])", (k - 16) / 8),
            },
            0x54 => format!("A &= {k:#x}"),
            0x15 => jump("=="),
            0x25 => jump(">"),
            0x35 => jump(">="),
            0x45 => jump("&"),
            0x05 => format!("goto {}", to(k)),
            0x06 => format!("return {k:#010x}"),
            code => panic!("code {code:#x}"),
        };
        let _ = writeln!(text, "{at:>3}  {line}");
    }
    text
}

#[test]
fn a_small_profile() {
    let filter = filter(
        r#"{"defaultAction":"SCMP_ACT_ERRNO",
            "architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],
            "syscalls":[
              {"names":["read","write","exit_group"],"action":"SCMP_ACT_ALLOW"},
              {"names":["personality"],"action":"SCMP_ACT_ALLOW",
               "args":[{"index":0,"value":0,"op":"SCMP_CMP_EQ"}]},
              {"names":["personality"],"action":"SCMP_ACT_ALLOW",
               "args":[{"index":0,"value":8,"op":"SCMP_CMP_EQ"}]},
              {"names":["clone"],"action":"SCMP_ACT_ALLOW",
               "args":[{"index":0,"value":2114060288,"op":"SCMP_CMP_MASKED_EQ"}]}]}"#,
    );
    insta::assert_snapshot!(listing(&filter.program));
}

#[test]
fn one_verdict_needs_no_number() {
    let filter =
        filter(r#"{"defaultAction":"SCMP_ACT_LOG","architectures":["SCMP_ARCH_AARCH64"]}"#);
    insta::assert_snapshot!(listing(&filter.program));
}
