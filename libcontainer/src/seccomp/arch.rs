//! Architectures, as a filter sees them.

use crate::spec::oci;

/// An architecture of the spec; each has its table of system call numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 32-bit x86.
    X86,
    /// 32-bit pointers on 64-bit x86; shares the audit value of [`Arch::X86_64`].
    X32,
    /// 64-bit Arm.
    Aarch64,
    /// 32-bit Arm.
    Arm,
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit `LoongArch`.
    Loongarch64,
    /// 64-bit Z.
    S390x,
    /// 31-bit S/390.
    S390,
    /// 64-bit POWER, big-endian.
    Ppc64,
    /// 64-bit POWER, little-endian.
    Ppc64le,
    /// 32-bit POWER.
    Ppc,
    /// 64-bit MIPS, big-endian.
    Mips64,
    /// 32-bit pointers on 64-bit MIPS, big-endian.
    Mips64n32,
    /// 32-bit MIPS, big-endian.
    Mips,
    /// 64-bit MIPS, little-endian.
    Mipsel64,
    /// 32-bit pointers on 64-bit MIPS, little-endian.
    Mipsel64n32,
    /// 32-bit MIPS, little-endian.
    Mipsel,
    /// Motorola 68000.
    M68k,
    /// `SuperH`, little-endian.
    Sh,
    /// `SuperH`, big-endian.
    Sheb,
    /// 32-bit PA-RISC.
    Parisc,
    /// 64-bit PA-RISC.
    Parisc64,
}

/// Where the two halves of an argument lie in `struct seccomp_data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) wide: bool,
    pub(super) big_endian: bool,
}

impl Layout {
    /// `offsetof(struct seccomp_data, args)`.
    const ARGS: u32 = 16;

    /// The offset of the low 32 bits of an argument.
    pub(super) fn low(self, arg: u8) -> u32 {
        Self::ARGS + 8 * u32::from(arg) + if self.big_endian { 4 } else { 0 }
    }

    /// The offset of the high 32 bits of an argument.
    pub(super) fn high(self, arg: u8) -> u32 {
        Self::ARGS + 8 * u32::from(arg) + if self.big_endian { 0 } else { 4 }
    }
}

/// What is to be known of an architecture.
struct Facts {
    /// Its constant in the spec.
    name: &'static str,
    /// `AUDIT_ARCH_*`, what the kernel puts into `seccomp_data.arch`.
    audit: u32,
    /// Its column in the table of numbers.
    column: usize,
    /// Whether libseccomp compares 64 bits.
    wide: bool,
}

impl Arch {
    /// All.
    pub(super) const ALL: [Self; 23] = [
        Self::X86_64,
        Self::X86,
        Self::X32,
        Self::Aarch64,
        Self::Arm,
        Self::Riscv64,
        Self::Loongarch64,
        Self::S390x,
        Self::S390,
        Self::Ppc64,
        Self::Ppc64le,
        Self::Ppc,
        Self::Mips64,
        Self::Mips64n32,
        Self::Mips,
        Self::Mipsel64,
        Self::Mipsel64n32,
        Self::Mipsel,
        Self::M68k,
        Self::Sh,
        Self::Sheb,
        Self::Parisc,
        Self::Parisc64,
    ];

    /// The architecture that this program was built for; `None` when there is no
    /// table for it.
    #[must_use]
    pub fn native() -> Option<Self> {
        let little = cfg!(target_endian = "little");
        let narrow = cfg!(target_pointer_width = "32");
        let arch = match std::env::consts::ARCH {
            "x86_64" if narrow => Self::X32,
            "x86_64" => Self::X86_64,
            "x86" => Self::X86,
            "aarch64" => Self::Aarch64,
            "arm" => Self::Arm,
            "riscv64" => Self::Riscv64,
            "loongarch64" => Self::Loongarch64,
            "s390x" => Self::S390x,
            "powerpc64" if little => Self::Ppc64le,
            "powerpc64" => Self::Ppc64,
            "powerpc" => Self::Ppc,
            "mips64" | "mips64r6" if little => Self::Mipsel64,
            "mips64" | "mips64r6" => Self::Mips64,
            "mips" | "mips32r6" if little => Self::Mipsel,
            "mips" | "mips32r6" => Self::Mips,
            "m68k" => Self::M68k,
            _ => return None,
        };
        Some(arch)
    }

    /// The spec's architecture.
    pub(super) fn from_spec(arch: oci::Arch, native: Self) -> Self {
        match arch {
            oci::Arch::ScmpArchNative => native,
            oci::Arch::ScmpArchX86 => Self::X86,
            oci::Arch::ScmpArchX86_64 => Self::X86_64,
            oci::Arch::ScmpArchX32 => Self::X32,
            oci::Arch::ScmpArchArm => Self::Arm,
            oci::Arch::ScmpArchAarch64 => Self::Aarch64,
            oci::Arch::ScmpArchMips => Self::Mips,
            oci::Arch::ScmpArchMips64 => Self::Mips64,
            oci::Arch::ScmpArchMips64n32 => Self::Mips64n32,
            oci::Arch::ScmpArchMipsel => Self::Mipsel,
            oci::Arch::ScmpArchMipsel64 => Self::Mipsel64,
            oci::Arch::ScmpArchMipsel64n32 => Self::Mipsel64n32,
            oci::Arch::ScmpArchPpc => Self::Ppc,
            oci::Arch::ScmpArchPpc64 => Self::Ppc64,
            oci::Arch::ScmpArchPpc64le => Self::Ppc64le,
            oci::Arch::ScmpArchS390x => Self::S390x,
            oci::Arch::ScmpArchRiscv64 => Self::Riscv64,
            oci::Arch::ScmpArchLoongarch64 => Self::Loongarch64,
            oci::Arch::ScmpArchM68k => Self::M68k,
            oci::Arch::ScmpArchSh => Self::Sh,
            oci::Arch::ScmpArchSheb => Self::Sheb,
            oci::Arch::ScmpArchS390 => Self::S390,
            oci::Arch::ScmpArchParisc => Self::Parisc,
            oci::Arch::ScmpArchParisc64 => Self::Parisc64,
        }
    }

    /// Its constant in the spec, as in `SCMP_ARCH_X86_64`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// What the kernel puts into `seccomp_data.arch` (`AUDIT_ARCH_*`).
    #[must_use]
    pub fn audit(self) -> u32 {
        self.facts().audit
    }

    /// Its column in the table of numbers.
    pub(super) fn column(self) -> usize {
        self.facts().column
    }

    /// How arguments are compared.
    pub(super) fn layout(self) -> Layout {
        /// `__AUDIT_ARCH_LE`.
        const LITTLE_ENDIAN: u32 = 0x4000_0000;
        Layout {
            wide: self.facts().wide,
            big_endian: self.audit() & LITTLE_ENDIAN == 0,
        }
    }

    fn facts(self) -> Facts {
        let (name, audit, column, wide) = match self {
            Self::X86_64 => ("SCMP_ARCH_X86_64", 0xc000_003e, 0, true),
            Self::X86 => ("SCMP_ARCH_X86", 0x4000_0003, 1, false),
            Self::X32 => ("SCMP_ARCH_X32", 0xc000_003e, 2, false),
            Self::Aarch64 => ("SCMP_ARCH_AARCH64", 0xc000_00b7, 3, true),
            Self::Arm => ("SCMP_ARCH_ARM", 0x4000_0028, 4, false),
            Self::Riscv64 => ("SCMP_ARCH_RISCV64", 0xc000_00f3, 5, true),
            Self::Loongarch64 => ("SCMP_ARCH_LOONGARCH64", 0xc000_0102, 6, true),
            Self::S390x => ("SCMP_ARCH_S390X", 0x8000_0016, 7, true),
            Self::Ppc64 => ("SCMP_ARCH_PPC64", 0x8000_0015, 8, true),
            Self::Ppc64le => ("SCMP_ARCH_PPC64LE", 0xc000_0015, 8, true),
            Self::Ppc => ("SCMP_ARCH_PPC", 0x0000_0014, 9, false),
            Self::Mips64 => ("SCMP_ARCH_MIPS64", 0x8000_0008, 10, true),
            Self::Mipsel64 => ("SCMP_ARCH_MIPSEL64", 0xc000_0008, 10, true),
            Self::Mips64n32 => ("SCMP_ARCH_MIPS64N32", 0xa000_0008, 11, false),
            Self::Mipsel64n32 => ("SCMP_ARCH_MIPSEL64N32", 0xe000_0008, 11, false),
            Self::Mips => ("SCMP_ARCH_MIPS", 0x0000_0008, 12, false),
            Self::Mipsel => ("SCMP_ARCH_MIPSEL", 0x4000_0008, 12, false),
            Self::M68k => ("SCMP_ARCH_M68K", 0x0000_0004, 13, false),
            Self::Sh => ("SCMP_ARCH_SH", 0x4000_002a, 14, false),
            Self::Sheb => ("SCMP_ARCH_SHEB", 0x0000_002a, 14, false),
            Self::S390 => ("SCMP_ARCH_S390", 0x0000_0016, 15, false),
            Self::Parisc => ("SCMP_ARCH_PARISC", 0x0000_000f, 16, false),
            Self::Parisc64 => ("SCMP_ARCH_PARISC64", 0x8000_000f, 17, true),
        };
        Facts {
            name,
            audit,
            column,
            wide,
        }
    }
}
