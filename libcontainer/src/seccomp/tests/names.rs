//! The table of numbers against the kernel's headers, where they are.

use std::fs;

use crate::seccomp::names::Call;
use crate::seccomp::table::{COLUMN_NAMES, ROWS};
use crate::seccomp::{Arch, names::X32_BIT};

#[test]
fn names_are_sorted_and_all_are_found() {
    assert!(ROWS.is_sorted_by(|one, other| one.0 < other.0));
    for arch in Arch::ALL {
        for (name, row) in ROWS {
            let number = Call::named(name).unwrap().number(arch);
            let cell = row[arch.column()];
            assert_eq!(number.is_none(), cell == u16::MAX, "{name} {arch:?}");
        }
    }
    for name in ["", "a", "zzz", "readx", "rea", "Read"] {
        assert_eq!(Call::named(name), None, "{name}");
    }
}

#[test]
fn columns_are_the_architectures() {
    for arch in Arch::ALL {
        let name = arch.name().trim_start_matches("SCMP_ARCH_").to_lowercase();
        let name = match name.as_str() {
            "ppc64le" => "ppc64",
            "mipsel64" => "mips64",
            "mipsel64n32" => "mips64n32",
            "mipsel" => "mips",
            "sheb" => "sh",
            name => name,
        };
        assert_eq!(COLUMN_NAMES[arch.column()], name);
    }
}

#[test]
fn numbers_that_carry_a_mark() {
    let number = |name, arch| Call::named(name).unwrap().number(arch);
    assert_eq!(number("read", Arch::X32), Some(X32_BIT));
    assert_eq!(number("set_tls", Arch::Arm), Some(0xf0005));
    assert_eq!(number("read", Arch::Mips64n32), Some(6000));
    assert_eq!(number("clock_gettime", Arch::X86), Some(265));
    assert_eq!(number("gettimeofday", Arch::Arm), Some(78));
    assert_eq!(number("sync_file_range2", Arch::Arm), Some(341));
    assert_eq!(number("open", Arch::Aarch64), None);
    assert_eq!(number("read", Arch::S390), Some(3));
    assert_eq!(number("seccomp", Arch::S390), Some(348));
    assert_eq!(number("clock_gettime64", Arch::Parisc), Some(403));
    assert_eq!(number("clock_gettime64", Arch::Parisc64), None);
    assert_eq!(number("seccomp", Arch::Parisc64), Some(338));
}

/// Skips architectures whose header this machine does not have.
#[test]
fn numbers_are_those_of_the_headers() {
    for (file, arch) in [
        ("include/x86_64-linux-gnu/asm/unistd_64.h", Arch::X86_64),
        ("include/x86_64-linux-gnu/asm/unistd_32.h", Arch::X86),
        ("include/x86_64-linux-gnu/asm/unistd_x32.h", Arch::X32),
        ("s390x-linux-gnu/include/asm/unistd_64.h", Arch::S390x),
        ("s390x-linux-gnu/include/asm/unistd_32.h", Arch::S390),
        ("hppa-linux-gnu/include/asm/unistd_32.h", Arch::Parisc),
        ("hppa-linux-gnu/include/asm/unistd_64.h", Arch::Parisc64),
        ("sh4-linux-gnu/include/asm/unistd_32.h", Arch::Sh),
    ] {
        let Ok(header) = fs::read_to_string(format!("/usr/{file}")) else {
            continue;
        };
        for line in header.lines() {
            let Some(define) = line.strip_prefix("#define __NR_") else {
                continue;
            };
            let (name, number) = define.split_once(' ').unwrap();
            let number = number.trim_start_matches("(__X32_SYSCALL_BIT + ");
            let Ok(number) = number.trim_end_matches(')').trim().parse::<u32>() else {
                continue;
            };
            let number = if arch == Arch::X32 {
                number | X32_BIT
            } else {
                number
            };
            let known = Call::named(name).and_then(|call| call.number(arch));
            assert_eq!(known, Some(number), "{name} {arch:?}");
        }
    }
}
