//! Any profile: the program against the reader that looks at every rule.

use super::tests::{Data, check, naive, run};
use super::{Arch, compile};
use crate::spec::oci::{LinuxSeccomp, LinuxSyscall};

const NATIVE: [Arch; 2] = [Arch::X86_64, Arch::S390x];

/// A profile is refused, or its program answers as the profile says. The bytes are a
/// profile; the calls that are tried are made of it.
pub(crate) fn profile(data: &[u8]) {
    let Ok(spec) = serde_json::from_slice::<LinuxSeccomp>(data) else {
        return;
    };
    let mut values = vec![0, 1, u64::from(u32::MAX), u64::MAX];
    for arg in spec
        .syscalls()
        .iter()
        .flatten()
        .flat_map(|call| call.args().iter().flatten())
    {
        for value in [arg.value(), arg.value_two().unwrap_or_default()] {
            values.extend([value.wrapping_sub(1), value, value.wrapping_add(1)]);
        }
    }
    values.truncate(10);
    for native in NATIVE {
        let Ok(Some(filter)) = compile(&spec, native) else {
            continue;
        };
        check(&filter.program);
        for arch in Arch::ALL {
            let names = spec
                .syscalls()
                .iter()
                .flatten()
                .flat_map(LinuxSyscall::names);
            let known = names.filter_map(|name| super::names::Call::named(name)?.number(arch));
            for number in known.take(16).chain([0, 500, 0x4000_0000, u32::MAX]) {
                for &value in &values {
                    let call = Data {
                        number,
                        arch: arch.audit(),
                        args: [value; 6],
                    };
                    let want = naive::answer(&spec, native, &call);
                    let got = run(&filter.program, &call);
                    assert_eq!(got, want, "{native:?} {arch:?} {call:?}");
                }
            }
        }
    }
}
