//! Docker's profile, and what its program costs.

use super::interpreter::{Data, check, trace};
use super::{ALLOW, DOCKER, ENOSYS, EPERM, KILL, call, compile, data, filter, naive, spec};
use crate::seccomp::{Arch, known_archs, names::Call};

const EDGES: [u64; 9] = [
    0,
    8,
    0x20000,
    0x20008,
    0xffff_ffff,
    0x1_0000_0000,
    0x0001_0000,
    0x7e02_0000,
    u64::MAX,
];

/// All numbers that the table has for the architecture, and the ends of ranges.
fn numbers(arch: Arch) -> impl Iterator<Item = u32> {
    let read = Call::named("read").unwrap().number(arch).unwrap();
    let base = read - (read & 0x3fff_ffff) % 1000;
    let marks = [0, 4_000, 5_000, 6_000, 0xf_0000, 0x4000_0000, 0x8000_0000];
    (base..base + 480)
        .chain(marks.into_iter().flat_map(|mark| mark..mark + 8))
        .chain(u32::MAX - 3..=u32::MAX)
}

/// All arguments for the calls whose rules look at them, one for the others.
fn calls(arch: Arch) -> impl Iterator<Item = Data> {
    let looks = ["personality", "clone"].map(|name| Call::named(name).unwrap().number(arch));
    numbers(arch).flat_map(move |number| {
        let all = looks.contains(&Some(number));
        let args = if all { &EDGES[..] } else { &EDGES[1..2] };
        args.iter().map(move |arg| data(arch, number, &[*arg]))
    })
}

fn same_as_the_naive(json: &str, native: Arch) {
    let spec = spec(json);
    let filter = compile(&spec, native).unwrap().unwrap();
    check(&filter.program);
    for arch in Arch::ALL {
        for call in calls(arch) {
            let want = naive::answer(&spec, native, &call);
            assert_eq!(filter.answer(&call), want, "{arch:?} {call:?}");
        }
    }
}

#[test]
fn dockers_profile_is_what_it_says() {
    for native in [Arch::X86_64, Arch::Aarch64] {
        same_as_the_naive(DOCKER, native);
    }
}

#[test]
fn all_architectures_fit_into_one_program() {
    let archs = known_archs().join("\",\"");
    same_as_the_naive(&DOCKER.replace("SCMP_ARCH_X32", &archs), Arch::X86_64);
}

#[test]
fn dockers_program_is_small() {
    let length = filter(DOCKER).program.len();
    assert!(length <= 300, "{length} instructions");
    let native = DOCKER.replace(r#""SCMP_ARCH_X86","#, "");
    let native = native.replace("SCMP_ARCH_X32", "SCMP_ARCH_NATIVE");
    let length = filter(&native).program.len();
    assert!(length <= 110, "{length} instructions for x86-64 alone");
}

#[test]
fn calls_allowed_by_their_number_never_run_the_program() {
    let filter = filter(DOCKER);
    let mut by_arguments = 0;
    for number in 0..600 {
        let (answer, constant) = trace(&filter.program, &call(number, &[0]));
        by_arguments += u32::from(!constant);
        assert!(constant || answer == ALLOW, "{number}");
    }
    assert_eq!(by_arguments, 2, "personality and clone");
}

#[test]
fn calls_that_the_profile_does_not_know_do_not_exist() {
    let filter = filter(DOCKER);
    // futex_waitv, 449, is the newest that it names.
    assert_eq!(
        filter.answer(&call(435, &[])),
        ENOSYS,
        "clone3 has its errnoRet"
    );
    assert_eq!(filter.answer(&call(446, &[])), ALLOW);
    assert_eq!(filter.answer(&call(335, &[])), EPERM, "a hole");
    assert_eq!(filter.answer(&call(451, &[])), ENOSYS, "cachestat");
    assert_eq!(filter.answer(&call(449, &[])), ALLOW);
    assert_eq!(filter.answer(&call(450, &[])), ENOSYS, "the first beyond");
    assert_eq!(filter.answer(&call(1000, &[])), ENOSYS);
    assert_eq!(filter.answer(&call(u32::MAX, &[])), ENOSYS);
}

#[test]
fn the_default_decides_about_unknown_calls() {
    for (default, want) in [
        ("ERRNO", ENOSYS),
        ("KILL", ENOSYS),
        ("KILL_PROCESS", ENOSYS),
        ("TRAP", ENOSYS),
        ("TRACE", libc::SECCOMP_RET_TRACE | 1),
        ("LOG", libc::SECCOMP_RET_LOG),
        ("ALLOW", ALLOW),
    ] {
        let filter = filter(&format!(
            r#"{{"defaultAction":"SCMP_ACT_{default}","syscalls":[
                {{"names":["write","no_such_call"],"action":"SCMP_ACT_ERRNO","errnoRet":5}}]}}"#
        ));
        assert_eq!(filter.answer(&call(1000, &[])), want, "{default}");
        assert_eq!(filter.answer(&call(1, &[])), super::errno(5));
    }
    let filter = filter(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":6,"syscalls":[
            {"names":["write"],"action":"SCMP_ACT_ALLOW"}]}"#,
    );
    assert_eq!(filter.answer(&call(0, &[])), super::errno(6));
    assert_eq!(filter.answer(&call(2, &[])), ENOSYS);
}

#[test]
fn the_native_architecture_is_always_there() {
    let rules = r#""syscalls":[{"names":["write"],"action":"SCMP_ACT_ALLOW"}]"#;
    for archs in [
        "",
        r#""architectures":null,"#,
        r#""architectures":[],"#,
        r#""architectures":["SCMP_ARCH_NATIVE"],"#,
        r#""architectures":["SCMP_ARCH_AARCH64"],"#,
        r#""architectures":["SCMP_ARCH_PARISC"],"#,
    ] {
        let filter = filter(&format!(
            r#"{{"defaultAction":"SCMP_ACT_ERRNO",{archs}{rules}}}"#
        ));
        assert_eq!(filter.answer(&call(1, &[])), ALLOW, "{archs}");
        assert_eq!(filter.answer(&call(0, &[])), EPERM, "{archs}");
        assert_eq!(filter.answer(&call(1000, &[])), ENOSYS, "{archs}");
        assert_eq!(filter.answer(&data(Arch::X86, 4, &[])), KILL, "{archs}");
        assert_eq!(filter.answer(&call(0x4000_0001, &[])), KILL, "{archs}");
    }
}

#[test]
fn the_same_profile_gives_the_same_program() {
    assert_eq!(filter(DOCKER), filter(DOCKER));
}
