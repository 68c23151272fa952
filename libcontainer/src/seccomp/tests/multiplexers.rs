//! `socketcall` and `ipc` of 32-bit x86.

use super::{ALLOW, EPERM, compile, data, errno, spec};
use crate::seccomp::{Arch, Filter};

const SOCKETCALL: u32 = 102;
const IPC: u32 = 117;
const SOCKET: u32 = 359;

fn filter(default: &str, rules: &str) -> Filter {
    let json = format!(
        r#"{{"defaultAction":"SCMP_ACT_{default}","architectures":["SCMP_ARCH_X86"],
            "syscalls":[{rules}]}}"#
    );
    compile(&spec(&json), Arch::X86_64).unwrap().unwrap()
}

fn answer(filter: &Filter, number: u32, args: &[u64]) -> u32 {
    filter.answer(&data(Arch::X86, number, args))
}

const AF_ALG: &str = r#""args":[{"index":0,"value":38,"op":"SCMP_CMP_EQ"}]"#;

#[test]
fn a_rule_without_conditions_holds_behind_the_multiplexer_too() {
    let allow = r#"{"names":["socket","accept","semop"],"action":"SCMP_ACT_ALLOW"}"#;
    let filter = filter("ERRNO", allow);
    assert_eq!(answer(&filter, SOCKET, &[2]), ALLOW);
    assert_eq!(answer(&filter, SOCKETCALL, &[1]), ALLOW);
    assert_eq!(answer(&filter, SOCKETCALL, &[5]), ALLOW, "accept");
    assert_eq!(answer(&filter, SOCKETCALL, &[2]), EPERM, "bind");
    assert_eq!(answer(&filter, IPC, &[1]), ALLOW);
    assert_eq!(answer(&filter, IPC, &[0x1_0001]), ALLOW, "with a version");
    assert_eq!(answer(&filter, IPC, &[2]), EPERM);
}

#[test]
fn a_condition_that_cannot_be_checked_never_opens_the_multiplexer() {
    let rule = format!(r#"{{"names":["socket"],"action":"SCMP_ACT_ALLOW",{AF_ALG}}}"#);
    let filter = filter("ERRNO", &rule);
    assert_eq!(answer(&filter, SOCKET, &[38]), ALLOW);
    assert_eq!(answer(&filter, SOCKETCALL, &[1]), EPERM);
}

#[test]
fn a_condition_that_cannot_be_checked_closes_the_multiplexer() {
    let rule = format!(r#"{{"names":["socket"],"action":"SCMP_ACT_ERRNO",{AF_ALG}}}"#);
    let filter = filter("ALLOW", &rule);
    assert_eq!(answer(&filter, SOCKET, &[38]), EPERM);
    assert_eq!(answer(&filter, SOCKET, &[2]), ALLOW);
    assert_eq!(answer(&filter, SOCKETCALL, &[1]), EPERM);
    assert_eq!(answer(&filter, SOCKETCALL, &[2]), ALLOW);
}

#[test]
fn a_rule_for_the_multiplexer_itself_goes_first() {
    let rules = r#"{"names":["socket"],"action":"SCMP_ACT_ERRNO","errnoRet":97},
        {"names":["socketcall"],"action":"SCMP_ACT_ALLOW"}"#;
    let filter = filter("ERRNO", rules);
    assert_eq!(answer(&filter, SOCKET, &[2]), errno(97));
    assert_eq!(answer(&filter, SOCKETCALL, &[1]), ALLOW);
}

#[test]
fn of_several_that_cannot_be_checked_the_strictest_counts() {
    let kill = AF_ALG.replace("38", "16");
    let rules = format!(
        r#"{{"names":["socket"],"action":"SCMP_ACT_ERRNO",{AF_ALG}}},
           {{"names":["socket"],"action":"SCMP_ACT_KILL_PROCESS",{kill}}}"#
    );
    let filter = filter("ALLOW", &rules);
    let want = libc::SECCOMP_RET_KILL_PROCESS;
    assert_eq!(answer(&filter, SOCKETCALL, &[1]), want);
}

#[test]
fn architectures_without_a_multiplexer_have_the_direct_calls_alone() {
    let filter = filter("ERRNO", r#"{"names":["socket"],"action":"SCMP_ACT_ALLOW"}"#);
    assert_eq!(filter.answer(&super::call(41, &[2])), ALLOW);
    assert_eq!(filter.answer(&super::call(102, &[1])), super::ENOSYS);
}
