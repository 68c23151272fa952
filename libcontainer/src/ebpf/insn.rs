//! Instructions, as Documentation/bpf/standardization/instruction-set.rst
//! numbers them.

use serde::{Deserialize, Serialize};

use crate::sys::bpf::RawInsn;

/// One instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insn {
    /// Operation.
    pub code: u8,
    /// Destination register.
    pub destination: u8,
    /// Source register.
    pub source: u8,
    /// Offset: of memory, or of a jump from the next instruction.
    pub offset: i16,
    /// Immediate value.
    pub immediate: i32,
}

impl Insn {
    /// The instruction as the kernel wants it.
    pub(crate) fn raw(self) -> RawInsn {
        // struct bpf_insn holds the registers as bit fields, and these follow
        // the byte order.
        let registers = if cfg!(target_endian = "big") {
            self.destination << 4 | self.source & 0xf
        } else {
            self.source << 4 | self.destination & 0xf
        };
        RawInsn {
            code: self.code,
            registers,
            offset: self.offset,
            immediate: self.immediate,
        }
    }
}

/// A program, in the order of its instructions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program(pub Vec<Insn>);

/// A register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Register {
    /// The result.
    R0,
    /// The context at the start.
    R1,
    /// Free.
    R2,
    /// Free.
    R3,
    /// Free.
    R4,
    /// Free.
    R5,
}

impl Register {
    fn number(self) -> u8 {
        match self {
            Self::R0 => 0,
            Self::R1 => 1,
            Self::R2 => 2,
            Self::R3 => 3,
            Self::R4 => 4,
            Self::R5 => 5,
        }
    }
}

/// A comparison of a register with a value, both of 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    /// Not equal.
    Differs,
    /// No bit in common.
    Disjoint,
}

/// `BPF_LDX | BPF_MEM | BPF_W`.
pub(crate) const LOAD_WORD: u8 = 0x61;
/// `BPF_ALU64 | BPF_MOV | BPF_K`.
pub(crate) const SET: u8 = 0xb7;
/// `BPF_ALU64 | BPF_MOV | BPF_X`.
pub(crate) const COPY: u8 = 0xbf;
/// `BPF_ALU64 | BPF_AND | BPF_K`.
pub(crate) const AND: u8 = 0x57;
/// `BPF_ALU64 | BPF_RSH | BPF_K`.
pub(crate) const SHIFT_RIGHT: u8 = 0x77;
/// `BPF_JMP32 | BPF_JNE | BPF_K` (kernel 5.1): the immediate value is not
/// sign-extended, so that numbers from 2^31 on compare right.
pub(crate) const JUMP_DIFFERS: u8 = 0x56;
/// `BPF_JMP32 | BPF_JSET | BPF_K`.
pub(crate) const JUMP_SHARES: u8 = 0x46;
/// `BPF_JMP | BPF_JA`.
pub(crate) const JUMP: u8 = 0x05;
/// `BPF_JMP | BPF_EXIT`.
pub(crate) const EXIT: u8 = 0x95;

impl Program {
    fn push(&mut self, code: u8, destination: Register, source: Register, offset: i16, imm: i32) {
        self.0.push(Insn {
            code,
            destination: destination.number(),
            source: source.number(),
            offset,
            immediate: imm,
        });
    }

    /// `to = *(u32 *)(from + offset)`
    pub(crate) fn load_word(&mut self, to: Register, from: Register, offset: i16) {
        self.push(LOAD_WORD, to, from, offset, 0);
    }

    /// `to = from`
    pub(crate) fn copy(&mut self, to: Register, from: Register) {
        self.push(COPY, to, from, 0, 0);
    }

    /// `register &= mask`
    pub(crate) fn and(&mut self, register: Register, mask: i32) {
        self.push(AND, register, Register::R0, 0, mask);
    }

    /// `register >>= bits`
    pub(crate) fn shift_right(&mut self, register: Register, bits: i32) {
        self.push(SHIFT_RIGHT, register, Register::R0, 0, bits);
    }

    /// Leaves `over` out when the test holds; `over` must be short.
    pub(crate) fn skip_when(
        &mut self,
        tests: &[(Register, Test, u32)],
        over: impl FnOnce(&mut Self),
    ) {
        let mut inner = Self::default();
        over(&mut inner);
        // Backwards: each test's distance is what is between it and the end.
        let mut block = inner.0;
        for (register, test, value) in tests.iter().rev() {
            let distance = i16::try_from(block.len()).unwrap_or(i16::MAX);
            let mut head = Self::default();
            let value = value.cast_signed();
            match test {
                Test::Differs => {
                    head.push(JUMP_DIFFERS, *register, Register::R0, distance, value);
                }
                Test::Disjoint => {
                    head.push(JUMP_SHARES, *register, Register::R0, 1, value);
                    head.push(JUMP, Register::R0, Register::R0, distance, 0);
                }
            }
            head.0.append(&mut block);
            block = head.0;
        }
        self.0.append(&mut block);
    }

    /// `return value`
    pub(crate) fn answer(&mut self, value: i32) {
        self.push(SET, Register::R0, Register::R0, 0, value);
        self.push(EXIT, Register::R0, Register::R0, 0, 0);
    }

    /// The instructions as the kernel wants them.
    pub(crate) fn raw(&self) -> Vec<RawInsn> {
        self.0.iter().map(|insn| insn.raw()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_as_the_kernel_reads() {
        let mut program = Program::default();
        program.load_word(Register::R2, Register::R1, 4);
        program.answer(-1);
        let bytes: Vec<[u8; 8]> = program
            .raw()
            .iter()
            .map(|insn| {
                let [o0, o1] = insn.offset.to_le_bytes();
                let [i0, i1, i2, i3] = insn.immediate.to_le_bytes();
                [insn.code, insn.registers, o0, o1, i0, i1, i2, i3]
            })
            .collect();
        if cfg!(target_endian = "little") {
            assert_eq!(
                bytes,
                [
                    [0x61, 0x12, 4, 0, 0, 0, 0, 0],
                    [0xb7, 0x00, 0, 0, 0xff, 0xff, 0xff, 0xff],
                    [0x95, 0, 0, 0, 0, 0, 0, 0],
                ]
            );
        }
    }
}
