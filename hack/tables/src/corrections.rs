//! Where the source of the tables differs from the kernel's headers.
//!
//! Profiles use the names of the user-space headers (`asm/unistd.h`); the
//! source has some of the kernel's own entry points instead, and holes.

/// The first of arm's private calls (`__ARM_NR_BASE`, 0xf0000), as the table
/// writes it in 16 bits.
pub(crate) const ARM_PRIVATE: u16 = 0xf000;

/// The header's name for the source's; `None` for numbers without a call.
pub(crate) fn name(source: &'static str) -> Option<&'static str> {
    let name = match source {
        "clock_getres_time32" => "clock_getres",
        "clock_gettime32" => "clock_gettime",
        "clock_nanosleep_time32" => "clock_nanosleep",
        "clock_settime32" => "clock_settime",
        "gettimeofday_time32" => "gettimeofday",
        "settimeofday_time32" => "settimeofday",
        "timer_gettime32" => "timer_gettime",
        "timer_settime32" => "timer_settime",
        "timerfd_gettime32" => "timerfd_gettime",
        "timerfd_settime32" => "timerfd_settime",
        "arch_specific_syscall" => return None,
        name if name.starts_with("reserved") || name.starts_with("unused") => return None,
        name => name,
    };
    Some(name)
}

/// Whether the source has a call that this architecture does not: its number is
/// only reserved there.
pub(crate) fn is_missing(arch: &str, name: &str) -> bool {
    (arch, name) == ("sh", "clone3")
}

/// Calls of this architecture that the source lacks.
pub(crate) fn added(arch: &str) -> Vec<(&'static str, u16)> {
    // Since 5.1 a new call has one number everywhere, after the base of the ABI.
    let base = match arch {
        "mips" => 4_000,
        "mips64" => 5_000,
        "mips64n32" => 6_000,
        _ => 0,
    };
    let mut added = vec![("rseq_slice_yield", base + 471)];
    added.extend_from_slice(match arch {
        "x86" => X86,
        "arm" => ARM,
        "riscv64" => RISCV64,
        "loongarch64" => LOONGARCH64,
        _ => &[],
    });
    added
}

const X86: &[(&str, u16)] = &[
    ("getrlimit", 76),
    ("timer_settime", 260),
    ("timer_gettime", 261),
    ("timer_getoverrun", 262),
    ("timer_delete", 263),
    ("clock_settime", 264),
    ("clock_gettime", 265),
    ("clock_getres", 266),
    ("clock_nanosleep", 267),
    ("mq_unlink", 278),
    ("mq_timedsend", 279),
    ("mq_timedreceive", 280),
    ("mq_notify", 281),
    ("mq_getsetattr", 282),
];

/// The header has two names for the calls that swap their arguments on arm.
const ARM: &[(&str, u16)] = &[
    ("arm_fadvise64_64", 270),
    ("arm_sync_file_range", 341),
    ("breakpoint", ARM_PRIVATE + 1),
    ("cacheflush", ARM_PRIVATE + 2),
    ("usr26", ARM_PRIVATE + 3),
    ("usr32", ARM_PRIVATE + 4),
    ("set_tls", ARM_PRIVATE + 5),
    ("get_tls", ARM_PRIVATE + 6),
];

const RISCV64: &[(&str, u16)] = &[("riscv_hwprobe", 258), ("riscv_flush_icache", 259)];

/// The generic numbers of 64-bit architectures (`asm-generic/unistd.h`).
const LOONGARCH64: &[(&str, u16)] = &[
    ("fcntl", 25),
    ("statfs", 43),
    ("fstatfs", 44),
    ("truncate", 45),
    ("ftruncate", 46),
    ("lseek", 62),
    ("sendfile", 71),
    ("newfstatat", 79),
    ("fstat", 80),
    ("mmap", 222),
    ("fadvise64", 223),
];
