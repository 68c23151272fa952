//! Classic BPF as the kernel runs it on `struct seccomp_data`, with the checks
//! that it makes before (`bpf_check_classic`, `seccomp_check_filter`).

use crate::seccomp::Instruction;

/// `struct seccomp_data`, without the instruction pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::seccomp) struct Data {
    pub(in crate::seccomp) number: u32,
    pub(in crate::seccomp) arch: u32,
    pub(in crate::seccomp) args: [u64; 6],
}

impl Data {
    /// A word as a kernel of this audit value's byte order lays it out.
    fn word(&self, offset: u32) -> u32 {
        let little = self.arch & 0x4000_0000 != 0;
        match offset {
            0 => self.number,
            4 => self.arch,
            16..64 => {
                let arg = self.args[usize::try_from((offset - 16) / 8).unwrap()];
                let low = offset.is_multiple_of(8) == little;
                let half = if low { arg } else { arg >> 32 };
                u32::try_from(half & 0xffff_ffff).unwrap()
            }
            _ => panic!("a load of {offset}"),
        }
    }
}

pub(in crate::seccomp) fn check(program: &[Instruction]) {
    assert!(!program.is_empty() && program.len() <= 4096);
    for (at, instruction) in program.iter().enumerate() {
        let room = program.len() - at - 1;
        match instruction.code {
            0x20 => assert!(instruction.k % 4 == 0 && instruction.k < 64),
            0x15 | 0x25 | 0x35 | 0x45 => {
                assert!(usize::from(instruction.jt) < room, "jump out at {at}");
                assert!(usize::from(instruction.jf) < room, "jump out at {at}");
            }
            0x05 => assert!(usize::try_from(instruction.k).unwrap() < room),
            0x54 | 0x06 => {}
            code => panic!("code {code:#x} at {at}"),
        }
    }
    assert_eq!(program.last().unwrap().code, 0x06, "the last is a RET");
}

pub(in crate::seccomp) fn run(program: &[Instruction], data: &Data) -> u32 {
    trace(program, data).0
}

/// The answer, and whether the kernel can know it without the arguments.
pub(in crate::seccomp) fn trace(program: &[Instruction], data: &Data) -> (u32, bool) {
    let (mut at, mut accumulator, mut constant) = (0, 0, true);
    loop {
        let instruction = program[at];
        let jump = |holds: bool| {
            usize::from(if holds {
                instruction.jt
            } else {
                instruction.jf
            })
        };
        let k = instruction.k;
        at += 1;
        match instruction.code {
            0x20 => {
                constant &= k < 8;
                accumulator = data.word(k);
            }
            0x54 => accumulator &= k,
            0x15 => at += jump(accumulator == k),
            0x25 => at += jump(accumulator > k),
            0x35 => at += jump(accumulator >= k),
            0x45 => at += jump(accumulator & k != 0),
            0x05 => at += usize::try_from(k).unwrap(),
            0x06 => return (k, constant),
            code => panic!("code {code:#x}"),
        }
    }
}
